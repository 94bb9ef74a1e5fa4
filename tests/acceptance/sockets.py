"""Web sockets whose waits are ours: those of the library are for machines that are not busy."""

from functools import partial
from typing import Final

from websockets.sync.client import connect as _connect

PATIENCE_S: Final = 60.0
connect: Final = partial(
    _connect, open_timeout=PATIENCE_S, close_timeout=PATIENCE_S, ping_interval=None
)
