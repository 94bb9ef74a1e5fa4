'use strict';
// `context.res` and the rules that turn what user code returned into status, head and body.

const DEFAULT_TYPE = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
const HIDDEN = 'x-open-runtimes-';
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// eslint-disable-next-line no-control-regex
const BAD_VALUE = /[\0-\x08\n-\x1f\x7f]/;
const MAX_HEAD_BYTES = 64 * 1024;
const NO_BODY = Buffer.alloc(0);
const HEAD_DEFAULT = Buffer.from(`content-type:${DEFAULT_TYPE}`);
const HEAD_JSON = Buffer.from(`content-type:${JSON_TYPE}`);

const MISSING_RETURN =
  'Return statement missing. return context.res.empty() if no response is expected.';

// User code returned something that is no response; the message goes to its errors.
class BadResponse extends Error {}

function bytesOf(value) {
  if (Buffer.isBuffer(value)) return value;
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return Buffer.from(value);
  return null;
}

class Response {
  #call;

  constructor(call) {
    this.#call = call;
  }

  text(body, statusCode = 200, headers = {}) {
    if (typeof body !== 'string' && bytesOf(body) === null) {
      throw new TypeError(`context.res.text() needs a string, not ${describe(body)}.`);
    }
    return { body, statusCode, headers };
  }

  json(value, statusCode = 200, headers = undefined) {
    const body = JSON.stringify(value);
    if (body === undefined) {
      throw new TypeError(`context.res.json() cannot turn ${describe(value)} into JSON.`);
    }
    return { body, statusCode, headers: withHeader(headers, 'content-type', 'application/json') };
  }

  binary(bytes, statusCode = 200, headers = {}) {
    const body = bytesOf(bytes) ?? (Array.isArray(bytes) || typeof bytes === 'string' ? Buffer.from(bytes) : null);
    if (body === null) {
      throw new TypeError(`context.res.binary() needs bytes, not ${describe(bytes)}.`);
    }
    return { body, statusCode, headers };
  }

  redirect(url, statusCode = 301, headers = undefined) {
    return { body: '', statusCode, headers: withHeader(headers, 'location', url) };
  }

  empty() {
    return { body: '', statusCode: 204, headers: {} };
  }

  send(body, statusCode = 200, headers = {}) {
    return { body, statusCode, headers };
  }

  // Streaming: head first, then parts, then the end. What the function returns is then ignored.
  start(statusCode = 200, headers = {}) {
    this.#call.streamStart(statusCode, headers);
  }

  write(chunk) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : bytesOf(chunk);
    if (bytes === null) {
      throw new TypeError(`context.res.write() needs a string or bytes, not ${describe(chunk)}.`);
    }
    return this.#call.streamWrite(bytes);
  }

  end(chunk) {
    const written = chunk === undefined ? Promise.resolve() : this.write(chunk);
    this.#call.streamEnd();
    return written;
  }
}

function describe(value) {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? `an object of type ${value.constructor?.name ?? 'unknown'}` : typeof value;
}

// A copy: the caller's own object must not change. One name in any spelling is one header.
function withHeader(headers, name, value) {
  if (headers === undefined || headers === null) return { [name]: value };
  const copy = {};
  for (const [own, text] of pairsOf(headers)) {
    const lower = String(own).toLowerCase();
    if (lower === name) continue;
    // A `Headers` object yields one pair for each cookie.
    if (lower === 'set-cookie' && copy[lower] !== undefined) copy[lower] = [].concat(copy[lower], text);
    else copy[lower] = text;
  }
  copy[name] = value;
  return copy;
}

function pairsOf(headers) {
  return typeof headers.entries === 'function' ? headers.entries() : Object.entries(headers);
}

function contentType(value) {
  const lower = value.toLowerCase();
  if (lower.startsWith('multipart/') || lower.includes('charset=')) return value;
  return `${lower}; charset=utf-8`;
}

