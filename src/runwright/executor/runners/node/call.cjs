'use strict';
// One request from its arrival to its last frame.

const { Request, EMPTY } = require('./request.cjs');
const { Response, BadResponse, build, buildHead, buildStatus, HEAD_DEFAULT, NO_BODY, hasNoBody } = require('./response.cjs');
const { CallerGone } = require('./inlet.cjs');
const { accept } = require('./websocket.cjs');
const { RESULT, PART_BYTES, WINDOW_BYTES, FLAG_END } = require('./wire.cjs');
const text = require('./text.cjs');
const { now } = require('./clock.cjs');

// User code may replace these.
const soon = setImmediate;

const LOGS = 0;
const ERRORS = 1;
const NOTICE = 'Native logs detected. Use context.log() or context.error() for better experience.\n';
// The first entries of a call leave the process before its next statement, so that they survive
// whatever it does. Programs that log more than that are served in batches.
const IMMEDIATE_ENTRIES = 32;
const BATCH_BYTES = 60 * 1024;
const BATCH_MS = 50;

class Call {
  constructor(wire, id, isLogging, head, body) {
    this.wire = wire;
    this.id = id;
    this.isLogging = isLogging;
    this.head = head;
    this.body = body;
    this.parts = null; // BODY frames that have come so far
    this.isEnded = false;
    this.isCancelled = false;
    this.inlet = null; // of a streamed request body
    this.isGone = false; // the caller is
    this.abort = null; // behind `req.signal`, once that was asked for
    this.began = 0;
    // Logs.
    this.immediate = IMMEDIATE_ENTRIES;
    this.batch = [];
    this.batchBytes = 0;
    this.batchStream = LOGS;
    this.flushedAt = 0;
    this.isNoticed = false;
    this.line = ''; // native output that lacks its newline
    this.isDropping = false;
    this.droppedBytes = 0;
    this.isFlushDue = false;
    // Streamed body.
    this.isStreaming = false;
    this.isStreamEnded = false;
    this.isBodiless = false;
    this.credit = WINDOW_BYTES;
    this.queue = [];
    this.drained = [];
    this.final = null; // [result, micros] once the END frame only waits for the queue
  }

  context() {
    return {
      req: new Request(this.head, this.body ?? EMPTY, this),
      res: new Response(this),
      log: (...values) => this.entry(LOGS, values),
      error: (...values) => this.entry(ERRORS, values),
      upgrade: (options) => accept(this, options),
    };
  }

  // --- logs ---

  entry(stream, values) {
    if (!this.isLogging) return;
    const line = text.entry(values);
    if (this.line !== '') this.endLine();
    this.emit(stream, line);
  }

  nativeEntry(values) {
    if (!this.isLogging) return;
    const line = text.entry(values);
    if (this.line !== '') this.endLine();
    this.notice();
    this.emit(LOGS, line);
  }

  // Text as it is printed; leaves as whole lines, each cut like an entry.
  nativeText(chunk) {
    if (!this.isLogging || chunk === '') return;
    this.notice();
    const whole = this.line + chunk;
    const end = whole.lastIndexOf('\n') + 1;
    // A line without end is kept no further than its cut.
    this.line = whole.slice(end, end + text.MAX_ENTRY + 1);
    if (end === 0) {
      this.flushSoon();
      return;
    }
    const lines = whole.slice(0, end);
    if (lines.length <= text.MAX_ENTRY) this.emit(LOGS, lines);
    else for (const line of lines.slice(0, -1).split('\n')) this.emit(LOGS, `${text.cut(line)}\n`);
  }

  notice() {
    if (this.isNoticed) return;
    this.isNoticed = true;
    this.emit(LOGS, NOTICE);
  }

  endLine() {
    const line = text.cut(this.line);
    this.line = '';
    this.emit(LOGS, `${line}\n`);
  }

  emit(stream, line) {
    if (this.isEnded || this.isCancelled) {
      lateOutput(line);
      return;
    }
    const bytes = Buffer.from(line);
    if (this.immediate > 0) {
      this.immediate -= 1;
      this.wire.log(this.id, stream, bytes);
      this.wire.flushFirmly();
      return;
    }
    if (this.batch.length > 0 && (stream !== this.batchStream || this.batchBytes + bytes.length > BATCH_BYTES)) {
      this.flushLogs();
    }
    this.batchStream = stream;
    this.batch.push(bytes);
    this.batchBytes += bytes.length;
    // A program that never yields gives the loop no turn, and somebody may be reading along.
    if (now() - this.flushedAt >= BATCH_MS) this.flushLogs();
    else this.flushSoon();
  }

  flushSoon() {
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    soon(flushCall, this);
  }

  flushLogs() {
    if (this.batch.length === 0 || this.isCancelled) return;
    const bytes = this.batch.length === 1 ? this.batch[0] : Buffer.concat(this.batch, this.batchBytes);
    this.batch = [];
    this.batchBytes = 0;
    this.flushedAt = now();
    if (this.isDropping && !this.wire.flushFirmly()) {
      this.droppedBytes += bytes.length;
      return;
    }
    this.tellDropped();
    this.wire.log(this.id, this.batchStream, bytes);
    this.isDropping = !this.wire.flushFirmly();
  }

  tellDropped() {
    if (this.droppedBytes === 0) return;
    const notice = `[${this.droppedBytes} bytes of output were dropped here, because nobody took them]\n`;
    this.wire.log(this.id, LOGS, Buffer.from(notice));
    this.droppedBytes = 0;
  }

  // --- the end ---

  micros() {
    return Math.min(0xffffffff, Math.max(0, Math.round((now() - this.began) * 1000)));
  }

