'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const koffi = require('koffi');
const calls = require('./calls.js');
const { CotasError, Decision, names, payment } = require('./decision.js');
const { Frame, call } = require('./frame.js');
const { version } = require('../package.json');

const ABI = 1;
const FILE = 'libcotas.so.1';
// What waits for the disk goes through SQLite, which needs more stack than koffi gives a call.
const STACK = 1 << 20;
const INSTALL = 'install the Debian package libcotas1, or name the file in COTAS_LIBRARY';
const { BUFFER, BUSY } = calls.codes;
const deliveryOutcomes = names(calls.enums.deliveryOutcome);

/** The library cannot be loaded: one sentence says why, and what to do. */
class LibraryError extends Error {
  constructor(message) {
    super(message);
    this.name = 'LibraryError';
    this.code = 'library';
  }
}

/** The file to load: what COTAS_LIBRARY names, what the package brings, or the system's. */
function place() {
  if (process.env.COTAS_LIBRARY) return process.env.COTAS_LIBRARY;
  const libc = fs.readFileSync('/proc/self/maps', 'utf8').includes('ld-musl') ? 'musl' : 'gnu';
  const own = path.join(__dirname, '..', 'native', `${process.arch}-${libc}`, FILE);
  return fs.existsSync(own) ? own : FILE;
}

function load() {
  if (process.platform !== 'linux') {
    throw new LibraryError(`Cotas runs on Linux, not on ${process.platform}: `
      + 'open the database in a container or a virtual machine with Linux');
  }
  if (koffi.config().async_stack_size < STACK) koffi.config({ async_stack_size: STACK });
  const file = place();
  let library;
  try {
    library = koffi.load(file);
  } catch (error) {
    throw new LibraryError(whyNot(file, String(error.message)));
  }
  const abi = library.func('uint32_t cotas_abi_version()')();
  const found = library.func('const char *cotas_version()')();
  if (abi !== ABI || older(found, version)) {
    throw new LibraryError(`${file} is version ${found} (ABI ${abi}), and this package needs `
      + `${version} (ABI ${ABI}) or later: ${INSTALL}`);
  }
  const functions = {};
  for (const [name, [result, parameters]] of Object.entries(calls.prototypes)) {
    functions[name] = library.func(name, result, parameters);
  }
  return functions;
}

/** Whether a file is made for this processor. The loader may say only that it found none. */
function isForeign(file) {
  if (!fs.existsSync(file)) return false;
  const head = Buffer.alloc(20);
  const opened = fs.openSync(file);
  fs.readSync(opened, head);
  fs.closeSync(opened);
  return head.toString('latin1', 0, 4) !== '\x7fELF'
    || head.readUInt16LE(18) !== { x64: 0x3e, arm64: 0xb7 }[process.arch];
}

function whyNot(file, message) {
  if (isForeign(file)) {
    return `${file} is not made for ${process.arch}: ${INSTALL}`;
  }
  if (/No such file/i.test(message)) return `${file} was not found: ${INSTALL}`;
  return `${file} cannot be loaded (${message}): ${INSTALL}`;
}

function older(one, other) {
  const [left, right] = [one, other].map((it) => it.split('.').map(Number));
  const different = left.findIndex((it, index) => it !== right[index]);
  return different !== -1 && left[different] < right[different];
}

let loaded = null;

/** The functions of the library, which the first use loads. */
function native() {
  loaded ??= load();
  return loaded;
}

/** The texts of decisions, as the library that is loaded has them. */
function readTexts() {
  const { cotas_demo_notice: notice, cotas_reason_name: reasonName } = native();
  const reasons = [null];
  for (let name = reasonName(1); name !== null; name = reasonName(reasons.length)) {
    reasons.push(name);
  }
  return { notice: notice(), reasons };
}

let ownFrame = null;
let texts = null;
const noName = () => null;

/** What a call gives, read from its frame. */
function read(frame, result, resourceName) {
  switch (result) {
    case 'decision': {
      texts ??= readTexts();
      return new Decision(frame, resourceName, texts);
    }
    case 'nothing': return undefined;
    case 'json': return JSON.parse(frame.document.utf8Slice(0, frame.handle() - 1));
    case 'text': return frame.document.utf8Slice(0, frame.handle() - 1);
    case 'payment': return payment(frame);
    case 'flag': return frame.int32() === 1;
    case 'delivery_outcome': return deliveryOutcomes[frame.int32()];
    case 'int64_t': return new Date(frame.int64());
    default: return frame.handle();
  }
}

const isDocument = (result) => result === 'json' || result === 'text';
const sizeOf = (result) =>
  (result === 'payment' ? calls.paymentLayout : calls.decisionLayout).SIZE;

function check(code, frame) {
  if (code !== 0) throw new CotasError(code, frame.message());
}

/** Calls a function here and now. */
function now({ name, result, lay }, self, given, resourceName = noName) {
  const native_ = native()[name];
  ownFrame ??= new Frame(calls);
  const frame = ownFrame;
  if (isDocument(result)) frame.makeSpace();
  for (;;) {
    frame.reset(sizeOf(result));
    const code = native_(...lay(frame, self, ...given));
    if (code === BUFFER && isDocument(result)) {
      frame.makeSpace(frame.handle());
      continue;
    }
    if (code !== 0) check(code, frame);
    return read(frame, result, resourceName);
  }
}

const awaited = new WeakMap();

/** Calls a function in a thread. */
async function later({ name, result, lay }, self, given, resourceName = noName) {
  const direct = native()[name];
  if (!awaited.has(direct)) awaited.set(direct, promisify(direct.async));
  const call_ = awaited.get(direct);
  const frame = new Frame(calls);
  if (isDocument(result)) frame.makeSpace();
  for (;;) {
    frame.reset(sizeOf(result));
    const code = await call_(...lay(frame, self, ...given));
    if (code === BUFFER && isDocument(result)) {
      frame.makeSpace(frame.handle());
      continue;
    }
    check(code, frame);
    return read(frame, result, resourceName);
  }
}

module.exports = { BUSY, LibraryError, call, later, native, now };
