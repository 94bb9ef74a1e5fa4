"""The filter as user code meets it, tried call by call through libc."""

import json
from typing import Any

import pytest

from runwright.executor import seccomp
from runwright.executor.syscalls import NUMBERS
from tests.integration.executor.conftest import NODE, PYTHON, Bench

pytestmark = pytest.mark.anyio

_PROBE = """
import ctypes, errno, json, os, socket

libc = ctypes.CDLL(None, use_errno=True)

def attempt(number, *arguments):
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return errno.errorcode.get(ctypes.get_errno(), "?") if done == -1 else "OK"

def main(context):
    column = 0 if os.uname().machine == "x86_64" else 1
    asked = json.loads(context.req.body_text)
    return context.res.json(
        {name: attempt(call[column], *rest) for name, (call, rest) in asked.items()
         if call[column] is not None}
    )
"""

# Each with arguments that would do nothing if it were let through.
_ATTEMPTS: dict[str, tuple[str, tuple[int, ...], str]] = {
    "a user namespace by clone": ("clone", (0x10000000 | 17, 0, 0, 0, 0), "EPERM"),
    "a network namespace by clone": ("clone", (0x40000000 | 17, 0, 0, 0, 0), "EPERM"),
    "a raw socket": ("socket", (2, 3, 1), "EPERM"),
    "a packet socket": ("socket", (17, 3, 0), "EAFNOSUPPORT"),
    "a vsock": ("socket", (40, 1, 0), "EAFNOSUPPORT"),
    "a crypto socket": ("socket", (38, 5, 0), "EAFNOSUPPORT"),
    "a netfilter socket": ("socket", (16, 3, 12), "EAFNOSUPPORT"),
    "an SCTP socket": ("socket", (2, 1, 132), "EPROTONOSUPPORT"),
    "typing into a terminal": ("ioctl", (0, 0x5412, 0), "EPERM"),
    "pasting into the console": ("ioctl", (0, 0x541C, 0), "EPERM"),
    "a line discipline": ("ioctl", (0, 0x5423, 0), "EPERM"),
    "a filter of its own": ("prctl", (22, 2, 0), "EINVAL"),
    "a device": ("mknodat", (-100, 0, 0o020666, 259), "EPERM"),
}
_NEWER = {"clone3": 435, "io_uring_setup": 425, "statmount": 457, "listmount": 458}


async def probed(bench: Bench, asked: dict[str, Any]) -> dict[str, str]:
    outcome = await bench.run(bench.deploy(PYTHON, _PROBE), body=json.dumps(asked).encode())
    assert outcome.error_class is None, outcome.errors
    answers: dict[str, str] = json.loads(outcome.body)
    return answers


async def test_no_refused_call_is_let_through(bench: Bench) -> None:
    refused = [name for names in seccomp._REFUSED.values() for name in names.split()]
    answers = await probed(bench, {name: (NUMBERS[name], ()) for name in refused})
    assert len(answers) > 60
    assert set(answers.values()) == {"EPERM"}, answers


async def test_calls_with_harmful_arguments_are_refused(bench: Bench) -> None:
    asked = {name: (NUMBERS[call], rest) for name, (call, rest, _) in _ATTEMPTS.items()}
    expected = {name: answer for name, (_, _, answer) in _ATTEMPTS.items()}
    assert await probed(bench, asked) == expected


async def test_what_is_newer_than_the_list_looks_missing(bench: Bench) -> None:
    asked = {name: ((number, number), ()) for name, number in _NEWER.items()}
    assert set((await probed(bench, asked)).values()) == {"ENOSYS"}


async def test_flushing_every_disk_is_only_said_to_be_done(bench: Bench) -> None:
    # -1 is no descriptor: the kernel itself would say so.
    asked = {"sync": (NUMBERS["sync"], ()), "syncfs": (NUMBERS["syncfs"], (-1,))}
    assert await probed(bench, asked) == {"sync": "OK", "syncfs": "OK"}