function headerText(name, value) {
  if (value === undefined || typeof value === 'symbol' || typeof value === 'function') {
    throw new BadResponse(`Response header "${name}" has no value that can be sent (${describe(value)}).`);
  }
  const text = String(value);
  if (BAD_VALUE.test(text)) {
    throw new BadResponse(`Response header "${name}" contains a character that headers cannot carry.`);
  }
  return text;
}

// The heads that nearly every response has, without work.
function plainHead(headers) {
  if (Object.getPrototypeOf(headers) !== Object.prototype) return null;
  for (const name in headers) {
    if (name !== 'content-type' || headers[name] !== 'application/json') return null;
    return Object.keys(headers).length === 1 ? HEAD_JSON : null;
  }
  return HEAD_DEFAULT;
}

function buildHead(headers) {
  if (headers === undefined || headers === null) return HEAD_DEFAULT;
  const plain = plainHead(headers);
  if (plain !== null) return plain;
  if (typeof headers !== 'object' || Array.isArray(headers)) {
    throw new BadResponse(`Response headers must be an object, not ${describe(headers)}.`);
  }
  const fields = new Map();
  for (const [name, value] of pairsOf(headers)) {
    const lower = String(name).toLowerCase();
    if (lower.startsWith(HIDDEN)) continue;
    if (!NAME.test(lower)) throw new BadResponse(`Response header name ${JSON.stringify(name)} is not valid.`);
    const isRepeatedPair = lower === 'set-cookie' && typeof headers.entries === 'function' && fields.has(lower);
    const texts = (Array.isArray(value) ? value : [value]).map((one) => headerText(lower, one));
    fields.set(lower, isRepeatedPair ? fields.get(lower).concat(texts) : texts);
  }
  if (fields.size === 0) return HEAD_DEFAULT;
  const types = fields.get('content-type');
  const type = types === undefined || types.length === 0 ? DEFAULT_TYPE : contentType(types[types.length - 1]);
  let head = `content-type:${type}`;
  for (const [name, texts] of fields) {
    if (name === 'content-type') continue;
    for (const text of texts) head += `\n${name}:${text}`;
  }
  const bytes = Buffer.from(head);
  if (bytes.length > MAX_HEAD_BYTES) {
    throw new BadResponse(`Response headers are larger than ${MAX_HEAD_BYTES} bytes.`);
  }
  return bytes;
}

function buildStatus(value) {
  if (value === undefined || value === null) return 200;
  const status = typeof value === 'string' && /^\d{3}$/.test(value.trim()) ? Number(value) : value;
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 100 || status > 599) {
    throw new BadResponse(
      `Response status code must be an integer from 100 to 599, not ${typeof value === 'string' ? JSON.stringify(value) : String(value)}.`,
    );
  }
  return status;
}

// A string or a Buffer.
function buildBody(value) {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return '';
  const bytes = bytesOf(value);
  if (bytes !== null) return bytes;
  if (typeof value === 'object') return JSON.stringify(value) ?? '';
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new BadResponse(`Response body cannot be a ${typeof value}.`);
  }
  return String(value);
}

function hasNoBody(status) {
  return status === 204 || status === 304 || status < 200;
}

// Into `to` go status, head and body of what user code returned. Throws BadResponse.
function build(value, to) {
  if (value === undefined || value === null) throw new BadResponse(MISSING_RETURN);
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new BadResponse(
      `The function returned ${describe(value)} instead of a response. ` +
        'Return the result of a helper, for example context.res.text(...) or context.res.json(...).',
    );
  }
  to.status = buildStatus(value.statusCode);
  to.head = buildHead(value.headers);
  const body = buildBody(value.body);
  to.body = hasNoBody(to.status) ? '' : body;
}

module.exports = {
  Response, BadResponse, build, buildHead, buildStatus, contentType, hasNoBody, HEAD_DEFAULT, NO_BODY,
};
