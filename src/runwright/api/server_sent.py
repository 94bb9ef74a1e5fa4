"""News -> server-sent events."""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from runwright.clock import iso_millis
from runwright.executions.tails import Ended, Missed, News, Printed, Quiet
from runwright.model.execution import Headers

MEDIA_TYPE: Final = "text/event-stream"
# Proxies that keep parts back until they have enough of them would take the live out of it.
HEADERS: Final[Headers] = (("cache-control", "no-cache"), ("x-accel-buffering", "no"))
_OPENING: Final = b"retry: 1000\n\n"  # milliseconds until a lost connection is made again
_KEEP_ALIVE: Final = b": nothing new\n\n"


async def log_events(news: AsyncIterator[News]) -> AsyncIterator[bytes]:
    yield _OPENING
    async for item in news:
        yield _encoded(item)


def _encoded(item: News) -> bytes:
    match item:
        case Printed():
            data = {"text": item.text, "at": iso_millis(item.at)}
            return _event(_stream(item.is_error), data, str(item.place))
        case Missed():
            missed = {"stream": _stream(item.is_error), "bytes": item.count}
            return _event("missed", missed, str(item.place))
        case Quiet():
            return _KEEP_ALIVE
        case Ended():
            found = item.execution
            if found is None:
                return _event("end", {"status": None, "errorClass": ""})
            error_class = found.error_class.value if found.error_class else ""
            return _event("end", {"status": found.status.value, "errorClass": error_class})


def _stream(is_error: bool) -> str:
    return "error" if is_error else "log"


def _event(name: str, data: dict[str, Any], mark: str = "") -> bytes:
    # JSON has no bare line ends, so the data is one line.
    head = f"event: {name}\nid: {mark}\n" if mark else f"event: {name}\n"
    return b"%sdata: %s\n\n" % (head.encode(), msgspec.json.encode(data))
