"""From a fork of the zygote to a sandbox, with the isolation that bubblewrap gives.

The order is the rule: groups and network first, which need the machine's root; mounts, while
no user namespace locks them; then the user of its own, the user namespace, no capability; last
the filter, which allows none of this again. Nothing here may be skipped: what fails ends the
process.
"""

from __future__ import annotations

import ctypes
import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HOSTNAME = b"runwright"
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND = 2, 4, 8, 4096
# Not by `platform`: it remembers all it was told, and functions would be told the machine's name.
_CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
_CLOSE_RANGE = 436
_ALL_FDS = 0xFFFFFFFF
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITIES_V3 = 0x20080522
_MOST_CAPABILITIES = 64
_EINVAL = 22
_SIGKILL = 9
_EMPTY_FILE = b"/dev/null"
_EMPTY_FOLDER = b"/run"

# Keeps the interpreter's lock during a call: a fork must not lose it.
_libc = ctypes.PyDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


class _Filter(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, what + ": " + os.strerror(code))
    return result


def system_call(number: int, *arguments: int) -> int:
    words = [ctypes.c_long(argument) for argument in (number, *arguments)]
    result: int = _libc.syscall(*words)
    return result


def _prctl(option: int, argument: int, second: int = 0) -> int:
    result: int = _libc.prctl(option, argument, second, 0, 0)
    return result


def fork_init() -> int:
    """Fork the first process of a new process namespace, as a child of our own parent.

    Python is not told. There is one thread, which needs nothing made anew, and the program is a
    second, ordinary fork of that process: what has to be done in it is done there, and once.
    """
    return _check(system_call(_CLONE, CLONE_NEWPID | CLONE_PARENT, 0, 0, 0, 0), "clone")


def isolate(order: dict[str, Any], groups: list[int], network: int, code: bytes) -> None:
    """Take all rights from the calling process and give it its own view of everything.

    `code` is the filter of system calls. Its descriptors stay as they are.
    """
    for group in groups:
        os.write(group, b"0")  # a single-threaded process joins by itself
    if network >= 0:
        _check(_libc.setns(ctypes.c_int(network), ctypes.c_int(CLONE_NEWNET)), "setns")
    spaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP
    _check(_libc.unshare(ctypes.c_int(spaces)), "unshare")
    _check(_libc.sethostname(HOSTNAME, ctypes.c_size_t(len(HOSTNAME))), "sethostname")
    _mount_own(order)
    _limit(order)
    _be_nobody(order)
    _drop_rights()
    _set_filter(code)


def _mount(source: bytes, target: bytes, kind: bytes | None, flags: int, options: bytes) -> None:
    done = _libc.mount(source, target, kind, flags, options or None)
    if done < 0:
        _check(done, "mount on " + target.decode())


def _mount_own(order: dict[str, Any]) -> None:
    options = "mode=1777,size={},uid={},gid={}".format(
        order["tmp_bytes"], order["uid"], order["uid"]
    ).encode()
    for folder in (b"/dev/shm", b"/tmp"):
        _mount(b"tmpfs", folder, b"tmpfs", MS_NOSUID | MS_NODEV, options)
    _mount(b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, b"")
    for path, is_folder in order["covers"]:
        try:
            _mount(_EMPTY_FOLDER if is_folder else _EMPTY_FILE, path.encode(), None, MS_BIND, b"")
        except FileNotFoundError:
            pass  # it went with its kernel module


def _limit(order: dict[str, Any]) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))  # see _limit_rules in seccomp.py
    except ValueError:
        pass  # the host's own is 0
    if order["file_bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_bytes"], order["file_bytes"]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (order["files"], order["files"]))


def _be_nobody(order: dict[str, Any]) -> None:
    """A user of its own on the machine, and a user namespace in which it has another number."""
    outside, inside = order["uid"], order["uid_inside"]
    os.setgroups([])
    os.setresgid(outside, outside, outside)
    os.setresuid(outside, outside, outside)
    # Without it /proc/self would belong to root, which changes of the user bring about.
    _check(_prctl(_PR_SET_DUMPABLE, 1), "prctl")
    _check(_libc.unshare(ctypes.c_int(CLONE_NEWUSER)), "unshare")
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {outside} 1"),
        ("gid_map", f"{inside} {outside} 1"),
    ):
        fd = os.open("/proc/self/" + name, os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, line.encode())
        os.close(fd)


def _drop_rights() -> None:
    prctl = _libc.prctl
    for number in range(_MOST_CAPABILITIES):
        if prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) < 0:
            if ctypes.get_errno() != _EINVAL or number == 0:
                _check(-1, "prctl")
            break  # the kernel knows no more of them
    head = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    none = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(head, none), "capset")  # with the permitted ones the ambient ones go
    _check(_prctl(_PR_SET_NO_NEW_PRIVS, 1), "prctl")
    _check(_prctl(_PR_SET_DUMPABLE, 1), "prctl")
    # Last of all: changes of the user take it back.
    _check(_prctl(_PR_SET_PDEATHSIG, _SIGKILL), "prctl")


def _set_filter(code: bytes) -> None:
    memory = ctypes.create_string_buffer(code, len(code))
    program = _Filter(len(code) // 8, ctypes.addressof(memory))
    _check(_prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program)), "seccomp")


def be_open(is_open: bool) -> None:
    """Whether those with equal rights see in /proc what this process is and has.

    The first process keeps it to itself: it is no matter of the program's.
    """
    _check(_prctl(_PR_SET_DUMPABLE, int(is_open)), "prctl")


def close_from(first: int) -> None:
    _check(system_call(_CLOSE_RANGE, first, _ALL_FDS, 0), "close_range")
