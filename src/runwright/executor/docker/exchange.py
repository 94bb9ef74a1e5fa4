"""One execution as the v5 protocol has it: a plain HTTP request on a connection of its own.

The head is built and read here, because the target must reach user code byte for byte and
nothing a caller sends may end one line and begin another. Nothing the container answers is
trusted: its head has a largest size, its body is either taken in parts at the reader's pace or
held up to a limit.
"""

import asyncio
import base64
import math
import re
import socket
from collections.abc import Iterable
from dataclasses import field
from typing import Final
from urllib.parse import unquote

import httptools

from runwright.executor.docker.recipe import PORT
from runwright.model.execution import Headers, Invocation
from runwright.ports.executor import ResponseSink
from runwright.values import dataclass

_READ_BYTES: Final = 64 * 1024
_HEAD_BYTES: Final = 64 * 1024 + 4096  # the contract's limit, and the server's own lines
_OURS: Final = "x-open-runtimes-"
LOG_ID: Final = "x-open-runtimes-log-id"
# Of one connection, not of the message; the length is counted anew.
_HOP: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_VALUE: Final = re.compile(r"[\r\n\0]")
_NOT_IN_TARGET: Final = re.compile(r"[\x00-\x20\x7f]")
_HAS_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_LOG_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class BadAnswer(Exception):
    """What came back is no response, or one too large; the text is for the function's author."""


@dataclass(slots=True)
class Answer:
    status: int = 0
    headers: Headers = ()
    log_id: str = ""
    body: bytearray = field(default_factory=bytearray)


def log_id_of(execution_id: str) -> str:
    """Under which the container is to write; its rules for names are narrower than ours."""
    return execution_id if _LOG_ID.fullmatch(execution_id) else ""


def request_head(
    invocation: Invocation, *, secret: str, host: str, log_id: str, has_static_auth: bool = False
) -> bytes:
    """Request line and headers, with the blank line."""
    target = _NOT_IN_TARGET.sub(lambda found: f"%{ord(found[0]):02X}", invocation.target)
    lines = [f"{invocation.method} {target if target.startswith('/') else '/' + target} HTTP/1.1"]
    names = {name.lower() for name, _ in invocation.headers}
    if "host" not in names:
        lines.append(f"host: {host}:{PORT}")
    for name, value in invocation.headers:
        lower = name.lower()
        if lower in _HOP or lower.startswith(_OURS) or not _NAME.fullmatch(name):
            continue
        lines.append(f"{name}: {_NOT_IN_VALUE.sub(' ', value)}")
    if invocation.body or invocation.method in _HAS_BODY:
        lines.append(f"content-length: {len(invocation.body)}")
    lines += [
        "connection: close",
        f"{_OURS}secret: {secret}",
        f"{_OURS}timeout: {max(math.ceil(invocation.timeout_s), 1)}",
        f"{_OURS}logging: {'enabled' if invocation.is_logging else 'disabled'}",
    ]
    if log_id and invocation.is_logging:
        lines.append(f"{LOG_ID}: {log_id}")
    if has_static_auth:  # user code of other runtimes could read it there
        lines.append("authorization: Basic " + base64.b64encode(f"opr:{secret}".encode()).decode())
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")


def response_headers(pairs: Iterable[tuple[bytes, bytes]]) -> tuple[Headers, str]:
    """Those for the caller, and the id of the log files."""
    kept, log_id = [], ""
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), _text(raw_value)
        if name == LOG_ID:
            log_id = log_id_of(unquote(value))
        elif name not in _HOP and not name.startswith(_OURS) and name != "date":
            kept.append((name, value))
    return tuple(kept), log_id


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _Parts:
    """What the parser of one response has found since it was last asked."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.pairs: list[tuple[bytes, bytes]] = []
        self.has_head = False
        self.is_complete = False
        self.parts: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value))

    def on_headers_complete(self) -> None:
        self.has_head = True

    def on_body(self, data: bytes) -> None:
        self.parts.append(data)

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() >= 200:
            self.is_complete = True
        elif not self.is_complete:  # an interim answer; the real one follows
            self.pairs.clear()
            self.has_head = False

    def ends_with_connection(self) -> bool:
        names = {name.lower() for name, _ in self.pairs}
        return not names & {b"content-length", b"transfer-encoding"}


async def exchange(
    connection: socket.socket,
    head: bytes,
    invocation: Invocation,
    sink: ResponseSink | None,
    *,
    most_bytes: int,
) -> Answer:
    """Send one request over a socket that is not connected yet, and read the response.

    Raises BadAnswer, and OSError when the container's end goes away before the response is
    complete. The connection is closed in any case.
    """
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(connection, ("127.0.0.1", PORT))
    except BaseException:
        connection.close()
        raise
    reader, writer = await asyncio.open_connection(sock=connection, limit=_READ_BYTES)
    found = _Parts()
    try:
        # Not drained: the body is held anyway, and an answer may come before it was taken.
        writer.write(head + invocation.body)
        return await _receive(reader, found, invocation.method, sink, most_bytes)
    finally:
        writer.transport.abort()
        del found.parser  # they refer to each other


class _Delivery:
    """Where the body goes: to the reader at its pace, or into the answer up to a limit."""

    def __init__(self, answer: Answer, most_bytes: int) -> None:
        self._answer = answer
        self._most_bytes = most_bytes
        self._sink: ResponseSink | None = None
        self._is_streamed = False

    def stream_to(self, sink: ResponseSink) -> None:
        self._sink, self._is_streamed = sink, True
        sink.start(self._answer.status, self._answer.headers)

    async def take(self, parts: list[bytes]) -> None:
        for part in parts:
            if not self._is_streamed:
                self._hold(part)
            elif self._sink is not None:
                try:
                    await self._sink.write(part)
                except ConnectionError:
                    self._sink = None  # the run goes on; its rest is read and dropped
        parts.clear()

    def _hold(self, part: bytes) -> None:
        self._answer.body += part
        if len(self._answer.body) > self._most_bytes:
            limit = self._most_bytes // (1024 * 1024)
            raise BadAnswer(
                f"The response is larger than {limit} MiB. "
                "Send less, or call the function through its domain, which streams."
            )


async def _receive(
    reader: asyncio.StreamReader,
    found: _Parts,
    method: str,
    sink: ResponseSink | None,
    most_bytes: int,
) -> Answer:
    answer = Answer()
    delivery = _Delivery(answer, most_bytes)
    head_bytes = 0
    while True:
        data = await reader.read(_READ_BYTES)
        if not data:
            if answer.status and found.ends_with_connection():
                return answer
            raise ConnectionResetError("the connection was closed before the response was complete")
        try:
            found.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            if not found.is_complete:
                raise BadAnswer("The function's server sent data that is not a response.") from exc
        if not answer.status:
            head_bytes += len(data)
            if not found.has_head:
                _judge_head(head_bytes)
                continue
            _judge_head(sum(len(name) + len(value) + 4 for name, value in found.pairs))
            answer.status = found.parser.get_status_code()
            answer.headers, answer.log_id = response_headers(found.pairs)
            if method == "HEAD":
                return answer
            if sink is not None and not found.is_complete:
                delivery.stream_to(sink)
        await delivery.take(found.parts)
        if found.is_complete:
            return answer


def _judge_head(head_bytes: int) -> None:
    if head_bytes > _HEAD_BYTES:
        raise BadAnswer("Response headers are larger than 65536 bytes.")
