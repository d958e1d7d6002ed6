import { EngineCalls, TenantCalls } from './lib/calls.js';
import type {
  Durability, InvoiceStatus, Maintenance, Mode, Outcome, Reason, Source,
} from './lib/calls.js';

export type {
  Delivery, DeliveryOutcome, Direction, Durability, InvoiceStatus, Maintenance, Mode, Outcome,
  Reason, Source,
} from './lib/calls.js';
export { whatsappEvents } from './lib/calls.js';

/** A JSON document, as docs/c-api.md describes it. */
export type Document = Record<string, unknown>;

/** All that an action may look at. */
export interface Details {
  channel?: string;
  contact?: string;
  /** A second id of the same contact: both are linked. */
  also?: string;
  /** Of a template. */
  category?: string;
  /** Who takes the lease: a call's id. */
  holder?: string;
  quantity?: number;
  /** RFC 3339. */
  at?: string;
  tariff?: number;
  campaign?: string;
  message?: string;
}

export interface Charge {
  readonly resource: string;
  /** Null: from no grant. */
  readonly source: Source | null;
  readonly units: number;
}

/** The answer to a request. A refusal says which rule failed, with its figures. */
export class Decision {
  private constructor();
  readonly allowed: boolean;
  /** The first failing rule; null where it is allowed. */
  readonly reason: Reason | null;
  readonly reasons: Reason[];
  /** Rules that would have denied it, had their limits not been set only to watch. */
  readonly shadowed: Reason[];
  /** What the figures are about. */
  readonly resource: string | null;
  readonly mode: Mode;
  readonly units: number;
  readonly used: number;
  /** Null where there is no number: it is unlimited, or about no resource. */
  readonly available: number | null;
  readonly limit: number | null;
  /** When a denied request may succeed; null: that cannot be foreseen. */
  readonly retryAt: Date | null;
  readonly sessionExpiresAt: Date | null;
  readonly leaseExpiresAt: Date | null;
  readonly fencing: number;
  readonly reservation: string | null;
  /** What a refund is asked with; decisions under a key have one. */
  readonly receipt: string | null;
  readonly charges: readonly Charge[];
  /** More was charged than charges lists: chargesOf has all of it. */
  readonly moreCharges: boolean;
  /** What the message must carry on a demonstration account. */
  readonly notice: string | null;
  readonly overage: boolean;
  readonly pastDue: boolean;
  /** It is the stored decision of an earlier call with the same key. */
  readonly replayed: boolean;
  readonly sessionOpened: boolean;
  readonly leaseAcquired: boolean;
  readonly tooOld: boolean;
  /** Itself where it is allowed; else it throws QuotaExceeded. */
  orThrow(): this;
  toJSON(): Document;
}

export interface Payment {
  readonly outcome: Outcome;
  readonly invoice: number | null;
  readonly subscription: number | null;
  readonly invoiceStatus: InvoiceStatus | null;
}

/** Why a call did not do what was asked. A denied request is no error. */
export class CotasError extends Error {
  /** Such as 'unknown_tenant': docs/errors.md lists them. */
  readonly code: string;
  /** The number of the C library. */
  readonly number: number;
}

/** A denied request, where orThrow made it an exception; code is the reason. */
export class QuotaExceeded extends CotasError {
  readonly decision: Decision;
}

/** An argument has the wrong type. */
export class ArgumentError extends TypeError {}

/** The library cannot be loaded. */
export class LibraryError extends Error {
  readonly code: 'library';
}

export interface EngineOptions {
  durability?: Durability;
  maintenance?: Maintenance;
  /** Milliseconds. */
  checkpointInterval?: number;
  /** Milliseconds. */
  diskTimeout?: number;
  /** Milliseconds. */
  lagMax?: number;
  liveDirectory?: string;
  allowNetworkFileSystem?: boolean;
  keepOpen?: boolean;
  /** A clock of its own, for tests. */
  now?: Date | number;
}

/**
 * The quota engine of one database. Methods give promises: a decision is made at once, in memory,
 * and goes to a thread only where it would wait. Those that end in Sync wait in this thread.
 */
export class Engine extends EngineCalls {
  private constructor();
  static open(path: string, options?: EngineOptions): Promise<Engine>;
  static openSync(path: string, options?: EngineOptions): Engine;
  static inMemory(options?: EngineOptions): Engine;
  /** Finds a tenant. Keep it: deciding by it is the fast way. */
  tenant(name: string): Promise<Tenant>;
  tenantSync(name: string): Tenant;
  /** Calls an operation of the control plane by its name. */
  call(operation: string, given?: Document, options?: { key?: string | null }): Promise<any>;
  callSync(operation: string, given?: Document, options?: { key?: string | null }): any;
  /** The same engine, whose calls have another durability. */
  withDurability(durability: Durability): Engine;
  /** The same engine, whose decisions never wait: one that would have to is an error, 'busy'. */
  withoutWaiting(): Engine;
  close(): Promise<void>;
  closeSync(): void;
}

/** A tenant, found once and used many times. */
export class Tenant extends TenantCalls {
  private constructor();
  readonly name: string;
  /** The same tenant, whose idempotency keys are kept for so many milliseconds. */
  withKeyLifetime(lifetime: number): Tenant;
  close(): Promise<void>;
  closeSync(): void;
}

/** What a database looks like from outside; it answers also where opening does not. */
export function doctor(path: string, options?: EngineOptions): Promise<any>;
/** Puts a copy of a backup in the place of a database. */
export function restore(path: string, backup: string, options?: EngineOptions): Promise<void>;
/** The version of this package. */
export const version: string;
