"""Frames between the host and a runner; no I/O.

A frame is `u32 length | u8 type | u32 request id | payload`, little endian; `length` counts
everything after itself. Both sides bound every length before they allocate. Request id 0 is
the sandbox itself.

Host to runner
    LOAD      JSON: {"root", "entrypoint", "env", "cpus"}; answered lazily: when loading
              fails, each request is answered 503 with class ENTRYPOINT
    REQUEST   u8 flags (END: the body is complete, LOGGING, STREAM) | u32 head length | head | body
              head: b"METHOD target" and one b"name:value" per header, joined by b"\\n"
    BODY      part of the request body, u8 flags (END, BROKEN) | bytes
    CANCEL    nobody waits for this request any more; the runner may drop its answer
    WINDOW    u32: that many more response body bytes may be sent for this request
    TEMPLATE  as LOAD, but the runner only loads, answers LOADED and then forks on demand
    FORK      to a template, with two descriptors: frame socket and output of the fork. The fork
              says HELLO on its socket and serves; the id is the host's number for it
    REAP      to a template: tell how the fork of this number ended; answered by ENDED
    PING      answered by PONG as soon as the runner's loop turns; tells busy from hung
    GONE      the caller of this request has left: parts of the response are dropped from now
              on, and user code may be told; the request goes on to its end

Runner to host
    HELLO     JSON: {"version"}; sent once, when the runner can take LOAD
    LOG       u8 stream (0 logs, 1 errors) | UTF-8 text; always before the end of its request
    RESPONSE  u8 flags (END) | u8 class | u16 status | u32 user code microseconds
              | u32 head length | head | body; head: b"name:value" joined by b"\\n"
    CHUNK     part of the response body
    END       u8 class | u32 user code microseconds
    PONG
    TAKEN     u32: user code took that many more bytes of this request's streamed body
    LOADED    u32 milliseconds | UTF-8 text. From a template once, the text saying why it cannot
              be forked, if it cannot; else only when loading took so long that a template pays
    ENDED     i32 exit code as a shell reports it, -1 = not known

A REQUEST with STREAM begins before its body is there: the parts follow as the caller sends
them, INTAKE_BYTES ahead of what was TAKEN at most. BROKEN, together with END, says that the
caller broke off. A streamed request whose head has `upgrade: websocket` may be answered with
status 101; from then on both directions carry records, each u8 kind (1 text, 2 bytes, 8 close)
| u32 length | payload, cut anywhere; a close is u16 code | UTF-8 reason.

A response that is not complete in its RESPONSE frame is streamed under a window of
WINDOW_BYTES per request; the host opens it further as the caller takes the bytes. The time
of user code is then in END; RESPONSE has 0 when it went out before user code had ended.

A request ends with RESPONSE (END) or END; nothing of it follows, and the id is free again.
After CANCEL nothing of it follows either, but for frames that were under way; a request that
had not begun never does. Frames for ids that a runner does not know are ignored, and TAKEN by
the host; anything else for an unknown id breaks the rules.

LOG frames hold whole lines, except for a text that was cut. The first 32 of a request leave
before the program goes on, so they are known whatever it does next; later ones wait up to
60 KiB, one turn of the loop, or the next entry after 50 ms. The runner may block while the host
does not read: a host that waits to write must go on reading.

The runner exits with 70 when the host breaks these rules, with 0 when the socket is closed.
"""

import struct
from enum import IntEnum
from typing import Final

