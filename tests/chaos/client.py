"""HTTP for the rig: thousands of requests, most of whose connections end in the middle."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httptools

ANSWER_S: Final = 40.0
_READ: Final = 65536


class NoAnswer(Exception):
    """The server went away; whether it did what it was asked to is unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class _Parsing:
    """What the parser calls."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.is_complete = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.is_complete = True


class Connection:
    """One request at a time; opened again when it was lost."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._port = port
        self._head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, key: str = ""
    ) -> Answer:
        """`key` is the Idempotency-Key. Raises NoAnswer."""
        content = b"" if body is None else json.dumps(body).encode()
        named = f"idempotency-key: {key}\r\n" if key else ""
        head = (
            f"{method} /v1{path} HTTP/1.1\r\nhost: localhost\r\n{self._head}{named}"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._exchange(head.encode() + content)
        except (OSError, EOFError, TimeoutError, httptools.HttpParserError) as exc:
            self.close()
            raise NoAnswer(type(exc).__name__) from exc
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        parsing = _Parsing()
        parser = httptools.HttpResponseParser(parsing)
        while not parsing.is_complete:
            data = await reader.read(_READ)
            if not data:
                raise EOFError
            parser.feed_data(data)
        if not parser.should_keep_alive():
            self.close()
        return Answer(parser.get_status_code(), bytes(parsing.body))
