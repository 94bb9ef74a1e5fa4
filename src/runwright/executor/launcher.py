"""The launcher: the one process that starts sandboxes, mounts into them and ends them.

It is small and single-threaded because entering another mount namespace is refused to a
process with threads, and because forking a small process is cheap. The server speaks to it
over a SOCK_SEQPACKET pair: one JSON object per message, descriptors attached. Messages are
trusted, they come from the server; nothing from inside a sandbox ever reaches this process.

Slow work (joining cgroups, filling a network namespace, starting bubblewrap) is done by the
forked child, so that a cold start never waits behind a pool refill.

Requests: stage, start, settle, assign, adopt, signal, forwarder, ping, stop. Events: staged,
assigned, adopted, exited, failed, pong. When the server's end closes, every sandbox is killed,
every group removed and the process ends; when this process dies, the kernel kills every sandbox.
"""

import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runwright.executor import inside, kernel, netns, seccomp, stage
from runwright.executor.cgroups import Controllers, Group, Limits
from runwright.executor.networks import Networks
from runwright.executor.starting import Start, become_sandbox, close_all, open_network
from runwright.executor.zygote import Birth, Zygotes

MAX_MESSAGE_BYTES: Final = 512 * 1024
_FD_BYTES: Final = 4
_FDS_ROOM: Final = socket.CMSG_SPACE(8 * _FD_BYTES)
_MIB: Final = 1024 * 1024
_DATA_OVERHEAD: Final = 192 * _MIB  # thread stacks and reserved heap that are never touched
_ANY_PORT: Final = 8080
_STOP_WAIT_S: Final = 5.0
_DYING_S: Final = 0.05
_SWEEP_S: Final = 0.5
_KILL: Final = signal.SIGKILL
_LEFT_TO_SERVER: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


Way = Callable[[Start, int], None]


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
    is_covered: bool = False
    status: bytes = b""
    error: str = ""
    is_fork: bool = False  # of another sandbox's process: not ours to reap, and ends alone


