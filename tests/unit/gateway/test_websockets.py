"""A web socket as the channel of a call: messages, records, and every kind of end."""

import asyncio
import struct
from collections import deque
from typing import Any

import pytest

from runwright.gateway.domain import BrokenAnswer
from runwright.gateway.messages import MESSAGE_BYTES, GatewayAnswer
from runwright.gateway.websockets import Message, SocketChannel, hold
from runwright.model.execution import ErrorClass

pytestmark = pytest.mark.anyio

TEXT, BYTES, CLOSE = 1, 2, 8


def record(kind: int, payload: bytes) -> bytes:
    return struct.pack("<BI", kind, len(payload)) + payload


class Client:
    def __init__(self, *messages: Message) -> None:
        self.messages = deque(messages)
        self.got: list[dict[str, Any]] = []
        self.is_away = False

    async def receive(self) -> Message:
        return self.messages.popleft()

    async def send(self, message: Message) -> None:
        if self.is_away:
            raise OSError
        self.got.append(dict(message))


def accepted(client: Client) -> SocketChannel:
    channel = SocketChannel(client.receive, client.send)
    channel.start(101, [(b"content-type", b"text/plain"), (b"x-own", b"a")])
    return channel


async def test_the_function_chooses_protocol_and_headers() -> None:
    client = Client()
    channel = SocketChannel(client.receive, client.send)
    own = (b"x-own", b"a")
    extension = (b"sec-websocket-extensions", b"permessage-deflate")
    protocol = (b"sec-websocket-protocol", b"c")
    channel.start(101, [(b"content-type", b"x"), own, extension, protocol])
    await channel.conclude(None)
    opening = {"type": "websocket.accept", "subprotocol": "c", "headers": [own]}
    assert client.got == [opening, {"type": "websocket.close", "code": 1000, "reason": ""}]


async def test_records_may_be_cut_anywhere() -> None:
    client = Client()
    channel = accepted(client)
    for byte in record(TEXT, "é".encode()) + record(BYTES, b"\xff"):
        await channel.write(bytes([byte]))
    await channel.write(record(TEXT, b"") + record(TEXT, b"x"))
    assert client.got[1:] == [
        {"type": "websocket.send", "text": "é"},
        {"type": "websocket.send", "bytes": b"\xff"},
        {"type": "websocket.send", "text": ""},
        {"type": "websocket.send", "text": "x"},
    ]


@pytest.mark.parametrize(
    "bad",
    [
        record(3, b"x"),
        record(CLOSE, b"\1"),
        record(CLOSE, bytes(126)),
        struct.pack("<BI", TEXT, MESSAGE_BYTES + 1),
    ],
    ids=["unknown kind", "no code", "long reason", "too large"],
)
async def test_what_is_no_record_ends_the_socket(bad: bytes) -> None:
    client = Client()
    channel = accepted(client)
    with pytest.raises(ConnectionError):
        await channel.write(record(TEXT, b"x") + bad)
    reason = "The function failed."
    assert client.got[2:] == [{"type": "websocket.close", "code": 1011, "reason": reason}]


async def test_many_tiny_messages_leave_turns_to_others() -> None:
    channel = accepted(Client())
    await channel.write(record(TEXT, b"x"))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(others())
    await channel.write(record(TEXT, b"x") * 1000)
    task.cancel()
    assert turns >= 10


async def test_a_client_that_has_gone_when_the_function_breaks_is_no_fault() -> None:
    client = Client()
    channel = accepted(client)
    await channel.write(record(TEXT, b"x"))
    client.is_away = True

    class Broken:
        async def answer(self, *_: Any) -> None:
            raise BrokenAnswer(ErrorClass.TIMEOUT)

    nothing: Any = Broken()
    await hold(nothing, nothing, nothing, channel)


@pytest.mark.parametrize(("code", "sent"), [(1000, 1000), (4999, 4999), (1006, 1011), (2999, 1011)])
async def test_only_codes_that_an_application_may_send_are_sent(code: int, sent: int) -> None:
    client = Client()
    channel = accepted(client)
    await channel.write(record(CLOSE, struct.pack("<H", code) + b"why"))
    assert client.got[-1] == {"type": "websocket.close", "code": sent, "reason": "why"}
    with pytest.raises(ConnectionError):
        await channel.write(record(TEXT, b"late"))
    await channel.conclude(None)
    assert len(client.got) == 2


async def test_a_client_that_leaves_is_told_once_with_its_code() -> None:
    client = Client(
        {"type": "websocket.receive", "text": "é"},
        {"type": "websocket.receive", "bytes": b"\0"},
        {"type": "websocket.disconnect", "code": 4000, "reason": "bye"},
    )
    channel = accepted(client)
    told: list[bool] = []
    channel.on_gone = lambda: told.append(True)
    assert await channel.read_part() == record(TEXT, "é".encode())
    assert await channel.read_part() == record(BYTES, b"\0")
    assert await channel.read_part() == record(CLOSE, struct.pack("<H", 4000) + b"bye")
    assert told == []
    assert await channel.read_part() == b""
    assert told == [True]
    with pytest.raises(ConnectionError):
        await channel.write(record(TEXT, b"late"))


async def test_a_client_that_has_gone_is_an_error_of_the_write() -> None:
    client = Client()
    channel = accepted(client)
    await channel.write(record(TEXT, b"x"))
    client.is_away = True
    with pytest.raises(ConnectionError):
        await channel.write(record(TEXT, b"x"))


@pytest.mark.parametrize(
    ("error_class", "code"),
    [
        (ErrorClass.PLATFORM, 1001),
        (None, 1008),
        (ErrorClass.TIMEOUT, 1011),
        (ErrorClass.USER_EXCEPTION, 1011),
        (ErrorClass.OUT_OF_MEMORY, 1011),
    ],
)
async def test_a_broken_call_says_why(error_class: ErrorClass | None, code: int) -> None:
    client = Client()
    await accepted(client).break_off(error_class)
    assert client.got[-1]["code"] == code
    assert len(client.got[-1]["reason"].encode()) <= 123


async def test_an_ordinary_answer_refuses() -> None:
    for status, shown in ((200, 400), (302, 302), (401, 401)):
        client = Client()
        channel = SocketChannel(client.receive, client.send)
        await channel.conclude(GatewayAnswer(status, [(b"connection", b"close")], b"no"))
        assert client.got[0]["type"] == "websocket.http.response.start"
        assert client.got[0]["status"] == shown
        assert (b"connection", b"close") not in client.got[0]["headers"]


async def test_a_refusal_in_parts_is_gathered_up_to_a_bound() -> None:
    client = Client()
    channel = SocketChannel(client.receive, client.send)
    channel.start(403, [(b"x-own", b"a")])
    for _ in range(20):
        await channel.write(bytes(10_000))
    await channel.conclude(None)
    assert client.got[0]["status"] == 403
    assert len(client.got[1]["body"]) == 64 * 1024
