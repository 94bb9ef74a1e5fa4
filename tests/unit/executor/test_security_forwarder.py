"""Where the forwarder connects to for a sandbox."""

import asyncio
import errno
import socket
import struct
from ipaddress import ip_address

import pytest

from runwright.executor import carrying, forwarder
from runwright.executor.carrying import Box, Rules
from runwright.executor.egress import EGRESS, Policy, Refused, Verdict

pytestmark = pytest.mark.anyio


async def test_the_name_server_port_never_leads_to_the_hosts_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = Policy(lambda _address: False)
    box = Box(1, Rules(policies={EGRESS: policy}), 8080, lambda _event: None)
    box.follow(EGRESS)

    def no_socket(*_: object) -> None:
        raise AssertionError("nothing may be connected")

    monkeypatch.setattr(socket, "socket", no_socket)
    assert box._judge("127.0.0.1", 53) is Verdict.DNS
    with pytest.raises(Refused):
        await box._dial("127.0.0.1", 53, Verdict.DNS)


async def test_a_sandbox_that_was_given_no_code_yet_reaches_the_api_alone() -> None:
    policy = Policy(lambda _address: False)
    box = Box(1, Rules(policies={EGRESS: policy}), 8080, lambda _event: None)
    assert box._judge("8.8.8.8", 443) is Verdict.REFUSED
    box.follow(EGRESS)
    assert box._judge("8.8.8.8", 443) is Verdict.OUT
    for kind in ("none", "host", "unknown"):
        box.follow(kind)
        assert box._judge("8.8.8.8", 443) is Verdict.REFUSED
        assert box._judge("127.0.0.1", 8080) is Verdict.API


async def test_without_a_network_no_name_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolver(*_: object, **__: object) -> None:
        raise AssertionError("nobody may be asked")

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", resolver, raising=False)
    box = Box(1, Rules(policies={EGRESS: Policy(lambda _: False)}), 8080, lambda _event: None)
    with pytest.raises(Refused):
        await box.dial_name("secret.example", 443)


async def test_names_that_are_asked_for_at_once_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = asyncio.Event()

    async def resolver(*_: object, **__: object) -> list[object]:
        await released.wait()
        return []

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", resolver, raising=False)
    rules = Rules(policies={EGRESS: Policy(lambda _: False)}, max_questions=1)
    box = Box(1, rules, 8080, lambda _event: None)
    box.follow(EGRESS)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(_failure(box, "a.example"))
        await asyncio.sleep(0)
        assert await _failure(box, "b.example") == "too many open questions"
        released.set()
    assert first.result() == "a.example has no address"
    assert await _failure(box, "b.example") == "b.example has no address"


async def _failure(box: Box, host: str) -> str:
    with pytest.raises(OSError, match=r".") as caught:
        await box.dial_name(host, 443)
    return str(caught.value)


async def test_who_lives_at_a_closed_address_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(*_: object, **__: object) -> None:
        asked.append(1)

    asked: list[int] = []
    monkeypatch.setattr(carrying, "ask", ask)
    box = Box(1, Rules(policies={EGRESS: Policy(lambda _: False)}), 8080, lambda _event: None)
    box.follow(EGRESS)
    for labels, expected in ((b"\x015\x011\x011\x0210", 0), (b"\x018\x018\x018\x018", 1)):
        question = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels
        question += b"\x07in-addr\x04ARPA\0" + struct.pack(">HH", 12, 1)
        answer = await box._answer(question, over_tcp=False)
        assert len(asked) == expected
        assert answer[6:8] == b"\0\0"


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.EMFILE, True), (errno.ENOMEM, True), (errno.ENETUNREACH, False)]
)
def test_an_address_that_cannot_be_looked_at_counts_as_the_machines(
    number: int, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_socket(*_: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(socket, "socket", no_socket)
    assert forwarder.is_own(ip_address("8.8.8.8")) is expected
