"""Sandboxes that are forked from a zygote: the same box as bubblewrap's, and nothing shared."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runwright.model.execution import ErrorClass
from tests.integration.executor.conftest import PYTHON, Bench, can_isolate, descendants, running

pytestmark = pytest.mark.anyio

FUNCTION = """
import fcntl, json, os, platform, random, resource, signal, socket, sys, threading, time
def read(path):
    try:
        with open(path) as file:
            return file.read()
    except PermissionError:
        return ""
def entries(folder):
    found = []
    for name in sorted(os.listdir(folder)):
        about = os.lstat(os.path.join(folder, name))
        found.append([name, oct(about.st_mode), about.st_uid, about.st_gid])
    return found
def about(pid):
    fields = dict(line.split(":", 1) for line in read(f"/proc/{pid}/status").splitlines())
    return {name: fields[name].split() for name in (
        "Uid", "Gid", "Groups", "NSpid", "NSpgid", "NSsid", "CapInh", "CapPrm", "CapEff", "CapBnd",
        "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters", "Umask",
    )}
def main(context):
    path = context.req.path
    if path == "/exit":
        os._exit(7)
    if path == "/kill":
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(20)
    if path == "/orphans":
        for _ in range(3):
            if os.fork() == 0:
                if os.fork() == 0:
                    os._exit(0)
                os._exit(0)
            os.wait()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            left = [name for name in os.listdir("/proc") if name.isdigit()]
            if len(left) == 2:
                break
            time.sleep(0.01)
        return context.res.json(left)
    mounts = [line.split() for line in read("/proc/self/mountinfo").splitlines()]
    return context.res.json({
        "init": read("/proc/1/cmdline").split("\\0"),
        "facts": {
            "program": about("self"), "init": about(1),
            "limits": read("/proc/self/limits"), "init limits": read("/proc/1/limits"),
            # Numbers of mounts and devices apart, and the size of what the machine has.
            "mounts": [[fields[3], fields[4], fields[5], fields[-3:-1]] for fields in mounts],
            "cgroup": read("/proc/self/cgroup"), "setgroups": read("/proc/self/setgroups"),
            "map": [line.split()[::2] for line in (read("/proc/self/uid_map"),
                                                   read("/proc/self/gid_map"))],
            "environment": dict(os.environ), "environment of init": read("/proc/1/environ"),
            "folders": {name: entries(name) for name in ("/", "/dev", "/tmp", "/dev/shm", "/etc")},
            "own": [oct(os.stat(name).st_mode) for name in ("/tmp", "/dev/shm", "/proc/self")],
            "cwd": os.getcwd(), "host": [socket.gethostname(), platform.node()], "words": sys.argv,
            "ids": [os.getpid(), os.getppid(), os.getsid(0), os.getpgid(0)],
            "files": sorted(os.readlink(f"/proc/self/fd/{name}").split(":")[0]
                            for name in os.listdir("/proc/self/fd")
                            if os.path.exists(f"/proc/self/fd/{name}")),
            "stdin": fcntl.fcntl(0, fcntl.F_GETFL),  # the zygote's own may be written to
            "signals": [str(signal.getsignal(number)) for number in signal.valid_signals()],
            "nice": os.nice(0), "thread": threading.main_thread().native_id,
            "interfaces": socket.if_nameindex(), "spaces": sorted(os.listdir("/proc/self/ns")),
        },
        "spaces": {name: os.readlink(f"/proc/self/ns/{name}")
                   for name in os.listdir("/proc/self/ns")},
        "memory": read("/proc/self/maps"), "drawn": random.random(),
        "user": read("/proc/self/uid_map").split()[1],
    })
"""


@pytest.fixture(scope="module")
async def bench(
    anyio_backend: object, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    if not can_isolate():
        pytest.skip("this machine allows no user namespaces")
    if os.geteuid() != 0:
        pytest.skip("zygotes are root's")
    folder = tmp_path_factory.mktemp("zygote")
    async with running(folder, runtimes=(PYTHON,), pool_sizes={"python": 1}) as made:
        yield made


async def look(bench: Bench) -> dict[str, Any]:
    """What a function sees that is started for this."""
    outcome = await bench.run(bench.deploy(PYTHON, FUNCTION))
    assert outcome.error_class is None, outcome.errors
    seen: dict[str, Any] = json.loads(outcome.body)
    return seen


def is_forked(seen: dict[str, Any]) -> bool:
    return "bwrap" not in seen["init"]


async def a_forked_one(bench: Bench) -> dict[str, Any]:
    async with asyncio.timeout(180):  # after a failure it takes a minute to the next zygote
        while not is_forked(seen := await look(bench)):
            await asyncio.sleep(0.05)
    return seen


def zygotes(bench: Bench) -> list[int]:
    """Processes beside the sandboxes, in the machine's own namespaces."""
    return [pid for pid in descendants(bench.control.launcher_pid) if is_zygote(pid)]


