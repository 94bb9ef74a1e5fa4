"""Host name -> IP addresses, as this machine resolves names."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from runwright.ports.poster import NotPosted

# What these names mean everywhere (RFC 6761), though not every resolver knows it.
_LOOPBACK: Final = ("127.0.0.1", "::1")

Lookup = Callable[[str, int], Awaitable[list[str]]]  # host, port; raises NotPosted


def is_own(address: str) -> bool:
    """Whether an IP address is one of this machine's: a socket can be bound to no other."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


class SystemLookup:
    """Asks the resolver of the operating system, on threads of its own: names whose servers
    do not answer must not hold up what other threads of this process do."""

    def __init__(self, *, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="lookup")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, host: str, port: int) -> list[str]:
        if host == "localhost" or host.endswith(".localhost"):
            return list(_LOOPBACK)
        look = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, look)
        except (OSError, UnicodeError) as exc:
            raise NotPosted("The host name could not be resolved.") from exc
        return list(dict.fromkeys(str(item[4][0]) for item in found))
