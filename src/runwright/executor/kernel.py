"""Linux calls that the standard library does not have, by number through libc.

Used by the launcher, which is single-threaded: `setns` into a mount namespace is refused
to a process with threads. Every call raises OSError with the kernel's errno.
"""

import ctypes
import os
import platform
import struct
from collections.abc import Mapping
from typing import Final

_NUMBERS: Final = {
    "x86_64": {"pivot_root": 155, "bpf": 321},
    "aarch64": {"pivot_root": 41, "bpf": 280},
}
_OPEN_TREE: Final = 428  # the same on every architecture, like all calls since 5.1
_MOVE_MOUNT: Final = 429
_FSOPEN: Final = 430
_FSCONFIG: Final = 431
_FSMOUNT: Final = 432
_MOUNT_SETATTR: Final = 442

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MS_SLAVE: Final = 1 << 19

_AT_FDCWD: Final = -100
_AT_EMPTY_PATH: Final = 0x1000
_AT_RECURSIVE: Final = 0x8000
_OPEN_TREE_CLONE: Final = 1
_OPEN_TREE_CLOEXEC: Final = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH: Final = 0x4
MOUNT_ATTR_RDONLY: Final = 0x1
MOUNT_ATTR_NOSUID: Final = 0x2
MOUNT_ATTR_NODEV: Final = 0x4
_MNT_DETACH: Final = 2
_FSOPEN_CLOEXEC: Final = 1
_FSMOUNT_CLOEXEC: Final = 1
_FSCONFIG_SET_STRING: Final = 1
_FSCONFIG_CMD_CREATE: Final = 6
_PR_SET_PDEATHSIG: Final = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _number(name: str) -> int:
    return _NUMBERS[platform.machine()][name]


def unshare(flags: int) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(namespace_fd: int, kind: int) -> None:
    _check(_libc.setns(ctypes.c_int(namespace_fd), ctypes.c_int(kind)), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    done = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )
    _check(done, f"mount on {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    number = ctypes.c_long(_number("pivot_root"))
    _check(_libc.syscall(number, new_root.encode(), put_old.encode()), "pivot_root")


def swap_root(new_root: str) -> None:
    """Make a mount the root and let go of the old one with all that is mounted on it."""
    os.chdir(new_root)
    pivot_root(".", ".")  # the old one lies on top of the new one then
    detach(".")
    os.chdir("/")


def detach(target: str) -> None:
    """Take away the mount on `target`; what uses it keeps it."""
    _check(_libc.umount2(target.encode(), ctypes.c_int(_MNT_DETACH)), "umount")


def die_with_parent(signal: int) -> None:
    _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal), 0, 0, 0), "prctl")


def clone_tree(path: str, *, is_read_only: bool) -> int:
    """A detached copy of the mount at `path`, nosuid and nodev; the caller closes the fd."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
    done = _libc.syscall(
        ctypes.c_long(_OPEN_TREE), ctypes.c_int(_AT_FDCWD), path.encode(), ctypes.c_uint(flags)
    )
    tree = _check(done, "open_tree")
    wanted = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
    if is_read_only:
        wanted |= MOUNT_ATTR_RDONLY
    try:
        _restrict(tree, b"", wanted, _AT_EMPTY_PATH | _AT_RECURSIVE)
    except OSError:
        os.close(tree)
        raise
    return tree


def restrict(path: str, wanted: int, *, is_recursive: bool) -> None:
    """Add attributes to the mount at `path`, and to those below it."""
    _restrict(_AT_FDCWD, path.encode(), wanted, _AT_RECURSIVE if is_recursive else 0)


def _restrict(folder: int, path: bytes, wanted: int, flags: int) -> None:
    attributes = struct.pack("=QQQQ", wanted, 0, 0, 0)
    done = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_int(folder),
        path,
        ctypes.c_uint(flags),
        attributes,
        ctypes.c_size_t(len(attributes)),
    )
    _check(done, "mount_setattr")


def layer_tree(path: str, beside: str) -> int:
    """Like `clone_tree(path, is_read_only=True)`, but nothing tells where `path` lies.

    /proc/self/mountinfo shows the folder that a bind mount was made of; of an overlay it shows
    the options, and `path` stands in them as ".". `beside` is an empty folder: an overlay has
    two layers at least. What is mounted below `path` is not in it. About 0.1 ms.
    """
    os.chdir(path)
    try:
        options = {"source": "files", "lowerdir": f".:{beside}"}
        return new_tree("overlay", options, MOUNT_ATTR_RDONLY)
    finally:
        os.chdir("/")


def new_tree(kind: str, options: Mapping[str, str], attributes: int = 0) -> int:
    """A new file system, detached, nosuid and nodev; it is gone with the descriptor, which the
    caller closes, unless it is attached before."""
    context = _call(_FSOPEN, kind.encode(), _FSOPEN_CLOEXEC)
    try:
        for key, value in options.items():
            _call(_FSCONFIG, context, _FSCONFIG_SET_STRING, key.encode(), value.encode(), 0)
        _call(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        flags = attributes | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV
        return _call(_FSMOUNT, context, _FSMOUNT_CLOEXEC, flags)
    finally:
        os.close(context)


def _call(number: int, *arguments: int | bytes | None) -> int:
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return _check(_libc.syscall(ctypes.c_long(number), *words), f"system call {number}")


def attach_tree(tree: int, target: str) -> None:
    """Put a detached mount on `target`, as seen from the present mount namespace."""
    done = _libc.syscall(
        ctypes.c_long(_MOVE_MOUNT),
        ctypes.c_int(tree),
        b"",
        ctypes.c_int(_AT_FDCWD),
        target.encode(),
        ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH),
    )
    _check(done, "move_mount")


def bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    number = ctypes.c_long(_number("bpf"))
    size = ctypes.c_uint(len(attributes))
    done = _libc.syscall(number, ctypes.c_int(command), buffer, size)
    return _check(done, "bpf")