def open_files(pid: int) -> dict[int, str]:
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # just closed
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found


def is_zygote(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        space = os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return False  # it has just ended
    return b"--zygote" in words and space == os.readlink("/proc/self/ns/pid")


async def test_both_births_give_the_same_box(bench: Bench) -> None:
    built = await look(bench)
    assert not is_forked(built), "the first one of a runtime has nothing to be forked from"
    forked = await a_forked_one(bench)
    for name, fact in built["facts"].items():
        assert forked["facts"][name] == fact, name
    none = ["0000000000000000"]
    program = forked["facts"]["program"]
    assert [program[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")] == [none] * 5
    assert (program["NoNewPrivs"], program["Seccomp"]) == (["1"], ["2"])
    assert forked["facts"]["ids"][:2] == [2, 1]


async def test_siblings_share_no_namespace_no_user_and_no_random_numbers(bench: Bench) -> None:
    one, other = await a_forked_one(bench), await a_forked_one(bench)
    for name, space in one["spaces"].items():
        if name.startswith("time"):
            continue  # the machine's, as with bubblewrap
        assert other["spaces"][name] != space, name
        assert os.readlink(f"/proc/self/ns/{name}") != space
    assert one["user"] != other["user"]
    assert one["drawn"] != other["drawn"]


async def test_memory_maps_name_nothing_outside_the_box(bench: Bench) -> None:
    seen = await a_forked_one(bench)
    named = {line.split(None, 5)[5] for line in seen["memory"].splitlines() if "/" in line}
    assert named
    assert {name.split("/")[1] for name in named} <= {"usr", "lib", "lib64"}


async def test_a_zygote_holds_no_descriptor_but_its_link_and_the_reaper(bench: Bench) -> None:
    await a_forked_one(bench)
    (pid,) = zygotes(bench)
    async with asyncio.timeout(60):
        while sorted(fds := open_files(pid)) != [0, 1, 2, 3, 4]:
            await asyncio.sleep(0.01)  # while it forks, it holds what came with the order
    assert set(fds.values()) == {"/dev/null", fds[3], "/memfd:init (deleted)"}
    mounted = Path(f"/proc/{pid}/mountinfo").read_text()
    assert "/host" not in mounted
    # What is mounted for one fork must not come to the others.
    assert "shared:" not in mounted
    assert "master:" not in mounted
    assert "cgroup" not in mounted


@pytest.mark.parametrize(
    ("path", "told"),
    [("/exit", "exited (code 7)"), ("/kill", "exited (signal SIGKILL)")],
)
async def test_the_end_of_a_forked_one_is_told(bench: Bench, path: str, told: str) -> None:
    await a_forked_one(bench)
    outcome = await bench.run(bench.deploy(PYTHON, FUNCTION), path)
    assert outcome.error_class is ErrorClass.EXIT
    assert told in outcome.errors


async def test_the_first_process_reaps_what_others_leave(bench: Bench) -> None:
    await a_forked_one(bench)
    outcome = await bench.run(bench.deploy(PYTHON, FUNCTION), "/orphans", timeout_s=60)
    assert sorted(json.loads(outcome.body)) == ["1", "2"]


async def test_many_at_once_are_all_forked(bench: Bench) -> None:
    await a_forked_one(bench)
    pool = bench.executor._pool
    assert pool is not None
    while pool._stock.give_up_one():  # some may be older than the zygote
        pass
    found = await asyncio.gather(*[look(bench) for _ in range(12)])
    assert all(map(is_forked, found))
    assert len({seen["user"] for seen in found}) == 12


# Last: it takes a while until there is another one.
async def test_without_its_zygote_a_runtime_starts_as_ever(bench: Bench) -> None:
    await a_forked_one(bench)
    (pid,) = zygotes(bench)
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        while is_forked(await look(bench)):  # started before
            pass
    assert zygotes(bench) == []
