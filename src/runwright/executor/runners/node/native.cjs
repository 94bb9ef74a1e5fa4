'use strict';
// What user code prints, bound to the request that printed it.

const fs = require('node:fs');
const { entry } = require('./text.cjs');
const { onLateOutput } = require('./call.cjs');

const MAX_EARLY_BYTES = 1024 * 1024;
const METHODS = ['log', 'info', 'debug', 'warn', 'error'];

// Output of the module while it loads, until a first request takes it over.
let early = [];
let earlyBytes = 0;

function toStderr(text) {
  try {
    fs.writeSync(2, text);
  } catch {
    // Full or closed; output that belongs to nobody may be lost.
  }
}

function keepEarly(text) {
  if (early === null) {
    toStderr(text);
    return;
  }
  if (earlyBytes > MAX_EARLY_BYTES) return;
  earlyBytes += text.length;
  early.push(text);
}

function handOver(call) {
  if (early === null) return;
  const texts = early;
  early = null;
  for (const text of texts) call.nativeText(text);
}

// `current()` gives the call whose code runs now, if any.
function capture(current) {
  onLateOutput(toStderr);
  for (const name of METHODS) {
    console[name] = (...values) => {
      const call = current();
      if (call === undefined) keepEarly(entry(values));
      else call.nativeEntry(values);
    };
  }
  // The streams are made when first touched, which is costly; replace their writing just then.
  captureStream('stdout', current);
  captureStream('stderr', current);
}

function captureStream(name, current) {
  const make = Object.getOwnPropertyDescriptor(process, name).get;
  let stream = null;
  Object.defineProperty(process, name, {
    configurable: true,
    enumerable: true,
    get() {
      if (stream !== null) return stream;
      stream = make.call(process);
      stream.write = (chunk, encoding, callback) => {
        const done = typeof encoding === 'function' ? encoding : callback;
        const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
        const call = current();
        if (call === undefined) keepEarly(text);
        else if (call.isEnded) toStderr(text);
        else call.nativeText(text);
        if (typeof done === 'function') process.nextTick(done);
        return true;
      };
      return stream;
    },
  });
}

module.exports = { capture, handOver };
