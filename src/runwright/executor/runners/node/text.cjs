'use strict';
// How values become log text. Whatever user code logs, this must neither throw nor grow without
// bound: an entry is cut at MAX_ENTRY characters, so writing stops soon after that many.

const MAX_ENTRY = 8000;
const CUT = '... Log truncated due to size limit (8000 characters)';
const MAX_DEPTH = 200;

class Enough extends Error {}

// Compact JSON for values that JSON itself does not know, too: BigInt, Map, Set, cycles, ...
class Writer {
  constructor() {
    this.text = '';
    this.open = [];
  }

  put(piece) {
    this.text += piece;
    if (this.text.length > MAX_ENTRY) throw new Enough();
  }

  // Only as much of a long string as can appear in the entry.
  string(value) {
    this.put(JSON.stringify(value.length > MAX_ENTRY ? value.slice(0, MAX_ENTRY + 1) : value));
  }

  value(value) {
    switch (typeof value) {
      case 'string':
        this.string(value);
        return;
      case 'number':
        this.put(Number.isFinite(value) && !Object.is(value, -0) ? String(value) : `"${nameOf(value)}"`);
        return;
      case 'boolean':
        this.put(String(value));
        return;
      case 'bigint':
        this.put(`"${value}"`);
        return;
      case 'object':
        if (value !== null) {
          this.object(value);
          return;
        }
        break;
      default:
    }
    this.put('null');
  }

  object(value) {
    if (this.open.includes(value) || this.open.length >= MAX_DEPTH) {
      this.put('null');
      return;
    }
    this.open.push(value);
    if (Array.isArray(value)) this.list(value);
    else if (value instanceof Date) this.put(isNaN(value) ? 'null' : JSON.stringify(value));
    else if (value instanceof Error) this.members({ name: value.name, message: value.message });
    else if (value instanceof Map) this.list(value.entries());
    else if (value instanceof Set) this.list(value);
    else if (value instanceof RegExp || value instanceof URL) this.string(String(value));
    else if (ArrayBuffer.isView(value) && !(value instanceof DataView)) this.list(value);
    else if (value instanceof String || value instanceof Number || value instanceof Boolean) {
      this.value(value.valueOf());
    } else if (typeof value.toJSON === 'function') this.value(value.toJSON());
    else this.members(value);
    this.open.pop();
  }

  list(values) {
    this.put('[');
    let isFirst = true;
    for (const item of values) {
      if (!isFirst) this.put(',');
      isFirst = false;
      this.value(item);
    }
    this.put(']');
  }

  members(value) {
    this.put('{');
    let isFirst = true;
    for (const key of Object.keys(value)) {
      const item = value[key];
      if (typeof item === 'function' || typeof item === 'symbol') continue;
      if (!isFirst) this.put(',');
      isFirst = false;
      this.string(key);
      this.put(':');
      this.value(item);
    }
    this.put('}');
  }
}

function nameOf(number) {
  return Object.is(number, -0) ? '-0' : String(number);
}

function stackOf(error) {
  const seen = [];
  let text = '';
  for (let at = error; at instanceof Error && !seen.includes(at) && seen.length < 8; at = at.cause) {
    const own = typeof at.stack === 'string' && at.stack !== '' ? at.stack : String(at);
    text += seen.length === 0 ? own : `\nCaused by: ${own}`;
    seen.push(at);
    if (Array.isArray(at.errors)) {
      for (const inner of at.errors.slice(0, 8)) text += `\nOne of: ${inner instanceof Error ? inner.stack : format(inner)}`;
    }
  }
  return text;
}

function format(value) {
  if (typeof value === 'string') return value;
  if (typeof value === 'function' || typeof value === 'symbol') return '';
  const writer = new Writer();
  try {
    if (value instanceof Error) return String(stackOf(value));
    writer.value(value);
    return writer.text;
  } catch (error) {
    if (error instanceof Enough) return writer.text;
  }
  // A getter, proxy or toJSON of the value threw.
  try {
    return String(value);
  } catch {
    return '[value that cannot be shown]';
  }
}

function cut(text) {
  return text.length > MAX_ENTRY ? text.slice(0, MAX_ENTRY) + CUT : text;
}

// One entry: the arguments, joined by one space, cut, with its newline.
function entry(values) {
  if (values.length === 1 && typeof values[0] === 'string') return `${cut(values[0])}\n`;
  let text = '';
  for (let i = 0; i < values.length; i += 1) {
    text += i === 0 ? format(values[i]) : ` ${format(values[i])}`;
    if (text.length > MAX_ENTRY) break;
  }
  return `${cut(text)}\n`;
}

module.exports = { MAX_ENTRY, entry, format, cut, stackOf };
