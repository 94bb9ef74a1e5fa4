"""From what a sandbox shall be to bubblewrap's argument list; pure.

The tree is prepared once by the launcher (`stage.py`) and bound read-only as `/`; only what
is private to one sandbox is added here. The network namespace is not bubblewrap's affair:
the launcher makes and fills it before bubblewrap starts, so nobody inside ever owns it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final

from runwright.values import dataclass

SANDBOX_UID: Final = 1000
HOSTNAME: Final = "runwright"
FUNCTION_DIR: Final = "/usr/local/server/src/function"
RUNNER_DIR: Final = "/usr/local/server/runner"
BUILD_DIR: Final = "/usr/local/build"
CACHE_DIR: Final = "/usr/local/cache"
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One sandbox, in paths of the stage."""

    root: str  # prepared tree
    devices: str  # prepared /dev
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    tmp_mib: int = 64
    working_dir: str = "/tmp"


def arguments(box: Box, *, seccomp_fd: int, status_fd: int) -> list[str]:
    """Every option; the command itself (`box.argv`) goes on the command line.

    `seccomp_fd` and `status_fd` are inherited fds. The list is meant for `--args`: on a
    command line every process of the host could read the variables. Null characters end its
    words, so a variable that held one could add options of its own; ValueError.
    """
    uid = str(SANDBOX_UID)
    args = ["--unshare-user", "--uid", uid, "--gid", uid]
    args += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    args += ["--hostname", HOSTNAME, "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    args += ["--clearenv"]
    for name, value in box.env.items():
        args += ["--setenv", name, value]
    args += ["--ro-bind", box.root, "/"]
    # Read-only: without users of their own, sandboxes could leave each other files there.
    args += ["--dev-bind", box.devices, "/dev", "--remount-ro", "/dev"]
    args += ["--perms", "1777", "--size", str(box.tmp_mib * _MIB), "--tmpfs", "/dev/shm"]
    args += ["--perms", "1777", "--size", str(box.tmp_mib * _MIB), "--tmpfs", "/tmp"]
    args += ["--proc", "/proc", "--chdir", box.working_dir]
    args += ["--seccomp", str(seccomp_fd), "--json-status-fd", str(status_fd)]
    if any("\0" in word for word in args):
        raise ValueError("a variable holds a null character")
    return args
