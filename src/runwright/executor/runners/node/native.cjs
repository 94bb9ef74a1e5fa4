'use strict';
// What user code prints, bound to the request that printed it.

const { entry } = require('./text.cjs');
const { onLateOutput } = require('./call.cjs');
const { toStderr } = require('./stderr.cjs');

const MAX_EARLY_BYTES = 1024 * 1024;
const METHODS = ['log', 'info', 'debug', 'warn', 'error'];
// Where the engine's console does not write to process.stdout, Node's way of these does.
const OTHER_METHODS = ['table', 'dir', 'dirxml', 'trace', 'count', 'time', 'timeLog', 'timeEnd', 'assert'];

// Output of the module while it loads, until a first request takes it over.
let early = [];
let earlyBytes = 0;

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
function capture(current, { isConsoleApart = false } = {}) {
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
  if (!isConsoleApart) return;
  const { Console } = require('node:console');
  const other = new Console({ stdout: process.stdout, stderr: process.stderr });
  for (const name of OTHER_METHODS) console[name] = other[name].bind(other);
}

function captureStream(name, current) {
  const own = Object.getOwnPropertyDescriptor(process, name);
  const make = own.get ?? (() => own.value);
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
