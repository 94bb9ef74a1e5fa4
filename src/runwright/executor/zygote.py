"""Processes that sandboxes are forked from, so that a start costs no interpreter's start.

A zygote is a runtime's own interpreter with the runner loaded and no user code, now or ever
(`runners/python/_runwright/zygote.py`). It begins when sandboxes of its kind are wanted
repeatedly, stands beside the sandboxes and not in one, and ends when none was wanted for a
while, or with the launcher. Its forks are the launcher's children and give themselves what
bubblewrap gives.

Before it is used a fork has to show in a rehearsal that it gets through all of that. Whatever
goes wrong, then or later, makes starts take the ordinary way for a while. A zygote is replaced
now and then, because its forks share the layout of their memory and the seed of their hashes.
"""

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Final, NoReturn

from runwright.executor import kernel, stage
from runwright.executor.bubblewrap import SANDBOX_UID
from runwright.executor.seccomp import Profile
from runwright.values import dataclass

IDLE_S: Final = 300.0  # without a fork; then it ends
MOST_FORKS: Final = 1000
LONGEST_LIFE_S: Final = 900.0
RETRY_S: Final = 60.0  # after one that failed
FRAMES_FD: Final = 3  # of a runner; of a zygote it is the link
_EVERY_FD: Final = 1 << 20
_PLACE: Final = "/tmp"  # of the stage, in a mount namespace of the zygote's own
_MAX_BYTES: Final = 4096
_ANSWER_S: Final = 5.0  # a fork takes milliseconds; one that was stopped would hold up all starts
_READY_S: Final = 60.0  # from its start to the end of the rehearsal
_SWEEP_S: Final = 30.0
_NOBODY: Final = 65534
_REHEARSAL: Final = 0  # the id of no sandbox
_MIB: Final = 1024 * 1024
_RESET: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)

# Which requests one zygote can answer: tree, command, environment, folder, filter.
Kind = tuple[Any, ...]
Tell = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Birth:
    """What to do when the process id of a sandbox is known, or when there will be none."""

    born: Callable[[int], None]
    failed: Callable[[str], None]


@dataclass(slots=True)
class Zygote:
    kind: Kind
    pid: int
    link: socket.socket
    began_at: float
    used_at: float
    heard_at: float  # or asked, when nothing was open before
    forks: int = 0
    births: dict[int, Birth] = field(default_factory=dict)
    rehearsal_pid: int = 0
    rehearsal_fd: int = -1  # pidfd
    complaint_fd: int = -1  # what the rehearsal says when it fails

    def is_worn(self, now: float) -> bool:
        return self.forks >= MOST_FORKS or now - self.began_at > LONGEST_LIFE_S


