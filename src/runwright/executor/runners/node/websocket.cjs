'use strict';
// A web socket as user code sees it. The host speaks the protocol; here messages are records in the
// two byte streams of a call, see runwright/executor/wire.py.

const { CallerGone } = require('./inlet.cjs');

const TEXT = 1;
const BYTES = 2;
const CLOSE = 8;
const HEAD_BYTES = 5;
const MAX_MESSAGE_BYTES = 1024 * 1024;
const MAX_REASON_BYTES = 123;
const ABNORMAL = 1006;

class WebSocket {
  #call;
  #held = []; // parts of a record that has not come whole
  #heldBytes = 0;
  #isClosing = false;

  constructor(call) {
    this.#call = call;
    this.code = null; // with which the other side closed
    this.reason = '';
  }

  get isOpen() {
    return !this.#isClosing && this.code === null && !this.#call.isGone && !this.#call.isEnded;
  }

  // Sends text or bytes; resolves when more may be sent. Rejects when the other side has left.
  send(message) {
    const isText = typeof message === 'string';
    if (!isText && !ArrayBuffer.isView(message) && !(message instanceof ArrayBuffer)) {
      throw new TypeError('send() needs a string or bytes.');
    }
    const bytes = isText
      ? Buffer.from(message)
      : ArrayBuffer.isView(message)
        ? Buffer.from(message.buffer, message.byteOffset, message.byteLength)
        : Buffer.from(message);
    if (bytes.length > MAX_MESSAGE_BYTES) {
      throw new RangeError(`A message may have ${MAX_MESSAGE_BYTES} bytes, not ${bytes.length}.`);
    }
    if (this.#isClosing) throw new Error('This web socket is closed.');
    return this.#put(isText ? TEXT : BYTES, bytes);
  }

  // The next message: a string or a Buffer; null when the other side has closed or left.
  async receive() {
    for (;;) {
      const record = await this.#record();
      if (record === null || this.code !== null) return null;
      const [kind, payload] = record;
      if (kind === TEXT) return payload.toString('utf8');
      if (kind === BYTES) return payload;
      this.#closed(payload.readUInt16LE(0), payload.toString('utf8', 2));
    }
  }

  // Says goodbye. Messages that are under way may still be received.
  close(code = 1000, reason = '') {
    if (!Number.isInteger(code) || (code !== 1000 && (code < 3000 || code > 4999))) {
      throw new RangeError(`close() takes the code 1000 or one from 3000 to 4999, not ${code}.`);
    }
    const text = Buffer.from(String(reason));
    if (text.length > MAX_REASON_BYTES) throw new RangeError(`A reason may have ${MAX_REASON_BYTES} bytes.`);
    if (!this.isOpen) return Promise.resolve();
    const payload = Buffer.alloc(2 + text.length);
    payload.writeUInt16LE(code);
    text.copy(payload, 2);
    const done = this.#put(CLOSE, payload);
    this.#isClosing = true;
    return done;
  }

  async *[Symbol.asyncIterator]() {
    for (let message = await this.receive(); message !== null; message = await this.receive()) yield message;
  }

  #put(kind, payload) {
    const record = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
    record[0] = kind;
    record.writeUInt32LE(payload.length, 1);
    payload.copy(record, HEAD_BYTES);
    return this.#call.streamWrite(record);
  }

  #closed(code, reason) {
    if (this.code !== null) return;
    this.code = code;
    this.reason = reason;
  }

  // [kind, payload]; null when nothing more comes.
  async #record() {
    const head = await this.#bytes(HEAD_BYTES);
    const payload = head === null ? null : await this.#bytes(head.readUInt32LE(1));
    if (payload === null) {
      this.#closed(ABNORMAL, '');
      return null;
    }
    return [head[0], payload];
  }

  async #bytes(size) {
    while (this.#heldBytes < size) {
      let part;
      try {
        part = await this.#call.inlet.read();
      } catch (error) {
        if (!(error instanceof CallerGone)) throw error;
        part = null;
      }
      if (part === null) return null;
      this.#held.push(part);
      this.#heldBytes += part.length;
    }
    const whole = this.#held.length === 1 ? this.#held[0] : Buffer.concat(this.#held, this.#heldBytes);
    this.#held = whole.length > size ? [whole.subarray(size)] : [];
    this.#heldBytes = whole.length - size;
    return whole.subarray(0, size);
  }
}

// `context.upgrade()`
async function accept(call, { protocol = undefined, headers = {} } = {}) {
  if (!call.isUpgrade()) throw new Error('This request does not ask for a web socket.');
  call.streamStart(101, protocol === undefined ? headers : { ...headers, 'sec-websocket-protocol': protocol });
  call.isBodiless = false;
  return new WebSocket(call);
}

module.exports = { accept };
