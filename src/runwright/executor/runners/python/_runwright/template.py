"""A process that holds the loaded function and serves nothing: instances are forked from it.

Importing is what takes long where there is much to import, and a fork has it done already. A
fork copies one thread and shares what lies behind descriptors, so a function whose modules
start threads or processes, or keep something open, is not forked; the host is told why.
"""

from __future__ import annotations

import os
import struct
import sys

from _runwright import frames, output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from _runwright.engine import Engine

_READ_BYTES = 4096
_FDS_PER_FORK = 2
_NO_CODE = -1
_ENDED = struct.Struct("<i")
_HARMLESS = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_THREADS = "its modules start threads"
_CHILDREN = "its modules start processes"
_FILES = "its modules keep files or connections open"
_SHARED = "its modules map shared memory"
_TIMERS = "its modules set timers"


def serve(engine: Engine, payload: bytes) -> None:
    """Load the function and fork on demand; returns in the forks alone."""
    known = _open_files()
    engine.load(payload, is_template=True)
    reason = engine.failure or _obstacle(known)
    engine.wire.send(frames.loaded_frame(0.0, reason[:200]))
    import _socket
    import gc

    link = _socket.socket(fileno=frames.FD)
    gc.collect()
    gc.freeze()  # what is collected later would have to be copied by every fork
    _Template(engine, link).run()


class _Template:
    def __init__(self, engine: Engine, link: Any) -> None:
        self._engine = engine
        self._link = link
        self._fds: list[int] = []
        self._pids: dict[int, int] = {}  # the host's number of a fork -> process id

    def run(self) -> None:
        """Do what the host asks; returns in a fork."""
        while True:
            for kind, number, _ in self._read():
                if kind == frames.REAP:
                    self._reap(number)
                elif kind != frames.FORK:
                    self._engine.wire.broken(f"unexpected frame {kind}")
                elif self._fork(number):
                    return

    def _read(self) -> list[Any]:
        from array import array

        room = array("i", [0] * _FDS_PER_FORK * 8)
        size = len(room) * room.itemsize
        try:
            data, parts, _, _ = self._link.recvmsg(_READ_BYTES, _cmsg_space(size))
        except OSError:
            data, parts = b"", []
        if not data:
            frames._exit(0)
        for _, _, content in parts:
            fds = array("i")
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
            self._fds.extend(fds)
        try:
            return self._engine.wire.cut(data)
        except frames.Malformed as error:
            self._engine.wire.broken(str(error))

    def _fork(self, number: int) -> bool:
        """Whether this is the fork."""
        fds, self._fds = self._fds[:_FDS_PER_FORK], self._fds[_FDS_PER_FORK:]
        if len(fds) < _FDS_PER_FORK:
            self._engine.wire.broken("FORK without descriptors")
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if pid == 0:
            self._be_an_instance(*fds)
            return True
        for fd in fds:
            os.close(fd)  # the host sees the end of a fork, or that there was none
        if pid > 0:
            self._pids[number] = pid
        return False

    def _be_an_instance(self, served: int, printed: int) -> None:
        try:
            self._link.detach()
            for fd, number in ((served, frames.FD), (printed, 1), (printed, 2)):
                os.dup2(fd, number)
            for fd in (served, printed, *self._fds):
                os.close(fd)
            os.set_inheritable(frames.FD, False)
            os.setsid()  # a signal to its own group is no matter of the other forks
            _reseed()
            output.renew()
            self._engine.wire.renew()
            self._engine.begin_serving()
        except BaseException:
            frames._exit(1)
        self._engine.wire.greet()

    def _reap(self, number: int) -> None:
        """Tell how a fork ended, which only its parent learns."""
        code, pid = _NO_CODE, self._pids.pop(number, 0)
        if pid:
            try:
                _, status = os.waitpid(pid, 0)
                code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else status >> 8
            except OSError:
                pass
        self._engine.wire.send(frames.frame(frames.ENDED, number, _ENDED.pack(code)))


def _cmsg_space(size: int) -> int:
    import _socket

    return _socket.CMSG_SPACE(size)


def _reseed() -> None:
    """`random` and OpenSSL see to it themselves."""
    numpy: Any = sys.modules.get("numpy.random")
    if numpy is not None:
        try:
            numpy.seed()
        except Exception:
            pass  # something else of that name


# --- what cannot be forked ---


def _obstacle(known: set[str]) -> str:
    if len(os.listdir("/proc/self/task")) > 1:
        return _THREADS
    if _has_children():
        return _CHILDREN
    if _open_files() - known:
        return _FILES
    if _has_shared_memory():
        return _SHARED
    if _has_timers():
        return _TIMERS
    return ""


def _open_files() -> set[str]:
    """Open descriptors with what is behind them, but for what any number may share."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue  # the one that the listing itself had open
        if target not in _HARMLESS and not target.startswith("/proc/"):
            found.add(name + target)
    return found


def _has_children() -> bool:
    try:
        with open("/proc/thread-self/children") as file:
            return bool(file.read().strip())
    except OSError:
        return False  # not every kernel tells


def _has_shared_memory() -> bool:
    with open("/proc/self/maps") as file:
        for line in file:
            if line.split(" ", 2)[1] == "rw-s":
                return True
    return False


def _has_timers() -> bool:
    signal: Any = sys.modules.get("signal")
    if signal is None:
        return False
    kinds = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
    return any(signal.getitimer(kind) != (0.0, 0.0) for kind in kinds)
