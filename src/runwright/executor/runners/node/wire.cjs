'use strict';
// The frame socket. Layout and meaning of the frames: runwright/executor/wire.py.
//
// Outgoing frames are collected in one buffer and written with one call at the end of the event
// loop's turn, or at once where a crash must not lose them (logs). Writing is synchronous: the
// kernel takes the bytes before user code goes on, so what a program said before it hung or died is
// known. What the socket has no room for waits in a queue of ours and is offered again by a timer.
//
// How an engine reads and writes the socket is its channel's affair (`channel.cjs` of each):
//   read(size, take)         calls take(buffer, size) for what comes; leaves when the host is gone
//   write(buffer, from, to)  how many bytes the kernel took, 0 when it has no room now
//   leave(code)              ends the process at once

const { toStderr } = require('./stderr.cjs');

const HEADER_BYTES = 9;
const MAX_FRAME_BYTES = 4 * 1024 * 1024;
const PART_BYTES = 256 * 1024;
const WINDOW_BYTES = 1024 * 1024;
const MAX_REQUEST_BYTES = 20 * 1024 * 1024;
const FLAG_END = 1;
const FLAG_LOGGING = 2;
const FLAG_STREAM = 4;
const FLAG_BROKEN = 2; // of BODY
const EXIT_PROTOCOL = 70;

const LOAD = 1;
const REQUEST = 2;
const BODY = 3;
const CANCEL = 4;
const WINDOW = 5;
const PING = 6;
const GONE = 7;
const HELLO = 16;
const LOG = 17;
const RESPONSE = 18;
const CHUNK = 19;
const END = 20;
const PONG = 21;
const TAKEN = 22;

const RESULT = { OK: 0, USER_EXCEPTION: 1, ENTRYPOINT: 2, PAYLOAD: 3 };

const OUT_BYTES = 512 * 1024;
// Beyond this much unsent output, log text is dropped rather than kept in memory.
const MAX_QUEUED_BYTES = 8 * 1024 * 1024;
const MAX_RETRY_MS = 16;
// How often a log call looks for room, a millisecond apart, while the host takes nothing at all.
// Looks are counted, not time: while this process is not scheduled, the host may not be either.
const LOG_STALL_LOOKS = 2000;
const stall = new Int32Array(new SharedArrayBuffer(4));

// User code may replace these; the runner must go on.
const soon = setImmediate;
const later = setTimeout;

class Wire {
  // `onFrame(kind, id, buffer, start, end)`: the payload lies in a buffer that is used again
  // after the call, so what must last is copied.
  constructor(channel, onFrame) {
    this.channel = channel;
    this.onFrame = onFrame;
    this.out = Buffer.allocUnsafeSlow(OUT_BYTES);
    this.at = 0;
    this.isFlushDue = false;
    this.isMuted = false;
    this.queue = []; // what the socket had no room for
    this.queuedBytes = 0;
    this.retryMs = 0; // 0: no retry is planned
    this.isStalled = false;
    this.partial = null;
    this.flush = this.flush.bind(this);
    this.retry = this.retry.bind(this);
    channel.read(PART_BYTES, this.feed.bind(this));
    process.on('exit', () => this.flushFirmly());
  }

  feed(chunk, size) {
    let buffer = chunk;
    let end = size;
    if (this.partial !== null) {
      buffer = Buffer.concat([this.partial, chunk.subarray(0, size)]);
      end = buffer.length;
      this.partial = null;
    }
    let at = 0;
    while (end - at >= HEADER_BYTES) {
      const length = buffer.readUInt32LE(at);
      if (length < 5 || length > MAX_FRAME_BYTES) this.broken('frame length out of bounds');
      const next = at + 4 + length;
      if (next > end) break;
      this.onFrame(buffer[at + 4], buffer.readUInt32LE(at + 5), buffer, at + HEADER_BYTES, next);
      at = next;
    }
    if (at < end) this.partial = Buffer.from(buffer.subarray(at, end));
  }

  broken(reason) {
    toStderr(`runner: the host broke the frame rules: ${reason}\n`);
    this.channel.leave(EXIT_PROTOCOL);
  }

  // Makes room for a frame of `payload` bytes, writes its header and returns where the payload goes.
  open(kind, id, payload) {
    const total = HEADER_BYTES + payload;
    if (this.at + total > this.out.length) this.flush();
    if (total > this.out.length) throw new RangeError('frame too large');
    const at = this.at;
    this.out.writeUInt32LE(payload + 5, at);
    this.out[at + 4] = kind;
    this.out.writeUInt32LE(id, at + 5);
    this.at = at + total;
    return at + HEADER_BYTES;
  }

