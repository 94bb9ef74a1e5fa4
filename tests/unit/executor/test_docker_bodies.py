"""Requests in parts for containers, which take them whole."""

import pytest

from runwright.executor.docker.bodies import MOST_BYTES, gather
from runwright.model.execution import ErrorClass, Invocation
from tests.unit.executor.test_upload import Source
from tests.unit.executor.waiting import WaitedCall

pytestmark = pytest.mark.anyio


def a_call() -> WaitedCall:
    invocation = Invocation(
        execution_id="e", method="PUT", target="/", headers=(), body=b"", timeout_s=30.0
    )
    return WaitedCall(invocation, None, 0.0)


async def test_the_parts_become_one_body() -> None:
    call = a_call()
    await gather(call, Source(b"one", b"two"), 0.0)
    assert call.invocation.body == b"onetwo"
    assert not call.done()


async def test_a_body_that_breaks_off_or_is_too_large_fails_the_call() -> None:
    class Broken(Source):
        is_over = False

    for source in (Broken(b"half", end=ConnectionError()), Source(*[bytes(MOST_BYTES // 2)] * 3)):
        call = a_call()
        await gather(call, source, 0.0)
        assert (await call.future).error_class is ErrorClass.PAYLOAD


async def test_messages_of_a_web_socket_are_left_alone() -> None:
    class Socket(Source):
        is_over = True

    source = Socket(b"message")
    await gather(a_call(), source, 0.0)
    assert source.asked == 0
