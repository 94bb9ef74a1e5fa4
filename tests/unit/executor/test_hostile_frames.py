"""Whatever bytes come out of a sandbox, only that sandbox and its own calls feel it."""

import asyncio
import struct
import time

import pytest

from runwright.executor import wire
from runwright.executor.sandbox import Sandbox, State
from runwright.executor.spawn import Exit
from runwright.model.execution import ErrorClass, Headers, Invocation
from tests.unit.executor.test_security_frames import Pipe, a_sandbox
from tests.unit.executor.waiting import WaitedCall

pytestmark = pytest.mark.anyio

_LATER, _NOW = 0, wire.FLAG_END


class OpenSink:
    """A caller that reads all it is given."""

    def __init__(self) -> None:
        self.starts: list[tuple[int, Headers]] = []
        self.body = bytearray()

    def start(self, status_code: int, headers: Headers) -> None:
        self.starts.append((status_code, headers))

    async def write(self, chunk: bytes) -> None:
        self.body += chunk


def response(
    number: int = 1, *, flags: int = _NOW, status: int = 200, head: bytes = b"", body: bytes = b""
) -> bytes:
    payload = struct.pack("<BBHII", flags, 0, status, 0, len(head)) + head + body
    return wire.frame(wire.Kind.RESPONSE, number, payload)


def end(number: int = 1) -> bytes:
    return wire.frame(wire.Kind.END, number, struct.pack("<BI", 0, 0))


def log(number: int = 1, text: bytes = b"line\n", stream: int = 0) -> bytes:
    return wire.frame(wire.Kind.LOG, number, bytes([stream]) + text)


def asked(sandbox: Sandbox, sink: OpenSink | None = None) -> WaitedCall:
    invocation = Invocation(
        execution_id="e", method="GET", target="/", headers=(), body=b"", timeout_s=30.0
    )
    call = WaitedCall(invocation, sink, time.monotonic())
    sandbox.submit(call, time.monotonic())
    return call


def an_assigned_sandbox() -> tuple[Sandbox, Pipe]:
    sandbox, pipe = a_sandbox()
    sandbox.data_received(wire.frame(wire.Kind.HELLO, 0, b'{"version":1}'))
    sandbox.load(b"{}")
    return sandbox, pipe


BROKEN = {
    "an answer to a request that was never made": response(99),
    "the end of a request that was never made": end(99),
    "a log line of a run that is not here": log(99),
    "a log line of a run that is over": response() + log(),
    "an answer given twice": response() + response(),
    "an end after the end": response(flags=_LATER) + end() + end(),
    "a second beginning of an answer": response(flags=_LATER) + response(flags=_LATER),
    "a whole answer after the beginning of another": response(flags=_LATER) + response(),
    "a part before its answer": wire.frame(wire.Kind.CHUNK, 1, b"x"),
    "an end before its answer": end(),
    "more of an answer than was asked for": response(flags=_LATER)
    + wire.frame(wire.Kind.CHUNK, 1, bytes(wire.WINDOW_BYTES + 1)),
    "the host's own frames": wire.frame(wire.Kind.LOAD, 0, b"{}"),
    "a request of its own": wire.frame(wire.Kind.REQUEST, 1, bytes(8)),
    "a frame of no kind": wire.frame(wire.Kind.PONG, 0).replace(b"\x15", b"\xff"),
    "a second greeting": wire.frame(wire.Kind.HELLO, 0, b"{}"),
    "a head longer than its frame": wire.frame(
        wire.Kind.RESPONSE, 1, struct.pack("<BBHII", 1, 0, 200, 0, 0xFFFFFFFF)
    ),
    "an answer without a head": wire.frame(wire.Kind.RESPONSE, 1, b"\x01"),
    "a class there is not": wire.frame(
        wire.Kind.RESPONSE, 1, struct.pack("<BBHII", 1, 77, 200, 0, 0)
    ),
    "a status there is not": response(status=999),
    "a status of nothing": response(status=0),
    "a header that ends its line": response(head=b"x:1\r\nset-cookie: a=b"),
    "a header with a null in it": response(head=b"x:\x00"),
    "a header without a name": response(head=b":value"),
    "a header without a value": response(head=b"lonely"),
    "an empty log frame": wire.frame(wire.Kind.LOG, 1, b""),
    "a third stream of logs": log(stream=2),
    "a frame that is too long": struct.pack("<IBI", 0xFFFFFFFF, wire.Kind.LOG, 1),
    "a frame shorter than its own head": struct.pack("<IBI", 1, wire.Kind.LOG, 1),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_runner_that_sends_it_is_ended_and_its_calls_are_told(what: str) -> None:
    neighbour, _ = an_assigned_sandbox()
    unharmed = asked(neighbour)
    sandbox, pipe = an_assigned_sandbox()
    call = asked(sandbox, OpenSink())
    other = asked(sandbox)
    sandbox.data_received(BROKEN[what])
    assert pipe.is_aborted
    assert sandbox.state is State.ENDING
    assert not sandbox.can_take(time.monotonic())
    sandbox.connection_lost(None)
    sandbox.exited(Exit(code=137))
    assert (await other.future).error_class is ErrorClass.EXIT
    await asyncio.wait_for(call.future, 60)  # answered before or failed now, but never left alone
    neighbour.data_received(log(text=b"mine\n") + response(body=b"well"))
    outcome = await unharmed.future
    assert (outcome.body, outcome.logs) == (b"well", "mine\n")


async def test_no_task_is_left_of_an_answer_that_was_given_twice() -> None:
    before = asyncio.all_tasks()
    sandbox, _ = an_assigned_sandbox()
    call = asked(sandbox, OpenSink())
    sandbox.data_received(response(flags=_LATER) + response())
    sandbox.connection_lost(None)
    sandbox.exited(Exit(code=137))
    await call.future
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_log_line_stays_with_the_run_whose_id_it_bears() -> None:
    """Runs of one sandbox share a process, and so does what they may say; others do not."""
    sandbox, _ = an_assigned_sandbox()
    one, two = asked(sandbox), asked(sandbox)
    sandbox.data_received(log(1, b"one\n") + log(2, b"two\n") + response(2) + response(1))
    assert ((await one.future).logs, (await two.future).logs) == ("one\n", "two\n")


async def test_text_that_is_no_utf_8_is_shown_and_harms_nothing() -> None:
    sandbox, pipe = an_assigned_sandbox()
    call = asked(sandbox)
    sandbox.data_received(log(1, b"\xff\xfe\x00\x1b[2J\n") + response(head=b"x:\xff", body=b"\xff"))
    outcome = await call.future
    assert not pipe.is_aborted
    outcome.logs.encode()
    assert outcome.body == b"\xff"
