"""Compression of answers for callers that take it."""

import asyncio
import gzip
from typing import Final

LEAST_BYTES: Final = 1025  # below, the headers cost more than is won
_IN_THREAD_BYTES: Final = 64 * 1024
_LEVEL: Final = 4


def takes_gzip(accepts: str) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110, section 12.5.3)."""
    for part in accepts.lower().split(","):
        coding, _, quality = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


async def gzipped(body: bytes) -> bytes:
    """Large bodies are compressed on a thread, so that the event loop goes on."""
    if len(body) >= _IN_THREAD_BYTES:
        return await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)
    return gzip.compress(body, _LEVEL, mtime=0)
