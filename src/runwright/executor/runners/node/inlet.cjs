'use strict';
// A request body that comes in parts: taken by user code, and slowed down to its speed.

const INTAKE_BYTES = 256 * 1024; // that the host sends ahead of what was taken
const TAKEN_STEP_BYTES = INTAKE_BYTES / 4;
const JOINED_BYTES = 4096; // smaller parts are joined: as objects they take many times their size

class CallerGone extends Error {
  constructor() {
    super('The caller of this function has left.');
    this.name = 'CallerGone';
    this.code = 'CALLER_GONE';
  }
}

class Inlet {
  constructor(call) {
    this.call = call; // null: the whole body is here
    this.parts = [];
    this.size = 0; // of the parts
    this.owed = 0; // bytes that were taken, of which the host was not told yet
    this.isEnded = false;
    this.isBroken = false;
    this.waiting = [];
  }

  static of(body) {
    const inlet = new Inlet(null);
    inlet.push(body, true, false);
    return inlet;
  }

  // Whether the host may have sent it.
  push(bytes, isEnd, isBroken) {
    if (this.isEnded || (this.call !== null && this.size + this.owed + bytes.length > INTAKE_BYTES)) return false;
    this.isEnded = isEnd;
    this.isBroken ||= isBroken;
    if (bytes.length > 0) {
      const last = this.parts.length - 1;
      if (last >= 0 && this.parts[last].length < JOINED_BYTES) this.parts[last] = Buffer.concat([this.parts[last], bytes]);
      else this.parts.push(bytes);
      this.size += bytes.length;
    }
    this.wake();
    return true;
  }

  // The caller has gone; what came before may still be read.
  breakOff() {
    if (!this.isEnded) this.isBroken = true;
    this.wake();
  }

  wake() {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  // The next part; null at the end. Throws CallerGone when there was none.
  async read() {
    while (this.parts.length === 0) {
      if (this.isBroken) throw new CallerGone();
      if (this.isEnded || this.call?.isEnded) return null;
      await new Promise((resolve) => this.waiting.push(resolve));
    }
    const part = this.parts.shift();
    this.size -= part.length;
    this.owed += part.length;
    if (this.owed >= TAKEN_STEP_BYTES) this.tell();
    return part;
  }

  tell() {
    const { call, owed } = this;
    this.owed = 0;
    if (call !== null && !call.isEnded && !call.isCancelled) call.wire.taken(call.id, owed);
  }
}

// `context.req.stream`
class BodyStream {
  #inlet;

  constructor(inlet) {
    this.#inlet = inlet;
  }

  read() {
    return this.#inlet.read();
  }

  async *[Symbol.asyncIterator]() {
    for (let part = await this.read(); part !== null; part = await this.read()) yield part;
  }
}

module.exports = { Inlet, BodyStream, CallerGone };
