"""The poster port over httpcore.

The host is resolved here, once, and the connection is made to an address that was judged; so
a name cannot mean one thing when it is judged and another when it is called. Each request has
a connection of its own, for which the name is resolved and judged anew.
"""

import asyncio
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import httpcore
import httpx

from runwright.model.address import WebAddress
from runwright.outgoing.lookup import Lookup, is_own
from runwright.outgoing.reach import Reach
from runwright.outgoing.trust import web_authorities
from runwright.ports.poster import NotPosted, Post, Posted

TOTAL_S: Final = 15.0
MAX_ANSWER_BYTES: Final = 5 * 1024 * 1024
KEPT_BYTES: Final = 10_000
WEB_PORTS: Final = frozenset({80, 443})
_NEXT_ADDRESS_S: Final = 4.0  # after which another address of the same host is tried


class HttpPoster:
    def __init__(
        self,
        lookup: Lookup,
        *,
        allows_private: bool,
        own_ports: Collection[int] = WEB_PORTS,
        own: Callable[[str], bool] = is_own,
        total_s: float = TOTAL_S,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        kept_bytes: int = KEPT_BYTES,
        authorities: ssl.SSLContext | None = None,
    ) -> None:
        self._reach = Reach(lookup, allows_private=allows_private, own_ports=own_ports, own=own)
        self._total_s = total_s
        self._max_answer_bytes = max_answer_bytes
        self._kept_bytes = kept_bytes
        self._verifying = authorities or web_authorities()
        self._trusting = httpx.create_ssl_context(verify=False)

    async def post(self, post: Post) -> Posted:
        address = WebAddress.parse(post.url)
        try:
            async with asyncio.timeout(self._total_s):
                return await self._post(post, address)
        except TimeoutError as exc:
            raise NotPosted(f"There was no answer within {self._total_s:g} seconds.") from exc

    async def _post(self, post: Post, address: WebAddress) -> Posted:
        allowed = await self._reach.addresses(address.host, address.port)
        request = httpcore.Request(
            method=post.method.encode(),
            url=httpcore.URL(
                scheme=address.scheme.encode(),
                host=address.host.encode(),
                port=address.port,
                target=address.target.encode(),
            ),
            headers=_headers(post, address),
            content=post.body,
        )
        connection = httpcore.AsyncHTTPConnection(
            httpcore.Origin(address.scheme.encode(), address.host.encode(), address.port),
            ssl_context=self._verifying if post.is_tls_verified else self._trusting,
            network_backend=_Pinned(allowed),
        )
        with _failures():
            async with connection:
                response = await connection.handle_async_request(request)
                return Posted(response.status, await self._beginning(response))

    async def _beginning(self, response: httpcore.Response) -> bytes:
        """All of the answer is read, to know that it ends; only its beginning is kept."""
        kept, size = bytearray(), 0
        async for part in response.aiter_stream():
            size += len(part)
            if size > self._max_answer_bytes:
                raise NotPosted(f"The answer has more than {self._max_answer_bytes} bytes.")
            kept += part[: self._kept_bytes - len(kept)]
        return bytes(kept)


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to given addresses, whatever the name of the host."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is the library's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        *others, last = self._addresses
        for address in others:
            try:
                return await self._inner.connect_tcp(address, port, timeout=_NEXT_ADDRESS_S)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(last, port, timeout=timeout)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


def _headers(post: Post, address: WebAddress) -> list[tuple[bytes, bytes]]:
    """Names as they are given; values in UTF-8, without characters that would end a header."""
    own = (
        ("Host", address.authority),
        ("Content-Length", str(len(post.body))),
        ("Connection", "close"),
    )
    return [(name.encode(), _value(value)) for name, value in (*own, *post.headers)]


def _value(text: str) -> bytes:
    plain = "".join(char if char >= " " and char != "\x7f" else " " for char in text)
    return plain.strip().encode("utf-8", errors="replace")


@contextmanager
def _failures() -> Iterator[None]:
    """What can go wrong on the way, in words for the owner of the address."""
    try:
        yield
    except httpcore.ConnectError as exc:
        raise NotPosted(_why_not_connected(exc)) from exc
    except httpcore.TimeoutException as exc:
        raise NotPosted("The host did not accept the connection in time.") from exc
    except httpcore.NetworkError as exc:
        raise NotPosted("The connection broke before the answer was complete.") from exc
    except (httpcore.ProtocolError, httpcore.ConnectionNotAvailable) as exc:
        raise NotPosted("What the host answered is not HTTP.") from exc


def _why_not_connected(exc: BaseException) -> str:
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"The certificate of the host was not accepted: {cause.verify_message}."
        if isinstance(cause, ssl.SSLError):
            return "The host did not agree on an encrypted connection."
        cause = cause.__cause__ or cause.__context__
    return "The host refused the connection or could not be reached."