  // Until it is over, frames are made as ever and not sent.
  mute(isMuted) {
    this.at = 0;
    this.isMuted = isMuted;
  }

  flushSoon() {
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    soon(this.flush);
  }

  flush() {
    this.isFlushDue = false;
    if (this.isMuted) this.at = 0;
    if (this.at === 0) return;
    const size = this.at;
    this.at = 0;
    const sent = this.queue.length === 0 ? this.channel.write(this.out, 0, size) : 0;
    if (sent === size) return;
    this.queue.push(Buffer.from(this.out.subarray(sent, size)));
    this.queuedBytes += size - sent;
    this.planRetry(1);
  }

  planRetry(ms) {
    if (this.retryMs !== 0) return;
    this.retryMs = ms;
    later(this.retry, ms);
  }

  retry() {
    const ms = this.retryMs;
    const before = this.queuedBytes;
    this.retryMs = 0;
    if (this.drain()) return;
    this.planRetry(this.queuedBytes < before ? 1 : Math.min(ms * 2, MAX_RETRY_MS));
  }

  // Whether the queue is empty now.
  drain() {
    while (this.queue.length > 0) {
      const first = this.queue[0];
      const sent = this.channel.write(first, 0, first.length);
      this.queuedBytes -= sent;
      if (sent < first.length) {
        this.queue[0] = first.subarray(sent);
        return false;
      }
      this.queue.shift();
    }
    return true;
  }

  // As `flush`, but waits for the host, so that a flood of output is slowed down to the speed of
  // its reader. False when the host took nothing for long, and text should rather be dropped.
  flushFirmly() {
    this.flush();
    if (this.queue.length === 0) return true;
    let looks = 0;
    let left = this.queuedBytes;
    // A host that took nothing through one whole stall is not waited for a second time.
    while (!this.isStalled && !this.drain()) {
      if (this.queuedBytes < left) {
        left = this.queuedBytes;
        looks = 0;
      } else if (++looks > LOG_STALL_LOOKS) {
        this.isStalled = true;
      }
      Atomics.wait(stall, 0, 0, 1);
    }
    if (this.isStalled && this.drain()) this.isStalled = false;
    return this.queuedBytes < MAX_QUEUED_BYTES;
  }

  hello(version) {
    const text = JSON.stringify({ version });
    this.out.write(text, this.open(HELLO, 0, text.length));
    this.flush();
  }

  pong(id) {
    this.open(PONG, id, 0);
    this.flushSoon();
  }

  // `text` is a Buffer; the frame is in the buffer only, flushing is the caller's choice.
  log(id, stream, text) {
    const at = this.open(LOG, id, text.length + 1);
    this.out[at] = stream;
    text.copy(this.out, at + 1);
  }

  // `head` is a Buffer, `body` a Buffer or a short string (see PART_BYTES).
  response(id, flags, result, status, micros, head, body) {
    const isText = typeof body === 'string';
    const room = 12 + head.length + (isText ? body.length * 3 : body.length);
    const at = this.open(RESPONSE, id, room);
    const out = this.out;
    out[at] = flags;
    out[at + 1] = result;
    out.writeUInt16LE(status, at + 2);
    out.writeUInt32LE(micros, at + 4);
    out.writeUInt32LE(head.length, at + 8);
    head.copy(out, at + 12);
    const bodyAt = at + 12 + head.length;
    let size;
    if (isText) {
      size = body.length === 0 ? 0 : out.write(body, bodyAt);
      const length = 12 + head.length + size;
      out.writeUInt32LE(length + 5, at - HEADER_BYTES);
      this.at = at + length;
    } else {
      body.copy(out, bodyAt);
    }
    this.flushSoon();
  }

  chunk(id, bytes) {
    bytes.copy(this.out, this.open(CHUNK, id, bytes.length));
    this.flushSoon();
  }

  taken(id, size) {
    this.out.writeUInt32LE(size, this.open(TAKEN, id, 4));
    this.flushSoon();
  }

  end(id, result, micros) {
    const at = this.open(END, id, 5);
    this.out[at] = result;
    this.out.writeUInt32LE(micros, at + 1);
    this.flushSoon();
  }
}

module.exports = {
  Wire, RESULT, PART_BYTES, WINDOW_BYTES, MAX_REQUEST_BYTES, FLAG_END, FLAG_LOGGING,
  FLAG_STREAM, FLAG_BROKEN, GONE,
  LOAD, REQUEST, BODY, CANCEL, WINDOW, PING,
};
