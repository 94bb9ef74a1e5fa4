// Taking what others need: processes, memory, disk, time, the server's attention.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const net = require("node:net");
const { spawn } = require("node:child_process");
const { Worker } = require("node:worker_threads");

const MIB = 1 << 20;
const kept = []; // what is held on to

/** Whoever looks from outside knows the processes of this function by name. */
function mark() {
  process.title = "evil";
}

/** This interpreter once more, with a program of one line. */
function another(code, options = {}) {
  const text = `process.title = "evil"; ${code}`;
  const words = ["--max-old-space-size=16", "-e", text];
  const child = spawn(process.execPath, words, { stdio: "ignore", ...options });
  child.on("error", () => {});
  return child;
}

/** Do something again and again; how often it went well and what ended it. */
function untilRefused(box, label, action, most = 1e6) {
  let count = 0;
  try {
    for (; count < most; count++) action(count);
    box.done[label] = String(count);
  } catch (error) {
    box.facts[label] = [count, String(error.message).slice(0, 100)];
    box.refused[label] = error.code ?? error.message;
  }
}

const late = (seconds) => {
  const end = process.hrtime.bigint() + BigInt(Math.round(seconds * 1e9));
  return () => process.hrtime.bigint() >= end;
};

function leave() {
  process.exit(3);
}

function fork_bomb() {
  mark();
  const bomb = 'const { spawn } = require("child_process"); for (;;) ' +
    'spawn(process.execPath, process.execArgv.concat(["-e", process._eval]))' +
    '.on("error", () => {})';
  for (;;) another(bomb);
}

/** On every processor there is. */
async function spin(box) {
  mark();
  const began = process.hrtime.bigint();
  const before = process.cpuUsage(); // earlier calls have had their share
  const workers = Array.from({ length: 4 }, () => new Worker("for (;;);", { eval: true }));
  const isLate = late(box.told.for_s);
  while (!isLate());
  const { user, system } = process.cpuUsage(before);
  box.facts.cpus = (user + system) / 1e6 / (Number(process.hrtime.bigint() - began) / 1e9);
  for (const worker of workers) worker.terminate();
}

function heap() {
  mark();
  for (;;) kept.push(new Array(100000).fill(kept.length + 0.5));
}

function maps() {
  mark();
  for (;;) kept.push(Buffer.alloc(16 * MIB, 1));
}

function disk(box) {
  mark();
  const part = Buffer.alloc(MIB, "x");
  for (const folder of ["/dev/shm", "/tmp"]) {
    const file = fs.openSync(`${folder}/fill`, "w");
    untilRefused(box, folder, () => fs.writeSync(file, part), 4096);
    fs.closeSync(file);
    fs.unlinkSync(`${folder}/fill`);
  }
}

/** As many files as the time allows. */
function inodes(box) {
  mark();
  const isLate = late(box.told.for_s);
  let count = 0;
  fs.mkdirSync("/tmp/many", { recursive: true });
  try {
    for (; !isLate(); count++) fs.closeSync(fs.openSync(`/tmp/many/${count}`, "w"));
  } catch (error) {
    box.refused.files = error.code;
  }
  box.facts.files = count;
}

function descriptors(box) {
  mark();
  const open = [];
  untilRefused(box, "files", () => open.push(fs.openSync("/dev/null")));
  for (const fd of open) fs.closeSync(fd);
}

/** Threads with a heap of their own each, as many as the time allows. */
async function threads(box) {
  mark();
  const isLate = late(box.told.for_s);
  const all = [];
  const online = (worker) => new Promise((done) => worker.on("online", done).on("error", done));
  while (!isLate()) {
    const few = Array.from({ length: 4 }, () =>
      new Worker("setInterval(() => {}, 1e6)", { eval: true, resourceLimits: { maxOldGenerationSizeMb: 8 } }));
    all.push(...few);
    await Promise.all(few.map(online));
  }
  box.facts.threads = all.length;
  for (const worker of all) worker.terminate();
}

/** Children that end at once and that nobody waits for while the loop is held. */
function zombies(box) {
  mark();
  const isLate = late(box.told.for_s);
  while (!isLate()) spawn("/proc/self/exe", ["-v"], { stdio: "ignore" }).on("error", () => {});
}

/** Daemons in sessions of their own. */
function orphans(box) {
  mark();
  for (let at = 0; at < 8; at++)
    another('process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6)', { detached: true })
      .unref();
}

function stopped() {
  mark();
  process.kill(process.pid, "SIGSTOP");
}

/** Ignores what it is asked to end by, in the middle of a call. */
function deaf() {
  mark();
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(name, () => {});
  for (;;);
}

function kill_init() {
  mark();
  for (const pid of [1, process.ppid, -1, 0])
    for (const name of ["SIGTERM", "SIGSTOP", "SIGKILL"])
      try {
        process.kill(pid, name);
      } catch {}
}

function entropy(box) {
  mark();
  const isLate = late(box.told.for_s);
  const source = fs.openSync("/dev/random");
  const data = Buffer.alloc(MIB);
  while (!isLate()) {
    fs.readSync(source, data);
    crypto.randomFillSync(data);
  }
  fs.closeSync(source);
}

/** Timers and turns of the loop without end: interrupts instead of work. */
async function sleepers(box) {
  mark();
  const isLate = late(box.told.for_s);
  const wake = async () => {
    while (!isLate()) await new Promise((done) => setTimeout(done, 0));
  };
  await Promise.all(Array.from({ length: 500 }, wake));
}

function logs(box) {
  mark();
  const line = "x".repeat(7999);
  const isLate = late(box.told.for_s);
  while (!isLate()) {
    box.context.log(line);
    box.context.error(line);
  }
}

function output(box) {
  mark();
  const isLate = late(box.told.for_s);
  const one = Buffer.alloc(65536, "y");
  const other = Buffer.alloc(65536, "\n");
  const put = (fd, data) => {
    try {
      fs.writeSync(fd, data);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  };
  while (!isLate()) {
    put(1, one);
    put(2, other);
  }
}

/** Cheap calls without end. */
function system_calls(box) {
  mark();
  const isLate = late(box.told.for_s);
  while (!isLate()) for (let at = 0; at < 200; at++) fs.statSync("/");
}

/** Sockets of its own, and what their buffers hold. */
async function full_pipes(box) {
  mark();
  const server = net.createServer((link) => link.pause()).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const part = Buffer.alloc(256 * 1024);
  const isLate = late(box.told.for_s);
  let ended = "";
  while (!isLate() && !ended) {
    const link = net.connect(server.address().port, "127.0.0.1");
    link.on("error", (error) => (ended = error.code));
    kept.push(link);
    link.write(part);
    await new Promise((done) => setImmediate(done));
  }
  box.facts.links = [kept.length, ended];
  for (const link of kept) link.destroy();
  server.close();
}

function big_answer(box) {
  return box.context.res.text("x".repeat(box.told.mib * MIB));
}

module.exports = {
  big_answer, deaf, descriptors, disk, entropy, fork_bomb, full_pipes, heap, inodes, kill_init,
  leave, logs, maps, orphans, output, sleepers, spin, stopped, system_calls, threads, zombies,
};
