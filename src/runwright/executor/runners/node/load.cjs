'use strict';
// From an entrypoint to the function that answers requests.

const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const SERVER_FOLDER = '/usr/local/server';

// Why nothing can be run; the message goes to the errors of each request.
class LoadError extends Error {}

function prepare({ root, env }) {
  Object.assign(process.env, env);
  process.chdir(fs.existsSync(SERVER_FOLDER) ? SERVER_FOLDER : root);
}

function fileOf(root, entrypoint) {
  if (!entrypoint) {
    try {
      return require.resolve(root);
    } catch {
      throw new LoadError('Failed to load entrypoint, file index.js does not exist.');
    }
  }
  const file = path.join(root, entrypoint);
  if (!fs.existsSync(file)) {
    throw new LoadError(`Failed to load entrypoint, file ${entrypoint} does not exist.`);
  }
  return file;
}

// What a source that cannot be parsed is told by: a SyntaxError, Bun's own BuildMessage (several of
// them in an AggregateError), or a TypeError of Deno's with this beginning.
const DENO_PARSER = "The module's source code could not be parsed: ";

function syntaxMessage(error) {
  const first = Array.isArray(error?.errors) ? error.errors[0] : error;
  if (first instanceof SyntaxError || first?.name === 'BuildMessage') return first.message;
  const message = String(first?.message);
  return message.startsWith(DENO_PARSER) ? message.slice(DENO_PARSER.length) : null;
}

function reason(error, entrypoint) {
  const syntax = syntaxMessage(error);
  if (syntax !== null) return `Syntax error in ${entrypoint}: ${syntax}`;
  if (!(error instanceof Error)) return `Failed to load module: ${String(error)}`;
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return [`Failed to load module: ${error.message}`, ...frames].join('\n');
}

// Whether a file is CommonJS for sure. `import()` would load it as well, but with the whole loader of
// ES modules before it, which takes longer than all else that a first call does.
function isCommonJs(file) {
  if (process.versions.deno !== undefined || process.versions.bun !== undefined) return false;
  if (file.endsWith('.cjs')) return true;
  if (!file.endsWith('.js')) return false;
  const type = typeAbove(path.dirname(file));
  if (type !== undefined) return type === 'commonjs';
  const source = fs.readFileSync(file, 'utf8');
  return /\bexports\b/.test(source) && !/^\s*(?:import|export)\b/m.test(source);
}

// The `type` of the package that a folder belongs to.
function typeAbove(folder) {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(at, 'package.json'), 'utf8')).type;
    } catch (error) {
      if (error.code === undefined) return 'unknown'; // Node will say what is wrong with it
    }
    if (at === path.dirname(at)) return undefined;
  }
}

function callableOf(module, file) {
  // A CommonJS file is seen as its own exports; there `exports.default` wins over the exports.
  const exported = require.cache[file] === undefined ? module.default : require.cache[file].exports;
  const inner = exported?.default;
  for (const candidate of [require.cache[file] === undefined ? undefined : inner, exported, inner]) {
    if (typeof candidate === 'function') return candidate;
  }
  throw new LoadError("Function signature invalid. Did you forget to export a 'main' function?");
}

// Without a parent, as `import()` does it: `!module.parent` is how old code knows a start.
function loadCommonJs(file) {
  // What `node:module` exports, which itself brings along what hardly a function uses.
  const Module = require.main.constructor;
  return Module._load(file, undefined, false);
}

async function load({ root, entrypoint }) {
  const file = fileOf(root, entrypoint);
  let module;
  try {
    if (isCommonJs(file)) module = { default: loadCommonJs(file) };
    else module = await import(pathToFileURL(file).href);
  } catch (error) {
    throw new LoadError(reason(error, entrypoint));
  }
  return callableOf(module, file);
}

module.exports = { prepare, load, LoadError };
