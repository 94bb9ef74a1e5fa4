"""Asking for ranges of breached passwords: what is sent, what is believed, when it rests."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

import httpx
import pytest

from runwright.outgoing.breaches import MAX_ANSWER_BYTES, REST_S, PwnedRanges
from tests.fakes.identity import HandClock

pytestmark = pytest.mark.anyio

PASSWORD: Final = "correct horse"
DIGEST: Final = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()
LINE: Final = f"{DIGEST[5:]}:7"
OTHER: Final = f"{'0' * 35}:3"


@dataclass
class Service:
    """The answers of a service of ranges."""

    answer: Callable[[httpx.Request], httpx.Response]
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)

    def ranges(self, clock: HandClock) -> PwnedRanges:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return PwnedRanges(client, "https://ranges.example/range/", clock)


def saying(text: str, status: int = 200) -> Service:
    return Service(lambda request: httpx.Response(status, text=text))


@pytest.mark.parametrize(
    ("text", "is_breached"),
    [
        (f"{OTHER}\r\n{LINE}\r\n", True),
        (f"{OTHER}\r\n{LINE.lower()}", True),
        (OTHER, False),
        (f"{OTHER}\r\n{DIGEST[5:]}:0", False),
        ("", False),
    ],
    ids=["listed", "in lower case", "not listed", "made up to hide the length", "empty"],
)
async def test_a_password_is_looked_for_among_those_of_its_range(
    text: str, is_breached: bool
) -> None:
    assert await saying(text).ranges(HandClock()).holds(PASSWORD) is is_breached


async def test_five_characters_of_the_digest_are_all_that_is_sent() -> None:
    service = saying(LINE)
    await service.ranges(HandClock()).holds(PASSWORD)
    (request,) = service.requests
    assert str(request.url) == f"https://ranges.example/range/{DIGEST[:5]}"
    assert request.headers["add-padding"] == "true"
    sent = f"{request.url} {request.headers} {request.content!r}"
    assert DIGEST[:6] not in sent
    assert PASSWORD not in sent


def _refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no route", request=request)


@pytest.mark.parametrize(
    "service",
    [
        Service(_refuse),
        saying(LINE, status=503),
        saying(LINE, status=302),
        saying(f"{DIGEST[5:]}:many"),
        saying("\N{SNOWMAN}"),
        saying(f"{OTHER}\r\n" * (MAX_ANSWER_BYTES // 39 + 1)),
    ],
    ids=["unreachable", "failing", "moved", "no number", "no text", "endless"],
)
async def test_whatever_goes_wrong_nothing_is_known_and_the_log_says_so(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    clock = HandClock()
    ranges = service.ranges(clock)
    with caplog.at_level(logging.WARNING, "runwright.outgoing.breaches"):
        assert await ranges.holds(PASSWORD) is None
    (line,) = caplog.records
    assert line.message == "breach list could not be asked"
    assert DIGEST[:5] not in str(vars(line))
    assert await ranges.holds(PASSWORD) is None
    assert len(service.requests) == 1, "it rests, so that not every sign-in waits"
    clock.move(REST_S)
    assert await ranges.holds(PASSWORD) is None
    assert len(service.requests) == 2


class Silent(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


async def test_a_service_that_does_not_answer_is_waited_for_only_so_long() -> None:
    service = Service(lambda request: httpx.Response(200, stream=Silent()))
    client = httpx.AsyncClient(transport=httpx.MockTransport(service))
    ranges = PwnedRanges(client, "https://ranges.example", HandClock(), deadline_s=0.01)
    async with asyncio.timeout(60):
        assert await ranges.holds(PASSWORD) is None
