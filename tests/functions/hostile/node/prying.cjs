// Looking for what belongs to others: files, memory, processes, descriptors.
"use strict";

const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const { results } = require("./machine_code.cjs");
const table = require("./syscalls.json");

const MARKER = /decoy-[0-9a-f]{40}/g;
const PLAIN = /\.(js|cjs|mjs|so|pem|gz|py)(\.|$)/;
const LARGEST = 1 << 20;
const RUNNER = "/usr/local/server/runner";

/** Every secret that can be read anywhere. */
function markers(box) {
  const found = {};
  const look = (where, data) => {
    for (const hit of data.toString("latin1").match(MARKER) ?? []) found[hit] ??= where;
  };
  walk("/", (name) => {
    if (path.dirname(name) === __dirname || !PLAIN.test(name)) look(name, contents(name));
  });
  for (const pid of fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
    for (const name of ["environ", "cmdline", "mountinfo", "status", "fd"])
      if (name !== "fd") look(name, contents(`/proc/${pid}/${name}`));
      else for (const fd of listed(`/proc/${pid}/fd`)) lookFile(`/proc/${pid}/fd/${fd}`, look);
  for (const value of Object.values(process.env)) look("environment", Buffer.from(value));
  ownMemory(look);
  box.facts.found = found;
}

function lookFile(name, look) {
  try {
    if (fs.statSync(name).isFile()) look(name, contents(name));
  } catch {}
}

function walk(folder, visit) {
  for (const entry of listed(folder, { withFileTypes: true })) {
    const name = path.join(folder, entry.name);
    if (entry.isDirectory() && name !== "/proc") walk(name, visit);
    else if (entry.isFile()) visit(name);
  }
}

function listed(folder, options) {
  try {
    return fs.readdirSync(folder, options);
  } catch {
    return [];
  }
}

function contents(name) {
  try {
    const fd = fs.openSync(name, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    try {
      const data = Buffer.alloc(Math.min(LARGEST, fs.fstatSync(fd).size || 65536));
      return data.subarray(0, fs.readSync(fd, data));
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return Buffer.alloc(0);
  }
}

/** What the process that became this one may have had in mind. */
function ownMemory(look) {
  const memory = fs.openSync("/proc/self/mem", "r");
  for (const line of fs.readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const [range, rights] = line.split(" ");
    if (!rights?.startsWith("rw") || line.includes("[v")) continue;
    const [begin, end] = range.split("-").map((word) => BigInt(`0x${word}`));
    if (end - begin >= 64n << 20n) continue;
    try {
      const data = Buffer.alloc(Number(end - begin));
      fs.readSync(memory, data, 0, data.length, begin);
      look("memory", data);
    } catch {}
  }
  fs.closeSync(memory);
}

/** Others are neither seen nor hit, by whatever number they have outside. */
async function processes(box) {
  box.facts.seen = fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of box.told.pids) {
    await box.attempt(`signal ${pid}`, () => process.kill(pid, 0));
    await box.attempt(`group ${pid}`, () => process.kill(-pid, 0));
    for (const name of ["environ", "mem", "maps", "root", "cwd", "fd", "cmdline"])
      await box.attempt(`/proc/${pid}/${name}`, () => fs.statSync(`/proc/${pid}/${name}`));
  }
  await box.attempt("memory of init", () => fs.readFileSync("/proc/1/mem").length);
  await box.attempt("environment of init", () => {
    if (contents("/proc/1/environ").length === 0) throw new Error("nothing in it");
  });
  box.facts.init = links("/proc/1/fd");
  box.facts.is_same_root = fs.statSync("/proc/1/root").ino === fs.statSync("/").ino;
  box.facts.parent = process.ppid;
  box.facts.own = process.pid;
}

/** Links of all that was open before user code came. */
function descriptors(box) {
  box.facts.links = links("/proc/self/fd");
}

function links(folder) {
  return fs.readdirSync(folder).flatMap((name) => {
    try {
      return [fs.readlinkSync(`${folder}/${name}`)];
    } catch {
      return [];
    }
  });
}

/** Neither the code nor the tools it runs on can be changed by the code. */
async function own_files(box) {
  const runner = path.join(RUNNER, fs.readdirSync(RUNNER)[0]);
  const targets = [__filename, process.execPath, "/etc/passwd", "/etc/resolv.conf", "/etc/hosts",
    "/dev/null", runner];
  for (const name of targets) {
    if (name !== "/dev/null") {
      await box.attempt(`write ${name}`, () => fs.openSync(name, "r+"));
      await box.attempt(`truncate ${name}`, () => fs.truncateSync(name));
    }
    await box.attempt(`remove ${name}`, () => fs.unlinkSync(name));
    await box.attempt(`move ${name}`, () => fs.renameSync(name, `${name}.old`));
    await box.attempt(`mode ${name}`, () => fs.chmodSync(name, 0o4777));
    await box.attempt(`replace ${name}`, () => {
      fs.writeFileSync("/tmp/new-file", "mine");
      fs.renameSync("/tmp/new-file", name);
    });
    await box.attempt(`times ${name}`, () => fs.utimesSync(name, 0, 0));
  }
  for (const at of ["/", __dirname, RUNNER, "/usr", "/etc", "/dev", "/usr/local/server", "/var",
    "/run"]) {
    await box.attempt(`new file in ${at}`, () => fs.writeFileSync(`${at}/new`, "", { flag: "wx" }));
    await box.attempt(`new folder in ${at}`, () => fs.mkdirSync(`${at}/new-folder`));
    await box.attempt(`link in ${at}`, () => fs.symlinkSync("/tmp", `${at}/new-link`));
  }
}

/** Paths that exist outside, from wherever a path can begin. */
async function host_paths(box) {
  for (const [at, name] of box.told.paths.entries()) {
    for (const start of ["", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../../../../../..",
      "/../../../..", "/dev/fd/0/../../..", "/host", "/proc/self/root/host"])
      await box.attempt(start + name, () => fs.statSync(start + name));
    await box.attempt(`link to ${name}`, () => {
      if (!fs.existsSync(`/tmp/link-${at}`)) fs.symlinkSync(name, `/tmp/link-${at}`);
      return fs.openSync(`/tmp/link-${at}`);
    });
    await box.attempt(`hard link to ${name}`, () => fs.linkSync(name, "/tmp/hard"));
  }
}

const KERNEL_FILES = [
  "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory",
  "/proc/sys/kernel/modprobe", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/fs/file-max",
  "/proc/sys/kernel/randomize_va_space", "/proc/sys/user/max_user_namespaces",
  "/proc/sysrq-trigger", "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups",
  "/proc/self/projid_map", "/proc/irq/default_smp_affinity",
  "/proc/mtrr", "/proc/fs/xfs", "/proc/self/timens_offsets",
];
const SECRET_FILES = [
  "/proc/kcore", "/proc/kmsg", "/proc/keys", "/proc/key-users", "/proc/timer_list",
  "/proc/sched_debug", "/proc/slabinfo", "/proc/vmallocinfo", "/proc/pagetypeinfo",
  "/proc/kpageflags", "/proc/kpagecount", "/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse",
  "/dev/net/tun", "/dev/sda", "/dev/loop-control", "/dev/vhost-net", "/dev/ptmx", "/dev/tty",
  "/dev/console", "/etc/shadow", "/etc/ssh", "/root", "/home", "/var/run/docker.sock",
  "/run/docker.sock", "/run/containerd", "/sys/kernel", "/sys/fs/bpf", "/boot", "/mnt",
];

async function kernel_files(box) {
  for (const name of KERNEL_FILES) await box.attempt(`write ${name}`, () => write(name));
  for (const name of SECRET_FILES) await box.attempt(`read ${name}`, () => read(name));
  box.facts.symbols = contents("/proc/kallsyms").toString().split(" ").slice(0, 1);
}

function write(name) {
  if (fs.statSync(name).rdev === 0x103) throw new Error("covered by /dev/null");
  const fd = fs.openSync(name, "r+");
  try {
    const data = Buffer.alloc(64);
    const size = fs.readSync(fd, data);
    return fs.writeSync(fd, size ? data.subarray(0, size) : Buffer.from("1"));
  } finally {
    fs.closeSync(fd);
  }
}

function read(name) {
  if (fs.statSync(name).isDirectory()) return fs.readdirSync(name);
  const fd = fs.openSync(name, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    if (fs.readSync(fd, Buffer.alloc(1)) === 0) throw new Error("nothing in it");
    return "something";
  } finally {
    fs.closeSync(fd);
  }
}

/** The old way out of containers: a release agent that the host runs. */
async function cgroups(box) {
  const mount = "/sys/fs/cgroup";
  await box.attempt("folder", () => fs.mkdirSync(`${mount}/memory/mine`, { recursive: true }));
  for (const name of ["release_agent", "cgroup.procs", "notify_on_release", "memory.max"])
    await box.attempt(`write ${name}`, () => write(`${mount}/${name}`));
  box.facts.groups = contents("/proc/self/cgroup").toString();
}

/** Limits come down and never go up; that of core files stays as it is. */
async function limits(box) {
  const own = Number(fs.readFileSync("/proc/self/oom_score_adj", "utf8"));
  await box.attempt("survive others", () => fs.writeFileSync("/proc/self/oom_score_adj", "-1000"));
  await box.attempt("survive", () => fs.writeFileSync("/proc/self/oom_score_adj", `${own - 1}`));
  const lines = fs.readFileSync("/proc/self/limits", "utf8").split("\n");
  const hard = (title) => Number(lines.find((line) => line.startsWith(title)).split(/\s{2,}/)[2]);
  const more = (value) => {
    const bytes = Buffer.alloc(16);
    bytes.writeBigInt64LE(BigInt(value), 0);
    bytes.writeBigInt64LE(BigInt(value), 8);
    return bytes.toString("latin1");
  };
  const [files] = results([[table.numbers.prlimit64, [0, 7, more(hard("Max open files") + 1), 0]]]);
  if (files.refused) box.refused["raise NOFILE"] = files.refused;
  else box.done["raise NOFILE"] = String(files.value);
  results([[table.numbers.prlimit64, [process.pid, 4, more(0), 0]]]);
  const after = fs.readFileSync("/proc/self/limits", "utf8").split("\n");
  const core = after.find((line) => line.startsWith("Max core file size"));
  box.facts.core = core.split(/\s{2,}/).slice(1, 3).map(Number);
  box.facts.files = [hard("Max open files"), hard("Max open files")];
}

/** A program that would give rights to whoever starts it gives none. */
async function set_user_id(box) {
  const { getuid, geteuid, getgid, getegid } = table.numbers;
  const asked = [getuid, geteuid, getgid, getegid].map((number) => [number, []]);
  box.facts.users = results(asked, { mode: 0o6755 }).map(({ value }) => value).join(" ");
  box.facts.found = [];
  await box.attempt("become root", () => process.setuid(0));
  await box.attempt("groups", () => process.setgroups([0]));
  const status = fs.readFileSync("/proc/self/status", "utf8").split("\n");
  box.facts.caps = status.filter((line) => line.startsWith("Cap"));
}

const SHARED = ["/tmp", "/dev/shm", "/var/tmp", "/dev/mqueue", "/run", "/var/lock"];
const kept = [];

/** Where a function could leave something for another one. */
function places(who) {
  const port = who === "node" ? 3555 : 3565;
  return [{ path: `\0note-${who}` }, { path: `/tmp/socket-${who}` }, { port, host: "127.0.0.1" },
    { port: port + 1, host: "0.0.0.0" }];
}

async function leave(box) {
  for (const folder of SHARED)
    try {
      fs.writeFileSync(`${folder}/note-node`, box.told.token);
    } catch {}
  for (const at of places("node"))
    await new Promise((resolve) => {
      const server = net.createServer((link) => link.end(box.told.token));
      server.on("error", resolve).listen(at, () => {
        kept.push(server.unref());
        resolve();
      });
    });
  box.facts.left = kept.length;
}

async function find(box) {
  for (const folder of SHARED)
    await box.attempt(`note in ${folder}`, () => fs.readFileSync(`${folder}/note-python`, "utf8"));
  const [shared] = results([[table.numbers.shmget, [box.told.key, 0, 0]]]);
  if (shared.refused) box.refused["shared memory of the host"] = shared.refused;
  else box.done["shared memory of the host"] = String(shared.value);
  const host = [{ path: `\0${box.told.abstract}` }, { path: box.told.socket }];
  for (const at of [...places("python"), ...host])
    await box.attempt(`connect ${JSON.stringify(at)}`, () => connect(at));
}

function connect(at) {
  return new Promise((resolve, reject) => {
    const link = net.connect(at, () => resolve("connected"));
    link.on("error", reject).setTimeout(2000, () => reject(new Error("ETIMEDOUT")));
  });
}

/** To everybody there is; only the own sandbox hears it. */
async function all_signals(box) {
  process.on("SIGUSR2", () => {});
  await box.attempt("signal everybody else", () => process.kill(-1, "SIGUSR2"));
}

module.exports = {
  all_signals, cgroups, descriptors, find, host_paths, kernel_files, leave, limits, markers,
  own_files, processes, set_user_id,
};
