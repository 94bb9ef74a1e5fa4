"""HTTP by the letter: requests as bytes, answers read so strictly that nothing can hide in them."""

import re
import socket
from dataclasses import dataclass
from typing import Final

PATIENCE_S: Final = 60.0
_STATUS: Final = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) [\x20-\x7e]*$")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$")
_NO_BODY: Final = frozenset({204, 304})


class NotHttp(Exception):
    """What came is no answer by the rules, or more than one."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


class _Closed(Exception):
    """The other side has ended the connection between two answers."""


class _Reader:
    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._data = b""

    def _more(self) -> None:
        try:
            part = self._link.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            raise NotHttp("ended in the middle of an answer") if self._data else _Closed
        self._data += part

    def _line(self) -> bytes:
        while b"\r\n" not in self._data:
            self._more()
        line, self._data = self._data.split(b"\r\n", 1)
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            self._more()
        part, self._data = self._data[:size], self._data[size:]
        return part

    def answer(self) -> Answer:
        status = _STATUS.match(first := self._line())
        if status is None:
            raise NotHttp(f"no status line: {first[:100]!r}")
        headers = []
        while line := self._line():
            field = _FIELD.match(line)
            if field is None:
                raise NotHttp(f"no header: {line[:100]!r}")
            headers.append((field[1].decode().lower(), field[2].decode("latin-1")))
        code = int(status[1])
        lengths = [value for name, value in headers if name == "content-length"]
        codings = [value for name, value in headers if name == "transfer-encoding"]
        if code < 200:
            if lengths or codings or code == 101:
                raise NotHttp(f"a body where none may be: {code} {headers}")
            return self.answer()
        if len(lengths) + len(codings) > 1:
            raise NotHttp(f"ends in two ways: {headers}")
        body = b""
        if code in _NO_BODY:
            pass
        elif codings:
            if codings != ["chunked"]:
                raise NotHttp(f"coded as {codings}")
            body = self._chunks()
        elif lengths:
            body = self._exactly(int(lengths[0]))
        else:
            raise NotHttp(f"no end is told: {headers}")
        return Answer(code, tuple(headers), body)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._line(), 16):
            body += self._exactly(size)
            if self._line():
                raise NotHttp("a chunk that is longer than it says")
        if self._line():
            raise NotHttp("a trailer")
        return body


def exchange(port: int, data: bytes, most: int) -> list[Answer]:
    """Send bytes and read that many answers, or fewer if the server ends the connection."""
    answers: list[Answer] = []
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as link:
        reader = _Reader(link)
        try:
            link.sendall(data)
            while len(answers) < most:
                answers.append(reader.answer())
        except (_Closed, BrokenPipeError, ConnectionResetError):
            pass
    return answers


def request(host: str, path: str = "/", body: bytes = b"", *lines: str, method: str = "") -> bytes:
    head = [f"{method or ('POST' if body else 'GET')} {path} HTTP/1.1", f"host: {host}", *lines]
    if body:
        head.append(f"content-length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body
