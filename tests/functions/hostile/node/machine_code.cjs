// Programs made of nothing but system calls: Node has no other way to make those of its choice.
"use strict";

const fs = require("node:fs");
const { spawnSync } = require("node:child_process");
const { errno } = require("node:os").constants;

const BASE = 0x400000n;
const NAMES = Object.fromEntries(Object.entries(errno).map(([name, code]) => [code, name]));
const REGISTERS = ["48bf", "48be", "48ba", "49ba", "49b8", "49b9"]; // mov rdi, rsi, rdx, r10, r8, r9
const TELL = Buffer.from("50b801000000bf010000004889e6ba080000000f0558", "hex"); // write rax
const END = Buffer.from("b8e700000031ff0f05", "hex");
let made = 0;

const nameOf = (value) => NAMES[-value] ?? String(-value);

function load(opcode, value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return Buffer.concat([Buffer.from(opcode, "hex"), bytes]);
}

/** The text of a program that makes each call and tells its result. */
function assemble(calls) {
  const size = calls.reduce((sum, [, args]) => sum + 10 * (1 + args.length) + 2 + TELL.length, 0);
  let data = Buffer.alloc(0);
  const code = calls.flatMap(([number, args]) => [
    load("48b8", number),
    ...args.map((value, at) => {
      if (typeof value === "number") return load(REGISTERS[at], value);
      const address = BASE + 120n + BigInt(size + END.length + data.length);
      data = Buffer.concat([data, Buffer.from(value, "latin1"), Buffer.alloc(128)]);
      return load(REGISTERS[at], address);
    }),
    Buffer.from("0f05", "hex"),
    TELL,
  ]);
  return Buffer.concat([...code, END, data]);
}

function program(text) {
  const head = Buffer.alloc(120);
  head.write("\x7fELF\x02\x01\x01", 0, "latin1");
  head.writeUInt16LE(2, 16); // executable
  head.writeUInt16LE(62, 18); // x86-64
  head.writeUInt32LE(1, 20);
  head.writeBigUInt64LE(BASE + 120n, 24);
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(64, 52);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  head.writeUInt32LE(1, 64); // one segment, all rights
  head.writeUInt32LE(7, 68);
  head.writeBigUInt64LE(BASE, 80);
  head.writeBigUInt64LE(BASE, 88);
  head.writeBigUInt64LE(BigInt(120 + text.length), 96);
  head.writeBigUInt64LE(BigInt(120 + text.length), 104);
  head.writeBigUInt64LE(4096n, 112);
  return Buffer.concat([head, text]);
}

function run(text, { mode = 0o755, ...options } = {}) {
  const path = `/tmp/program-${(made += 1)}`;
  fs.writeFileSync(path, program(text));
  fs.chmodSync(path, mode);
  const ended = spawnSync(path, [], { timeout: 5000, ...options });
  fs.unlinkSync(path);
  if (ended.error) throw ended.error;
  return ended;
}

/** Each call's result, or the name of its error. */
function results(calls, options) {
  const ended = run(assemble(calls), options);
  return calls.map((_, at) => {
    if (ended.stdout.length < 8 * (at + 1)) return { refused: `killed by ${ended.signal}` };
    const value = Number(ended.stdout.readBigInt64LE(8 * at));
    return value < 0 && value > -4096 ? { refused: nameOf(value) } : { value };
  });
}

module.exports = { END, TELL, nameOf, results, run };
