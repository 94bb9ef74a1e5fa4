'use strict';
// One action per row of the runtime checklist, chosen by the header x-action.

const { execFileSync } = require('node:child_process');
const crypto = require('node:crypto');
const { setTimeout: sleep } = require('node:timers/promises');

let counter = 0;
const arrivals = [];
const held = [];
const late = [];
console.log('module loaded');

const actions = {
  text: ({ res }) => res.text('Hello World 👋'),
  json: ({ res }) => res.json({ json: true, message: 'Developers are awesome. ü' }),
  echoJson: ({ req, res }) => res.json(req.bodyJson),
  type: ({ req, res }) => res.text('typed', 200, { 'Content-Type': req.headers['x-type'] }),
  redirect: ({ res }) => res.redirect('https://github.com/'),
  redirectWith: ({ res }) => res.redirect('/next', 307, { 'x-why': 'moved' }),
  empty: ({ res }) => res.empty(),
  noReturn: ({ res }) => {
    res.text('This should be ignored, as it is not returned.');
  },
  doubleResponse: ({ res }) => {
    res.text('This should be ignored.');
    return res.text('This should be returned.');
  },
  headers: ({ req, res }) =>
    res.text('OK', 200, {
      'x-first': 'first-value',
      'X-Second': req.headers['x-open-runtimes-custom-in-header'] ?? 'missing',
      'x-cookie': req.headers.cookie ?? 'missing',
      'x-open-runtimes-custom-out-header': 'third-value',
    }),
  status: ({ req, res }) => res.text('FAIL', Number(req.headers['x-status'] ?? 404)),
  rawStatus: ({ req }) => ({ body: 'x', statusCode: JSON.parse(req.bodyText) }),
  request: ({ req, res }) =>
    res.json({
      method: req.method,
      url: req.url,
      scheme: req.scheme,
      host: req.host,
      port: req.port,
      path: req.path,
      query: req.query,
      queryString: req.queryString,
      headers: req.headers,
    }),
  bodyText: ({ req, res }) => res.text(req.bodyText),
  bodyRaw: ({ req, res }) => res.send(req.bodyRaw),
  body: ({ req, res }) => {
    const kind = typeof req.body === 'string' ? 'text' : 'json';
    return kind === 'text' ? res.text(req.body, 200, { 'x-kind': kind }) : res.json(req.body, 200, { 'x-kind': kind });
  },
  bodyJson: ({ req, res }) => res.json({ key: req.bodyJson.key1, all: req.bodyJson }),
  bodyBinary: ({ req, res }) => res.binary(req.bodyBinary),
  md5: ({ req, res }) =>
    res.send(crypto.createHash('md5').update(req.bodyBinary).digest('hex'), 200, { 'x-method': req.method }),
  binaryKinds: ({ req, res }) => {
    const kinds = [
      () => Buffer.from([0, 10, 255]),
      () => Uint8Array.from([0, 20, 255]),
      () => Uint8Array.from([0, 30, 255]).buffer,
      () => new DataView(Uint8Array.from([9, 0, 40, 255]).buffer, 1),
      () => [0, 50, 255],
    ];
    return res.binary(kinds[Number(req.headers['x-kind'])]());
  },
  sendNumber: ({ res }) => res.send(50),
  sendBytes: ({ req, res }) => res.send(req.bodyBinary, 200, { 'content-type': 'image/png' }),
  env: ({ res }) => res.json({ set: process.env.CUSTOM_ENV_VAR ?? null, unset: process.env.NOT_DEFINED_VAR ?? null }),
  logs: ({ res, log, error }) => {
    console.log('Native log');
    log('Debug log');
    error('Error log');
    log('Log+With+Plus+Symbol');
    log(42);
    log(4.2);
    log(true);
    log({ objectKey: 'objectValue' });
    log(['arrayValue']);
    log('a'.repeat(9000));
    error('b'.repeat(9000));
    log('c'.repeat(8000));
    return res.text('');
  },
  nativeStreams: ({ res }) => {
    process.stdout.write('out ');
    process.stdout.write('line\n');
    process.stderr.write('err line\n');
    return res.text('');
  },
  twoArguments: ({ res, log, error }) => {
    log('log1', 'log2');
    error('error1', 'error2');
    return res.text('');
  },
  logThenThrow: ({ log }) => {
    log('before the end');
    throw new Error('Main function error');
  },
  throwValue: () => {
    throw { code: 7 };
  },
  sleep: async ({ req, res, log }) => {
    const { id, ms } = req.query;
    log(`start ${id}`);
    console.log(`native start ${id}`);
    await sleep(Number(ms ?? 50));
    console.log(`native end ${id}`);
    log(`end ${id}`);
    return res.text(`slept ${id}`);
  },
  // Answers when `n` of these calls are running at the same time.
  meet: async ({ req, res }) => {
    await new Promise((resolve) => {
      arrivals.push(resolve);
      if (arrivals.length === Number(req.query.n)) for (const go of arrivals.splice(0)) go();
    });
    return res.text('met');
  },
  // Answers when `release` is called.
  hold: async ({ res, log }) => {
    log('holding');
    await new Promise((resolve) => held.push(resolve));
    return res.text('released');
  },
  // What was late has been said when this answers.
  release: async ({ res }) => {
    for (const go of held.splice(0)) go();
    await Promise.all(late.splice(0));
    return res.text('');
  },
  printLater: async ({ req, res }) => {
    await new Promise((resolve) => {
      setTimeout(() => {
        console.log(`late ${req.query.id}`);
        resolve();
      }, 5);
    });
    return res.text('');
  },
  lateOutput: ({ res, log }) => {
    const said = new Promise((resolve) => held.push(resolve)).then(() => {
      log('too late');
      console.log('too late');
    });
    late.push(said);
    return res.text('done');
  },
  bare: () => 'just text',
  bareNumber: () => 42,
  bareList: () => [1, 2],
  nothing: () => ({}),
  handMade: () => ({ body: 'made', statusCode: '201', headers: { 'X-Made': 'yes' } }),
  headerKinds: ({ res }) =>
    res.text('', 200, { 'x-number': 248, 'x-flag': true, 'set-cookie': ['a=1; Path=/', 'b=2'], 'x-accent': 'é' }),
  badHeaderValue: ({ res }) => res.text('', 200, { 'x-bad': 'a\r\nset-cookie: evil=1' }),
  badHeaderName: ({ res }) => res.text('', 200, { 'x bad': 'a' }),
  manyHeaders: ({ req, res }) => res.text('', 200, { 'x-big': 'x'.repeat(Number(req.query.size)) }),
  wrongText: ({ res }) => res.text(7),
  counter: ({ res }) => res.text(String((counter += 1))),
  large: ({ req, res }) => {
    const size = Number(req.query.size);
    return res.binary(Buffer.alloc(size, 'abcdefghij'), 200, { 'content-type': 'application/octet-stream' });
  },
  largeText: ({ req, res }) => res.text('é'.repeat(Number(req.query.size))),
  stream: async ({ res, log }) => {
    res.start(201, { 'content-type': 'text/event-stream' });
    await res.write('first ');
    log('between');
    await res.write(Buffer.from('second'));
    res.end();
    return 'ignored';
  },
  streamMany: async ({ req, res, log }) => {
    res.start();
    for (let i = 0; i < Number(req.query.parts); i += 1) {
      await res.write(Buffer.alloc(100_000, i % 256));
      log(`wrote ${i}`);
    }
    res.end();
  },
  streamThenThrow: async ({ res }) => {
    await res.write('half');
    throw new Error('broken in the middle');
  },
  takeStream: async ({ req, res, log }) => {
    let size = 0;
    let last = 0;
    for await (const part of req.stream) {
      if (size === 0) log('began');
      size += part.length;
      last = part[part.length - 1];
    }
    return res.json({ size, last });
  },
  bodyOfStream: ({ req, res }) => res.text(req.bodyText),
  writeForEver: async ({ req, res, log }) => {
    res.start();
    req.signal.addEventListener('abort', () => log(`told: ${req.signal.reason.code}`));
    for (;;) await res.write(Buffer.alloc(10_000));
  },
  echoSocket: async ({ upgrade, log }) => {
    const socket = await upgrade({ protocol: 'chat', headers: { 'x-own': 'value' } });
    for await (const message of socket) {
      if (message === 'close') await socket.close(4001, 'as asked');
      else await socket.send(message);
    }
    log(`closed: ${socket.code} ${socket.reason}`);
  },
  spin: ({ log }) => {
    log('before the loop');
    for (;;);
  },
  flood: ({ req, res, log }) => {
    const line = 'x'.repeat(999);
    for (let i = 0; i < Number(req.query.lines); i += 1) log(line);
    return res.text('flooded');
  },
  exit: ({ log }) => {
    log('before the exit');
    process.exit(3);
  },
  rejectUnhandled: async ({ log }) => {
    log('before the rejection');
    Promise.reject(new Error('nobody handles this'));
    await sleep(3_600_000);
  },
  openFiles: ({ res }) =>
    res.text(execFileSync('/bin/ls', ['-l', '/proc/self/fd'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })),
  never: () => new Promise(() => {}),
};

module.exports = async (context) => {
  const action = actions[context.req.headers['x-action']];
  if (action === undefined) throw new Error('Unknown action');
  return action(context);
};
