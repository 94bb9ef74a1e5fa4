"""One container: its start, the executions in it, its end.

    STARTING -> READY -> DRAINING -> GONE

READY: its server answered on port 3000. DRAINING: takes no new execution and is removed when
nobody waits for one any more; it comes there by a missed deadline, a lost connection, new
settings, or by being idle for long. Executions run side by side in one container, as the
protocol has it. The soft timeout is the server's own, told by a header; what it does not end,
the end of the container does.
"""

import asyncio
import contextlib
import logging
import math
import os
import secrets
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Final, Protocol

from runwright.executor.call import CANCELLED, TIMED_OUT, Call
from runwright.executor.docker.door import Door, NoWayIn
from runwright.executor.docker.engine import Ended, Engine, EngineError, NoImage
from runwright.executor.docker.exchange import (
    Answer,
    BadAnswer,
    exchange,
    log_id_of,
    request_head,
)
from runwright.executor.netns import Plumbing
from runwright.executor.output import STOPPED, describe_code
from runwright.executor.spawn import SpawnFailed
from runwright.model.execution import ErrorClass, Invocation, Workload
from runwright.model.network import Network
from runwright.values import dataclass

log = logging.getLogger(__name__)

GRACE_S: Final = 1.0  # beyond the deadline, for the answer that the soft timeout makes
_START_S: Final = 60.0
_ASK_S: Final = 2.0  # for one answer of the health route
_PAUSE_S: Final = 0.02  # between two looks whether the server is up, at first
_LONGEST_PAUSE_S: Final = 0.25
_VERDICT_S: Final = 2.0  # between a lost connection and the news of the container's end
_LOST_TRIES: Final = 30  # a second apart; a daemon that restarts takes a few
_HEALTH: Final = Invocation(execution_id="", method="GET", target="/__opr/health", headers=())
_MIB: Final = 1024 * 1024
ARCHIVE: Final = "code.tar.gz"
_NOT_STARTED: Final = "The runtime could not be started. Try again."
_START_FAILURES: Final = (EngineError, NoWayIn, OSError, SpawnFailed)


class StartFailed(Exception):
    """No container could be made ready; the text is for the function's author."""


class State(IntEnum):
    STARTING = 0
    READY = 1
    DRAINING = 2
    GONE = 3


