"""Compression of what functions answer."""

import gzip

import pytest

from runwright.model.execution import Headers, Outcome
from tests.fakes.user_code import answering
from tests.unit.gateway.door import Reply, a_door

pytestmark = pytest.mark.anyio
LONG = b"hello " * 500
GZIP = [("accept-encoding", "br, gzip")]


async def reply_to(
    headers: Headers,
    *,
    accepts: list[tuple[str, str]] = GZIP,
    body: bytes = LONG,
    status: int = 200,
    method: str = "GET",
) -> Reply:
    async with a_door() as door:
        outcome = Outcome(status_code=status, headers=headers, body=body)
        door.bench.code.run_next = answering(outcome)
        return await door.call(method, headers=accepts)


@pytest.mark.parametrize("kind", ["text/plain; charset=utf-8", "Application/JSON", "image/svg+xml"])
async def test_a_long_text_is_compressed_for_those_who_take_it(kind: str) -> None:
    reply = await reply_to((("content-type", kind), ("etag", '"v1"'), ("vary", "Origin")))
    assert reply["content-encoding"] == "gzip"
    assert gzip.decompress(reply.body) == LONG
    assert reply["content-length"] == str(len(reply.body))
    assert reply.all("vary") == ["Origin", "Accept-Encoding"]
    assert reply["etag"] == 'W/"v1"'


@pytest.mark.parametrize(
    "accepts", [[], [("accept-encoding", "br")], [("accept-encoding", "gzip;q=0")]]
)
async def test_others_get_it_plain_with_a_note_for_caches(accepts: list[tuple[str, str]]) -> None:
    reply = await reply_to((("content-type", "text/plain"),), accepts=accepts)
    assert (reply["content-encoding"], reply.body) == ("", LONG)
    assert reply["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "headers",
    [
        (("content-type", "image/png"),),
        (("content-type", "text/plain"), ("content-encoding", "br")),
        (("content-type", "text/plain"), ("cache-control", "public, No-Transform")),
    ],
)
async def test_what_must_not_be_changed_is_left_alone(headers: Headers) -> None:
    reply = await reply_to(headers)
    assert reply.body == LONG
    assert reply["vary"] == ""


async def test_short_and_partial_answers_stay_as_they_are() -> None:
    plain = (("content-type", "text/plain"),)
    assert (await reply_to(plain, body=b"x" * 1024))["content-encoding"] == ""
    assert (await reply_to(plain, body=b"x" * 1025))["content-encoding"] == "gzip"
    assert (await reply_to(plain, status=206))["content-encoding"] == ""


async def test_a_large_text_is_compressed_too() -> None:
    body = bytes(range(32, 127)) * 10_000
    reply = await reply_to((("content-type", "text/css"),), body=body)
    assert gzip.decompress(reply.body) == body
