'use strict';
// Serves the requests of one deployment, inside its sandbox, over the frame socket.

const { AsyncLocalStorage } = require('node:async_hooks');
const { Call } = require('./call.cjs');
const { now } = require('./clock.cjs');
const { Inlet } = require('./inlet.cjs');
const { enforceHeaders } = require('./request.cjs');
const loading = require('./load.cjs');
const native = require('./native.cjs');
const {
  Wire, FLAG_END, FLAG_LOGGING, FLAG_STREAM, FLAG_BROKEN, MAX_REQUEST_BYTES,
  LOAD, REQUEST, BODY, CANCEL, WINDOW, PING, GONE,
} = require('./wire.cjs');

const calls = new Map(); // by request id, until their last frame
const running = new AsyncLocalStorage();
let waiting = []; // calls that came before the function was loaded; null from then on
let isAssigned = false;
let userFunction = null;
let loadFailure = null;
let isFirst = true;

let wire;
let engine;

function onFrame(kind, id, buffer, start, end) {
  switch (kind) {
    case REQUEST:
      onRequest(id, buffer, start, end);
      break;
    case BODY:
      onBody(id, buffer, start, end);
      break;
    case PING:
      if (isAssigned) wire.pong(id);
      else rehearse(id);
      break;
    case WINDOW:
      if (end - start !== 4) wire.broken('malformed WINDOW');
      calls.get(id)?.open(buffer.readUInt32LE(start));
      break;
    case CANCEL:
      cancel(id);
      break;
    case GONE:
      calls.get(id)?.gone();
      break;
    case LOAD:
      onLoad(buffer.toString('utf8', start, end));
      break;
    default:
      wire.broken(`unknown frame ${kind}`);
  }
}

function onRequest(id, buffer, start, end) {
  const call = callOf(id, buffer, start, end);
  const flags = buffer[start];
  if ((flags & FLAG_STREAM) !== 0) {
    call.inlet = new Inlet(call);
    begin(call);
  } else if ((flags & FLAG_END) !== 0) {
    begin(call);
  } else {
    call.parts = [call.body];
    call.partBytes = call.body.length;
  }
}

function callOf(id, buffer, start, end) {
  if (end - start < 5) wire.broken('malformed REQUEST');
  const flags = buffer[start];
  const headLength = buffer.readUInt32LE(start + 1);
  if (start + 5 + headLength > end || calls.has(id)) wire.broken('malformed REQUEST');
  const copy = Buffer.from(buffer.subarray(start + 5, end));
  const body = copy.subarray(headLength);
  const call = new Call(wire, id, (flags & FLAG_LOGGING) !== 0, copy.subarray(0, headLength), body);
  call.onEnd = forget;
  calls.set(id, call);
  return call;
}

function onBody(id, buffer, start, end) {
  if (start === end) wire.broken('malformed BODY');
  const call = calls.get(id);
  // The request was cancelled while its body was on the way.
  if (call === undefined) return;
  if (call.inlet !== null) {
    const bytes = Buffer.from(buffer.subarray(start + 1, end));
    if (!call.inlet.push(bytes, (buffer[start] & FLAG_END) !== 0, (buffer[start] & FLAG_BROKEN) !== 0)) {
      wire.broken('BODY after the end of its request, or beyond the window');
    }
    return;
  }
  if (call.parts === null) wire.broken('BODY after the end of its request');
  call.parts.push(Buffer.from(buffer.subarray(start + 1, end)));
  call.partBytes += end - start - 1;
  if (call.partBytes > MAX_REQUEST_BYTES) wire.broken('request body too large');
  if ((buffer[start] & FLAG_END) === 0) return;
  call.body = Buffer.concat(call.parts, call.partBytes);
  call.parts = null;
  begin(call);
}

function cancel(id) {
  const call = calls.get(id);
  if (call === undefined) return;
  call.cancel();
  // Not begun: it never will.
  if (call.parts !== null || waiting?.includes(call)) {
    calls.delete(id);
    waiting = waiting?.filter((other) => other !== call) ?? null;
  }
}

function forget(call) {
  calls.delete(call.id);
}

function begin(call) {
  if (waiting === null) running.run(call, invoke, call);
  else waiting.push(call);
}

function invoke(call) {
  if (isFirst) {
    isFirst = false;
    native.handOver(call);
  }
  if (loadFailure !== null) {
    call.failToLoad(loadFailure);
    return;
  }
  answer(call, userFunction);
}

function answer(call, main) {
  call.began = now();
  let value;
  let isAwaited;
  try {
    value = main(call.context());
    isAwaited = value !== null && typeof value === 'object' && 'then' in value;
  } catch (error) {
    call.fail(error);
    return;
  }
  if (isAwaited) {
    Promise.resolve(value).then(
      (result) => call.succeed(result),
      (error) => call.fail(error),
    );
  } else {
    call.succeed(value);
  }
}

function assignmentOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return wire.broken('malformed LOAD');
  }
}

function functionOf(assignment) {
  loading.prepare(assignment);
  enforceHeaders(process.env.OPEN_RUNTIMES_HEADERS);
  return loading.load(assignment);
}

async function onLoad(text) {
  const assignment = assignmentOf(text);
  if (isAssigned) wire.broken('a second LOAD');
  isAssigned = true;
  try {
    userFunction = await functionOf(assignment);
  } catch (error) {
    loadFailure = error instanceof loading.LoadError ? error.message : `Failed to load module: ${error.message}`;
  }
  const ready = waiting;
  waiting = null;
  for (const call of ready) running.run(call, invoke, call);
}

// A load and a call that nobody asked for; see rehearsal.cjs. Not at every start: to one that a call
// waits for it would be in the way.
async function rehearse(id) {
  wire.mute(true);
  try {
    await rehearseCall(engine);
  } catch {
    // Then the first call is merely slower.
  }
  wire.mute(false);
  wire.pong(id);
}

// By way of the same code as the real ones: what has run once is compiled.
async function rehearseCall({ rehearsal = `${__dirname}/rehearsal.cjs` }) {
  const main = await functionOf(assignmentOf(JSON.stringify({ root: '/', entrypoint: rehearsal, env: {} })));
  const request = Buffer.from('\0\0\0\0\0GET /\nhost:rehearsal');
  request[0] = FLAG_END;
  request.writeUInt32LE(request.length - 5, 1);
  const call = callOf(0, request, 0, request.length);
  await new Promise((resolve) => {
    call.onEnd = (ended) => {
      forget(ended);
      resolve();
    };
    running.run(call, answer, call, main);
  });
}

// `runsOn`: { channel, version, isConsoleApart, rehearsal }; the last two may be left out.
function serve(runsOn) {
  engine = runsOn;
  wire = new Wire(engine.channel, onFrame);
  process.on('exit', () => {
    for (const call of calls.values()) {
      if (!call.isEnded) {
        if (call.line !== '') call.endLine();
        call.flushLogs();
      }
    }
  });
  native.capture(() => running.getStore(), engine);
  wire.hello(engine.version);
}

module.exports = { serve };