class Carrier(Protocol):
    """Connects the networks of containers to the outside."""

    on_network_lost: Callable[[], None]

    def next_id(self) -> int: ...

    def carry(self, box_id: int, plumbing: Plumbing, network: str) -> None: ...

    def drop(self, box_id: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all containers of one server share."""

    engine: Engine
    carrier: Carrier | None  # None: containers reach nothing
    api_port: int
    now: Callable[[], float]
    max_body_bytes: int
    changed: Callable[[], None]  # a container has room, or is gone


class Entered:
    """A running container that this server has opened: see `door.py`."""

    def __init__(self, around: Surroundings, container: str, door: Door, box_id: int) -> None:
        self.id = container
        self.door = door
        self._around = around
        self._box_id = box_id

    @classmethod
    async def begin(
        cls, around: Surroundings, name: str, recipe: dict[str, object], network: str
    ) -> "Entered":
        """Create and start one, and let its program begin. Raises StartFailed."""
        container, box_id, door = "", around.carrier.next_id() if around.carrier else 0, None
        try:
            container = await around.engine.create(name, recipe)
            await around.engine.start(container)
            door = Door.open(container, await around.engine.pid(container))
            _connect(around, door, box_id, network)
            door.let_begin()
            return cls(around, container, door, box_id)
        except BaseException as exc:
            if door is not None:
                _cut_off(around, box_id)
                door.close()
            if container:
                await _removed(around.engine, container)
            if not isinstance(exc, _START_FAILURES):
                raise
            reason = exc.reason if isinstance(exc, SpawnFailed) else str(exc)
            log.error(
                "a container could not be started",
                extra={"action": "start_failed", "reason": reason},
            )
            is_lacking = isinstance(exc, NoImage)
            why = "The image of this runtime is not on this server." if is_lacking else _NOT_STARTED
            raise StartFailed(why) from exc

    async def remove(self) -> None:
        """End it, whatever it does, and forget it."""
        try:
            _cut_off(self._around, self._box_id)
            await _removed(self._around.engine, self.id)
        finally:
            self.door.close()


def _connect(around: Surroundings, door: Door, box_id: int, network: str) -> None:
    if around.carrier is None:
        door.light()
    else:
        around.carrier.carry(box_id, door.plumb(around.api_port), network)


def _cut_off(around: Surroundings, box_id: int) -> None:
    """Undo `_connect`, however far it came."""
    if around.carrier is not None:
        around.carrier.drop(box_id)


async def _removed(engine: Engine, container: str) -> None:
    try:
        await asyncio.shield(engine.remove(container))
    except EngineError as exc:
        # Its label lets the next start find it.
        log.error(
            "a container could not be removed",
            extra={"action": "container_left", "container": container, "reason": str(exc)},
        )


class Container:
    """The runtime server of one workload."""

    def __init__(self, around: Surroundings, workload: Workload) -> None:
        self.workload = workload
        self.state = State.STARTING
        self.secret = secrets.token_hex(16)
        self.calls: set[Call] = set()
        self.idle_since = around.now()
        self.start_s = 0.0
        self._around = around
        self._is_fresh = True
        self._is_started = False
        self._entered: Entered | None = None
        self._began_at = time.time()
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._watcher: asyncio.Task[None] | None = None
        self.starting: asyncio.Task[None] | None = None
        self._end: asyncio.Task[None] | None = None

    @property
    def is_ending(self) -> bool:
        """Whether its removal has begun."""
        return self._end is not None

    @property
    def live_calls(self) -> int:
        return sum(1 for call in self.calls if not call.done())

    # Start

    def _network(self) -> Network:
        """A container has a network of its own, whatever the function asks for."""
        wanted = self.workload.network
        return Network.EGRESS if wanted is Network.HOST else wanted

    async def start(self, name: str, recipe: dict[str, object]) -> None:
        """Until its server answers. Raises StartFailed; the container is gone then."""
        began = self._around.now()
        try:
            self._entered = await Entered.begin(self._around, name, recipe, self._network())
            self._watcher = asyncio.create_task(self._watch(self._entered), name=f"watch-{name}")
            async with asyncio.timeout(_START_S):
                await self._until_ready(self._entered)
        except TimeoutError:
            await self._give_up()
            raise StartFailed(
                f"The runtime's server did not answer within {_START_S:g} seconds."
            ) from None
        except BaseException:
            await self._give_up()
            raise
        self.start_s = self._around.now() - began
        self.idle_since = self._around.now()
        self._is_started = True
        self.state = max(self.state, State.READY)
        if self.state is State.DRAINING or self._ended.done():
            self.drain()  # its settings were replaced meanwhile, or it was quick to die
        self._around.changed()

    async def _until_ready(self, entered: Entered) -> None:
        pause_s = _PAUSE_S
        head = request_head(_HEALTH, secret=self.secret, host="localhost", log_id="")
        while True:
            if self._ended.done():
                tail = await self._tail()
                code = describe_code(self._ended.result().code)
                raise StartFailed(f"The runtime's server ended before it was ready ({code}).{tail}")
            with contextlib.suppress(OSError, BadAnswer):
                async with asyncio.timeout(_ASK_S):
                    connection = entered.door.socket()
                    await exchange(connection, head, _HEALTH, None, most_bytes=_MIB)
                return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)

    async def _give_up(self) -> None:
        await asyncio.shield(self.end())

    async def _watch(self, entered: Entered) -> None:
        """Learn of its end, which may come at any time."""
        for _ in range(_LOST_TRIES):
            try:
                ended = await self._around.engine.ended(entered.id)
                break
            except EngineError:
                await asyncio.sleep(1.0)
        else:
            ended = Ended(137, is_out_of_memory=False)
        self._ended.set_result(ended)
        if self._is_started:  # else the start finds out
            self.drain()

    # Executions

    def can_take(self, most: int) -> bool:
        return self.state is State.READY and len(self.calls) < most

    async def serve(self, call: Call) -> None:
        """Run one execution to its end; the call has its outcome then."""
        entered = self._entered
        assert entered is not None
        self.calls.add(call)
        call.lend(self, self._around.now(), self.start_s if self._is_fresh else None)
        self._is_fresh = False
        try:
            await self._serve(call, entered)
        finally:
            self.calls.discard(call)
            self.idle_since = self._around.now()
            if self.state is State.DRAINING:
                self.drain()
            self._around.changed()

    def open_window(self, request_id: int, call: Call, more_bytes: int) -> None:
        """Nothing to do: the connection has a window of its own."""

    def caller_left(self, call: Call) -> None:
        """User code goes on until its deadline, unheard."""

    def hang_up(self, call: Call) -> None:
        """The protocol has no word for it."""

    def cancel(self, call: Call) -> None:
        call.fail(ErrorClass.CANCELLED, CANCELLED, self._around.now())
        self.drain()

    async def _serve(self, call: Call, entered: Entered) -> None:
        invocation = call.invocation
        # A log id of ours, so that what was logged before a crash is found.
        log_id = log_id_of(invocation.execution_id) or secrets.token_hex(10)
        head = request_head(
            invocation,
            secret=self.secret,
            host=entered.id[:32],
            log_id=log_id,
            has_static_auth=self.workload.runtime.startswith("static-"),
        )
        try:
            async with asyncio.timeout(invocation.timeout_s + GRACE_S):
                answer = await exchange(
                    entered.door.socket(),
                    head,
                    invocation,
                    call.sink,
                    most_bytes=self._around.max_body_bytes,
                )
        except TimeoutError:
            self._take_logs(call, log_id)
            call.fail(ErrorClass.TIMEOUT, TIMED_OUT, self._around.now())
            self.drain()
        except BadAnswer as exc:
            self._take_logs(call, log_id)
            call.fail(ErrorClass.PAYLOAD, str(exc), self._around.now())
        except OSError:
            error_class, why = await self._verdict()
            self._take_logs(call, log_id)
            call.fail(error_class, why, self._around.now())
            self.drain()
        else:
            errors = self._take_logs(call, answer.log_id or log_id)
            whose = error_class_of(answer, errors)
            body, now = bytes(answer.body), self._around.now()
            call.answer(answer.status, answer.headers, body, whose, now)

    def _take_logs(self, call: Call, log_id: str) -> str:
        if self._entered is None or not call.invocation.is_logging:
            return ""
        logs, errors = self._entered.door.take_logs(log_id)
        if not call.done():
            call.log(b"\0" + logs)
            call.log(b"\1" + errors)
        return errors.decode("utf-8", "replace")

    async def _verdict(self) -> tuple[ErrorClass, str]:
        """Why a connection was lost."""
        entered = self._entered
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_VERDICT_S):
                await asyncio.shield(self._ended)
        if self._end is not None and not self._ended.done():
            return ErrorClass.PLATFORM, STOPPED
        is_out_of_memory = self._ended.done() and self._ended.result().is_out_of_memory
        if not is_out_of_memory and entered is not None:
            with contextlib.suppress(EngineError):
                is_out_of_memory = await self._around.engine.ran_out_of_memory(
                    entered.id, math.floor(self._began_at), time.time()
                )
        if is_out_of_memory:
            limit = self.workload.memory_mib
            return ErrorClass.OUT_OF_MEMORY, (
                f"The function needed more memory than its {limit} MiB and was stopped. "
                "Choose a larger specification or use less memory."
            )
        if self._ended.done():
            code = describe_code(self._ended.result().code)
            return ErrorClass.EXIT, f"process exited ({code}){await self._tail()}"
        return ErrorClass.EXIT, "The function's process closed the connection without an answer."

    async def _tail(self) -> str:
        if self._entered is None:
            return ""
        try:
            text = await self._around.engine.output_tail(self._entered.id)
        except EngineError:
            return ""
        return f"\n{text}" if text else ""

    # End

    def drain(self) -> None:
        """No new execution; gone when nobody waits for one any more.

        One that is being started is, in either case, ended by its start.
        """
        self.state = max(self.state, State.DRAINING)
        if self.state is State.DRAINING and self._is_started and not self.live_calls:
            self.end()

    def end(self) -> "asyncio.Task[None]":
        """Remove it now; the task ends when nothing of it is left."""
        self.state = max(self.state, State.DRAINING)
        if self._end is None:
            self._end = asyncio.create_task(self._remove(), name="container-end")
        return self._end

    async def _remove(self) -> None:
        if self._watcher is not None and not self._ended.done():
            # Its server may have something to finish; nobody waits for it.
            self._watcher.cancel()
        if self._entered is not None:
            await self._entered.remove()
        self.state = State.GONE
        self._around.changed()


def error_class_of(answer: Answer, errors: str) -> ErrorClass | None:
    """What the protocol does not tell in so many words: whose fault an answer of 500 or 503 is.

    The servers' own failures have no body and a reason in the errors.
    """
    if answer.status not in (500, 503) or answer.body or not errors:
        return None
    if answer.status == 503:
        return ErrorClass.ENTRYPOINT
    if errors.rstrip().endswith(TIMED_OUT):
        return ErrorClass.TIMEOUT
    if "Return statement missing." in errors:
        return ErrorClass.PAYLOAD
    return ErrorClass.USER_EXCEPTION


def code_mib(artifact: str) -> int:
    """About what the code of a deployment takes when it is unpacked; its archive is plain."""
    with contextlib.suppress(OSError):
        return os.stat(f"{artifact}/{ARCHIVE}").st_size // _MIB + 1
    return 1
