"""Addresses to attack: a network of our own beside the host's, and services that count visits.

`a_network()` makes one network namespace with a cable to the host. Behind the cable are one
address of every kind that a function must not reach, and two that stand for the outside world.
The host gets a route to each single address and no more, so nothing that is sent to them ever
leaves the machine. All of it goes with the namespace.

    with a_network() as network:
        with network.serve(PRIVATE) as decoy:
            ...  # a function tries decoy.address, decoy.port
        assert decoy.visits == 0

Services run in threads, so that any test can use them, whatever it waits for.
"""

import contextlib
import fcntl
import itertools
import os
import selectors
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import pytest

from runwright.executor import kernel

PRIVATE: Final = "10.213.7.2"
PRIVATE_NETWORK: Final = "10.213.7.0/24"
OTHER_PRIVATE: Final = ("172.29.213.2", "192.168.213.2", "100.64.213.2", "198.18.213.2")
METADATA: Final = ("169.254.169.254", "100.100.100.200")
PRIVATE_6: Final = "fd42:213::2"
METADATA_6: Final = "fd00:ec2::254"
OUTSIDE: Final = "198.51.100.213"  # of a range for examples: no machine of the world has it
OUTSIDE_6: Final = "2001:db8:213::2"
_HOST_6: Final = "fd42:213::1"  # IPv6 finds a neighbour only by addresses of the cable itself

FOUR: Final = (PRIVATE, *OTHER_PRIVATE, *METADATA, OUTSIDE)
SIX: Final = (PRIVATE_6, METADATA_6, OUTSIDE_6) if Path("/proc/net/if_inet6").exists() else ()

BANNER: Final = b"decoy\n"
_LOCK: Final = Path(tempfile.gettempdir()) / "runwright-decoys.lock"
_LOCK_S: Final = 300.0
_COMMAND_S: Final = 60.0
_numbers: Final = itertools.count(1)
_TURN_S: Final = 0.1


class Decoy:
    """A service that says `BANNER` and then repeats what it hears; or, over UDP, only counts.

    `visits` are the connections or datagrams it got.
    """

    def __init__(self, listener: socket.socket) -> None:
        self.address, self.port = listener.getsockname()[:2]
        self.visits = 0
        self._listener = listener
        self._is_stream = listener.type == socket.SOCK_STREAM
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="decoy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._is_over.is_set():
                for key, _ in selector.select(_TURN_S):
                    with contextlib.suppress(OSError):
                        self._turn(selector, key)
            for key in list(selector.get_map().values()):
                if key.fileobj is not self._listener:
                    key.fileobj.close()  # type: ignore[union-attr]  # only sockets are registered

    def _turn(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        if not self._is_stream:
            self._listener.recv(65535)
            self.visits += 1
        elif key.fileobj is self._listener:
            link, _ = self._listener.accept()
            self.visits += 1
            link.settimeout(_TURN_S)
            link.sendall(BANNER)
            selector.register(link, selectors.EVENT_READ)
        else:
            self._repeat(selector, key.fileobj)  # type: ignore[arg-type]  # likewise

    def _repeat(self, selector: selectors.BaseSelector, link: socket.socket) -> None:
        try:
            data = link.recv(65536)
            link.sendall(data)
        except OSError:
            data = b""
        if not data:
            selector.unregister(link)
            link.close()


Addresses = Sequence[str] | Callable[[], Sequence[str]]


class Names(Decoy):
    """A name server over UDP and, on the same port, TCP: answers from a table.

    A name's value is its addresses, or a function that gives them, asked anew each time.
    Names outside of the table do not exist. `questions` are the names asked for, in order.
    """

    def __init__(
        self,
        udp: socket.socket,
        tcp: socket.socket,
        table: Mapping[str, Addresses],
    ) -> None:
        super().__init__(udp)
        self.questions: list[str] = []
        self._table = table
        self._tcp = tcp
        self._tcp_thread = threading.Thread(target=self._run_tcp, name="names", daemon=True)

    def __enter__(self) -> Self:
        self._tcp.settimeout(_TURN_S)
        self._tcp_thread.start()
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._tcp_thread.join()
        self._tcp.close()

    def _turn(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        question, asker = self._listener.recvfrom(65535)
        self.visits += 1
        self._listener.sendto(self.answer(question), asker)

    def _run_tcp(self) -> None:
        while not self._is_over.is_set():
            with contextlib.suppress(OSError):
                link, _ = self._tcp.accept()
                with link, link.makefile("rb") as reader:
                    link.settimeout(5.0)
                    (size,) = struct.unpack(">H", reader.read(2))
                    answer = self.answer(reader.read(size))
                    link.sendall(struct.pack(">H", len(answer)) + answer)

    def answer(self, question: bytes) -> bytes:
        name, end = _name(question, 12)
        kind = int.from_bytes(question[end : end + 2], "big")
        self.questions.append(name)
        found = self._table.get(name)
        addresses = found() if callable(found) else found
        family, wanted = (socket.AF_INET6, 28) if kind == 28 else (socket.AF_INET, 1)
        records = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(packed)) + packed
            for address in addresses or ()
            if kind == wanted and (":" in address) == (kind == 28)
            for packed in [socket.inet_pton(family, address)]
        )
        code = 0x8180 if addresses is not None else 0x8183
        count = len(records) // (12 + (16 if kind == 28 else 4))
        head = question[:2] + struct.pack(">HHHHH", code, 1, count, 0, 0)
        return head + question[12 : end + 4] + records


