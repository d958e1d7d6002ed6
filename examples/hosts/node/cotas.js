'use strict';

// libcotas by koffi. Decisions are made in memory, by a direct call that never waits; the few that
// would have to, and whatever else may wait for the disk, run in a thread of koffi's, so that the
// event loop goes on.

const { promisify } = require('node:util');
const koffi = require('koffi');

// What waits for the disk goes through SQLite: koffi's 128 KiB of stack for a call are too little.
koffi.config({ async_stack_size: 1 << 20 });

const OK = 0;
const E_BUFFER = 5;
const E_BUSY = 500;
const UNKNOWN_TENANT = 400;
const INVALID_ARGUMENT = 406;

const MODE_FINITE = 1;
const FLAG_DEMO_NOTICE = 2;
const FLAG_REPLAYED = 8;
const FLAG_SESSION_OPENED = 16;

koffi.opaque('cotas_options');
koffi.opaque('cotas_engine');
koffi.opaque('cotas_tenant');
const ErrorStruct = koffi.struct('cotas_error', {
  struct_size: 'uint32_t', code: 'int32_t', message: koffi.array('char', 256),
});
const ChargeStruct = koffi.struct('cotas_charge', {
  units: 'uint64_t', resource: 'uint32_t', source: 'int32_t',
});
const DecisionStruct = koffi.struct('cotas_decision', {
  struct_size: 'uint32_t', allowed: 'uint32_t', reason: 'int32_t', reasons: 'uint32_t',
  shadowed: 'uint32_t', flags: 'uint32_t', resource: 'uint32_t', mode: 'int32_t',
  units: 'uint64_t', used: 'uint64_t', available: 'uint64_t', limit: 'uint64_t',
  retry_at_ms: 'int64_t', session_expires_at_ms: 'int64_t', lease_expires_at_ms: 'int64_t',
  fencing: 'uint64_t', reservation: koffi.array('char', 40), receipt: koffi.array('char', 40),
  charge_count: 'uint32_t', reserved: 'uint32_t', charges: koffi.array(ChargeStruct, 6),
});

/** Why a call did not do what was asked. A denied request is no error. */
class CotasError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'CotasError';
    this.code = code;
  }
}

/** The answer to a request. A refusal says which rule failed, with its figures. */
class Decision {
  constructor(from, c) {
    const finite = from.mode === MODE_FINITE;
    this.allowed = from.allowed === 1;
    this.reason = c.reasonName(from.reason);
    this.units = from.units;
    this.used = from.used;
    // Null where there is no number: it is unlimited, or about no resource.
    this.available = finite ? from.available : null;
    this.limit = finite ? from.limit : null;
    // Milliseconds since 1970, as Date.now().
    this.retryAt = from.retry_at_ms || null;
    this.sessionOpened = (from.flags & FLAG_SESSION_OPENED) !== 0;
    this.sessionExpiresAt = from.session_expires_at_ms || null;
    // What the message must carry, on a demonstration account.
    this.notice = (from.flags & FLAG_DEMO_NOTICE) !== 0 ? c.demoNotice() : null;
    // It was made by an earlier call with the same idempotency key.
    this.replayed = (from.flags & FLAG_REPLAYED) !== 0;
    this.receipt = from.receipt;
  }
}

/** The two arguments of a text: itself and its length in bytes. */
function text(value) {
  return value === null ? [null, 0] : [value, Buffer.byteLength(value)];
}

function check(code, error) {
  if (code !== OK && code !== E_BUFFER) throw new CotasError(code, error.message);
  return code;
}

/** A function whose last parameter is the error, as a direct call and as one that is awaited. */
function fallible(library, name, parameters) {
  const call = library.func(`int32_t ${name}(${parameters}, _Inout_ cotas_error *error)`);
  const awaited = promisify(call.async);
  const fresh = () => ({ struct_size: koffi.sizeof(ErrorStruct), code: 0, message: '' });
  const direct = (...given) => {
    const error = fresh();
    return check(call(...given, error), error);
  };
  direct.async = async (...given) => {
    const error = fresh();
    return check(await awaited(...given, error), error);
  };
  return direct;
}

