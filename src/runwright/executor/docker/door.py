"""The way into a container that has no network of Docker's.

Its network namespace has `lo` and nothing else. A socket belongs to the namespace in which it
was made, so one thread of ours enters the namespace, makes a socket there, and the event loop
connects it to the container's own loopback: no port of the host is opened, and nobody but this
server can reach the function. The same thread fills the namespace for connections to the
outside (see `netns.py`).

The log folder is a private file system in the container's memory. It is opened once, before
the container's program begins and without following a link, and read through that descriptor:
links that user code makes lead nowhere, and what a container that was killed has written can
still be read.
"""

import contextlib
import os
import socket
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from runwright.executor import kernel, netns
from runwright.executor.docker.recipe import GATE, LOGS_DIR

R = TypeVar("R")

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOG_FILES: Final = ("logs", "errors")
_LOG_BYTES: Final = 1_300_000  # more than is kept of either, so that what was cut is told


class NoWayIn(Exception):
    """The container's processes cannot be seen from here."""


class Door:
    """One running container's network and log folder. `close` it at the end."""

    def __init__(self, network: int, logs: int) -> None:
        self._network = network
        self._logs = logs

    @classmethod
    def open(cls, container: str, pid: int) -> "Door":
        """Raises NoWayIn: not root, not this machine's daemon, or the container has ended."""
        process = logs = network = -1
        try:
            process = os.open(f"/proc/{pid}", _FOLDER)
            network = os.open("ns/net", os.O_RDONLY | os.O_CLOEXEC, dir_fd=process)
            logs = _open_inside(process, LOGS_DIR)
            # The number may be another's by now, or be meant in another namespace.
            groups = _read(os.open("cgroup", _FILE, dir_fd=process)).decode()
            if container not in groups:
                raise NoWayIn(f"process {pid} is not in container {container}")
        except (OSError, NoWayIn) as exc:
            for fd in (network, logs):
                if fd >= 0:
                    os.close(fd)
            if isinstance(exc, NoWayIn):
                raise
            raise NoWayIn(f"container {container}: {exc.strerror}") from exc
        finally:
            if process >= 0:
                os.close(process)
        return cls(network, logs)

    def close(self) -> None:
        for fd in (self._network, self._logs):
            if fd >= 0:
                os.close(fd)
        self._network = self._logs = -1

    def let_begin(self) -> None:
        os.close(os.open(GATE, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o444, dir_fd=self._logs))

    def plumb(self, api_port: int) -> netns.Plumbing:
        return _inside(self._network, lambda: netns.prepare(api_port))

    def light(self) -> None:
        """Bring up the loopback alone; nothing leads outside then."""
        _inside(self._network, netns.loopback_up)

    def socket(self) -> socket.socket:
        """A TCP socket of the container's, not connected yet."""
        return _inside(
            self._network,
            lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK),
        )

    def take_logs(self, log_id: str) -> tuple[bytes, bytes]:
        """The end of both files of one execution, which are deleted."""
        if self._logs < 0:
            return b"", b""
        texts = []
        for kind in _LOG_FILES:
            name = f"{log_id}_{kind}.log"
            text = b""
            with contextlib.suppress(OSError):
                text = _read(os.open(name, _FILE, dir_fd=self._logs))
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._logs)
            texts.append(text)
        return texts[0], texts[1]


def _open_inside(process: int, path: str) -> int:
    """A folder of a process's root, reached without following any link inside."""
    fd = os.open("root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=process)
    for name in path.strip("/").split("/"):
        try:
            deeper = os.open(name, _FOLDER, dir_fd=fd)
        finally:
            os.close(fd)
        fd = deeper
    return fd


def _read(fd: int) -> bytes:
    """The end of a regular file; nothing of anything else. Closes the descriptor."""
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return b""
        if status.st_size > _LOG_BYTES:
            file.seek(status.st_size - _LOG_BYTES)
        return file.read(_LOG_BYTES)


# This thread has no namespace of its own to return to: each task enters the one it needs.
_visitor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="container-network")


def _inside(network: int, work: Callable[[], R]) -> R:
    def visit() -> R:
        kernel.setns(network, kernel.CLONE_NEWNET)
        return work()

    return _visitor.submit(visit).result()