class Zygotes:
    """For a process with one thread that polls: `arrived` for descriptors it has."""

    def __init__(
        self,
        poll: select.epoll,
        covers: Sequence[tuple[str, bool]],
        filters: Mapping[Profile, bytes],
        tell: Tell,
    ) -> None:
        self._poll = poll
        self._covers = covers
        self._filters = filters
        self._tell = tell
        self._used: dict[Kind, Zygote] = {}
        self._coming: dict[Kind, Zygote] = {}
        self._of_fd: dict[int, Zygote] = {}
        self._wanted_at: dict[Kind, float] = {}
        self._failed_at: dict[Kind, float] = {}

    def pause(self) -> float:
        """How long there is nothing to sweep, in seconds; -1 for ever."""
        for zygote in self._of_fd.values():
            if zygote.births:
                return _ANSWER_S
        return _SWEEP_S if self._of_fd else -1

    @property
    def is_bearing(self) -> bool:
        """Whether there may be forks that are not told of yet."""
        return bool(self._coming) or any(zygote.births for zygote in self._of_fd.values())

    @property
    def pids(self) -> list[int]:
        """Of children that are to be left alone; a rehearsal of none is 0."""
        return [pid for one in self._all() for pid in (one.pid, one.rehearsal_pid)]

    def _all(self) -> list[Zygote]:
        return list({id(zygote): zygote for zygote in self._of_fd.values()}.values())

    def want(self, request: Mapping[str, Any]) -> bool:
        """Whether one can answer the request; if not, there may be one for the next."""
        if not request["is_forkable"] or request["uid"] is None or os.geteuid() != 0:
            return False
        now, kind = time.monotonic(), _kind_of(request)
        was_wanted = now - self._wanted_at.get(kind, float("-inf")) < IDLE_S
        may_try = now - self._failed_at.get(kind, float("-inf")) > RETRY_S
        self._wanted_at[kind] = now
        used = self._used.get(kind)
        is_missing = (used is None or used.is_worn(now)) and kind not in self._coming
        if is_missing and was_wanted and may_try:
            self._begin(kind, request, now)
        return used is not None

    def bear(self, request: Mapping[str, Any], fds: Mapping[str, int], birth: Birth) -> None:
        """Let one fork what was asked for; one of the birth's functions is called later.

        Raises OSError. The descriptors stay the caller's.
        """
        zygote = self._used.get(_kind_of(request))
        if zygote is None:
            raise OSError("the zygote has ended")
        _order(zygote, request, fds)
        zygote.used_at = time.monotonic()
        if not zygote.births:
            zygote.heard_at = zygote.used_at
        zygote.births[request["id"]] = birth

    def wait_for(self, sandbox_id: int) -> None:
        """Be told of a birth that is under way, now."""
        for zygote in self._all():
            while sandbox_id in zygote.births:  # others may be told before
                watch = select.poll()
                watch.register(zygote.link, select.POLLIN)
                if watch.poll(_ANSWER_S * 1000):
                    self.arrived(zygote.link.fileno())
                else:
                    self._lose(zygote, "no answer")

    # Life

    def _begin(self, kind: Kind, request: Mapping[str, Any], now: float) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        launcher = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            self._failed_at[kind] = now
            return
        if pid == 0:
            _become_zygote(request, theirs.fileno(), launcher)
        theirs.close()
        ours.setblocking(False)
        zygote = self._coming[kind] = Zygote(kind, pid, ours, now, now, now)
        self._watch(ours.fileno(), zygote)
        settings = {
            "covers": self._covers,
            "filter": self._filters[request["profile"]].hex(),
            "uid_inside": SANDBOX_UID,
            "cwd": request["cwd"],
        }
        with contextlib.suppress(OSError):  # it has ended, which is noticed
            ours.send(json.dumps(settings).encode())

    def _watch(self, fd: int, zygote: Zygote) -> None:
        self._of_fd[fd] = zygote
        self._poll.register(fd, select.EPOLLIN)

    def _forget(self, fd: int) -> None:
        del self._of_fd[fd]
        self._poll.unregister(fd)

    def arrived(self, fd: int) -> bool:
        """Hear what there is to hear; False if the descriptor is no zygote's."""
        zygote = self._of_fd.get(fd)
        if zygote is None:
            return False
        if fd == zygote.rehearsal_fd:
            self._rehearsed(zygote)
            return True
        try:
            data = zygote.link.recv(_MAX_BYTES)
        except (BlockingIOError, ConnectionResetError):
            return True  # reset: it ended with orders unread; what it said before is still to come
        except OSError:
            data = b""
        if not data:
            self._lose(zygote, "it ended")
            return True
        news = json.loads(data)
        if "ready" in news:
            self._rehearse(zygote)
        elif news["id"] == _REHEARSAL:
            self._watch_rehearsal(zygote, news["pid"])
        else:
            self._born(zygote, news)
        return True

    def _rehearse(self, zygote: Zygote) -> None:
        request = {"id": _REHEARSAL, "uid": _NOBODY, "tmp_mib": 1, "files": 64, "file_mib": 0}
        try:
            zygote.complaint_fd, complaint = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                _order(zygote, request, {"status": complaint})
            finally:
                os.close(complaint)
        except OSError as exc:
            self._lose(zygote, str(exc))

    def _watch_rehearsal(self, zygote: Zygote, pid: int) -> None:
        zygote.rehearsal_pid = pid
        try:
            zygote.rehearsal_fd = os.pidfd_open(pid)
        except OSError as exc:  # no descriptors left
            self._lose(zygote, str(exc))
            return
        self._watch(zygote.rehearsal_fd, zygote)

    def _rehearsed(self, zygote: Zygote) -> None:
        status = os.waitpid(zygote.rehearsal_pid, 0)[1]
        zygote.rehearsal_pid = 0
        complaint = b""
        with contextlib.suppress(BlockingIOError):  # the zygote has its end still open
            complaint = os.read(zygote.complaint_fd, _MAX_BYTES)
        self._end_rehearsal(zygote)
        if status:
            self._lose(zygote, complaint.decode(errors="replace").strip() or f"status {status}")
            return
        old = self._used.get(zygote.kind)
        self._used[zygote.kind] = self._coming.pop(zygote.kind)
        if old is not None:
            self._retire(old)

    def _end_rehearsal(self, zygote: Zygote) -> None:
        if zygote.rehearsal_fd >= 0:
            self._forget(zygote.rehearsal_fd)
            os.close(zygote.rehearsal_fd)
            zygote.rehearsal_fd = -1
        if zygote.complaint_fd >= 0:
            os.close(zygote.complaint_fd)
            zygote.complaint_fd = -1

    def _born(self, zygote: Zygote, news: Mapping[str, Any]) -> None:
        zygote.forks += 1
        zygote.heard_at = time.monotonic()
        birth = zygote.births.pop(news["id"])
        if "pid" in news:
            birth.born(news["pid"])
        else:
            birth.failed(news["error"])
        if self._used.get(zygote.kind) is not zygote:
            self._retire(zygote)

    def _retire(self, zygote: Zygote) -> None:
        """No new order goes to it; it ends when the last one is answered."""
        if not zygote.births:
            self._close(zygote)

    def _lose(self, zygote: Zygote, reason: str) -> None:
        """It went wrong: what was ordered fails, and nothing is ordered for a while."""
        self._failed_at[zygote.kind] = time.monotonic()
        for known in (self._used, self._coming):
            if known.get(zygote.kind) is zygote:
                del known[zygote.kind]
        self._close(zygote)
        births, zygote.births = zygote.births, {}
        for birth in births.values():
            birth.failed(reason)
        self._tell({"ev": "zygote", "id": 0, "root": zygote.kind[0], "reason": reason})

    def _close(self, zygote: Zygote) -> None:
        self._forget(zygote.link.fileno())
        zygote.link.close()
        self._end_rehearsal(zygote)
        for pid in (zygote.pid, zygote.rehearsal_pid):
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def sweep(self) -> None:
        """End those that nobody wanted lately, and those that do not answer."""
        now = time.monotonic()
        for zygote in self._all():
            if now - zygote.heard_at > self._patience_s(zygote) and not self._has_news(zygote):
                self._lose(zygote, "no answer")
        for kind, zygote in list(self._used.items()):
            if now - zygote.used_at > IDLE_S and not zygote.births:
                del self._used[kind]
                self._close(zygote)

    def _patience_s(self, zygote: Zygote) -> float:
        if self._coming.get(zygote.kind) is zygote:
            return _READY_S
        return _ANSWER_S if zygote.births else float("inf")

    def _has_news(self, zygote: Zygote) -> bool:
        """Whether it was us who did not listen."""
        watch = select.poll()
        for fd, its in self._of_fd.items():
            if its is zygote:
                watch.register(fd, select.POLLIN)
        return bool(watch.poll(0))

    def stop(self) -> None:
        for zygote in self._all():
            self._close(zygote)
        self._used.clear()
        self._coming.clear()


