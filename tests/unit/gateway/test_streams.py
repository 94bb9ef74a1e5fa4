"""Responses that come in parts."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from runwright.gateway.asgi import _AsgiChannel
from runwright.identity.projects import remove_project
from runwright.model.execution import ErrorClass, Invocation, Outcome, Status
from runwright.ports.executor import ResponseSink
from runwright.ports.storage import UnitOfWork
from tests.fakes.loop_time import pass_by
from tests.unit.executions.bench import (
    FUNCTION,
    NOW,
    PROJECT,
    Bench,
    a_function,
    a_key,
    a_project,
    a_session,
    a_user,
    until,
)
from tests.unit.gateway.door import a_door

pytestmark = pytest.mark.anyio


async def test_parts_leave_as_they_come_under_one_head() -> None:
    async def stream(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        assert sink is not None
        sink.start(200, (("content-type", "text/event-stream"), ("content-length", "7")))
        for part in (b"one", b"two"):
            await sink.write(part)
        return Outcome(status_code=200)

    async with a_door() as door:
        door.bench.code.run_next = stream
        reply = await door.call()
    assert (reply.status, reply.parts, reply.is_whole) == (200, [b"one", b"two"], True)
    assert reply["content-type"] == "text/event-stream"
    assert reply["content-length"] == ""  # the parts are not counted beforehand
    assert reply["x-appwrite-execution-id"]


async def test_the_head_leaves_before_the_first_part() -> None:
    went_on = asyncio.Event()

    async def stream(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        assert sink is not None
        sink.start(200, ())
        await went_on.wait()
        return Outcome(status_code=200)

    async with a_door() as door:
        door.bench.code.run_next = stream
        call = asyncio.create_task(door.call())
        await asyncio.sleep(0.01)
        assert not call.done()
        went_on.set()
        reply = await call
    assert (reply.status, reply.is_whole, reply.body) == (200, True, b"")


async def test_a_stream_that_breaks_is_cut_and_not_closed_as_if_whole() -> None:
    async def stream(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        assert sink is not None
        sink.start(200, ())
        await sink.write(b"half")
        return Outcome(status_code=500, error_class=ErrorClass.EXIT, errors="gone")

    async with a_door() as door:
        door.bench.code.run_next = stream
        reply = await door.call()
        record = await door.bench.executions.history.get(
            a_key(), FUNCTION, reply["x-appwrite-execution-id"]
        )
    assert (reply.parts, reply.is_whole) == ([b"half"], False)
    assert (record.status, record.error_class) == (Status.FAILED, ErrorClass.EXIT)


async def test_a_caller_that_goes_away_ends_the_writing_and_not_the_run() -> None:
    written = 0

    async def stream(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        nonlocal written
        assert sink is not None
        sink.start(200, ())
        for _ in range(1000):
            try:
                await sink.write(b"part")
            except ConnectionError:
                break
            written += 1
            await asyncio.sleep(0)
        return Outcome(status_code=200, logs="went on")

    async with a_door() as door:
        door.bench.code.run_next = stream
        reply = await door.call(gone_after_parts=3)
        record = await door.bench.executions.history.get(
            a_key(), FUNCTION, reply["x-appwrite-execution-id"]
        )
    assert 3 <= written < 1000
    assert (record.status, record.logs) == (Status.COMPLETED, "went on")


async def test_a_stream_that_has_begun_outlives_the_limit_of_waiting() -> None:
    async def stream(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        assert sink is not None
        sink.start(200, ())
        for _ in range(3):
            await pass_by(31)  # the wait is looked at after a second and then at its end
        await sink.write(b"late")
        return Outcome(status_code=200)

    async with a_door(sync_timeout_s=30) as door:
        door.bench.code.run_next = stream
        reply = await door.call()
    assert (reply.status, reply.body, reply.is_whole) == (200, b"late", True)


async def test_a_response_that_begins_after_the_408_is_not_sent() -> None:
    is_over, ended = asyncio.Event(), asyncio.Event()

    async def late(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        assert sink is not None
        await is_over.wait()
        sink.start(200, ())
        with pytest.raises(ConnectionError):
            await sink.write(b"unheard")
        ended.set()
        return Outcome(status_code=200)

    async with a_door(sync_timeout_s=0.1) as door:
        door.bench.code.run_next = late
        reply = await door.call()
        is_over.set()
        async with asyncio.timeout(60):
            await ended.wait()
    assert reply.status == 408
    assert b"unheard" not in reply.body


@pytest.mark.parametrize(
    ("status", "shown", "body"), [(204, 204, b""), (304, 304, b""), (101, 500, b"x")]
)
async def test_a_streamed_status_that_has_no_body_gets_none(
    status: int, shown: int, body: bytes
) -> None:
    async def stream(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        assert sink is not None
        sink.start(status, ())
        await sink.write(b"x")
        return Outcome(status_code=status)

    async with a_door() as door:
        door.bench.code.run_next = stream
        reply = await door.call()
    assert (reply.status, reply.body, reply.is_whole) == (shown, body, True)


Change = Callable[[Bench], Awaitable[None]]


async def drop(bench: Bench, repository: str, item: Any, kind: str) -> None:
    def work(uow: UnitOfWork) -> None:
        getattr(uow, repository).remove(item.project_id, item.id)
        uow.touch(kind, item.project_id, getattr(item, "user_id", "") or item.id)

    await bench.storage.write(work)


ENDS: Final[dict[str, Change]] = {
    "the session is deleted": lambda b: drop(b, "sessions", a_session(), "user"),
    "the session is over": lambda b: b.put(replace(a_session(), expires_at=NOW)),
    "the user is blocked": lambda b: b.put(replace(a_user(), is_active=False, labels=("vip",))),
    "the user is deleted": lambda b: drop(b, "users", a_user(), "user"),
    "the label is gone": lambda b: b.put(a_user()),
    "the project is deleted": lambda b: b.storage.write(
        lambda uow: remove_project(uow, a_project())
    ),
}


@pytest.mark.parametrize("what", ENDS)
async def test_a_stream_ends_with_the_right_to_it(what: str) -> None:
    begun, gone_on = asyncio.Event(), asyncio.Event()

    async def stream(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        assert sink is not None
        sink.start(200, ())
        await sink.write(b"part")
        begun.set()
        await gone_on.wait()
        with pytest.raises(ConnectionError):
            await sink.write(b"more")
        return Outcome(status_code=200, logs="to the end")

    async with a_door() as door:
        bench = door.bench
        await bench.put(replace(a_user(), labels=("vip",)), a_session())
        await bench.put(a_function(execute=("label:vip",)))
        jwt = bench.tokens.user_jwt("ada", "session-ada", 60, project_id=PROJECT)
        bench.code.run_next = stream
        call = asyncio.create_task(door.call(headers=[("x-appwrite-user-jwt", jwt)]))
        async with asyncio.timeout(60):
            await begun.wait()
            await ENDS[what](bench)
            reply = await call
        assert (reply.status, reply.body, reply.is_whole) == (200, b"part", False)
        gone_on.set()
        assert len(bench.authenticator.standing) == 0
        if what != "the project is deleted":
            execution_id = reply["x-appwrite-execution-id"]
            await until(lambda: is_completed(bench, execution_id))


async def is_completed(bench: Bench, execution_id: str) -> bool:
    """The run goes on: it may be in the middle of something."""
    found = await bench.executions.history.get(a_key(), FUNCTION, execution_id)
    return (found.status, found.logs) == (Status.COMPLETED, "to the end")


async def test_a_stream_goes_on_while_its_reader_may_have_it() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def stream(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        assert sink is not None
        sink.start(200, ())
        begun.set()
        await may_end.wait()
        await sink.write(b"part")
        return Outcome(status_code=200)

    async with a_door() as door:
        bench = door.bench
        await bench.put(replace(a_user(), labels=("vip",)), a_session())
        await bench.put(a_function(execute=("label:vip",)))
        jwt = bench.tokens.user_jwt("ada", "session-ada", 60, project_id=PROJECT)
        bench.code.run_next = stream
        call = asyncio.create_task(door.call(headers=[("x-appwrite-user-jwt", jwt)]))
        async with asyncio.timeout(60):
            await begun.wait()
            await bench.put(replace(a_user(), name="Ada", labels=("vip", "more")))
            await until(lambda: bench.authenticator.standing.is_settled)
            may_end.set()
            reply = await call
    assert (reply.body, reply.is_whole) == (b"part", True)


async def test_a_body_is_whole_though_the_answer_began_before_it_was_read() -> None:
    parts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    channel = _AsgiChannel(parts.get, send, has_body=True)
    channel.start(200, [])
    for body in (b"first", b"second", b""):
        parts.put_nowait({"type": "http.request", "body": body, "more_body": body != b""})
    await asyncio.sleep(0)  # whoever waits for a message has his turn
    assert [await channel.read_part() for _ in range(3)] == [b"first", b"second", b""]
    await channel.close()
    assert sent[0]["status"] == 200
