"""The ordinary start of a sandbox: a fork of the launcher becomes bubblewrap.

Joining groups, filling a network namespace and starting bubblewrap are slow, so the child does
all of it and the launcher goes on.
"""

import contextlib
import errno
import fcntl
import json
import os
import resource
import signal
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from runwright.executor import bubblewrap, kernel, stage
from runwright.executor.cgroups import Group
from runwright.executor.networks import Network, a_network
from runwright.values import dataclass

FRAMES_FD: Final = 3
_SECCOMP_FD, _STATUS_FD, _ARGS_FD = 4, 5, 6
_SPARE_FD: Final = 64  # above every fixed number used here
_EVERY_FD: Final = 1 << 20
_MIB: Final = 1024 * 1024
_RESET: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What the child needs of the launcher."""

    request: Mapping[str, Any]
    group: Group
    network: Network | None  # None = the host's, or there was none ready
    forwarder: socket.socket | None
    program: bytes  # the filter of system calls
    launcher: int  # process id
    frames: int
    output: int
    status: int  # where bubblewrap, or a failure, tells


def become_sandbox(start: Start) -> NoReturn:
    """In a forked child: it must never return into the event loop."""
    status = start.status
    step = "cgroup"
    try:
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)  # an ignored one would stay so after exec
        start.group.join()
        step = "network"
        if start.request["network"] is not None:
            _enter_network(start)
        step = "limits"
        _limit(start.request)
        step = "user"
        _take_user(start.request)
        step = "descriptors"
        box = _box(start.request)
        words = bubblewrap.arguments(box, seccomp_fd=_SECCOMP_FD, status_fd=_STATUS_FD)
        _arrange(
            {
                0: os.open("/dev/null", os.O_RDONLY),
                1: start.output,
                2: start.output,
                FRAMES_FD: start.frames,
                _SECCOMP_FD: _memory_file(start.program),
                _STATUS_FD: status,
                _ARGS_FD: _memory_file(b"".join(os.fsencode(word) + b"\0" for word in words)),
            }
        )
        status = _STATUS_FD
        # Nothing of the launcher's may reach a sandbox, whatever its close-on-exec flag
        # says: received descriptors have none, and one is a socket the server trusts.
        os.closerange(_ARGS_FD + 1, _EVERY_FD)
        # Not earlier: with many sandboxes the launcher itself holds more than this.
        files = start.request["files"]
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        step = "start"
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() == start.launcher:
            command = ["bwrap", "--args", str(_ARGS_FD), "--", *box.argv]
            os.execve(stage.BWRAP, command, {})
    except BaseException as exc:
        reason = {"error": f"{step}: {exc}"}
        with contextlib.suppress(OSError):
            os.write(status, json.dumps(reason).encode() + b"\n")
    os._exit(127)


def _box(request: Mapping[str, Any]) -> bubblewrap.Box:
    return bubblewrap.Box(
        root=f"{stage.ROOTS}/{request['root']}",
        devices=stage.DEVICES,
        argv=request["argv"],
        env=request["env"],
        tmp_mib=request["tmp_mib"],
        working_dir=request["cwd"],
    )


def _limit(request: Mapping[str, Any]) -> None:
    with contextlib.suppress(ValueError):  # the host's own is 0
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))  # see _limit_rules in seccomp.py
    if request["file_mib"]:
        size = request["file_mib"] * _MIB
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _take_user(request: Mapping[str, Any]) -> None:
    if request["uid"] is not None:
        os.setgroups([])
        os.setresgid(request["uid"], request["uid"], request["uid"])
        os.setresuid(request["uid"], request["uid"], request["uid"])


def _enter_network(start: Start) -> None:
    network = start.network
    if network is None:  # more start at once than are kept ready
        network = a_network(start.request["network"]["api_port"])
    network.enter()
    open_network(start.request, network, start.forwarder)
    network.close()


def open_network(
    request: Mapping[str, Any], network: Network, forwarder: socket.socket | None
) -> None:
    """Let the forwarder serve it."""
    if forwarder is None:
        raise OSError(errno.ENOTCONN, "no forwarder")
    plumbing = network.plumbing
    message = {"op": "open", "id": request["id"], "is_transparent": plumbing.is_transparent,
               **request["network"]}  # fmt: skip
    socket.send_fds(forwarder, [json.dumps(message).encode()], list(plumbing.fds))


def close_all(fds: Iterable[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def _memory_file(content: bytes) -> int:
    fd = os.memfd_create("runwright")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _arrange(wanted: dict[int, int]) -> None:
    """Put descriptors at fixed numbers, whatever lies there now."""
    moved = {
        number: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _SPARE_FD) for number, fd in wanted.items()
    }
    for number, fd in moved.items():
        os.dup2(fd, number, inheritable=True)
