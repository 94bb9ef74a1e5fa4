"""Request parameters as sent: query strings, JSON, forms, multipart.

Keys of forms and query strings follow the bracket notation (`a[]=x`, `a[0]=x`, `a[k][l]=x`).
A body that is not what it claims to be counts as "no parameters", so its sender is told which
parameter is missing; only sizes beyond the limits are refused here.
"""

import asyncio
import contextlib
import logging
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import field
from functools import partial
from itertools import islice
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qsl

import anyio.to_thread
import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Message, Receive

from runwright.api.routing import Upload
from runwright.errors import BadRequest, RunwrightError, ServiceUnavailable
from runwright.values import dataclass

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 12 * 1024 * 1024
MAX_PAIRS: Final = 2000
MAX_DEPTH: Final = 16
MAX_VALUES: Final = 200_000  # in a JSON body; what is in one string counts as one
_FEW_BYTES: Final = 256 * 1024  # that cannot hold too many
MAX_FILES: Final = 16
BODY_WAIT_S: Final = 120.0  # for the whole body
BATCH_BYTES: Final = 256 * 1024  # multipart bytes handed to a thread at once

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

_COLONS: Final = re.compile(rb'"[ \t\r\n]*:')
# Only behind names: within a string a quote stands behind an odd number of backslashes.
_NAMES: Final = re.compile(rb'(?<!\\)(?:\\\\)*"[ \t\r\n]*:')
_BRACKETS: Final = re.compile(r"\[([^\[\]]*)\]")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")

Tree = dict[str, Any]


def content_type(header: str) -> str:
    """The type alone; compared exactly, in lower case."""
    return header.partition(";")[0].strip()


def too_large(most_bytes: int) -> BadRequest:
    return BadRequest(
        f"The request body is larger than {most_bytes // (1024 * 1024)} MiB "
        f"({most_bytes} bytes). Upload files in chunks of 5 MiB, as the SDKs do."
    )


class TooSlow(RunwrightError):
    type, status = "general_bad_request", 408

    def __init__(self) -> None:
        super().__init__(
            f"The request body did not arrive within {BODY_WAIT_S:.0f} seconds. Send it in smaller "
            "chunks, or over a faster connection."
        )


class CallerGone(Exception):
    """The connection ended before the request did; nobody waits for an answer."""


