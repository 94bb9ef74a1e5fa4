"""Network namespaces that wait for sandboxes, so that no cold start makes one.

Making and filling one takes a millisecond or two, most of it locks of the kernel that all
namespaces share. A child of the launcher makes all that are missing, one after another, and hands
over the descriptors: entering a ready namespace takes microseconds. It stays for a moment, because
in a burst to fork the next one would cost more than a namespace. None is ever used twice. When all
are taken at once, the sandbox's own process makes one, or the start waits for the next.
"""

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections import deque
from typing import Final

from runwright.executor import kernel, netns
from runwright.values import dataclass

READY: Final = 8
FEW: Final = 4  # so many left, and more are made
MADE_S: Final = 10.0  # for each; it takes milliseconds
_STAYS_S: Final = 0.5
_SOON_S: Final = 0.1
_IDLE: Final = b"idle"
_MAX_BYTES: Final = 64
_MAX_FDS: Final = 8
_FIRST_FD: Final = 3
_EVERY_FD: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Network:
    """A namespace, if the process is not in it already, and what the forwarder needs of it."""

    plumbing: netns.Plumbing
    namespace: int = -1

    def enter(self) -> None:
        if self.namespace >= 0:
            kernel.setns(self.namespace, kernel.CLONE_NEWNET)

    def close(self) -> None:
        for fd in (*self.plumbing.fds, self.namespace):
            if fd >= 0:
                os.close(fd)


def a_network(api_port: int) -> Network:
    """A fresh one, which the calling process is in from now on."""
    kernel.unshare(kernel.CLONE_NEWNET)
    return Network(netns.prepare(api_port))


class Networks:
    """For a process with one thread that polls: `take`, and `arrived` for descriptors it has."""

    def __init__(self, poll: select.epoll) -> None:
        self._poll = poll
        self._api_port = 0
        self._ready: deque[Network] = deque()
        self._coming: dict[int, tuple[socket.socket, int]] = {}  # by descriptor, with the maker
        self._ordered = 0  # of the maker, and not there yet
        self._heard_at = 0.0  # from the maker, or asked it
        self._is_failing = False

    @property
    def has_ready(self) -> bool:
        return bool(self._ready)

    @property
    def is_making(self) -> bool:
        """Whether one can be waited for."""
        return self._ordered > 0

    @property
    def makers(self) -> list[int]:
        """Process ids of children that are to be left alone."""
        return [pid for _, pid in self._coming.values()]

    def pause(self) -> float:
        """How long there is nothing to sweep, in seconds; -1 for ever."""
        if not self._ordered:
            return -1
        return max(self._heard_at + MADE_S - time.monotonic(), _SOON_S)

    def sweep(self) -> bool:
        """Give up a maker that hangs; whether there was one. It is killed and not waited for,
        as it may hang in the kernel: it is no longer among `makers`."""
        if not self._ordered or time.monotonic() - self._heard_at < MADE_S:
            return False
        for fd, (link, pid) in list(self._coming.items()):
            watch = select.poll()
            watch.register(link, select.POLLIN)
            if watch.poll(0):  # it was us who did not listen
                return False
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._forget(fd)
        return True

    def fill(self, api_port: int) -> None:
        """Begin to make them."""
        self._api_port = api_port
        self._refill()

    def take(self) -> Network | None:
        """A ready one; the caller closes it."""
        taken = self._ready.popleft() if self._ready else None
        self._is_failing = False
        self._refill()
        return taken

    def _refill(self) -> None:
        """One maker at a time, as what they wait for is the same lock, and not for each one."""
        may_make = self._api_port and not self._ordered and not self._is_failing
        if may_make and len(self._ready) <= FEW:
            self._order(READY - len(self._ready))

    def _order(self, count: int) -> None:
        if not self._coming:
            self._start_maker()
        for link, _ in self._coming.values():
            self._ordered = count
            self._heard_at = time.monotonic()
            # After a failure the next start tries again, and says why if that fails, too.
            self._is_failing = True  # until the first one is there
            with contextlib.suppress(OSError):  # it has just ended, which is noticed
                link.send(b"%d" % count)

    def _start_maker(self) -> None:
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:  # no descriptors left
            return
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            return
        if pid == 0:
            with contextlib.suppress(BaseException):  # a forked child only ever reports
                # Its link's other end, or it would not notice the launcher's end, and sockets of
                # the sandbox that is just being started, whose end others wait for.
                os.closerange(_FIRST_FD, theirs.fileno())
                os.closerange(theirs.fileno() + 1, _EVERY_FD)
                _make(theirs, self._api_port)
            os._exit(0)
        theirs.close()
        self._coming[ours.fileno()] = (ours, pid)
        self._poll.register(ours.fileno(), select.EPOLLIN)

    def arrived(self, fd: int) -> bool:
        """Take what a maker sent, or learn that it ended; False if the descriptor is no
        maker's."""
        if fd not in self._coming:
            return False
        link, pid = self._coming[fd]
        try:
            data, fds, flags, _ = socket.recv_fds(link, _MAX_BYTES, _MAX_FDS)
        except OSError:
            data, fds, flags = b"", [], 0
        if data == _IDLE and self._ordered:
            return True  # an order is on its way to it
        if data and data != _IDLE:
            self._ordered -= 1
            self._heard_at = time.monotonic()
        if flags & socket.MSG_CTRUNC:  # no room for all of them
            for received in fds:
                os.close(received)
            return True
        if fds:
            namespace, *rest = fds
            is_transparent = json.loads(data)
            self._ready.append(Network(netns.Plumbing(is_transparent, tuple(rest)), namespace))
            self._is_failing = False
            self._refill()
            return True
        # It has nothing to do and goes when its link does, or it failed.
        self._forget(fd)
        os.waitpid(pid, 0)
        self._refill()
        return True

    def _forget(self, fd: int) -> None:
        link, _ = self._coming.pop(fd)
        self._ordered = 0
        self._poll.unregister(fd)
        # By word, as others that were forked just now hold the link, too, until they are boxed.
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)
        link.close()


def _make(link: socket.socket, api_port: int) -> None:
    """A maker's life: as many as are ordered, until the other end sends it home."""
    link.settimeout(_STAYS_S)
    while True:
        try:
            order = link.recv(_MAX_BYTES)
        except TimeoutError:
            link.settimeout(None)
            link.send(_IDLE)
            continue
        if not order:
            return
        for _ in range(int(order)):
            network = a_network(api_port)
            _hand_over(network, link)
            network.close()
        link.settimeout(_STAYS_S)


def _hand_over(network: Network, link: socket.socket) -> None:
    namespace = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    head = json.dumps(network.plumbing.is_transparent).encode()
    socket.send_fds(link, [head], [namespace, *network.plumbing.fds])
