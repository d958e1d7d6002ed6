'use strict';

// Exact, durable quotas inside a chat platform's own process. README.md shows how.

const { EngineCalls, TenantCalls, enums, libraryCalls } = require('./lib/calls.js');
const { CotasError, Decision, QuotaExceeded } = require('./lib/decision.js');
const { ArgumentError } = require('./lib/frame.js');
const { BUSY, LibraryError, call, later, native, now } = require('./lib/library.js');

const { version } = require('./package.json');

// Handles that were not closed are closed when nothing refers to their object any more.
const dropped = new FinalizationRegistry(([name, handles]) => {
  for (const handle of handles) native()[name](handle);
});

const optionsNew = call('cotas_options_new', 'uint64_t', (f) => [f.number, f.error]);
const setOption = (name, kind) => call(
  `cotas_options_set_${name}`, 'nothing', (f, self, value) => [self, kind(f, value), f.error]);
const setters = {
  durability: setOption('durability', (f, it) => f.choice('durability', enums.durability, it)),
  maintenance: setOption('maintenance', (f, it) => f.choice('maintenance', enums.maintenance, it)),
  checkpointInterval: setOption(
    'checkpoint_interval_ms', (f, it) => f.duration('checkpointInterval', it)),
  diskTimeout: setOption('disk_timeout_ms', (f, it) => f.duration('diskTimeout', it)),
  lagMax: setOption('lag_max_ms', (f, it) => f.duration('lagMax', it)),
  liveDirectory: call('cotas_options_set_live_directory', 'nothing', (f, self, it) =>
    [self, f.text('liveDirectory', it), f.length, f.error]),
  allowNetworkFileSystem: setOption(
    'allow_network_file_system', (f, it) => f.flag('allowNetworkFileSystem', it)),
  keepOpen: setOption('keep_open', (f, it) => f.flag('keepOpen', it)),
  now: setOption('time', (f, it) => f.instant('now', it)),
};
const engineOpen = call('cotas_engine_open', 'uint64_t', (f, options, path) =>
  [f.text('path', path), f.length, options, f.number, f.error]);
const openInMemory = call('cotas_engine_open_in_memory', 'uint64_t', (f, options) =>
  [options, f.number, f.error]);
const withoutWaiting = call('cotas_engine_without_waiting', 'uint64_t', (f, self) =>
  [self, f.number, f.error]);
const withDurability = call('cotas_engine_with_durability', 'uint64_t', (f, self, durability) =>
  [self, f.choice('durability', enums.durability, durability), f.number, f.error]);
const withKeyLifetime = call('cotas_tenant_with_key_lifetime', 'uint64_t', (f, self, lifetime) =>
  [self, f.duration('lifetime', lifetime), f.number, f.error]);
const tenantOpen = call('cotas_tenant_open', 'uint64_t', (f, self, name) =>
  [self, f.text('name', name), f.length, f.number, f.error]);
const control = call('cotas_call', 'json', (f, self, operation, given, { key = null } = {}) =>
  [self, f.text('operation', operation), f.length, f.json('given', given), f.length,
    f.optional('key', key), f.length, f.space, f.capacity, f.number, f.error]);
const doctorCall = call('cotas_doctor', 'json', (f, options, path) =>
  [f.text('path', path), f.length, options, f.space, f.capacity, f.number, f.error]);
const restoreCall = call('cotas_restore', 'nothing', (f, options, path, backup) =>
  [f.text('path', path), f.length, options, f.text('backup', backup), f.length, f.error]);
const closeEngine = call('cotas_engine_close', 'nothing', (f, self) => [self]);
const closeTenant = call('cotas_tenant_close', 'nothing', (f, self) => [self]);

/** Makes a call that takes options, by `run`, and closes the options. */
function withOptions(options, run) {
  const handle = now(optionsNew, 0, []);
  const close = () => native().cotas_options_close(handle);
  let result;
  try {
    for (const [name, value] of Object.entries(options)) {
      if (value === undefined || value === null) continue;
      if (!Object.hasOwn(setters, name)) {
        throw new ArgumentError('options', `of ${Object.keys(setters).join(', ')}`, name);
      }
      now(setters[name], handle, [value]);
    }
    result = run(handle);
  } catch (error) {
    close();
    throw error;
  }
  if (result instanceof Promise) return result.finally(close);
  close();
  return result;
}

/** The handle whose decisions never wait; null where the options have all of them wait. */
function nonBlocking(handle) {
  try {
    return now(withoutWaiting, handle, []);
  } catch (error) {
    if (error.code !== 'invalid_argument') throw error;
    return null;
  }
}

/** Decides at once where that is possible without waiting, else in a thread. */
async function ask(tenant, spec, given) {
  const { direct, blocking, resourceName } = tenant;
  if (direct !== null) {
    try {
      return now(spec, direct, given, resourceName);
    } catch (error) {
      if (error.number !== BUSY) throw error;
    }
  }
  return later(spec, blocking, given, resourceName);
}