MAX_FRAME_BYTES: Final = 4 * 1024 * 1024  # a longer frame ends the sandbox
PART_BYTES: Final = 256 * 1024  # bodies above this travel in parts of this size
WINDOW_BYTES: Final = 1024 * 1024
# The window is opened by no less: a runner that sends tiny parts and never reads would else
# make the host pile up a frame for each.
WINDOW_STEP_BYTES: Final = WINDOW_BYTES // 4
MAX_REQUEST_BYTES: Final = 20 * 1024 * 1024
INTAKE_BYTES: Final = 256 * 1024  # of a streamed request body that user code has not taken
SWITCHING: Final = 101  # a web socket was accepted
HEADER: Final = struct.Struct("<IBI")
_HEADER_BYTES: Final = HEADER.size
_unpack_header: Final = HEADER.unpack_from
_U32: Final = struct.Struct("<I")
_REQUEST: Final = struct.Struct("<BI")
_REQUEST_FRAME: Final = struct.Struct("<IBIBI")  # both in one
_REQUEST_BYTES: Final = _REQUEST_FRAME.size - 4  # what a frame's length counts of it
_RESPONSE: Final = struct.Struct("<BBHII")
_END: Final = struct.Struct("<BI")
_ENDED: Final = struct.Struct("<i")
_MOST_REASON_BYTES: Final = 1000

FLAG_END: Final = 1
FLAG_LOGGING: Final = 2
FLAG_STREAM: Final = 4
FLAG_BROKEN: Final = 2  # of BODY


class Kind(IntEnum):
    LOAD = 1
    REQUEST = 2
    BODY = 3
    CANCEL = 4
    WINDOW = 5
    PING = 6
    GONE = 7
    TEMPLATE = 8
    FORK = 9
    REAP = 10
    HELLO = 16
    LOG = 17
    RESPONSE = 18
    CHUNK = 19
    END = 20
    PONG = 21
    TAKEN = 22
    LOADED = 23
    ENDED = 24


class ResultClass(IntEnum):
    """How user code ended, as the runner saw it."""

    OK = 0
    USER_EXCEPTION = 1
    ENTRYPOINT = 2
    PAYLOAD = 3


# Plain numbers and a tuple: members of an enum cost a call each time.
_REQUEST_KIND: Final = int(Kind.REQUEST)
_RESULTS: Final = tuple(ResultClass)


class WireError(Exception):
    """The other side broke the frame rules; the connection cannot be trusted further."""


