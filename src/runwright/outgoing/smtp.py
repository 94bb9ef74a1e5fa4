"""The carrier port over aiosmtplib.

The host is resolved here and the connection made to an address that was judged, as for
webhooks. A letter has a connection of its own: letters are few, and a server that ends idle
connections is no case of its own then.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from functools import cached_property
from typing import Final

import aiosmtplib
from aiosmtplib import SMTP

from runwright.outgoing.reach import Reach
from runwright.ports.carrier import NotCarried, Parcel, Relay
from runwright.ports.poster import AddressRefused, NotPosted

TOTAL_S: Final = 30.0
_CONNECT_S: Final = 5.0  # after which another address of the same host is tried
_STEP_S: Final = 20.0
_QUIT_S: Final = 2.0
_TOLD_CHARS: Final = 200


class SmtpCarrier:
    def __init__(
        self,
        reach: Reach,
        trusted: Reach,
        *,
        own_name: str,
        total_s: float = TOTAL_S,
        authorities: ssl.SSLContext | None = None,
    ) -> None:
        """`trusted` judges the hosts that the operator named; `own_name` is how this server
        introduces itself."""
        self._reach = reach
        self._trusted = trusted
        self._own_name = own_name
        self._total_s = total_s
        self._authorities = authorities
        # Where encryption is not asked for, one without proof is still better than none.
        self._trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._trusting.check_hostname = False
        self._trusting.verify_mode = ssl.CERT_NONE

    @cached_property
    def _verifying(self) -> ssl.SSLContext:
        """Made for the first letter: reading the machine's authorities takes a while."""
        return self._authorities or ssl.create_default_context()

    async def carry(self, relay: Relay, parcel: Parcel) -> None:
        async with self._connected(relay) as server:
            await server.sendmail(parcel.sender, [parcel.recipient], parcel.message)

    async def greet(self, relay: Relay) -> None:
        async with self._connected(relay):
            return

    @asynccontextmanager
    async def _connected(self, relay: Relay) -> AsyncIterator[SMTP]:
        """Signed in; raises NotCarried for whatever goes wrong, inside of it as well."""
        with _failures(self._total_s):
            async with asyncio.timeout(self._total_s):
                with closing(await self._socket(relay)) as sock:
                    server = self._server(relay, sock)
                    try:
                        await server.connect()
                        yield server
                        await _leave(server)
                    finally:
                        server.close()

    def _server(self, relay: Relay, sock: socket.socket) -> SMTP:
        return SMTP(
            hostname=relay.host,
            port=None,
            sock=sock,
            local_hostname=self._own_name,
            timeout=_STEP_S,
            use_tls=relay.security == "tls",
            start_tls={"tls": False, "starttls": True, "any": None}[relay.security],
            tls_context=self._trusting if relay.security == "any" else self._verifying,
            username=relay.username or None,
            password=relay.password or None,
        )

    async def _socket(self, relay: Relay) -> socket.socket:
        reach = self._trusted if relay.is_trusted else self._reach
        *others, last = await reach.addresses(relay.host, relay.port)
        for address in others:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    return await _connect(address, relay.port)
            except OSError:  # a TimeoutError is one, too
                continue
        return await _connect(last, relay.port)


async def _connect(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


async def _leave(server: SMTP) -> None:
    """The letter is theirs already: how they take leave changes nothing."""
    try:
        await server.quit(timeout=_QUIT_S)
    except (aiosmtplib.SMTPException, OSError):
        return


@contextmanager
def _failures(total_s: float) -> Iterator[None]:
    """What can go wrong, in words for who set the mail server up. Answers of the server are
    shown, but no recipient."""
    try:
        yield
    except (AddressRefused, NotPosted) as exc:
        raise NotCarried(str(exc)) from exc
    except aiosmtplib.SMTPRecipientsRefused as exc:
        raise _refused("the recipient", [item.code for item in exc.recipients]) from exc
    except aiosmtplib.SMTPSenderRefused as exc:
        raise _refused("the sender's address", [exc.code]) from exc
    except aiosmtplib.SMTPAuthenticationError as exc:  # the operator may be about to mend it
        raise NotCarried(
            f"The mail server refused user name and password (code {exc.code})."
        ) from exc
    except aiosmtplib.SMTPDataError as exc:
        raise _refused("the letter", [exc.code]) from exc
    except aiosmtplib.SMTPResponseException as exc:
        raise NotCarried(f"The mail server answered with code {exc.code}.") from exc
    except ssl.SSLCertVerificationError as exc:
        raise NotCarried(
            f"The certificate of the mail server was not accepted: {exc.verify_message}."
        ) from exc
    except ssl.SSLError as exc:
        raise NotCarried("The mail server did not agree on an encrypted connection.") from exc
    except TimeoutError as exc:
        raise NotCarried(f"The mail server did not answer within {total_s:g} seconds.") from exc
    except ValueError as exc:  # what the library raises for names that are none
        raise NotCarried("The host or an address is not one that mail can go to.") from exc
    except (aiosmtplib.SMTPException, OSError) as exc:
        raise NotCarried(_why(exc)) from exc


def _refused(what: str, codes: Sequence[int]) -> NotCarried:
    return NotCarried(
        f"The mail server refused {what} (code {max(codes, default=0)}).",
        is_final=bool(codes) and all(500 <= code < 600 for code in codes),
    )


def _why(exc: BaseException) -> str:
    if "not supported" in str(exc):  # a missing STARTTLS has no class of its own
        return "The mail server does not support what is asked of it: encryption or a sign-in."
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"The certificate of the mail server was not accepted: {cause.verify_message}."
        if isinstance(cause, ssl.SSLError):
            return "The mail server did not agree on an encrypted connection."
        cause = cause.__cause__ or cause.__context__
    return "The mail server refused the connection, broke it or could not be reached."
