"""The launcher: the one process that starts sandboxes, mounts into them and ends them.

It is small and single-threaded because entering another mount namespace is refused to a
process with threads, and because forking a small process is cheap. The server speaks to it
over a SOCK_SEQPACKET pair: one JSON object per message, descriptors attached. Messages are
trusted, they come from the server; nothing from inside a sandbox ever reaches this process.

Slow work (joining cgroups, filling a network namespace, starting bubblewrap) is done by the
forked child, so that a cold start never waits behind a pool refill.

Requests: stage, start, settle, assign, adopt, signal, forwarder, ping, stop. Events: staged,
assigned, adopted, unlimited, exited, zygote, network, failed, pong. When the server's end closes,
every sandbox is killed, every group removed and the process ends; when this process dies, the
kernel kills every sandbox.
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
from typing import Any, Final

from runwright.executor import inside, kernel, netns, seccomp, stage
from runwright.executor.cgroups import Controllers, Group, Limits
from runwright.executor.children import Child, Children
from runwright.executor.networks import Networks
from runwright.executor.processes import descendants, end, end_strays, kill
from runwright.executor.programs import Programs
from runwright.executor.starting import Start, become_sandbox, close_all, open_network
from runwright.executor.zygote import Birth, Zygotes

MAX_MESSAGE_BYTES: Final = 512 * 1024
_FD_BYTES: Final = 4
_FDS_ROOM: Final = socket.CMSG_SPACE(8 * _FD_BYTES)
_ANY_PORT: Final = 8080
_SWEEP_S: Final = 0.5
_KILL: Final = signal.SIGKILL
_LEFT_TO_SERVER: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


Way = Callable[[Start, int], None]


class Launcher:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._buffer = bytearray(MAX_MESSAGE_BYTES)  # making one anew takes 50 us
        self._poll = select.epoll()
        self._children = Children(self._poll, self._send)
        self._movers: dict[int, tuple[Child, int]] = {}  # pidfd -> fork that moves, process
        self._forwarder: socket.socket | None = None
        self._networks = Networks(self._poll)
        self._unborn: deque[tuple[dict[str, Any], list[int]]] = deque()
        self._controllers = Controllers({}, is_v2=False)
        self._own_mounts = -1
        self._is_root = os.geteuid() == 0
        self._filters = {name: seccomp.program(profile=name) for name in seccomp.PROFILES}
        self._covered = inside.covered()
        self._zygotes = Zygotes(self._poll, self._covered, self._filters, self._lost_zygote)
        self._has_strays = False  # children that it does not know, perhaps
        self._programs = Programs(self._poll)
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
                    self._arrived(fd)
            self._children.sweep()
            if time.monotonic() >= self._sweep_at:
                self._sweep()
                self._sweep_at = time.monotonic() + _SWEEP_S

    def _arrived(self, fd: int) -> None:
        if self._children.arrived(fd):
            return
        if fd in self._movers:
            self._moved(fd)
        elif not (self._programs.arrived(fd) or self._zygotes.arrived(fd)):
            self._networks.arrived(fd)
            self._start_unborn()

    def _pause(self) -> float:
        """How long nothing has to be looked after, in seconds; -1 for ever."""
        pauses = [self._children.pause(), self._zygotes.pause(), self._networks.pause()]
        if self._has_strays:
            pauses.append(_SWEEP_S)
        return min((pause for pause in pauses if pause >= 0), default=-1)

    def _sweep(self) -> None:
        self._zygotes.sweep()
        if self._networks.sweep():
            self._send({"ev": "network", "id": 0})
            self._has_strays = True
            self._start_unborn()
        if self._has_strays and not self._zygotes.is_bearing:
            movers = [pid for _, pid in self._movers.values()]
            own = (
                self._children.monitors, movers, self._zygotes.pids, self._networks.makers,
                self._programs.copiers,
            )  # fmt: skip
            self._has_strays = not end_strays({pid for pids in own for pid in pids})

    def _lost_zygote(self, event: Mapping[str, Any]) -> None:
        self._has_strays = True  # it may have ended in a birth, before it could say of whom
        self._send(event)

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
        swept = self._controllers.sweep(kill)
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
                    "uncounted": self._controllers.uncounted(),
                    "is_v2": self._controllers.is_v2, "swept": swept,
                    "is_transparent": is_transparent,
                    "hides_paths": stage.hides_paths()})  # fmt: skip

    def _do_forwarder(self, request: dict[str, Any], fds: list[int]) -> None:
        if self._forwarder is not None:
            self._forwarder.close()
        self._forwarder = socket.socket(fileno=os.dup(fds[0]))

    def _do_start(self, request: dict[str, Any], fds: list[int]) -> None:
        has_zygote = self._zygotes.want(request)
        if request["profile"] == "function":
            program = f"{stage.ROOTS}/{request['root']}{request['argv'][0]}"
            self._programs.started(program, self._controllers.memory_left)
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
        if group is not None:
            self._children.bury(group)
        self._send({"ev": "failed", "id": sandbox_id, "step": "start", "reason": reason})

    def _start_anew(self, start: Start, status: int) -> None:
        pid = os.fork()
        if pid == 0:
            become_sandbox(start)
        files = start.request["files"]
        try:
            handle = os.pidfd_open(pid)
        except OSError:  # no descriptors left
            end(pid)
            raise
        child = Child(start.request["id"], handle, pid, status, start.group, files)
        self._children.watch(child)

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
            except OSError as exc:
                end(pid)
                failed(str(exc))
                return
            child = Child(request["id"], handle, pid, status, group, request["files"],
                          init_pid=pid, is_covered=True)  # fmt: skip
            self._children.watch(child)

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
        if self._children.get(sandbox_id) is None:
            self._zygotes.wait_for(sandbox_id)
        return self._children.get(sandbox_id)

    def _do_assign(self, request: dict[str, Any], fds: list[int]) -> None:
        child = self._child(request["id"])
        if child is None:
            raise ValueError("the sandbox has ended")
        self._children.read_status(child)
        if child.init_pid == 0:
            raise ValueError("the sandbox is not ready")
        limits = Limits(**request["limits"])
        child.group.bound(limits)
        child.limit_processes(limits, self._controllers.names)
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
        try:
            child.group.pace(limits)
        except OSError as exc:
            self._children.end_unlimited(child, exc)

    def _do_settle(self, request: dict[str, Any], fds: list[int]) -> None:
        """While it waits for code, so that taking it is quick."""
        child = self._child(request["id"])
        if child is None:
            return
        self._children.read_status(child)
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
            if pid not in descendants(template.init_pid):
                raise ValueError("no process of the template")
            group = self._controllers.make(f"s{request['id']}")
        except BaseException:
            os.close(handle)
            raise
        child = Child(request["id"], handle, pid, -1, group, init_pid=pid, is_fork=True)
        child.is_covered = True  # it shares the template's mounts
        self._children.watch(child)
        try:
            group.limit(Limits(**request["limits"]))
            self._move(child)
        except OSError as exc:
            self._children.end_unlimited(child, exc)  # it is in the template's group still
            raise

    def _move(self, child: Child) -> None:
        mover = os.fork()
        if mover == 0:
            code = 1
            with contextlib.suppress(BaseException):  # a forked child only ever reports
                child.group.join(child.monitor_pid)
                code = 0
            os._exit(code)
        try:
            watch = os.pidfd_open(mover)
        except OSError:
            end(mover)
            raise
        self._movers[watch] = (child, mover)
        self._poll.register(watch, select.EPOLLIN)

    def _moved(self, fd: int) -> None:
        child, mover = self._movers.pop(fd)
        self._poll.unregister(fd)
        os.close(fd)
        _, status = os.waitpid(mover, 0)
        if self._children.get(child.id) is not child:
            return  # it ended meanwhile, and was told
        if status == 0:
            self._send({"ev": "adopted", "id": child.id})
        else:
            child.kill()

    def _do_signal(self, request: dict[str, Any], fds: list[int]) -> None:
        child = self._child(request["id"])
        if child is None:
            self._give_up_unborn(request["id"])
            return
        self._children.read_status(child)
        if request["signal"] == _KILL or child.init_pid == 0:
            child.kill()
            return
        child.signal(request["signal"])

    def _stop(self) -> None:
        self._zygotes.stop()
        self._children.stop()
        self._controllers.sweep(kill)
        self._controllers.remove()


def _tree_of(source: str, *, is_read_only: bool) -> int:
    if is_read_only:
        return stage.take_code(source)
    return kernel.clone_tree(stage.host_path(source), is_read_only=False)


def _tree(entry: dict[str, Any]) -> stage.Tree:
    lists = {name: tuple(entry[name]) for name in ("empty", "prepare")}
    return stage.Tree(**{**entry, **lists})


def _descriptors(parts: Iterable[tuple[int, int, bytes]]) -> list[int]:
    """Those that came with a message; nothing else can come beside one on a socket pair."""
    return [
        int.from_bytes(content[at : at + _FD_BYTES], sys.byteorder)
        for _, _, content in parts
        for at in range(0, len(content) - _FD_BYTES + 1, _FD_BYTES)
    ]


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