async def test_files_are_looked_at_and_not_watched(bench: Bench) -> None:
    """Others read the same ones: a watch would tell when."""
    node = """
const fs = require('fs');
module.exports = async ({ res }) => {
  fs.mkdirSync('/tmp/looked');
  const seen = new Promise((done) => fs.watchFile('/tmp/looked', { interval: 5 }, done));
  // What comes before the first look is no change, and nobody tells when that was.
  let n = 0;
  const writing = setInterval(() => fs.writeFileSync(`/tmp/looked/${n += 1}`, ''), 10);
  await seen;
  clearInterval(writing);
  const watched = ['/tmp/looked', '/etc/hosts', '/dev/null'].map((path) => {
    try { fs.watch(path, () => {}).close(); return 'watched'; } catch (error) { return error.code; }
  });
  return res.json(watched);
};
"""
    outcome = await bench.run(bench.deploy(NODE, node))
    assert outcome.error_class is None, outcome.errors
    assert json.loads(outcome.body) == ["ENOSYS"] * 3


async def test_what_python_programs_do_all_day_works(bench: Bench) -> None:
    python = """
import asyncio, mmap, multiprocessing, os, select, shutil, socket, sys, tempfile
from concurrent.futures import ProcessPoolExecutor

def double(n):
    return n * 2

async def child():
    made = await asyncio.create_subprocess_exec(sys.executable, "-I", "-c", "print(1)",
                                                stdout=asyncio.subprocess.PIPE)
    return (await made.communicate())[0].strip().decode()

def main(context):
    done = []
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        done.append(list(pool.map(double, [1, 2])))
    done.append(asyncio.run(child()))
    with tempfile.TemporaryDirectory() as folder:
        open(folder + "/a", "w").write("x")
        shutil.copytree(folder, folder + "/b", symlinks=True)
        os.mkfifo(folder + "/pipe")
        os.link(folder + "/a", folder + "/c")
        os.sendfile(os.open(folder + "/d", os.O_CREAT | os.O_WRONLY),
                    os.open(folder + "/a", os.O_RDONLY), 0, 1)
        done.append(sorted(os.listdir(folder)))
    memory = mmap.mmap(-1, 4096)
    memory.write(b"x")
    os.memfd_create("x")
    select.epoll().close()
    socket.if_nameindex()
    done.append(socket.getaddrinfo("localhost", 80)[0][4][1])
    done.append(os.sched_getaffinity(0) != set())
    return context.res.json(done)
"""
    outcome = await bench.run(bench.deploy(PYTHON, python))
    assert outcome.error_class is None, outcome.errors
    assert json.loads(outcome.body) == [[2, 4], "1", ["a", "b", "c", "d", "pipe"], 80, True]


async def test_what_node_programs_do_all_day_works(bench: Bench) -> None:
    node = """
const { Worker } = require('worker_threads');
const { execFileSync, fork } = require('child_process');
const fs = require('fs'), os = require('os'), dns = require('dns'), zlib = require('zlib');
module.exports = async ({ res }) => {
  const worked = await new Promise((done, fail) => {
    const code = 'require("worker_threads").parentPort.postMessage(2)';
    const worker = new Worker(code, { eval: true });
    worker.on('message', done).on('error', fail);
  });
  fs.mkdtempSync('/tmp/made-');
  fs.watchFile('/tmp', () => {});
  fs.unwatchFile('/tmp');
  await fs.promises.cp('/usr/local/server/src/function', '/tmp/copy', { recursive: true });
  const printed = execFileSync(process.execPath, ['-p', '1']).toString().trim();
  const looked = await dns.promises.lookup('localhost');
  const squeezed = await new Promise((done) => zlib.gzip('x', (_, out) => done(out.length > 0)));
  return res.json([worked, printed, looked.address.length > 0, squeezed,
    Object.keys(os.networkInterfaces()), os.cpus().length > 0, os.userInfo().username]);
};
"""
    outcome = await bench.run(bench.deploy(NODE, node))
    assert outcome.error_class is None, outcome.errors
    assert json.loads(outcome.body) == [2, "1", True, True, ["lo"], True, "function"]
