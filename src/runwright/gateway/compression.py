"""Compression of whole answers for callers that take it."""

from typing import Final

from runwright.compression import gzipped, takes_gzip
from runwright.gateway.messages import GatewayAnswer

_COMPRESSIBLE: Final = frozenset(
    {
        b"application/javascript",
        b"application/json",
        b"application/ld+json",
        b"application/manifest+json",
        b"application/rss+xml",
        b"application/atom+xml",
        b"application/wasm",
        b"application/x-javascript",
        b"application/xhtml+xml",
        b"application/xml",
        b"image/svg+xml",
    }
)


async def compressed(answer: GatewayAnswer, accepts: str) -> GatewayAnswer:
    """The same answer, compressed where that helps and changes nothing else."""
    headers = dict(answer.headers)
    if answer.status == 206 or b"content-encoding" in headers or not _is_text(headers):
        return answer
    if b"no-transform" in headers.get(b"cache-control", b"").lower():
        return answer
    varying = [*answer.headers, (b"vary", b"Accept-Encoding")]
    if not takes_gzip(accepts):
        return GatewayAnswer(answer.status, varying, answer.body)
    body = await gzipped(answer.body)
    kept = [_weakened(line) for line in varying if line[0] != b"content-length"]
    kept += [
        (b"content-encoding", b"gzip"),
        (b"content-length", str(len(body)).encode("ascii")),
    ]
    return GatewayAnswer(answer.status, kept, body)


def _is_text(headers: dict[bytes, bytes]) -> bool:
    media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return media.startswith(b"text/") or media in _COMPRESSIBLE


def _weakened(line: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A strong tag promises the same bytes, and these are others."""
    name, value = line
    return (name, b"W/" + value) if name == b"etag" and value.startswith(b'"') else line
