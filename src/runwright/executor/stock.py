"""Pre-started sandboxes, and the start of fresh ones.

Starting a sandbox costs tens of milliseconds of processor time; handing one out costs none.
So some are kept ready per runtime: a full set for runtimes asked for or built for lately, one
otherwise, and more when more were asked or built for at once (see demand.py), while there is memory
for them. They are made one at a time, with pauses, and never while a cold start waits for the
processor, so that making them does not slow down what they are for.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import field
from typing import Final

from runwright.executor.cgroups import Limits
from runwright.executor.demand import Demand, has_spare_memory
from runwright.executor.runtimes import Interpreter, base_env, calls_at_once, has_heap_limit
from runwright.executor.sandbox import Owner, Sandbox, State
from runwright.executor.spawn import Exit, Grants, Launch, Spawner, SpawnFailed, Uids
from runwright.model.execution import Workload
from runwright.model.network import Network
from runwright.values import dataclass

log = logging.getLogger(__name__)

_HELLO_S: Final = 20.0  # a runner that says nothing for so long will not
_REFILL_PAUSE_S: Final = 0.02  # let the cold start that took a sandbox have the processor
_REFILL_RETRY_S: Final = 15.0
_LONGEST_REFILL_PAUSE_S: Final = 0.5
_USED_S: Final = 3600.0  # a runtime asked for within this time keeps a full set
_BUILDS_AT_ONCE: Final = 64  # of more, some may count once for each of their steps
_HEAP_SHARE: Final = 0.8  # of the memory limit; the rest is buffers, code and young objects


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    sizes: Mapping[str, int]  # language -> pre-started sandboxes per runtime
    most_ready: int = 0  # of them per runtime when so many were asked for; below sizes = sizes
    sandboxes: int = 512
    idle_s: float = 300.0
    max_calls: int = 64  # in one sandbox at once
    max_waiting: int = 1000
    wait_s: float = 30.0
    max_body_bytes: int = 32 * 1024 * 1024
    tmp_mib: int = 256
    pids: int = 256
    open_files: int = 1024
    default_memory_mib: int = 512
    allows_host_network: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    starts_at_once: int = 4
    templates: int = 0  # most at once; see templates.py
    template_idle_s: float = 1800.0

    def of(self, workload: Workload) -> Limits:
        """Those of a sandbox that holds the workload."""
        grants = Grants(self.default_memory_mib, self.pids, self.open_files, self.tmp_mib)
        return grants.to(workload.memory_mib, workload.cpus)


@dataclass(frozen=True, slots=True)
class Key:
    """Pre-started sandboxes with the same key are interchangeable.

    V8 takes its heap limit at start only, so Node and Deno ones come in memory classes.
    """

    runtime: str
    heap_mib: int = 0
    is_in_host_network: bool = False  # chosen at the start, like the heap


class Stock:
    """Every live sandbox by id, and those of them that are ready and hold no code."""

    def __init__(
        self,
        limits: PoolLimits,
        spawner: Spawner,
        interpreters: Sequence[Interpreter],
        uids: Uids,
        now: Callable[[], float],
        owner: Owner,
        has_memory: Callable[[], bool] = has_spare_memory,
    ) -> None:
        self._limits = limits
        self._spawner = spawner
        self._now = now
        self._owner = owner
        self._interpreters = {item.runtime: item for item in interpreters}
        self._sandboxes: dict[int, Sandbox] = {}
        self._ready: dict[Key, list[Sandbox]] = {}
        self._key_of: dict[int, Key] = {}
        self._used_at: dict[Key, float] = {}
        self._demand = Demand[Key]()
        self._built = Demand[Key]()
        self._built_ids: deque[str] = deque(maxlen=_BUILDS_AT_ONCE)
        self._cold = 0  # starts that calls wait for
        self._has_memory = has_memory
        self._broken_until: dict[Key, float] = {}
        self._scarce_until: dict[Key, float] = {}  # no more than the fixed number
        self._words: dict[int, asyncio.Future[None]] = {}  # that runners are to say
        self._uids = uids
        self._uid_of: dict[int, int | None] = {}
        self._refill_needed = asyncio.Event()
        self._starts = asyncio.Semaphore(limits.starts_at_once)
        self._loop = asyncio.get_running_loop()

    # What there is

    def all(self) -> list[Sandbox]:
        return list(self._sandboxes.values())

    def has_any(self) -> bool:
        return bool(self._sandboxes)

    def has_ready(self, key: Key) -> bool:
        return bool(self._ready.get(key))

    def is_below_bound(self) -> bool:
        if len(self._sandboxes) < self._limits.sandboxes:
            return True
        live = sum(1 for item in self._sandboxes.values() if item.state < State.ENDING)
        return live < self._limits.sandboxes

    def give_up_one(self) -> bool:
        """End one ready sandbox to make room; whether there was one."""
        for ready in self._ready.values():
            if ready:
                ready.pop(0).end()
                return True
        return False

    def is_full(self) -> bool:
        return self._missing() is None

    def class_of(self, runtime: str, memory_mib: int, network: Network = Network.EGRESS) -> Key:
        heap_mib = int(memory_mib * _HEAP_SHARE) if has_heap_limit(runtime) else 0
        return Key(runtime, heap_mib, network is Network.HOST)

    # Taking and starting

    async def take(self, key: Key) -> Sandbox:
        """A sandbox without code: a ready one, else a fresh one. Raises SpawnFailed."""
        try:
            return self.take_ready(key) or await self._launch_for_call(key)
        finally:
            self._refill_needed.set()

    def take_ready(self, key: Key) -> Sandbox | None:
        """The same without a wait; None when none is ready."""
        now = self._used_at[key] = self._now()
        self._demand.note(key, now)
        self._refill_needed.set()
        return self._pop_ready(key)

    def foresee(self, runtime: str, deployment_id: str) -> None:
        """A function was built, maybe in several steps: somebody will soon call it."""
        if deployment_id in self._built_ids:
            return
        self._built_ids.append(deployment_id)
        key = self.class_of(runtime, self._limits.default_memory_mib)
        now = self._used_at[key] = self._now()
        self._built.note(key, now)
        self._refill_needed.set()

    async def _launch_for_call(self, key: Key) -> Sandbox:
        self._cold += 1
        try:
            return await self._launch(key)
        finally:
            self._cold -= 1

    def _pop_ready(self, key: Key) -> Sandbox | None:
        ready = self._ready.get(key, [])
        while ready:
            sandbox = ready.pop()
            if sandbox.state is State.READY:  # it may have died a moment ago
                return sandbox
        return None

    async def _launch(self, key: Key) -> Sandbox:
        """A fresh sandbox that has said hello. Raises SpawnFailed."""
        interpreter = self._interpreters.get(key.runtime)
        if interpreter is None:
            raise SpawnFailed("its interpreter is not installed here")
        async with self._starts:
            try:
                return await self._begin(key, interpreter)
            except OSError as exc:  # no descriptors left, for instance
                raise SpawnFailed(str(exc)) from exc

    async def fresh(self, key: Key) -> Sandbox:
        """One that nobody waits for, made beside those that are kept. Raises SpawnFailed."""
        return await self._launch(key)

    def an_empty(self, sandbox_id: int, key: Key) -> Sandbox:
        """The server's side of a sandbox that is about to be."""
        return Sandbox(
            sandbox_id,
            self._owner,
            send_signal=self._spawner.signal,
            max_calls=calls_at_once(key.runtime, self._limits.max_calls),
            max_body_bytes=self._limits.max_body_bytes,
            now=self._now,
        )

    def adopt(self, sandbox: Sandbox, key: Key) -> None:
        """Count a sandbox that was forked, and has the user id of its template."""
        self._sandboxes[sandbox.id] = sandbox
        self._key_of[sandbox.id] = key
        self._uid_of[sandbox.id] = None

    async def _begin(self, key: Key, interpreter: Interpreter) -> Sandbox:
        sandbox_id = self._spawner.next_id()
        limits = self._limits
        sandbox = self.an_empty(sandbox_id, key)
        launch = Launch(
            id=sandbox_id,
            root=key.runtime,
            argv=self._spawner.runner_command(interpreter, key.heap_mib),
            env={**limits.env, **self._network_env(key), **self._own_env(interpreter)},
            uid=self._uids.take(),
            tmp_mib=limits.tmp_mib,
            open_files=limits.open_files,
            limits=Limits(limits.default_memory_mib, limits.pids),
            has_own_network=not key.is_in_host_network,
            is_forkable=interpreter.language == "python",
        )
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        self._uid_of[sandbox_id] = launch.uid
        self._sandboxes[sandbox_id] = sandbox
        self._key_of[sandbox_id] = key
        sandbox.output.watch(read)
        async with self._until_heard(sandbox):
            await self._connect(sandbox, launch, (ours, theirs), write)
        return sandbox

    async def _start_spare(self, key: Key) -> Sandbox:
        """One that nobody waits for yet, so there is time for a rehearsal. Raises SpawnFailed."""
        sandbox = await self._launch(key)
        async with self._until_heard(sandbox):
            sandbox.rehearse()
        return sandbox

    @contextlib.asynccontextmanager
    async def _until_heard(self, sandbox: Sandbox) -> AsyncIterator[None]:
        """Left when the runner has said what the block asked it for. Raises SpawnFailed."""
        word = self._words[sandbox.id] = self._loop.create_future()
        try:
            yield
            async with asyncio.timeout(_HELLO_S):
                await word
        except TimeoutError:
            sandbox.kill()
            raise SpawnFailed(f"no answer from the runner: {sandbox.output.text()}") from None
        finally:
            del self._words[sandbox.id]
            if word.done() and not word.cancelled():
                word.exception()  # seen, whoever raised first

    def _network_env(self, key: Key) -> Mapping[str, str]:
        return {} if key.is_in_host_network else self._spawner.network_env()

    def _own_env(self, interpreter: Interpreter) -> dict[str, str]:
        return base_env(interpreter, self._spawner.code_dir(""))

    async def _connect(
        self,
        sandbox: Sandbox,
        launch: Launch,
        pair: tuple[socket.socket, socket.socket],
        output: int,
    ) -> None:
        """Give the sandbox its end of the frame socket and start the process at the other."""
        ours, theirs = pair
        try:
            await self._loop.create_unix_connection(lambda: sandbox, sock=ours)
        except BaseException:
            ours.close()
            theirs.close()
            os.close(output)
            sandbox.exited(Exit(code=-1, is_platform=True))  # nothing else will say so
            raise
        try:
            await self._spawner.launch(launch, theirs, output, sandbox.exited)
        except BaseException:
            sandbox.exited(Exit(code=-1, is_platform=True))
            raise

    def log_failure(self, key: Key, exc: SpawnFailed) -> None:
        log.error(
            "a sandbox could not be started",
            extra={"action": "start_failed", "runtime": key.runtime, "reason": exc.reason},
        )

    # What sandboxes tell

    def heard(self, sandbox: Sandbox) -> None:
        word = self._words.get(sandbox.id)
        if word is not None and not word.done():
            word.set_result(None)

    def forget(self, sandbox: Sandbox, end: Exit) -> None:
        """The sandbox is gone; its user id may be another's from now on."""
        self._sandboxes.pop(sandbox.id, None)
        key = self._key_of.pop(sandbox.id)
        ready = self._ready.get(key, [])
        if sandbox in ready:
            ready.remove(sandbox)
        self._uids.give_back(self._uid_of.pop(sandbox.id))
        word = self._words.get(sandbox.id)
        if word is not None and not word.done():
            why = end.reason or f"ended with {end.code}: {sandbox.output.text()}"
            word.set_exception(SpawnFailed(why))
        self._refill_needed.set()

    # Keeping it full

    def _target(self, key: Key) -> int:
        base = self._fixed(key)
        if base == 0 or self._limits.most_ready <= base or not self._is_used(key):
            return base
        now = self._now()
        peak = max(self._demand.peak(key, now), self._built.peak(key, now))
        return max(base, min(peak, self._limits.most_ready))

    def _fixed(self, key: Key) -> int:
        interpreter = self._interpreters.get(key.runtime)
        if interpreter is None:
            return 0
        size = self._limits.sizes.get(interpreter.language, 0)
        is_default = key == self.class_of(key.runtime, self._limits.default_memory_mib)
        if not self._is_used(key):
            return min(size, 1) if is_default else 0
        return size if is_default else min(size, 1)

    def _is_used(self, key: Key) -> bool:
        return self._now() - self._used_at.get(key, float("-inf")) < _USED_S

    def _may_be_more(self, key: Key) -> bool:
        """Beyond the fixed number they take what nothing else needs: memory, and half the slots."""
        interpreter = self._interpreters[key.runtime]
        if len(self._ready.get(key, ())) < self._limits.sizes.get(interpreter.language, 0):
            return True
        return len(self._sandboxes) * 2 < self._limits.sandboxes and self._has_memory()

    def shrink(self) -> None:
        """End one of each kind that is no longer asked for so often."""
        for key, ready in self._ready.items():
            if len(ready) > self._target(key):
                ready.pop(0).end()

    def _missing(self) -> Key | None:
        """The emptiest pool: recently used ones first, then one of every runtime."""
        defaults = (
            self.class_of(runtime, self._limits.default_memory_mib)
            for runtime in self._interpreters
        )
        keys = dict.fromkeys([*sorted(self._used_at, key=self._recency), *defaults])
        lacking = [
            (len(self._ready.get(key, ())), order, key)
            for order, key in enumerate(keys)
            if len(self._ready.get(key, ())) < self._wanted(key)
            and self._broken_until.get(key, 0.0) <= self._now()
        ]
        return min(lacking)[2] if lacking else None

    def _wanted(self, key: Key) -> int:
        is_scarce = self._now() < self._scarce_until.get(key, 0.0)
        return self._fixed(key) if is_scarce else self._target(key)

    def _recency(self, key: Key) -> float:
        return -self._used_at[key]

    async def refill(self) -> None:
        """One at a time: starting a sandbox costs as much as hundreds of warm calls."""
        self._refill_needed.set()
        while True:
            await self._refill_needed.wait()
            self._refill_needed.clear()
            await asyncio.sleep(_REFILL_PAUSE_S)
            while True:
                if self._cold:
                    await asyncio.sleep(_REFILL_PAUSE_S)
                    continue
                key = self._missing()
                if key is None or not self.is_below_bound():
                    break
                if not self._may_be_more(key):
                    self._scarce_until[key] = self._now() + _REFILL_RETRY_S
                    self._loop.call_later(_REFILL_RETRY_S, self._refill_needed.set)
                    continue
                began = self._now()
                try:
                    sandbox = await self._start_spare(key)
                except SpawnFailed as exc:
                    self.log_failure(key, exc)
                    self._broken_until[key] = self._now() + _REFILL_RETRY_S
                    self._loop.call_later(_REFILL_RETRY_S, self._refill_needed.set)
                    continue
                ready = self._ready.setdefault(key, [])
                ready.append(sandbox)
                if len(ready) > 1:  # half of a processor at most goes into reserves
                    await asyncio.sleep(min(self._now() - began, _LONGEST_REFILL_PAUSE_S))
