"""Frames that only tests read one by one."""

from runwright.executor.wire import WireError


def decode_log(payload: bytes) -> tuple[bool, str]:
    """(is the errors stream, text) of a LOG frame."""
    if not payload or payload[0] > 1:
        raise WireError("malformed LOG")
    return payload[0] == 1, payload[1:].decode("utf-8", "replace")