/** Loads the library; `path` is what dlopen takes. */
function load(path = 'libcotas.so.1') {
  const library = koffi.load(path);
  const engine = 'cotas_engine *engine';
  const tenant = 'cotas_tenant *tenant';
  const name = 'const char *name, size_t name_len';
  const c = {
    reasonName: library.func('const char *cotas_reason_name(int32_t reason)'),
    demoNotice: library.func('const char *cotas_demo_notice()'),
    optionsNew: fallible(library, 'cotas_options_new', '_Out_ cotas_options **options'),
    optionsSetTime: fallible(
      library, 'cotas_options_set_time', 'cotas_options *options, int64_t now_ms'),
    optionsClose: library.func('int32_t cotas_options_close(cotas_options *options)'),
    open: fallible(
      library, 'cotas_engine_open', `${name}, cotas_options *options, _Out_ cotas_engine **engine`),
    withoutWaiting: fallible(
      library, 'cotas_engine_without_waiting', `${engine}, _Out_ cotas_engine **other`),
    setTime: fallible(library, 'cotas_engine_set_time', `${engine}, int64_t now_ms`),
    close: promisify(library.func(`int32_t cotas_engine_close(${engine})`).async),
    loadCatalog: fallible(
      library, 'cotas_load_catalog',
      `${engine}, const char *text, size_t text_len, ${name}, _Out_ uint64_t *version`),
    call: fallible(
      library, 'cotas_call',
      `${engine}, const char *operation, size_t operation_len, const char *json, size_t json_len, `
      + 'const char *key, size_t key_len, uint8_t *buffer, size_t capacity, _Out_ size_t *needed'),
    tenantOpen: fallible(
      library, 'cotas_tenant_open', `${engine}, ${name}, _Out_ cotas_tenant **tenant`),
    tenantClose: promisify(library.func(`int32_t cotas_tenant_close(${tenant})`).async),
    linkContact: fallible(
      library, 'cotas_link_contact',
      `${tenant}, const char *one, size_t one_len, const char *other, size_t other_len`),
    whatsappEvents: fallible(
      library, 'cotas_whatsapp_events',
      'const uint8_t *body, size_t body_len, uint8_t *buffer, size_t capacity, '
      + '_Out_ size_t *needed'),
    perform: fallible(
      library, 'cotas_perform',
      `${tenant}, const char *action, size_t action_len, const char *channel, size_t channel_len, `
      + 'const char *contact, size_t contact_len, uint64_t quantity, int64_t at_ms, '
      + 'const char *key, size_t key_len, _Inout_ cotas_decision *decision'),
  };

  /** A tenant, found once and used many times. */
  class Tenant {
    // Two handles: what the one would have to wait for, the other does in another thread.
    #nonBlocking;
    #blocking;

    constructor(nonBlocking, blocking) {
      this.#nonBlocking = nonBlocking;
      this.#blocking = blocking;
    }

    /**
     * May this tenant do an action of the catalog now? If so, what it charges is used up. It is
     * decided before this returns, in memory; but for the first decision after a renewal, which
     * settles the tenant on disk.
     */
    async perform(action, { channel = '', contact = '', quantity = 1, at = 0, key = null } = {}) {
      const decision = { struct_size: koffi.sizeof(DecisionStruct) };
      const given = [
        ...text(action), ...text(channel), ...text(contact), quantity, at, ...text(key), decision,
      ];
      try {
        c.perform(this.#nonBlocking, ...given);
      } catch (error) {
        if (error.code !== E_BUSY) throw error;
        await c.perform.async(this.#blocking, ...given);
      }
      return new Decision(decision, c);
    }

    /** Makes two ids one contact. */
    async linkContact(one, other) {
      try {
        c.linkContact(this.#nonBlocking, ...text(one), ...text(other));
      } catch (error) {
        if (error.code !== E_BUSY) throw error;
        await c.linkContact.async(this.#blocking, ...text(one), ...text(other));
      }
    }

    async close() {
      await Promise.all([c.tenantClose(this.#nonBlocking), c.tenantClose(this.#blocking)]);
    }
  }

  /** The quota engine of one database. */
  class Engine {
    #handle;
    #nonBlocking;

    /** Opens it. `now` gives it a clock of its own, for tests: milliseconds since 1970. */
    static async open(path, { now = null } = {}) {
      const [options, opened, nonBlocking] = [[null], [null], [null]];
      c.optionsNew(options);
      try {
        if (now !== null) c.optionsSetTime(options[0], now);
        await c.open.async(...text(path), options[0], opened);
      } finally {
        c.optionsClose(options[0]);
      }
      c.withoutWaiting(opened[0], nonBlocking);
      const engine = new Engine();
      [engine.#handle, engine.#nonBlocking] = [opened[0], nonBlocking[0]];
      return engine;
    }

    setTime(now) {
      c.setTime(this.#handle, now);
    }

    /** Puts a catalog in force and gives its number. */
    async loadCatalog(catalog, name) {
      const version = [0];
      await c.loadCatalog.async(this.#handle, ...text(catalog), ...text(name), version);
      return version[0];
    }

    /** Calls an operation of the control plane (docs/operations.md); once under a key. */
    async call(operation, given = {}, key = null) {
      const texts = [...text(operation), ...text(JSON.stringify(given))];
      texts.push(...(key === null ? [null, 0] : text(key)));
      const needed = [4096];
      for (;;) { // Where the space is too little nothing was changed.
        const buffer = Buffer.alloc(needed[0]);
        if (await c.call.async(this.#handle, ...texts, buffer, buffer.length, needed) === OK) {
          return JSON.parse(buffer.toString('utf8', 0, needed[0] - 1));
        }
      }
    }

    /** Creates a tenant. Gives false if there is one of that name already. */
    async ensureTenant(document) {
      return this.call('ensure_tenant', { form: document });
    }

    /** Finds a tenant. Keep it: deciding by it is the fast way. */
    async tenant(name) {
      const [nonBlocking, blocking] = [[null], [null]];
      await c.tenantOpen.async(this.#handle, ...text(name), blocking);
      await c.tenantOpen.async(this.#nonBlocking, ...text(name), nonBlocking);
      return new Tenant(nonBlocking[0], blocking[0]);
    }

    /** What a tenant subscribed to, has left and owes. */
    async statement(tenant) {
      return this.call('statement', { tenant });
    }

    async close() {
      await Promise.all([c.close(this.#nonBlocking), c.close(this.#handle)]);
    }
  }

  /** What a webhook's body says: the kind of each part, and which open a session. */
  function whatsappEvents(body) {
    for (let capacity = 4096; ;) {
      const [buffer, needed] = [Buffer.alloc(capacity), [0]];
      if (c.whatsappEvents(body, body.length, buffer, capacity, needed) === OK) {
        return JSON.parse(buffer.toString('utf8', 0, needed[0] - 1));
      }
      capacity = needed[0];
    }
  }

  return { Engine, whatsappEvents };
}

module.exports = { CotasError, Decision, INVALID_ARGUMENT, UNKNOWN_TENANT, load };
