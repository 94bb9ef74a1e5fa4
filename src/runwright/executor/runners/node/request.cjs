'use strict';
// `context.req`. Everything is worked out when it is first read; assigning replaces it.

const { isUtf8 } = require('node:buffer');
const { Inlet, BodyStream } = require('./inlet.cjs');

const HIDDEN = 'x-open-runtimes-';
const STREAMED = 'The body of this request comes in parts: read them from req.stream.';
const EMPTY = Buffer.alloc(0);
let enforced = [];

// `text` is the value of OPEN_RUNTIMES_HEADERS: headers that win over those of the caller.
function enforceHeaders(text) {
  enforced = [];
  if (!text) return;
  try {
    const parsed = JSON.parse(text);
    for (const name of Object.keys(parsed)) enforced.push([name.toLowerCase(), String(parsed[name])]);
  } catch {
    // By contract a broken value counts as none.
  }
}

function put(target, name, value) {
  // A plain assignment to this one name would change the prototype instead.
  if (name === '__proto__') {
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[name] = value;
  }
}

function parseHeaders(lines) {
  const headers = {};
  for (let i = 1; i < lines.length; i += 1) {
    const line = lines[i];
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (name.startsWith(HIDDEN)) continue;
    const value = line.slice(colon + 1);
    if (Object.hasOwn(headers, name)) {
      headers[name] += (name === 'cookie' ? '; ' : ', ') + value;
    } else {
      put(headers, name, value);
    }
  }
  for (const [name, value] of enforced) put(headers, name, value);
  return headers;
}

function parseQuery(text) {
  const query = {};
  if (text === '') return query;
  for (const pair of text.split('&')) {
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    if (name !== '') put(query, name, equals < 0 ? '' : pair.slice(equals + 1));
  }
  return query;
}

// [host, port or null]; an IPv6 literal keeps its brackets.
function splitHost(value) {
  const end = value.startsWith('[') ? value.indexOf(']') + 1 : 0;
  const colon = value.indexOf(':', end);
  if (colon < 0) return [value, null];
  const digits = value.slice(colon + 1);
  return [value.slice(0, colon), /^\d{1,5}$/.test(digits) ? Number(digits) : null];
}

function parseJson(text) {
  return JSON.parse(text);
}

class Request {
  #head; // Buffer: request line and headers
  #body; // Buffer
  #call = null;
  #lines = null;
  #values = {};

  constructor(head, body, call) {
    this.#head = head;
    this.#body = body;
    this.#call = call;
  }

  #line(index) {
    if (this.#lines === null) {
      const head = this.#head;
      this.#lines = head.toString(isUtf8(head) ? 'utf8' : 'latin1').split('\n');
    }
    return this.#lines[index];
  }

  #whole() {
    if (this.#call?.inlet) throw new Error(STREAMED);
    return this.#body;
  }

  static lazy(name, compute) {
    Object.defineProperty(Request.prototype, name, {
      enumerable: true,
      configurable: true,
      get() {
        const values = this.#values;
        if (!(name in values)) values[name] = compute(this);
        return values[name];
      },
      set(value) {
        this.#values[name] = value;
      },
    });
  }

  static {
    const target = (req) => {
      const line = req.#line(0);
      const raw = line.slice(line.indexOf(' ') + 1);
      const hash = raw.indexOf('#');
      return hash < 0 ? raw : raw.slice(0, hash);
    };
    const defaultPort = (req) => (req.scheme === 'https' ? 443 : 80);
    const getters = {
      method: (req) => {
        const line = req.#line(0);
        return line.slice(0, line.indexOf(' ')).toUpperCase();
      },
      headers: (req) => {
        req.#line(0);
        return parseHeaders(req.#lines);
      },
      scheme: (req) => req.headers['x-forwarded-proto'] || 'http',
      host: (req) => splitHost(req.headers.host ?? '')[0],
      port: (req) => splitHost(req.headers.host ?? '')[1] ?? defaultPort(req),
      path: (req) => target(req).split('?', 1)[0],
      queryString: (req) => {
        const text = target(req);
        const mark = text.indexOf('?');
        return mark < 0 ? '' : text.slice(mark + 1);
      },
      query: (req) => parseQuery(req.queryString),
      url: (req) => {
        const port = req.port === defaultPort(req) ? '' : `:${req.port}`;
        const query = req.queryString === '' ? '' : `?${req.queryString}`;
        return `${req.scheme}://${req.host}${port}${req.path}${query}`;
      },
      bodyBinary: (req) => req.#whole(),
      bodyText: (req) => req.#whole().toString('utf8'),
      bodyRaw: (req) => req.bodyText,
      bodyJson: (req) => parseJson(req.bodyText),
      body: (req) => {
        const type = (req.headers['content-type'] ?? 'text/plain').toLowerCase();
        if (!type.startsWith('application/json')) return req.bodyText;
        return req.#whole().length === 0 ? {} : req.bodyJson;
      },
      stream: (req) => new BodyStream(req.#call?.inlet ?? Inlet.of(req.#body)),
      signal: (req) => req.#call.signal(),
    };
    for (const name of Object.keys(getters)) Request.lazy(name, getters[name]);
  }

  toJSON() {
    const { method, headers, scheme, host, port, path, query, queryString, url } = this;
    const bodyText = this.#call?.inlet ? undefined : this.bodyText;
    return { method, headers, scheme, host, port, path, query, queryString, url, bodyText };
  }
}

module.exports = { Request, EMPTY, enforceHeaders, parseQuery, splitHost };
