"""The forwarder: carries what sandboxes send from their network namespaces to the outside.

It holds listening sockets that were made inside the namespaces (see `netns.py`) and, being
outside itself, connects onward where `egress.py` allows it. It runs as a user of its own
without rights, knows no function and reads no payload; per sandbox the number of connections
and of open DNS questions is bounded, and a connection that stays idle ends. A slow reader
slows its writer down: nothing is buffered beyond the transports' limits.

Messages (one JSON object each): start, open (with descriptors), follow, close, ping. Ends when the
last holder of the other end of its control socket does.
"""

import asyncio
import contextlib
import errno
import json
import os
import resource
import signal
import socket
import sys
from ipaddress import ip_address
from typing import Any, Final

from runwright.executor.carrying import Box, Rules
from runwright.executor.egress import BUILD, EGRESS, Policy, parse_openings
from runwright.executor.resolving import resolvers
from runwright.model.addresses import Address

_MAX_MESSAGE_BYTES: Final = 64 * 1024
_MAX_FDS: Final = 8
_SWEEP_S: Final = 5.0
_ANY_PORT: Final = 9
_SHORTAGES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Forwarder:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._rules = Rules()
        self._boxes: dict[int, Box] = {}
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()

    async def run(self) -> None:
        self._control.setblocking(False)
        self._loop.add_reader(self._control.fileno(), self._take)
        while not self._done.is_set():
            now = self._loop.time()
            for box in self._boxes.values():
                box.sweep(now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_S):
                    await self._done.wait()

    def _take(self) -> None:
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self._control, _MAX_MESSAGE_BYTES, _MAX_FDS)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                self._loop.remove_reader(self._control.fileno())
                self._done.set()
                return
            self._obey(json.loads(data), fds)

    def _obey(self, message: dict[str, Any], fds: list[int]) -> None:
        if message["op"] == "open":
            box = Box(message["id"], self._rules, message["api_port"], self._tell)
            self._boxes[message["id"]] = box
            box.open(fds, is_transparent=message["is_transparent"])
            self._tell({"ev": "opened", "is_transparent": message["is_transparent"]})
        elif message["op"] == "follow":
            if message["id"] in self._boxes:  # else it is one of an earlier forwarder
                self._boxes[message["id"]].follow(message["kind"])
        elif message["op"] == "close":
            box_or_none = self._boxes.pop(message["id"], None)
            if box_or_none is not None:
                box_or_none.close()
        elif message["op"] == "ping":
            self._tell({"ev": "pong"})
        elif message["op"] == "start":
            self._begin(message)

    def _begin(self, message: dict[str, Any]) -> None:
        rules = self._rules
        rules.api_host, rules.api_port = message["api_host"], message["api_port"]
        rules.max_connections, rules.idle_s = message["max_connections"], message["idle_s"]
        rules.resolvers = [(host, port) for host, port in message["resolvers"]] or resolvers()
        allowed, refused, indexes = (
            parse_openings(message[name]) for name in ("allowed", "refused", "indexes")
        )
        rules.policies = {
            EGRESS: Policy(is_own, allowed, refused),
            BUILD: Policy(is_own, (*allowed, *indexes), refused),
        }
        rules.index_names = {name: frozenset(ports) for name, ports in message["names"].items()}
        if message["uid"] is not None and os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(message["uid"], message["uid"], message["uid"])
            os.setresuid(message["uid"], message["uid"], message["uid"])

    def _tell(self, event: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # only news; a full socket loses it
            self._control.send(json.dumps(event).encode())


def is_own(address: Address) -> bool:
    """Whether an address is this machine's, at this moment: such a one is its own source."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), _ANY_PORT))  # sends nothing
            return ip_address(probe.getsockname()[0]) == address
    except OSError as exc:
        return exc.errno in _SHORTAGES  # nobody knows then, so it stays closed
    except ValueError:
        return False


def main() -> None:
    """`python -c ... <control fd>`; ends when the control socket does."""
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the server decides
    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Looked up by name later, when the files may be out of this user's reach.
    "".encode("idna")
    asyncio.run(_serve(int(sys.argv[1])))


async def _serve(fd: int) -> None:
    await Forwarder(socket.socket(fileno=fd)).run()


if __name__ == "__main__":
    main()