  succeed(value) {
    const micros = this.micros();
    if (this.isStreaming) {
      this.finishStream(RESULT.OK, micros);
      return;
    }
    let result = RESULT.OK;
    try {
      build(value, this);
    } catch (error) {
      result = RESULT.PAYLOAD;
      this.entry(ERRORS, [error instanceof BadResponse ? error.message : error]);
      this.refuse(500);
    }
    this.answer(result, micros);
  }

  fail(error) {
    const micros = this.micros();
    // That nobody takes its answer any longer is no failure of the function's.
    if (this.isStreaming && this.isGone && error instanceof CallerGone) {
      this.finishStream(RESULT.OK, micros);
      return;
    }
    this.entry(ERRORS, [error]);
    if (this.isStreaming) {
      this.finishStream(RESULT.USER_EXCEPTION, micros);
      return;
    }
    this.refuse(500);
    this.answer(RESULT.USER_EXCEPTION, micros);
  }

  failToLoad(message) {
    this.entry(ERRORS, [message]);
    this.refuse(503);
    this.answer(RESULT.ENTRYPOINT, 0);
  }

  refuse(status) {
    this.status = status;
    this.head = HEAD_DEFAULT;
    this.body = '';
  }

  answer(result, micros) {
    this.close();
    if (this.isCancelled) {
      this.onEnd(this);
      return;
    }
    let body = this.body;
    if (typeof body === 'string' && body.length * 3 > PART_BYTES) body = Buffer.from(body);
    if (body.length <= PART_BYTES) {
      this.wire.response(this.id, FLAG_END, result, this.status, micros, this.head, body);
      this.onEnd(this);
      return;
    }
    this.wire.response(this.id, 0, result, this.status, micros, this.head, NO_BODY);
    this.final = [result, micros];
    this.queue.push(body);
    this.pump();
  }

  // No output after this belongs to the request.
  close() {
    if (this.line !== '') this.endLine();
    this.flushLogs();
    this.tellDropped();
    this.isEnded = true;
    this.inlet?.wake();
  }

  // --- streaming ---

  streamStart(statusCode, headers) {
    if (this.isStreaming || this.isEnded) {
      throw new Error('context.res.start() was called twice, or after the function had ended.');
    }
    const status = buildStatus(statusCode);
    const head = buildHead(headers);
    this.isStreaming = true;
    this.isBodiless = hasNoBody(status);
    if (!this.isCancelled) this.wire.response(this.id, 0, RESULT.OK, status, 0, head, NO_BODY);
  }

  streamWrite(bytes) {
    if (!this.isStreaming) this.streamStart(200, {});
    if (this.isStreamEnded || this.isEnded) {
      throw new Error('context.res.write() was called after the response had ended.');
    }
    if (this.isGone) return refused();
    if (this.isCancelled || this.isBodiless || bytes.length === 0) return Promise.resolve();
    // What user code does with its buffer later must not change what is sent.
    this.queue.push(bytes.length > this.credit || this.queue.length > 0 ? Buffer.from(bytes) : bytes);
    this.pump();
    if (this.queue.length === 0) return Promise.resolve();
    return handled(new Promise((resolve, reject) => this.drained.push({ resolve, reject })));
  }

  streamEnd() {
    if (!this.isStreaming) this.streamStart(200, {});
    this.isStreamEnded = true;
  }

  finishStream(result, micros) {
    this.close();
    this.final = [result, micros];
    this.pump();
  }

  pump() {
    const { queue, wire } = this;
    while (queue.length > 0 && this.credit > 0 && !this.isCancelled && !this.isGone) {
      const bytes = queue[0];
      const size = Math.min(bytes.length, PART_BYTES, this.credit);
      wire.chunk(this.id, bytes.subarray(0, size));
      this.credit -= size;
      if (size === bytes.length) queue.shift();
      else queue[0] = bytes.subarray(size);
    }
    if (this.isCancelled || this.isGone) queue.length = 0;
    if (queue.length > 0) return;
    for (const waiting of this.drained.splice(0)) {
      if (this.isGone) waiting.reject(new CallerGone());
      else waiting.resolve();
    }
    if (this.final === null) return;
    if (!this.isCancelled) wire.end(this.id, this.final[0], this.final[1]);
    this.final = null;
    this.onEnd(this);
  }

  open(moreBytes) {
    this.credit += moreBytes;
    this.pump();
  }

  cancel() {
    this.isCancelled = true;
    this.inlet?.breakOff();
    this.pump();
  }

  // --- the caller ---

  gone() {
    if (this.isGone) return;
    this.isGone = true;
    this.inlet?.breakOff();
    this.abort?.abort(new CallerGone());
    this.pump();
  }

  // Whether the request asks for a web socket; only the host lets this header through.
  isUpgrade() {
    return this.inlet !== null && /^upgrade:/m.test(this.head.toString('latin1'));
  }

  signal() {
    if (this.abort === null) {
      this.abort = new AbortController();
      if (this.isGone) this.abort.abort(new CallerGone());
    }
    return this.abort.signal;
  }
}

// Who does not await a write does not care what became of it, and must not die of it.
function handled(promise) {
  promise.catch(() => {});
  return promise;
}

function refused() {
  return handled(Promise.reject(new CallerGone()));
}

function flushCall(call) {
  call.isFlushDue = false;
  if (call.isEnded) return;
  call.flushLogs();
}

// Output that belongs to no request goes where the process's own messages go.
let lateOutput = () => {};

function onLateOutput(write) {
  lateOutput = write;
}

module.exports = { Call, onLateOutput, NOTICE };
