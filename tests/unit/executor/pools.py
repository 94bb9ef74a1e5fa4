"""A pool over runners that live in this process."""

import asyncio
import itertools
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from runwright.executor import wire
from runwright.executor.cgroups import Limits
from runwright.executor.pool import Pool
from runwright.executor.runtimes import Interpreter
from runwright.executor.spawn import BuildPlaces, Exit, Launch, Mount, SpawnFailed, Uids
from runwright.executor.stock import PoolLimits
from runwright.model.execution import Invocation, Outcome, Workload
from runwright.ports.executor import BuildJob
from tests.unit.executor.waiting import WaitedCall

NODE = Interpreter(runtime="node-22", version="22.20.0", source="package", executable="/node")
OK = b"well"


class FakeRunner(asyncio.Protocol):
    """Answers at once, unless the target says otherwise; `release` answers what it held."""

    def __init__(self, launch: Launch, on_exit: Callable[[Exit], None]) -> None:
        self.launch = launch
        self.on_exit = on_exit
        self.held: list[int] = []
        self.is_deaf = False
        self.pings = 0
        self.is_loaded = False
        self.seen: list[str] = []
        self.reader = wire.FrameReader()
        self.transport: Any = None
        self.signals: list[int] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(wire.frame(wire.Kind.HELLO, 0, b"{}"))

    def data_received(self, data: bytes) -> None:
        for kind, request_id, payload in self.reader.feed(data):
            self.pings += kind == wire.Kind.PING
            self.is_loaded |= kind == wire.Kind.LOAD
            if kind == wire.Kind.PING and not self.is_deaf:
                self.transport.write(wire.frame(wire.Kind.PONG, 0))
            elif kind == wire.Kind.REQUEST:
                self._on_request(request_id, payload)

    def _on_request(self, request_id: int, payload: bytes) -> None:
        target = payload[5:].split(b"\n")[0].split(b" ")[1].decode()
        self.seen.append(target)
        if target == "/garbage":
            self.transport.write(b"\xff" * 64)
        elif target == "/other":
            self.answer(request_id + 1000)
        elif target == "/exit":
            self.end(3)
        elif target in ("/hold", "/spin"):
            self.held.append(request_id)
            self.is_deaf = target == "/spin"
        else:
            self.answer(request_id)

    def answer(self, request_id: int) -> None:
        head = struct.pack("<BBHII", wire.FLAG_END, 0, 200, 5, 0)
        self.transport.write(wire.frame(wire.Kind.RESPONSE, request_id, head + OK))

    def release(self) -> None:
        self.is_deaf = False
        while self.held:
            self.answer(self.held.pop(0))

    def end(self, code: int) -> None:
        self.transport.close()
        self.on_exit(Exit(code=code))


class FakeSpawner:
    def __init__(self) -> None:
        self.on_network_lost: Callable[[], None] = lambda: None
        self.runners: dict[int, FakeRunner] = {}
        self.assigned: list[tuple[int, str, Limits]] = []
        self.is_broken = False
        self.refuses = 0  # so many of the next assignments
        self.are_deaf = False  # runners that are started from now on
        self._ids = itertools.count(1)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def next_id(self) -> int:
        return next(self._ids)

    def network_env(self) -> Mapping[str, str]:
        return {}

    def code_dir(self, artifact: str) -> str:
        return artifact

    def settle(self, sandbox_id: int) -> None: ...

    def runner_command(self, interpreter: Interpreter, heap_mib: int) -> list[str]:
        return [interpreter.executable, str(heap_mib)]

    def build_places(self, interpreter: Interpreter, job: BuildJob) -> BuildPlaces:
        raise NotImplementedError

    async def launch(
        self, launch: Launch, frames: socket.socket, output: int, on_exit: Callable[[Exit], None]
    ) -> None:
        os.close(output)
        if self.is_broken:
            frames.close()
            raise SpawnFailed("broken")
        runner = self.runners[launch.id] = FakeRunner(launch, on_exit)
        runner.is_deaf = self.are_deaf
        await asyncio.get_running_loop().create_unix_connection(lambda: runner, sock=frames)

    def assign(
        self, sandbox_id: int, mounts: Sequence[Mount], limits: Limits, network: str
    ) -> Awaitable[None]:
        if self.refuses:
            self.refuses -= 1
            raise SpawnFailed("refused")
        self.assigned.append((sandbox_id, mounts[0].source, limits))
        return asyncio.sleep(0)

    @property
    def can_adopt(self) -> bool:
        return False

    async def adopt(
        self,
        sandbox_id: int,
        template_id: int,
        pid: int,
        limits: Limits,
        on_exit: Callable[[Exit], None],
    ) -> None:
        raise NotImplementedError

    def signal(self, sandbox_id: int, number: int) -> None:
        runner = self.runners[sandbox_id]
        runner.signals.append(number)
        if runner.transport is not None and not runner.transport.is_closing():
            runner.end(128 + number)


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    def __init__(self, **changes: Any) -> None:
        self.time = Time()
        self.spawner = FakeSpawner()
        values = {"sizes": {"node": 0}, "sandboxes": 4, "max_calls": 2, **changes}
        self.uids = Uids(70000, 64)
        self.pool = Pool(PoolLimits(**values), self.spawner, [NODE], self.uids, self.time)

    def call(self, workload: Workload, target: str = "/", timeout_s: float = 10.0) -> WaitedCall:
        invocation = Invocation(
            execution_id="e", method="GET", target=target, headers=(), timeout_s=timeout_s
        )
        call = WaitedCall(invocation, None, self.time())
        self.pool.submit(workload, call)
        return call

    async def run(self, workload: Workload, target: str = "/") -> Outcome:
        return await outcome(self.call(workload, target))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0)


async def outcome(call: WaitedCall) -> Outcome:
    async with asyncio.timeout(60):
        return await call.future


def a_workload(name: str = "a", **changes: Any) -> Workload:
    values = {
        "key": name,
        "project_id": "p",
        "function_id": name,
        "deployment_id": name,
        "runtime": "node-22",
        "artifact": f"/artifacts/{name}",
        "entrypoint": "main.js",
        **changes,
    }
    return Workload(**values)


@asynccontextmanager
async def a_bench(**changes: Any) -> AsyncIterator[Bench]:
    bench = Bench(**changes)
    bench.pool.start()
    try:
        yield bench
    finally:
        await bench.pool.stop(0)
