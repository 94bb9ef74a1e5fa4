"""A trusted process from which sandboxes are forked: the runner is loaded, no user code ever is.

It runs as the launcher does, in a mount namespace that holds the runtime's tree alone. Its one
descriptor beside the standard ones leads to the launcher: one JSON object per message, with
descriptors. Every order is answered with the process id of the fork, which is the launcher's
child; what the fork has to say it says itself. Ends with its link.

    launcher -> {"covers": [[path, is a folder]], "filter": hex, "uid_inside": n}   once
    zygote   -> {"ready": true}
    launcher -> {"id", "uid", "tmp_bytes", "files", "file_bytes", "has": [names of descriptors]}
    zygote   -> {"id", "pid"}
"""

from __future__ import annotations

import _socket
import gc
import json
import os
import select
import signal
import sys
from _functools import partial  # `functools` has more to load

from _runwright import birth, cradle, frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

ARGUMENT = "--zygote"
_LINK = 3
_MAX_BYTES = 64 * 1024
_MAX_FDS = 8
_INT_BYTES = 4
_REHEARSED = 0


def run() -> None:
    """Fork on demand; returns in the sandboxes alone, with their descriptors in place."""
    _hide_argument()
    link = _socket.socket(fileno=_LINK)
    os.set_inheritable(_LINK, False)
    settings, _ = _received(link)
    code = bytes.fromhex(settings.pop("filter"))
    made = cradle.make()
    start = _start_copied if made is None else made.start
    link.send(b'{"ready":true}')
    gc.collect()
    gc.freeze()  # what is collected later would have to be copied by every fork
    while True:
        order, fds = _received(link)
        given = {name: fds[at] for at, name in enumerate(order["has"])}
        prepare = partial(_be_first, {**settings, **order}, given, code)
        pid = start(prepare)
        if pid == 0:
            link.detach()  # its number is free since the first process began
            _be_program(given)
            return
        link.send(json.dumps({"id": order["id"], "pid": pid}).encode())
        for fd in fds:
            os.close(fd)


def _start_copied(prepare: Callable[[], bool]) -> int:
    """As `Cradle.start`, with a copy of this process for the first one, too."""
    pid = birth.fork_init()
    if pid:
        return pid
    if not prepare():
        frames._exit(1)
    program = os.fork()
    if program:
        _be_init(program)
    return 0


def _hide_argument() -> None:
    """The word stands in the command line that a user's program may look at."""
    for words in (sys.argv, getattr(sys, "orig_argv", [])):
        if ARGUMENT in words:
            words.remove(ARGUMENT)


def _received(link: Any) -> tuple[dict[str, Any], list[int]]:
    try:
        data, parts, _, _ = link.recvmsg(_MAX_BYTES, _socket.CMSG_SPACE(_MAX_FDS * _INT_BYTES))
    except OSError:
        data, parts = b"", []
    if not data:
        frames._exit(0)
    fds = []
    for _, _, content in parts:
        for at in range(0, len(content) - _INT_BYTES + 1, _INT_BYTES):
            fds.append(int.from_bytes(content[at : at + _INT_BYTES], sys.byteorder))
    return json.loads(data), fds


def _be_first(order: dict[str, Any], given: dict[str, int], code: bytes) -> bool:
    """Isolate the calling process, the first of the sandbox; False if that failed.

    It may run in the zygote's memory: nothing may change there, and no object be closed.
    """
    status = given["status"]
    try:
        os.close(_LINK)  # no half-built sandbox holds it, nor keeps its end from being noticed
        groups = [fd for name, fd in given.items() if name.startswith("group")]
        birth.isolate(order, groups, given.get("network", -1), code)
        # Looked at after the launcher's death would be heard of: it may have come before.
        if not _is_read(status):
            return False
        os.chdir(order["cwd"])
        os.setsid()
        birth.be_open(False)
        return True
    except BaseException as error:
        _complain(status, error)
        return False


def _complain(status: int, error: BaseException) -> None:
    reason = json.dumps({"error": "zygote: " + (str(error) or type(error).__name__)})
    try:
        os.write(status, reason.encode() + b"\n")
    except OSError:
        pass  # nobody listens


def _is_read(pipe: int) -> bool:
    """Whether the launcher is there, and has not given this sandbox up."""
    watch = select.poll()
    watch.register(pipe, 0)  # that the last reader has gone is told in any case
    return not watch.poll(0)


def _be_program(given: dict[str, int]) -> None:
    if "frames" not in given:
        frames._exit(_REHEARSED)
    try:
        birth.be_open(True)
        # Opened anew: what all forks have from the zygote they would share, with its flags and
        # locks.
        places = {
            0: os.open("/dev/null", os.O_RDONLY),
            1: given["output"],
            2: given["output"],
            frames.FD: given["frames"],
        }
        for number, fd in places.items():
            if fd != number:
                os.dup2(fd, number)
        birth.close_from(frames.FD + 1)
    except BaseException as error:
        _complain(given["status"], error)
        frames._exit(1)


def _be_init(program: int) -> NoReturn:
    """Reap until the program has ended, and end as it did; the kernel ends the rest."""
    birth.close_from(0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == program:
            killed = os.WIFSIGNALED(status)
            frames._exit(128 + os.WTERMSIG(status) if killed else os.WEXITSTATUS(status))