def _name(message: bytes, at: int) -> tuple[str, int]:
    labels = []
    while size := message[at]:
        labels.append(message[at + 1 : at + 1 + size].decode())
        at += 1 + size
    return ".".join(labels).lower(), at + 1


def serve(address: str, port: int = 0, *, kind: int = socket.SOCK_STREAM) -> Decoy:
    """A decoy in the network namespace of this process."""
    return Decoy(_bound(address, port, kind))


def names(table: Mapping[str, Addresses], address: str = "127.0.0.1") -> Names:
    """A name server in the network namespace of this process."""
    udp = _bound(address, 0, socket.SOCK_DGRAM)
    return Names(udp, _bound(address, udp.getsockname()[1], socket.SOCK_STREAM), table)


def _bound(address: str, port: int, kind: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        if kind == socket.SOCK_STREAM:
            made.listen(64)
    except OSError:
        made.close()
        raise
    return made


def own_address() -> str:
    """An address of this machine that is not its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((OUTSIDE, 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but its loopback")
        return str(probe.getsockname()[0])


class Network:
    """A namespace of ours with the decoy addresses, reached from the host by a cable."""

    def __init__(self, name: str, cable: str) -> None:
        self.name = name
        self.cable = cable  # the host's end

    def serve(self, address: str, port: int = 0, *, kind: int = socket.SOCK_STREAM) -> Decoy:
        """A decoy behind the cable."""
        return Decoy(self._inside(lambda: _bound(address, port, kind)))

    def _inside(self, make: Callable[[], socket.socket]) -> socket.socket:
        """A socket stays in the namespace of the thread that made it."""
        made: list[socket.socket] = []
        failed: list[BaseException] = []

        def work() -> None:
            try:
                with open(f"/run/netns/{self.name}", "rb") as namespace:
                    kernel.setns(namespace.fileno(), kernel.CLONE_NEWNET)
                made.append(make())
            except BaseException as exc:
                failed.append(exc)

        thread = threading.Thread(target=work, name="decoy-bind")
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return made[0]


@contextmanager
def a_network(*addresses: str) -> Iterator[Network]:
    """With addresses of every kind: one at a time on a machine, and others wait for it. With
    IPv4 addresses that nobody else uses: beside any other."""
    _need_rights()
    number = next(_numbers)
    network = Network(f"decoys-{os.getpid()}-{number}", f"dec{os.getpid()}n{number}")
    with contextlib.nullcontext() if addresses else _alone():
        try:
            _lay(network, addresses or FOUR, () if addresses else SIX)
            yield network
        finally:
            # The cable goes with the namespace, and the routes with the cable.
            run("ip", "netns", "del", network.name, may_fail=True)
            run("ip", "link", "del", network.cable, may_fail=True)


def _need_rights() -> None:
    """In CI a machine that cannot make the network fails; at home its tests are skipped."""
    if os.environ.get("CI") == "true":
        return
    if os.geteuid() != 0:
        pytest.skip("only root can make a network of decoys")
    if shutil.which("ip") is None:
        pytest.skip("the program `ip` is not installed")


@contextmanager
def _alone() -> Iterator[None]:
    end = time.monotonic() + _LOCK_S
    with open(_LOCK, "w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    pytest.fail("another process has kept the decoys to itself for too long")
                time.sleep(_TURN_S)
        yield


def _lay(network: Network, four: Sequence[str], six: Sequence[str]) -> None:
    inside = ("ip", "-n", network.name)
    run("ip", "netns", "add", network.name)
    run("ip", "link", "add", network.cable, "type", "veth", "peer", "decoy", "netns", network.name)
    run(*inside, "link", "set", "lo", "up")
    for address in four:
        run(*inside, "address", "add", f"{address}/32", "dev", "decoy")
    for address in six:
        run(*inside, "-6", "address", "add", f"{address}/128", "dev", "decoy", "nodad")
    run(*inside, "link", "set", "decoy", "up")
    if six:
        run("ip", "-6", "address", "add", f"{_HOST_6}/128", "dev", network.cable, "nodad")
    run("ip", "link", "set", network.cable, "up")
    run(*inside, "route", "add", "default", "dev", "decoy")
    if six:
        run(*inside, "-6", "route", "add", "default", "dev", "decoy")
    for address in four:
        run("ip", "route", "add", f"{address}/32", "dev", network.cable)
    for address in six:
        run("ip", "-6", "route", "add", f"{address}/128", "dev", network.cable, "src", _HOST_6)


def run(*command: str, may_fail: bool = False) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
    if done.returncode != 0 and not may_fail:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}")