async def read_body(receive: Receive, declared: str, most_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The whole body. Raises BadRequest as soon as it is known to be too large, TooSlow,
    CallerGone."""
    return b"".join([part async for part in body_parts(receive, declared, most_bytes)])


async def body_parts(receive: Receive, declared: str, most_bytes: int) -> AsyncIterator[bytes]:
    """`declared` is the Content-Length header; it is believed only when it is too large."""
    if declared.isdecimal() and int(declared[:20]) > most_bytes:
        raise too_large(most_bytes)
    seen, has_more = 0, True
    deadline = asyncio.get_running_loop().time() + BODY_WAIT_S
    while has_more:
        message = await _next(receive, deadline)
        part, has_more = message.get("body", b""), message.get("more_body", False)
        seen += len(part)
        if seen > most_bytes:
            raise too_large(most_bytes)
        yield part


async def _next(receive: Receive, deadline: float) -> Message:
    try:
        async with asyncio.timeout_at(deadline):
            message = await receive()
    except TimeoutError as exc:
        raise TooSlow from exc
    if message["type"] == "http.disconnect":
        raise CallerGone
    return message


def from_json(body: bytes) -> Tree:
    """The members of an object; anything else is no parameters."""
    return members(json_value(body))


def json_value(body: bytes) -> Any:
    """None for what is no JSON. Raises BadRequest when it holds too many values: each takes far
    more memory and time than the two bytes that it may be sent as."""
    if len(body) > _FEW_BYTES and _marks(body) > MAX_VALUES and _values(body) > MAX_VALUES:
        raise BadRequest(f"The request holds more than {MAX_VALUES} values. Send fewer at once.")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _marks(text: bytes) -> int:
    """At least as many as there are values, a string's own characters among them."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _is_exceeded(pattern: re.Pattern[bytes], body: bytes) -> bool:
    return sum(1 for _ in islice(pattern.finditer(body), MAX_VALUES + 1)) > MAX_VALUES


def _values(body: bytes) -> int:
    """The same, without those in strings that are members of the body itself."""
    # The second look takes long, so what passes the first, as nearly everything does, is spared it.
    if all(_is_exceeded(pattern, body) for pattern in (_COLONS, _NAMES)):
        return MAX_VALUES + 1
    try:
        parts = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _marks(body)
    raws = map(bytes, parts.values())
    return len(parts) + sum(_marks(raw) for raw in raws if not raw.startswith(b'"'))


def members(value: Any) -> Tree:
    """Raises BadRequest when there are too many."""
    if not isinstance(value, dict):
        return {}
    if len(value) > MAX_PAIRS:
        raise _too_many()
    return value


def from_query(text: str) -> Tree:
    """Raises BadRequest when there are too many pairs."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MAX_PAIRS)
    except ValueError as exc:
        raise _too_many() from exc
    return from_pairs(pairs)


def _too_many() -> BadRequest:
    return BadRequest(f"The request has more than {MAX_PAIRS} parameters. Send fewer.")


def from_pairs(pairs: list[tuple[str, Any]]) -> Tree:
    """Nest bracketed keys; of equal keys the last counts.

    A level whose keys are all whole numbers becomes a list in the order of the numbers.
    """
    if len(pairs) > MAX_PAIRS:
        raise _too_many()
    root: Tree = {}
    for key, value in pairs:
        _place(root, _path(key), value)
    return {key: _listed(value) for key, value in root.items()}


def _path(key: str) -> list[str]:
    """`a[b][]` -> [a, b, ""]; a key that is not well formed stands for itself."""
    name, bracket, rest = key.partition("[")
    if not bracket or not name:
        return [key]
    parts = _BRACKETS.findall(bracket + rest)
    is_well_formed = "".join(f"[{part}]" for part in parts) == bracket + rest
    if not is_well_formed or len(parts) > MAX_DEPTH:
        return [key]
    return [name, *parts]


class _Level(dict[str, Any]):
    """One bracket level while it is built; `next_index` serves `[]`."""

    next_index = 0

    def slot(self, name: str) -> str:
        key = name or str(self.next_index)
        if _INDEX.fullmatch(key):
            self.next_index = max(self.next_index, int(key) + 1)
        return key


def _place(root: Tree, path: list[str], value: Any) -> None:
    level: Tree = root
    for depth, name in enumerate(path):
        key = level.slot(name) if isinstance(level, _Level) else name
        if depth == len(path) - 1:
            level[key] = value
            return
        below = level.get(key)
        if not isinstance(below, _Level):
            below = level[key] = _Level()
        level = below


def _listed(value: Any) -> Any:
    if not isinstance(value, _Level):
        return value
    done = {key: _listed(item) for key, item in value.items()}
    if all(_INDEX.fullmatch(key) for key in done):
        return [done[key] for key in sorted(done, key=int)]
    return done


@dataclass(slots=True)
class Form:
    """Parameters and files of one request. `clean` removes the files."""

    params: Tree = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    sent: Any = None  # the JSON of the body, also where it is no object
    paths: list[str] = field(default_factory=list)

    async def clean(self) -> None:
        if self.paths:
            await anyio.to_thread.run_sync(_remove, tuple(self.paths))
            self.paths.clear()


def _remove(paths: tuple[str, ...]) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # a handler may have moved it away
            os.unlink(path)


async def read_multipart(
    form: Form,
    receive: Receive,
    headers: Mapping[str, str],
    folder: str,
    most_bytes: int = MAX_BODY_BYTES,
) -> None:
    """Fill `form`; files go to new files in `folder`. Parsing and writing run in threads.

    Whatever was written is listed in `form.paths`, also when this raises.
    """
    _, options = parse_options_header(headers.get("content-type"))
    boundary = options.get(b"boundary")
    if not boundary:
        return
    parts = _Parts(form, folder)
    try:
        try:
            parser = MultipartParser(boundary, parts.callbacks())
        except FormParserError:
            return
        batch = bytearray()
        declared = headers.get("content-length", "")
        async for data in body_parts(receive, declared, most_bytes):
            batch += data
            if len(batch) >= BATCH_BYTES:
                await _written(partial(parser.write, bytes(batch)))
                batch.clear()
        await _written(partial(_finish, parser, bytes(batch), parts))
    except FormParserError:
        form.params, form.uploads = {}, {}
        return
    finally:
        with contextlib.suppress(OSError):  # a full disk was told of when it was written to
            parts.close()
    form.params = from_pairs(parts.pairs)


async def _written(work: Callable[[], object]) -> None:
    try:
        await anyio.to_thread.run_sync(work)
    except OSError as exc:
        log.warning("an upload was not stored", extra={"action": "upload_lost", "reason": str(exc)})
        raise ServiceUnavailable(
            "The upload could not be stored: the server's disk refuses it. Try again later."
        ) from exc


def _finish(parser: MultipartParser, last: bytes, parts: "_Parts") -> None:
    parser.write(last)
    parser.finalize()
    if not parts.is_complete:
        raise FormParserError("the last part does not end")


class _Parts:
    """Collects the parts that the parser reports, one at a time."""

    def __init__(self, form: Form, folder: str) -> None:
        self.pairs: list[tuple[str, Any]] = []
        self.is_complete = False
        self._form = form
        self._folder = folder
        self._headers: dict[str, bytes] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._name = ""
        self._file_name = ""
        self._text = bytearray()
        self._file: BinaryIO | None = None
        self._path = ""
        self._size = 0

    def callbacks(self) -> Any:  # the library's typed dictionary of optional functions
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_more,
            "on_header_end": self._header_end,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._complete,
        }

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._headers = {}
        self._text = bytearray()
        self._size = 0

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_more(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        name = self._header_name.decode("latin-1").lower()
        self._headers[name] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _open(self) -> None:
        disposition = self._headers.get("content-disposition", b"")
        _, options = parse_options_header(disposition.decode("latin-1"))
        name = options.get(b"name")
        if name is None:
            raise FormParserError("a part has no name")
        self._name = name.decode(errors="replace")
        file_name = options.get(b"filename")
        if file_name is None:
            return
        if len(self._form.paths) >= MAX_FILES:
            raise BadRequest(f"The request has more than {MAX_FILES} files. Send fewer.")
        self._file_name = file_name.decode(errors="replace")
        descriptor, self._path = tempfile.mkstemp(prefix="upload-", dir=self._folder)
        self._form.paths.append(self._path)
        self._file = os.fdopen(descriptor, "wb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            self._text += data[start:end]
        else:
            self._file.write(memoryview(data)[start:end])
            self._size += end - start

    def _end(self) -> None:
        if self._file is not None:
            self.close()
            self._form.uploads[self._name] = Upload(self._file_name, self._path, self._size)
            return
        if len(self.pairs) >= MAX_PAIRS:
            raise _too_many()
        self.pairs.append((self._name, _text(bytes(self._text))))

    def _complete(self) -> None:
        self.is_complete = True


def _text(raw: bytes) -> str | bytes:
    """Text where it is text; other bytes stay bytes, which text parameters refuse."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
