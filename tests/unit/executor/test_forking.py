"""Forks of a template that fail while they begin: whose descriptors are closed, and how often."""

import asyncio
import os
from collections.abc import Callable
from typing import Any, cast

import pytest

from runwright.executor import processes, templates, wire
from runwright.executor.cgroups import Limits
from runwright.executor.sandbox import Owner, Sandbox, State
from runwright.executor.spawn import Exit, SpawnFailed
from runwright.executor.stock import Key, PoolLimits
from runwright.executor.templates import Template, Templates
from runwright.model.execution import Workload

pytestmark = pytest.mark.anyio
PYTHON = Key("python-3.12")


class Box:
    id = 1

    def __init__(self) -> None:
        self.has_ended = False

    def end(self) -> None:
        self.has_ended = True


class Spawner:
    """Its sandboxes end the moment they are killed."""

    def __init__(self, *, adopts: bool = True, ends: bool = False) -> None:
        self.adopts = adopts
        self.ends = ends  # before the one who asked hears that it was adopted
        self.on_exit: Callable[[Exit], None] | None = None

    def next_id(self) -> int:
        return 2

    async def adopt(
        self, number: int, box: int, pid: int, limits: Limits, on_exit: Callable[[Exit], None]
    ) -> None:
        if not self.adopts:
            raise SpawnFailed("the launcher is not up")
        self.on_exit = on_exit
        if self.ends:
            on_exit(Exit(code=3))

    def signal(self, number: int, what: int) -> None:
        if self.on_exit is not None:
            self.on_exit(Exit(code=137))


class Stock(Owner):
    def __init__(self, spawner: Spawner) -> None:
        self.spawner = spawner
        self.known: list[Sandbox] = []
        self.while_starting: Callable[[], None] = lambda: None
        self.box = Box()

    def is_below_bound(self) -> bool:
        return True

    async def fresh(self, key: Key) -> Box:
        self.while_starting()
        return self.box

    def an_empty(self, number: int, key: Key) -> Sandbox:
        send = self.spawner.signal
        clock = asyncio.get_running_loop().time
        return Sandbox(number, self, send_signal=send, max_calls=1, max_body_bytes=1, now=clock)

    def adopt(self, sandbox: Sandbox, key: Key) -> None:
        self.known.append(sandbox)

    def sandbox_gone(self, sandbox: Sandbox, end: Exit) -> None:
        self.known.remove(sandbox)  # only who is known can go


def made(spawner: Spawner) -> tuple[Templates, Stock, Template]:
    stock = Stock(spawner)
    limits = PoolLimits(sizes={})
    some: Any = spawner
    owner = Templates(limits, some, cast(Any, stock), lambda: 0.0, lambda work, name: work.close())
    workload = cast(Workload, WorkloadLike())
    template = Template(workload=workload, key=PYTHON, load=b"", mounts=())
    return owner, stock, template


class WorkloadLike:
    key = "key"
    memory_mib = 512
    cpus = 1.0
    network = "egress"


class Descriptors:
    """Every number that is closed by `os.close`, and what takes its place at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[int] = []
        self.pipes: list[int] = []
        self._close, self._pipe = os.close, os.pipe
        monkeypatch.setattr(os, "close", self.close)
        monkeypatch.setattr(os, "pipe", self.pipe)

    def pipe(self) -> tuple[int, int]:
        read, write = self._pipe()
        self.pipes += [read, write]
        return read, write

    def close(self, fd: int) -> None:
        self._close(fd)
        if fd in self.pipes:
            self.pipes.remove(fd)
            self.taken.append(os.open("/dev/null", os.O_RDONLY))

    def check(self) -> None:
        """Nothing is left open, and what others opened meanwhile still is."""
        assert self.pipes == []
        for fd in self.taken:
            os.fstat(fd)
            self._close(fd)


@pytest.mark.parametrize(
    "failing", ["greeting", "adopting", "being adopted", "connecting", "saying hello"]
)
async def test_a_fork_that_fails_closes_its_descriptors_once(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawner = Spawner(adopts=failing != "adopting", ends=failing == "being adopted")
    owner, stock, template = made(spawner)
    template.box = cast(Sandbox, stock.box)

    async def greeted(link: object) -> tuple[int, bytes]:
        if failing == "greeting":
            raise SpawnFailed("a fork did not greet")
        return 7, b""

    async def no_connection(*_: object, **__: object) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(templates, "_greeting", greeted)

    def asked(_template: Template, frame: bytes, _fds: list[int]) -> None:
        if failing == "being adopted" and frame == wire.frame(wire.Kind.REAP, 2):
            raise SpawnFailed("the template has ended")

    monkeypatch.setattr(owner, "_ask", asked)
    if failing == "connecting":
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "create_unix_connection", no_connection, raising=False)
    descriptors = Descriptors(monkeypatch)
    with pytest.raises((SpawnFailed, OSError)):
        await owner._fork(template)
    for ended in list(template.forks.values()):
        if ended.id in template.ending:
            template.ending.pop(ended.id)(137)
        async with asyncio.timeout(60):
            while ended.state is not State.GONE:
                await asyncio.sleep(0)
    descriptors.check()
    assert stock.known == []


async def test_a_template_that_is_retired_while_it_starts_ends() -> None:
    owner, stock, template = made(Spawner())
    stock.while_starting = lambda: owner._retire(template)
    await owner._load(template)
    assert stock.box.has_ended
    assert not template.is_ready


def test_a_long_chain_of_processes_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Listing:
        def __init__(self, path: str) -> None:
            self.pid = int(path.split("/")[2])

        def read_text(self) -> str:
            if self.pid == 5000:
                raise ProcessLookupError
            return f"{self.pid + 1} "

    monkeypatch.setattr(processes, "Path", Listing)
    assert processes.descendants(1) == list(range(2, 5001))
