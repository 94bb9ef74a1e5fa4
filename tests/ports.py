"""Ports for programs that cannot be told to choose one themselves."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port on loopback that the system gives to nobody else meanwhile.

    It is bound and does not listen, so whoever sets SO_REUSEADDR, as servers do, can listen on
    it. A port that was found and closed again may belong to another process by then.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
