"""Requests that come in parts, for a protocol that knows them whole only."""

from dataclasses import replace
from typing import Final

from runwright.executor.call import Call
from runwright.model.execution import ErrorClass
from runwright.ports.executor import RequestSource

MOST_BYTES: Final = 20 * 1024 * 1024  # by the protocol
_BROKEN_OFF: Final = "The caller left before its request had ended."
_TOO_LARGE: Final = f"A function in a container can take no body of more than {MOST_BYTES} bytes."


async def gather(call: Call, source: RequestSource, now: float) -> None:
    """Put the whole body into the call; the call fails when there is none.

    Of a web socket, whose messages no function in a container takes, nothing is read.
    """
    parts: list[bytes] = []
    size = 0
    try:
        while not source.is_over and (part := await source.read()):
            size += len(part)
            if size > MOST_BYTES:
                call.fail(ErrorClass.PAYLOAD, _TOO_LARGE, now)
                return
            parts.append(part)
    except ConnectionError:
        call.fail(ErrorClass.PAYLOAD, _BROKEN_OFF, now)
        return
    call.invocation = replace(call.invocation, body=b"".join(parts))
