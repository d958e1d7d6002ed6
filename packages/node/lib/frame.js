'use strict';

// The memory of one call: its error, its result and its texts lie in one buffer, whose address is
// known. Handing numbers to the library instead of objects is what makes a call cheap.

const koffi = require('koffi');

const ERROR = 0;
const RESULT = 512;
const NUMBER = 1024;
const TEXTS = 1040;
const SIZE = 8192;
// What is read by the loop below, which is faster than a call of Buffer's for short texts.
const SHORT = 64;
const SPACE = 16384;

/** An argument is wrong. */
class ArgumentError extends TypeError {
  constructor(name, wanted, found) {
    const what = found === null ? 'null' : typeof found;
    const shown = ['number', 'bigint'].includes(what) ? String(found) : what;
    super(`invalid ${name}: it must be ${wanted}; found ${shown}`);
    this.name = 'ArgumentError';
    this.code = 'invalid_argument';
  }
}

const address = (buffer) => Number(koffi.address(buffer));

class Frame {
  constructor({ errorLayout, decisionLayout, paymentLayout }) {
    this.sizes = [errorLayout.SIZE, decisionLayout.SIZE, paymentLayout.SIZE];
    this.layout = errorLayout;
    this.bytes = Buffer.alloc(SIZE);
    this.words = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, TEXTS / 4);
    const base = address(this.bytes);
    this.base = base;
    this.error = base + ERROR;
    this.decision = base + RESULT;
    this.number = base + NUMBER;
    this.document = null;
    this.space = 0;
    this.capacity = 0;
    // How many bytes the text has that was put last.
    this.length = 0;
    this.next = TEXTS;
    this.kept = [];
  }

  /** Prepares it for a call that gives a struct of so many bytes. */
  reset(size) {
    this.words[ERROR] = this.sizes[0];
    this.words[RESULT / 4] = size;
    this.words[NUMBER / 4] = 0;
    this.words[NUMBER / 4 + 1] = 0;
    this.next = TEXTS;
    if (this.kept.length !== 0) this.kept = [];
    return this;
  }

  /** Makes space for a document of so many bytes. */
  makeSpace(capacity = SPACE) {
    if (this.capacity >= capacity) return;
    this.document = Buffer.alloc(capacity);
    this.space = address(this.document);
    this.capacity = capacity;
  }

  text(name, value) {
    if (typeof value !== 'string') throw new ArgumentError(name, 'text', value);
    const length = value.length;
    const start = this.next;
    if (length <= SHORT && start + length <= SIZE) {
      const { bytes } = this;
      let index = 0;
      for (; index < length; index += 1) {
        const code = value.charCodeAt(index);
        if (code > 127) break;
        bytes[start + index] = code;
      }
      if (index === length) {
        this.next = start + length;
        this.length = length;
        return this.base + start;
      }
    }
    if (value.isWellFormed?.() === false) {
      throw new ArgumentError(name, 'well-formed Unicode', value);
    }
    return this.bytesOf(Buffer.from(value));
  }

  bytesOf(buffer) {
    this.length = buffer.length;
    if (this.length === 0) return this.base;
    this.kept.push(buffer);
    return address(buffer);
  }

  optional(name, value) {
    if (value !== null && value !== undefined) return this.text(name, value);
    this.length = 0;
    return 0;
  }

  // 'bytes' are text or bytes.
  octets(name, value) {
    if (typeof value === 'string') return this.text(name, value);
    if (!(value instanceof Uint8Array)) throw new ArgumentError(name, 'text or bytes', value);
    return this.bytesOf(Buffer.from(value));
  }

  json(name, value) {
    if (value === null || typeof value !== 'object') {
      throw new ArgumentError(name, 'an object or a list', value);
    }
    return this.text(name, JSON.stringify(value));
  }

  units(name, value) {
    if (Number.isSafeInteger(value) && value >= 0) return value;
    if (typeof value === 'bigint' && value >= 0n && value < 1n << 64n) return value;
    throw new ArgumentError(name, 'a whole number from 0 on', value);
  }

  /** 0 is now. */
  instant(name, value) {
    const at = value instanceof Date ? value.getTime() : value;
    if (!Number.isSafeInteger(at)) {
      throw new ArgumentError(name, 'a Date, or milliseconds since 1970', value);
    }
    return at;
  }

  duration(name, value) {
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw new ArgumentError(name, 'a number of milliseconds from 0 on', value);
  }

  flag(name, value) {
    if (typeof value !== 'boolean') throw new ArgumentError(name, 'true or false', value);
    return value ? 1 : 0;
  }

  choice(name, members, value) {
    if (typeof value === 'string' && Object.hasOwn(members, value)) return members[value];
    throw new ArgumentError(name, `one of ${Object.keys(members).join(', ')}`, value);
  }

  /** The number of eight bytes that the call gave. It is a BigInt where a Number is too small. */
  handle() {
    const number = this.bytes.readBigUInt64LE(NUMBER);
    return number <= Number.MAX_SAFE_INTEGER ? Number(number) : number;
  }

  int32() { return this.bytes.readInt32LE(NUMBER); }

  int64() { return Number(this.bytes.readBigInt64LE(NUMBER)); }

  message() {
    const start = ERROR + this.layout.message;
    const end = this.bytes.indexOf(0, start);
    return this.bytes.toString('utf8', start, end);
  }
}

/** A function of the library: its name, what it gives, and how its arguments are laid. */
const call = (name, result, lay) => ({ name, result, lay });

module.exports = { ArgumentError, Frame, RESULT, call };