def _kind_of(request: Mapping[str, Any]) -> Kind:
    env = tuple(sorted(request["env"].items()))
    return request["root"], tuple(request["argv"]), env, request["cwd"], request["profile"]


def _order(zygote: Zygote, request: Mapping[str, Any], fds: Mapping[str, int]) -> None:
    order = {
        "id": request["id"],
        "uid": request["uid"],
        "tmp_bytes": request["tmp_mib"] * _MIB,
        "files": request["files"],
        "file_bytes": request["file_mib"] * _MIB,
        "has": list(fds),
    }
    socket.send_fds(zygote.link, [json.dumps(order).encode()], list(fds.values()))


def _become_zygote(request: Mapping[str, Any], link: int, launcher: int) -> NoReturn:
    """In a fork of the launcher: the tree as the root, nothing else in reach, the interpreter."""
    with contextlib.suppress(BaseException):  # a forked child must never return
        for ignored in _RESET:
            signal.signal(ignored, signal.SIG_DFL)
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.dup2(link, FRAMES_FD)
        os.set_inheritable(FRAMES_FD, True)  # it may have been that number before
        os.closerange(FRAMES_FD + 1, _EVERY_FD)
        _enter_tree(f"{stage.ROOTS}/{request['root']}")
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() == launcher:
            env = {**request["env"], "PWD": request["cwd"]}  # as bubblewrap sets it
            command = [*request["argv"], "--zygote"]
            os.execve(command[0], command, env)
    os._exit(127)


def _enter_tree(root: str) -> None:
    """Be in a mount namespace that holds what all sandboxes of a runtime have in common."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    tree = kernel.clone_tree(root, is_read_only=True)
    kernel.attach_tree(tree, _PLACE)
    devices = f"{_PLACE}/dev"
    kernel.mount(stage.DEVICES, devices, None, kernel.MS_BIND | kernel.MS_REC)
    kernel.restrict(devices, kernel.MOUNT_ATTR_NOSUID, is_recursive=True)
    own = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NODEV  # the devices are mounts below it
    kernel.restrict(devices, own, is_recursive=False)
    kernel.swap_root(_PLACE)