def frame(kind: Kind, request_id: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(len(payload) + 5, kind, request_id) + payload


def encode_request(
    request_id: int, head: bytes, body: bytes, *, is_logging: bool, is_streamed: bool = False
) -> bytes:
    """All frames of one request; a body above PART_BYTES travels in BODY frames.

    Of a streamed one it is the first frame alone.
    """
    flags = FLAG_LOGGING if is_logging else 0
    size = len(head)
    if is_streamed:
        return frame(Kind.REQUEST, request_id, _REQUEST.pack(flags | FLAG_STREAM, size) + head)
    if len(body) <= PART_BYTES:
        length = size + len(body) + _REQUEST_BYTES
        return b"%b%b%b" % (
            _REQUEST_FRAME.pack(length, _REQUEST_KIND, request_id, flags | FLAG_END, size),
            head,
            body,
        )
    parts = [frame(Kind.REQUEST, request_id, _REQUEST.pack(flags, size) + head)]
    for start in range(0, len(body), PART_BYTES):
        is_last = start + PART_BYTES >= len(body)
        flag = b"\x01" if is_last else b"\x00"
        parts.append(frame(Kind.BODY, request_id, flag + body[start : start + PART_BYTES]))
    return b"".join(parts)


def encode_part(request_id: int, part: bytes | memoryview, flags: int = 0) -> bytes:
    """A BODY frame."""
    return frame(Kind.BODY, request_id, bytes((flags,)) + part)


def decode_taken(payload: bytes) -> int:
    """How many bytes a TAKEN frame tells of."""
    if len(payload) != _U32.size:
        raise WireError("malformed TAKEN")
    size: int = _U32.unpack(payload)[0]
    return size


def encode_window(request_id: int, more_bytes: int) -> bytes:
    return frame(Kind.WINDOW, request_id, _U32.pack(more_bytes))


class ResponseHead:
    """A parsed RESPONSE frame."""

    __slots__ = ("body", "is_complete", "raw_headers", "result", "status_code", "user_s")

    def __init__(self, payload: bytes) -> None:
        try:
            flags, result, status, micros, head_length = _RESPONSE.unpack_from(payload)
            self.result = _RESULTS[result]
        except (struct.error, IndexError) as exc:
            raise WireError("malformed RESPONSE") from exc
        end = _RESPONSE.size + head_length
        if end > len(payload) or not 100 <= status <= 599:
            raise WireError("malformed RESPONSE")
        self.is_complete = bool(flags & FLAG_END)
        self.status_code = status
        self.user_s = micros / 1e6
        self.raw_headers = payload[_RESPONSE.size : end]
        self.body = payload[end:]

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Lower-cased names and values; raises WireError on what could split a response."""
        raw = self.raw_headers
        if not raw:
            return ()
        return _HEADERS_KNOWN.get(raw) or _parse_headers(raw)


# Most responses of a function have the same headers.
_HEADERS_KNOWN: Final[dict[bytes, tuple[tuple[str, str], ...]]] = {}
_HEADERS_KEPT: Final = 1024
_KEPT_BYTES: Final = 512


def _parse_headers(raw: bytes) -> tuple[tuple[str, str], ...]:
    pairs = []
    for line in raw.decode("utf-8", "surrogateescape").split("\n"):
        name, colon, value = line.partition(":")
        if not colon or not name or "\r" in line or "\0" in line:
            raise WireError("malformed response header")
        pairs.append((name, value))
    found = tuple(pairs)
    if len(raw) <= _KEPT_BYTES:
        if len(_HEADERS_KNOWN) >= _HEADERS_KEPT:
            _HEADERS_KNOWN.clear()
        _HEADERS_KNOWN[raw] = found
    return found


def decode_end(payload: bytes) -> tuple[ResultClass, float]:
    """Result class and user code seconds of an END frame."""
    try:
        result, micros = _END.unpack(payload)
        return _RESULTS[result], micros / 1e6
    except (struct.error, IndexError) as exc:
        raise WireError("malformed END") from exc


def decode_loaded(payload: bytes) -> tuple[float, str]:
    """Seconds that loading took, and what speaks against forking."""
    if not 4 <= len(payload) <= _MOST_REASON_BYTES:
        raise WireError("malformed LOADED")
    return _U32.unpack_from(payload)[0] / 1000, payload[4:].decode("utf-8", "replace")


def decode_ended(payload: bytes) -> int:
    try:
        code: int = _ENDED.unpack(payload)[0]
    except struct.error as exc:
        raise WireError("malformed ENDED") from exc
    return code


class FrameReader:
    """Cuts a byte stream into frames. Feed bytes, take `(kind, request id, payload)`."""

    __slots__ = ("_held", "_wanted", "is_behind")

    def __init__(self) -> None:
        self.is_behind = False  # whole frames may be left: feed nothing to get them
        self._held = bytearray()  # the beginning of a frame
        self._wanted = 0  # bytes that must be there before looking again is of use

    def feed(self, data: bytes, most: int = 0) -> list[tuple[int, int, bytes]]:
        """Every frame completed by `data`, or the first `most` of them.

        Raises WireError on an oversized or short frame.
        """
        held = self._held
        if held:
            # Joined once the frame is whole: one that comes byte by byte would else be copied
            # as often as it has bytes.
            held += data
            if len(held) < self._wanted:
                self.is_behind = False
                return []
            data = bytes(held)
            held.clear()
        frames: list[tuple[int, int, bytes]] = []
        at, size = 0, len(data)
        self._wanted = _HEADER_BYTES
        while size - at >= _HEADER_BYTES:
            length, kind, request_id = _unpack_header(data, at)
            if not 5 <= length <= MAX_FRAME_BYTES:
                raise WireError("frame length out of bounds")
            end = at + 4 + length
            if end > size:
                self._wanted = end - at
                break
            frames.append((kind, request_id, data[at + _HEADER_BYTES : end]))
            at = end
            if len(frames) == most:
                break
        self.is_behind = at < size and 0 < most == len(frames)
        if at < size:
            held += memoryview(data)[at:]
        return frames
