'use strict';

const { RESULT } = require('./frame.js');
const { codes, decisionLayout, enums, flags, paymentLayout } = require('./calls.js');

const names = (members) => {
  const list = [];
  for (const [name, number] of Object.entries(members)) list[number] = name;
  return list;
};
const [modes, sources] = [enums.mode, enums.source].map(names);
const [outcomes, invoiceStatuses] = [enums.outcome, enums.invoiceStatus].map(names);
sources[enums.source.none] = null;
const NO_RESOURCE = 0xffffffff;
const CHARGE_WORDS = 4;
// Where each member lies, in words of the frame.
const at = {};
for (const [name, place] of Object.entries(decisionLayout)) at[name] = (RESULT + place) / 4;

/** Why a call did not do what was asked. A denied request is no error. */
class CotasError extends Error {
  constructor(number, message) {
    super(message);
    this.name = 'CotasError';
    /** Such as 'unknown_tenant'. */
    this.code = errorNames[number] ?? 'unknown';
    this.number = number;
  }
}
const errorNames = names(codes).map((name) => name.toLowerCase());

/** What `orThrow` makes of a denied request. */
class QuotaExceeded extends CotasError {
  constructor(decision) {
    super(0, `denied: ${decision.reason}`);
    this.name = 'QuotaExceeded';
    this.code = decision.reason;
    this.decision = decision;
  }
}

const date = (ms) => (ms === 0 ? null : new Date(ms));
const inSet = (bits, reasons) =>
  reasons.filter((_, number) => number > 0 && (bits & (1 << number)) !== 0);
const wide = (words, place) => words[place] + words[place + 1] * 0x100000000;

/** The answer to a request. A refusal says which rule failed, with its figures. */
class Decision {
  #bits;
  #shadowed;
  #flags;
  #instants;
  #reasonNames;

  /** `texts`: the names of reasons, and the notice of a demonstration account. */
  constructor(frame, resourceName, texts) {
    const w = frame.words;
    this.#reasonNames = texts.reasons;
    const finite = w[at.mode] === enums.mode.finite;
    this.allowed = w[at.allowed] === 1;
    this.reason = w[at.reason] === 0 ? null : texts.reasons[w[at.reason]] ?? 'unknown';
    this.resource = w[at.resource] === NO_RESOURCE ? null : resourceName(w[at.resource]);
    this.mode = modes[w[at.mode]];
    this.units = wide(w, at.units);
    this.used = wide(w, at.used);
    this.available = finite ? wide(w, at.available) : null;
    this.limit = finite ? wide(w, at.limit) : null;
    this.fencing = wide(w, at.fencing);
    this.#flags = w[at.flags];
    this.notice = (this.#flags & flags.DEMO_NOTICE) === 0 ? null : texts.notice;
    this.reservation = textAt(frame, at.reservation * 4);
    this.receipt = textAt(frame, at.receipt * 4);
    this.charges = charges(w, resourceName);
    this.#bits = w[at.reasons];
    this.#shadowed = w[at.shadowed];
    this.#instants = [wide(w, at.retry_at_ms), wide(w, at.session_expires_at_ms),
      wide(w, at.lease_expires_at_ms)];
  }

  get reasons() { return inSet(this.#bits, this.#reasonNames); }

  get shadowed() { return inSet(this.#shadowed, this.#reasonNames); }

  get retryAt() { return date(this.#instants[0]); }

  get sessionExpiresAt() { return date(this.#instants[1]); }

  get leaseExpiresAt() { return date(this.#instants[2]); }

  get overage() { return (this.#flags & flags.OVERAGE) !== 0; }

  get pastDue() { return (this.#flags & flags.PAST_DUE) !== 0; }

  get replayed() { return (this.#flags & flags.REPLAYED) !== 0; }

  get sessionOpened() { return (this.#flags & flags.SESSION_OPENED) !== 0; }

  get leaseAcquired() { return (this.#flags & flags.LEASE_ACQUIRED) !== 0; }

  get moreCharges() { return (this.#flags & flags.MORE_CHARGES) !== 0; }

  get tooOld() { return (this.#flags & flags.TOO_OLD) !== 0; }

  /** Itself where it is allowed; else it throws QuotaExceeded. */
  orThrow() {
    if (!this.allowed) throw new QuotaExceeded(this);
    return this;
  }

  toJSON() {
    const { reasons: all, shadowed, retryAt, sessionExpiresAt, leaseExpiresAt, overage, pastDue,
      replayed, sessionOpened, leaseAcquired, moreCharges, tooOld } = this;
    return { ...this, reasons: all, shadowed, retryAt, sessionExpiresAt, leaseExpiresAt, overage,
      pastDue, replayed, sessionOpened, leaseAcquired, moreCharges, tooOld };
  }
}

/** A text that ends with NUL; null where it is empty. */
function textAt({ bytes }, start) {
  return bytes[start] === 0 ? null : bytes.latin1Slice(start, bytes.indexOf(0, start));
}

function charges(words, resourceName) {
  const list = [];
  const count = words[at.charge_count];
  for (let index = 0, place = at.charges; index < count; index += 1, place += CHARGE_WORDS) {
    const resource = resourceName(words[place + 2]);
    list.push({ resource, source: sources[words[place + 3]], units: wide(words, place) });
  }
  return list;
}

/** What came of a payment event. */
function payment({ bytes }) {
  const read = (name) => RESULT + paymentLayout[name];
  const number = (name) => Number(bytes.readBigInt64LE(read(name))) || null;
  const status = bytes.readInt32LE(read('invoice_status'));
  return {
    outcome: outcomes[bytes.readInt32LE(read('outcome'))],
    invoice: number('invoice'),
    subscription: number('subscription'),
    invoiceStatus: status === 0 ? null : invoiceStatuses[status],
  };
}

module.exports = { CotasError, Decision, QuotaExceeded, names, payment };