/** A tenant, found once and used many times. */
class Tenant extends TenantCalls {
  #handles;

  constructor(engine, name, blocking, direct) {
    super();
    this.name = name;
    this.#handles = { blocking, direct, resourceName: engine._resourceName };
    this.#handles.closing = [blocking, direct].filter((it) => it !== null);
    dropped.register(this, ['cotas_tenant_close', this.#handles.closing], this);
    this.#handles.engine = engine;
  }

  _ask(spec, ...given) { return ask(this.#handles, spec, given); }

  _wait(spec, ...given) {
    return later(spec, this.#handles.blocking, given, this.#handles.resourceName);
  }

  _now(spec, ...given) {
    return now(spec, this.#handles.blocking, given, this.#handles.resourceName);
  }

  /** The same tenant, whose idempotency keys are kept for so many milliseconds. */
  withKeyLifetime(lifetime) {
    const { engine, blocking, direct } = this.#handles;
    const other = (handle) => (handle === null ? null : now(withKeyLifetime, handle, [lifetime]));
    return new Tenant(engine, this.name, other(blocking), other(direct));
  }

  async close() {
    dropped.unregister(this);
    for (const handle of this.#handles.closing) await later(closeTenant, handle, []);
  }

  closeSync() {
    dropped.unregister(this);
    for (const handle of this.#handles.closing) now(closeTenant, handle, []);
  }
}

/** The quota engine of one database. */
class Engine extends EngineCalls {
  #blocking;
  #direct;
  #names = [];

  constructor(blocking) {
    super();
    this.#blocking = blocking;
    this.#direct = nonBlocking(blocking);
    const handles = this.#handles();
    dropped.register(this, ['cotas_engine_close', handles], this);
    // The name of a resource is asked once: it never changes.
    this._resourceName = (number) => (this.#names[number] ??= this.resourceName(number));
  }

  #handles() { return [this.#blocking, this.#direct].filter((it) => it !== null); }

  /** Opens the database at a path, making it if there is none. */
  static async open(path, options = {}) {
    return new Engine(await withOptions(options, (it) => later(engineOpen, it, [path])));
  }

  /** As open, in this thread. */
  static openSync(path, options = {}) {
    return new Engine(withOptions(options, (it) => now(engineOpen, it, [path])));
  }

  /** Opens a database in memory, for tests. */
  static inMemory(options = {}) {
    return new Engine(withOptions(options, (it) => now(openInMemory, it, [])));
  }

  _wait(spec, ...given) { return later(spec, this.#blocking, given); }

  _now(spec, ...given) { return now(spec, this.#blocking, given); }

  /** Calls an operation of the control plane by its name. */
  call(operation, given = {}, options = {}) {
    return this._wait(control, operation, given, options);
  }

  /** As call, in this thread. */
  callSync(operation, given = {}, options = {}) {
    return this._now(control, operation, given, options);
  }

  /** The same engine, whose calls have another durability. */
  withDurability(durability) {
    return new Engine(now(withDurability, this.#blocking, [durability]));
  }

  /** The same engine, whose decisions never wait: one that would have to is an error, 'busy'. */
  withoutWaiting() {
    return new Engine(now(withoutWaiting, this.#blocking, []));
  }

  /** Finds a tenant. Keep it: deciding by it is the fast way. */
  async tenant(name) {
    const blocking = await later(tenantOpen, this.#blocking, [name]);
    const direct = this.#direct === null ? null : await later(tenantOpen, this.#direct, [name]);
    return new Tenant(this, name, blocking, direct);
  }

  /** As tenant, in this thread. */
  tenantSync(name) {
    const [blocking, direct] = [this.#blocking, this.#direct].map(
      (it) => (it === null ? null : now(tenantOpen, it, [name])));
    return new Tenant(this, name, blocking, direct);
  }

  async close() {
    dropped.unregister(this);
    for (const handle of this.#handles()) await later(closeEngine, handle, []);
  }

  closeSync() {
    dropped.unregister(this);
    for (const handle of this.#handles()) now(closeEngine, handle, []);
  }
}

/** What a database looks like from outside; it answers also where opening does not. */
const doctor = async (path, options = {}) =>
  withOptions(options, (it) => later(doctorCall, it, [path]));

/** Puts a copy of a backup in the place of a database. */
const restore = async (path, backup, options = {}) =>
  withOptions(options, (it) => later(restoreCall, it, [path, backup]));

/** What the body of a WhatsApp webhook says. */
const whatsappEvents = (body) => now(libraryCalls.whatsappEvents, 0, [body]);

module.exports = {
  ArgumentError, CotasError, Decision, Engine, LibraryError, QuotaExceeded, Tenant, doctor, restore,
  version, whatsappEvents,
};