class Launcher:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._buffer = bytearray(MAX_MESSAGE_BYTES)  # making one anew takes 50 us
        self._poll = select.epoll()
        self._children: dict[int, Child] = {}
        self._by_fd: dict[int, Child] = {}
        self._movers: dict[int, tuple[Child, int]] = {}  # pidfd -> fork that moves, process
        self._dying: list[Group] = []
        self._forwarder: socket.socket | None = None
        self._networks = Networks(self._poll)
        self._unborn: deque[tuple[dict[str, Any], list[int]]] = deque()
        self._controllers = Controllers({}, is_v2=False)
        self._own_mounts = -1
        self._is_root = os.geteuid() == 0
        self._filters = {name: seccomp.program(profile=name) for name in seccomp.PROFILES}
        self._covered = inside.covered()
        self._zygotes = Zygotes(self._poll, self._covered, self._filters, self._send)
        self._sweep_at = 0.0
        self._pid = os.getpid()

    def run(self) -> None:
        self._poll.register(self._control.fileno(), select.EPOLLIN)
        while True:
            # One at a time: what is done for one may close the descriptor of the next, whose
            # number may then be another's.
            for fd, _ in self._poll.poll(self._pause(), 1):
                if fd == self._control.fileno():
                    if not self._serve():
                        self._stop()
                        return
                else:
                    child = self._by_fd.get(fd)
                    if child is not None:
                        self._notice(child, fd)
                    elif fd in self._movers:
                        self._moved(fd)
                    elif not self._zygotes.arrived(fd):
                        self._networks.arrived(fd)
                        self._start_unborn()
            self._dying = [group for group in self._dying if not _is_removed(group)]
            if time.monotonic() >= self._sweep_at:
                self._zygotes.sweep()
                self._sweep_at = time.monotonic() + _SWEEP_S

    def _pause(self) -> float:
        """How long nothing has to be looked after, in seconds; -1 for ever."""
        if self._dying:
            return _DYING_S
        return self._zygotes.pause()

    # Requests

    def _serve(self) -> bool:
        try:
            size, parts, _, _ = self._control.recvmsg_into([self._buffer], _FDS_ROOM)
        except ConnectionError:
            return False
        if not size:
            return False
        fds = _descriptors(parts)
        request = json.loads(self._buffer[:size].decode())  # it would look for other encodings
        operation = request["op"]
        if operation == "stop":
            return False
        try:
            getattr(self, f"_do_{operation}")(request, fds)
        except Exception as exc:  # one request fails, not every sandbox
            self._send({"ev": "failed", "id": request.get("id", 0), "step": operation,
                        "reason": str(exc) or type(exc).__name__})  # fmt: skip
        finally:
            close_all(fds)
        return True

    def _send(self, event: Mapping[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):
            self._control.send(json.dumps(event).encode())

    def _do_ping(self, request: dict[str, Any], fds: list[int]) -> None:
        self._send({"ev": "pong", "id": 0})

    def _do_stage(self, request: dict[str, Any], fds: list[int]) -> None:
        trees = tuple(_tree(entry) for entry in request["plan"].pop("trees"))
        plan = stage.Plan(**request["plan"], trees=trees)
        self._controllers = Controllers.find(request["instance"])
        swept = self._controllers.sweep(_kill_pid)
        stage.enter(plan, is_root=self._is_root)
        # Group folders are the host's paths; from here on they lie below /host.
        self._controllers = self._controllers.moved(stage.HOST)
        is_transparent = _can_steer()
        self._own_mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        if fds:
            self._do_forwarder(request, fds)
        self._networks.fill(request["api_port"])
        gc.freeze()
        self._send({"ev": "staged", "id": 0, "controllers": list(self._controllers.names),
                    "is_v2": self._controllers.is_v2, "swept": swept,
                    "is_transparent": is_transparent,
                    "hides_paths": stage.hides_paths()})  # fmt: skip

    def _do_forwarder(self, request: dict[str, Any], fds: list[int]) -> None:
        if self._forwarder is not None:
            self._forwarder.close()
        self._forwarder = socket.socket(fileno=os.dup(fds[0]))

    def _do_start(self, request: dict[str, Any], fds: list[int]) -> None:
        has_zygote = self._zygotes.want(request)
        kept = fds.copy()
        fds.clear()  # they are closed when the start is under way
        if has_zygote:
            self._unborn.append((request, kept))
            self._start_unborn()
        else:
            self._begin(request, kept, self._start_anew)

    def _start_unborn(self) -> None:
        """Those for a zygote, in their order; it needs namespaces that are ready."""
        while self._unborn:
            request, fds = self._unborn[0]
            has_network = request["network"] is None or self._networks.has_ready
            if not has_network and self._networks.is_making:
                return
            self._unborn.popleft()
            self._begin(request, fds, self._fork if has_network else self._start_anew)

    def _begin(self, request: dict[str, Any], fds: list[int], way: Way) -> None:
        group = status = network = None
        try:
            frames, output = fds
            group = self._controllers.make(f"s{request['id']}")
            group.limit(Limits(**request["limits"]))
            network = self._networks.take() if request["network"] is not None else None
            status = os.pipe()
            os.set_blocking(status[0], False)
            start = Start(
                request=request, group=group, network=network, forwarder=self._forwarder,
                program=self._filters[request["profile"]], launcher=self._pid,
                frames=frames, output=output, status=status[1],
            )  # fmt: skip
            way(start, status[0])
        except Exception as exc:  # one request fails, not every sandbox
            self._not_begun(request["id"], str(exc) or type(exc).__name__, group, status)
        finally:
            if status is not None:
                os.close(status[1])
            if network is not None:
                network.close()
            close_all(fds)

    def _not_begun(
        self, sandbox_id: int, reason: str, group: Group | None, status: tuple[int, int] | None
    ) -> None:
        if status is not None:
            os.close(status[0])
        if group is not None and not _is_removed(group):
            self._dying.append(group)
        self._send({"ev": "failed", "id": sandbox_id, "step": "start", "reason": reason})

    def _start_anew(self, start: Start, status: int) -> None:
        pid = os.fork()
        if pid == 0:
            become_sandbox(start)
        self._watch(Child(start.request["id"], os.pidfd_open(pid), pid, status, start.group,
                          start.request["files"]))  # fmt: skip

    def _fork(self, start: Start, status: int) -> None:
        """Let the zygote fork it, and know it when its process id has come."""
        request, group = start.request, start.group
        fds = {"frames": start.frames, "output": start.output, "status": start.status}
        if start.network is not None:
            open_network(request, start.network, self._forwarder)
            fds["network"] = start.network.namespace
        doors = group.doors()
        fds |= {f"group{number}": fd for number, fd in enumerate(doors)}

        def born(pid: int) -> None:
            try:
                handle = os.pidfd_open(pid)
            except OSError as exc:  # no descriptors left
                _kill_pid(pid)
                os.waitpid(pid, 0)
                failed(str(exc))
                return
            child = Child(request["id"], handle, pid, status, group, request["files"],
                          init_pid=pid, is_covered=True)  # fmt: skip
            self._watch(child)

        def failed(reason: str) -> None:
            self._not_begun(request["id"], reason, group, (status, -1))

        try:
            self._zygotes.bear(request, fds, Birth(born, failed))
        finally:
            close_all(doors)

    def _give_up_unborn(self, sandbox_id: int) -> None:
        for waiting in self._unborn:
            request, fds = waiting
            if request["id"] == sandbox_id:
                self._unborn.remove(waiting)
                close_all(fds)
                self._not_begun(sandbox_id, "ended before it began", None, None)
                return

    def _child(self, sandbox_id: int) -> Child | None:
        if sandbox_id not in self._children:
            self._zygotes.wait_for(sandbox_id)
        return self._children.get(sandbox_id)

    def _watch(self, child: Child) -> None:
        self._children[child.id] = child
        child.alarm_fd = child.group.memory_alarm()
        for fd in (child.monitor_fd, child.status_fd, child.alarm_fd):
            if fd >= 0:
                self._by_fd[fd] = child
                self._poll.register(fd, select.EPOLLIN)

    def _do_assign(self, request: dict[str, Any], fds: list[int]) -> None:
        child = self._child(request["id"])
        if child is None:
            raise ValueError("the sandbox has ended")
        self._read_status(child)
        if child.init_pid == 0:
            raise ValueError("the sandbox is not ready")
        limits = Limits(**request["limits"])
        child.group.bound(limits)
        self._limit_processes(child, limits)
        trees: list[tuple[int, str]] = []
        try:
            for source, target, is_read_only in request["mounts"]:
                trees.append((_tree_of(source, is_read_only=is_read_only), target))
            with inside.mounts_of(child.init_pid, self._own_mounts):
                self._cover(child)
                if limits.tmp_mib:
                    inside.bound_files(limits.tmp_mib)
                for tree, target in trees:
                    kernel.attach_tree(tree, target)
        finally:
            for tree, _ in trees:
                os.close(tree)
        self._send({"ev": "assigned", "id": child.id})
        # A third of a millisecond in the kernel, which the server has its own use for; what runs
        # too fast for so long takes nothing that it could keep.
        child.group.pace(limits)

    def _do_settle(self, request: dict[str, Any], fds: list[int]) -> None:
        """While it waits for code, so that taking it is quick."""
        child = self._child(request["id"])
        if child is None:
            return
        self._read_status(child)
        if child.init_pid and not child.is_covered:
            with inside.mounts_of(child.init_pid, self._own_mounts):
                self._cover(child)

    def _cover(self, child: Child) -> None:
        if not child.is_covered:
            inside.cover(self._covered)
            child.is_covered = True

    def _do_adopt(self, request: dict[str, Any], fds: list[int]) -> None:
        """Take a process that a template forked for a sandbox of its own, with its own limits.

        Moving it into its groups waits for the kernel, so a child of ours does that.
        """
        template = self._children.get(request["template"])
        if template is None:
            raise ValueError("the template has ended")
        pid = request["pid"]
        handle = os.pidfd_open(pid)
        try:
            # Looked at after the descriptor was had: the number cannot become another's now.
            if pid not in _descendants(template.init_pid):
                raise ValueError("no process of the template")
            group = self._controllers.make(f"s{request['id']}")
        except BaseException:
            os.close(handle)
            raise
        child = Child(request["id"], handle, pid, -1, group, init_pid=pid, is_fork=True)
        child.is_covered = True  # it shares the template's mounts
        group.limit(Limits(**request["limits"]))
        self._watch(child)
        mover = os.fork()
        if mover == 0:
            code = 1
            with contextlib.suppress(BaseException):  # a forked child only ever reports
                group.join(pid)
                code = 0
            os._exit(code)
        watch = os.pidfd_open(mover)
        self._movers[watch] = (child, mover)
        self._poll.register(watch, select.EPOLLIN)

    def _moved(self, fd: int) -> None:
        child, mover = self._movers.pop(fd)
        self._poll.unregister(fd)
        os.close(fd)
        _, status = os.waitpid(mover, 0)
        if child.id not in self._children:
            return  # it ended meanwhile, and was told
        if status == 0:
            self._send({"ev": "adopted", "id": child.id})
        else:
            self._kill(child)

    def _limit_processes(self, child: Child, limits: Limits) -> None:
        """Open files, and where no cgroup can be had, the rest: bounds per process, inherited
        by all it starts.

        Root needs CAP_SYS_RESOURCE for it, which some containers take away: what the sandbox
        started with stays then.

        They are set from outside and late because the number of processes is counted per
        user: before the sandbox has a user namespace, all sandboxes' together.
        """
        wanted = {}
        if limits.open_files not in (0, child.open_files):
            wanted[resource.RLIMIT_NOFILE] = limits.open_files
        if "memory" not in self._controllers.names:
            wanted[resource.RLIMIT_DATA] = limits.memory_mib * _MIB + _DATA_OVERHEAD
        if "pids" not in self._controllers.names:
            wanted[resource.RLIMIT_NPROC] = limits.pids
        for pid in _descendants(child.init_pid) if wanted else ():
            for kind, value in wanted.items():
                with contextlib.suppress(OSError, ValueError):
                    resource.prlimit(pid, kind, (value, value))

    def _do_signal(self, request: dict[str, Any], fds: list[int]) -> None:
        child = self._child(request["id"])
        if child is None:
            self._give_up_unborn(request["id"])
            return
        self._read_status(child)
        if request["signal"] == _KILL or child.init_pid == 0:
            self._kill(child)
            return
        # The init inside ignores signals; the program is its child.
        own = [child.init_pid] if child.is_fork else []
        for pid in [*_descendants(child.init_pid), *own]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, request["signal"])

    # Watching

    def _notice(self, child: Child, fd: int) -> None:
        if fd == child.status_fd:
            self._read_status(child)
        elif fd == child.alarm_fd:
            self._quench(child)
        else:
            self._reap(child)

    def _read_status(self, child: Child) -> None:
        if child.status_fd < 0:
            return
        while True:
            try:
                data = os.read(child.status_fd, 4096)
            except BlockingIOError:
                break
            if not data:
                self._forget_fd(child.status_fd)
                child.status_fd = -1
                break
            child.status += data
        *lines, child.status = child.status.split(b"\n")
        for line in lines:
            news = json.loads(line)
            if "error" in news:
                child.error = news["error"]
            elif "child-pid" in news:
                child.init_pid = news["child-pid"]
                with contextlib.suppress(OSError):
                    child.init_fd = os.pidfd_open(child.init_pid)

    def _quench(self, child: Child) -> None:
        child.is_out_of_memory = True
        self._forget_fd(child.alarm_fd)
        child.alarm_fd = -1
        self._kill(child)

    def _reap(self, child: Child) -> None:
        self._read_status(child)
        status = 0 if child.is_fork else os.waitpid(child.monitor_pid, 0)[1]
        if child.init_fd >= 0:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(child.init_fd, _KILL)
            os.close(child.init_fd)
        self._forget_fd(child.monitor_fd)
        for fd in (child.status_fd, child.alarm_fd):
            if fd >= 0:
                self._forget_fd(fd)
        del self._children[child.id]
        report = child.group.memory()
        if not _is_removed(child.group):
            self._dying.append(child.group)
        self._send(
            {
                "ev": "exited",
                "id": child.id,
                "code": _shell_code(status),
                "error": child.error,
                "oom_kills": max(report.oom_kills, int(child.is_out_of_memory)),
                "peak_bytes": report.peak_bytes,
            }
        )

    def _forget_fd(self, fd: int) -> None:
        del self._by_fd[fd]
        self._poll.unregister(fd)
        os.close(fd)

    def _kill(self, child: Child) -> None:
        if child.is_fork:
            _end_all(child.group)
        target = child.init_fd if child.init_fd >= 0 else child.monitor_fd
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(target, _KILL)

    def _stop(self) -> None:
        self._zygotes.stop()
        for child in self._children.values():
            self._kill(child)
        end = time.monotonic() + _STOP_WAIT_S
        while self._children and time.monotonic() < end:
            for fd, _ in self._poll.poll(0.05, 1):
                child_of_fd = self._by_fd.get(fd)
                if child_of_fd is not None:
                    self._notice(child_of_fd, fd)
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.monitor_pid, _KILL)
        self._controllers.sweep(_kill_pid)
        self._controllers.remove()


