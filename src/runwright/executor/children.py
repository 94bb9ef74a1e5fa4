"""The sandboxes that run, as the launcher sees them: what they tell, and how they end."""

import contextlib
import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Container, Mapping
from typing import Any, Final

from runwright.executor.cgroups import Group, Limits
from runwright.executor.processes import descendants, end_all, is_removed, kill, shell_code
from runwright.values import dataclass

_MIB: Final = 1024 * 1024
_DATA_OVERHEAD: Final = 192 * _MIB  # thread stacks and reserved heap that are never touched
_DYING_S: Final = 0.05
_STOP_WAIT_S: Final = 5.0
_KILL: Final = signal.SIGKILL

Tell = Callable[[Mapping[str, Any]], None]


@dataclass(slots=True)
class Child:
    """One running sandbox."""

    id: int
    monitor_fd: int  # pidfd of bubblewrap outside
    monitor_pid: int
    status_fd: int
    group: Group
    open_files: int = 0  # each process may have, from its start
    init_pid: int = 0  # bubblewrap inside: killing it ends everything in the pid namespace
    init_fd: int = -1
    alarm_fd: int = -1  # readable when the memory limit was hit
    is_out_of_memory: bool = False
    is_unlimited: bool = False  # and ended for that
    is_covered: bool = False
    status: bytes = b""
    error: str = ""
    is_fork: bool = False  # of another sandbox's process: not ours to reap, and ends alone

    def read_status(self) -> bool:
        """Take in what bubblewrap tells; False when it will tell nothing more."""
        is_open = self._read_all()
        *lines, self.status = self.status.split(b"\n")
        for line in lines:
            news = json.loads(line)
            if "error" in news:
                self.error = news["error"]
            elif "child-pid" in news:
                self.init_pid = news["child-pid"]
                with contextlib.suppress(OSError):
                    self.init_fd = os.pidfd_open(self.init_pid)
        return is_open

    def _read_all(self) -> bool:
        while True:
            try:
                data = os.read(self.status_fd, 4096)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.status += data

    def kill(self) -> None:
        if self.is_fork:
            end_all(self.group)
        target = self.init_fd if self.init_fd >= 0 else self.monitor_fd
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(target, _KILL)

    def signal(self, number: int) -> None:
        """To the programs inside: the init there ignores signals, they are its children."""
        own = [self.init_pid] if self.is_fork else []
        for pid in [*descendants(self.init_pid), *own]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def limit_processes(self, limits: Limits, controllers: Container[str]) -> None:
        """Open files, and where no cgroup can be had, the rest: bounds per process, inherited
        by all it starts.

        Root needs CAP_SYS_RESOURCE for it, which some containers take away: what the sandbox
        started with stays then.

        They are set from outside and late because the number of processes is counted per
        user: before the sandbox has a user namespace, all sandboxes' together.
        """
        wanted = {}
        if limits.open_files not in (0, self.open_files):
            wanted[resource.RLIMIT_NOFILE] = limits.open_files
        if "memory" not in controllers:
            wanted[resource.RLIMIT_DATA] = limits.memory_mib * _MIB + _DATA_OVERHEAD
        if "pids" not in controllers:
            wanted[resource.RLIMIT_NPROC] = limits.pids
        for pid in descendants(self.init_pid) if wanted else ():
            for kind, value in wanted.items():
                with contextlib.suppress(OSError, ValueError):
                    resource.prlimit(pid, kind, (value, value))


class Children:
    """For a process with one thread that polls: `arrived` for descriptors it has."""

    def __init__(self, poll: select.epoll, tell: Tell) -> None:
        self._poll = poll
        self._tell = tell
        self._all: dict[int, Child] = {}
        self._of_fd: dict[int, Child] = {}
        self._dying: list[Group] = []

    def get(self, sandbox_id: int) -> Child | None:
        return self._all.get(sandbox_id)

    @property
    def monitors(self) -> list[int]:
        """Process ids of those that it will reap itself."""
        return [child.monitor_pid for child in self._all.values()]

    def pause(self) -> float:
        """How long there is nothing to sweep, in seconds; -1 for ever."""
        return _DYING_S if self._dying else -1

    def sweep(self) -> None:
        self._dying = [group for group in self._dying if not is_removed(group)]

    def bury(self, group: Group) -> None:
        """Remove a group as soon as the kernel lets it go."""
        if not is_removed(group):
            self._dying.append(group)

    def watch(self, child: Child) -> None:
        self._all[child.id] = child
        try:
            child.alarm_fd = child.group.memory_alarm()
        except OSError as exc:
            self.end_unlimited(child, exc)
        for fd in (child.monitor_fd, child.status_fd, child.alarm_fd):
            if fd >= 0:
                self._of_fd[fd] = child
                self._poll.register(fd, select.EPOLLIN)

    def end_unlimited(self, child: Child, exc: OSError) -> None:
        """Rather than let it run with less of a limit than was promised."""
        child.is_unlimited = True
        self._tell({"ev": "unlimited", "id": child.id, "reason": str(exc)})
        child.kill()

    def arrived(self, fd: int) -> bool:
        """Hear what there is to hear; False if the descriptor is no child's."""
        child = self._of_fd.get(fd)
        if child is None:
            return False
        if fd == child.status_fd:
            self.read_status(child)
        elif fd == child.alarm_fd:
            self._quench(child)
        else:
            self._reap(child)
        return True

    def read_status(self, child: Child) -> None:
        if child.status_fd >= 0 and not child.read_status():
            self._forget(child.status_fd)
            child.status_fd = -1

    def _quench(self, child: Child) -> None:
        child.is_out_of_memory = True
        self._forget(child.alarm_fd)
        child.alarm_fd = -1
        child.kill()

    def _reap(self, child: Child) -> None:
        self.read_status(child)
        status = 0 if child.is_fork else os.waitpid(child.monitor_pid, 0)[1]
        if child.init_fd >= 0:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(child.init_fd, _KILL)
            os.close(child.init_fd)
        self._forget(child.monitor_fd)
        for fd in (child.status_fd, child.alarm_fd):
            if fd >= 0:
                self._forget(fd)
        del self._all[child.id]
        report = child.group.memory()
        self.bury(child.group)
        self._tell(
            {
                "ev": "exited",
                "id": child.id,
                "code": shell_code(status),
                "error": child.error,
                "oom_kills": max(report.oom_kills, int(child.is_out_of_memory)),
                "peak_bytes": report.peak_bytes,
                "is_unlimited": child.is_unlimited,
            }
        )

    def _forget(self, fd: int) -> None:
        del self._of_fd[fd]
        self._poll.unregister(fd)
        os.close(fd)

    def stop(self) -> None:
        for child in self._all.values():
            child.kill()
        end = time.monotonic() + _STOP_WAIT_S
        while self._all and time.monotonic() < end:
            for fd, _ in self._poll.poll(0.05, 1):
                self.arrived(fd)
        for child in self._all.values():
            kill(child.monitor_pid)