def _tree_of(source: str, *, is_read_only: bool) -> int:
    if is_read_only:
        return stage.take_code(source)
    return kernel.clone_tree(stage.host_path(source), is_read_only=False)


def _tree(entry: dict[str, Any]) -> stage.Tree:
    lists = {name: tuple(entry[name]) for name in ("empty", "prepare")}
    return stage.Tree(**{**entry, **lists})


def _end_all(group: Group) -> None:
    for pid in group.members():
        _kill_pid(pid)


def _descriptors(parts: Iterable[tuple[int, int, bytes]]) -> list[int]:
    """Those that came with a message; nothing else can come beside one on a socket pair."""
    return [
        int.from_bytes(content[at : at + _FD_BYTES], sys.byteorder)
        for _, _, content in parts
        for at in range(0, len(content) - _FD_BYTES + 1, _FD_BYTES)
    ]


def _is_removed(group: Group) -> bool:
    """Try it. What a fork left behind has no namespace whose end would end it."""
    if group.remove():
        return True
    _end_all(group)
    return False


def _shell_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _kill_pid(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, _KILL)


def _descendants(pid: int) -> list[int]:
    """Every process below `pid`, each before its children. They may form a chain of any length."""
    found: list[int] = []
    to_ask = [pid]
    while to_ask:
        pid = to_ask.pop()
        with contextlib.suppress(OSError):  # it has ended
            listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            children = [int(word) for word in listed]
            found += children
            to_ask += children
    return found


def _can_steer() -> bool:
    """Whether connections can be redirected in a network namespace; tried in one."""
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(BaseException):  # a forked child only ever reports
            kernel.unshare(kernel.CLONE_NEWNET)
            code = 0 if netns.prepare(_ANY_PORT).is_transparent else 1
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def main() -> None:
    """`python -c ... <control fd>`; ends when the control socket does."""
    os.umask(0o022)
    for number in _LEFT_TO_SERVER:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    Launcher(control).run()


if __name__ == "__main__":
    main()
