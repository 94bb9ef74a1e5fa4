"""The system call filter of a sandbox, as a classic BPF program.

A deny list: everything a runtime or a compiler needs passes; what reaches deep into the
kernel, changes namespaces or looks into other processes does not. Each group says why.
`clone3` and io_uring answer ENOSYS, not EPERM: glibc and libuv then take the older call,
while EPERM from clone3 would keep them from starting threads at all.
"""

import errno
import platform
import socket
import struct
from collections.abc import Mapping
from typing import Final

_LD_ABS: Final = 0x20
_JEQ: Final = 0x15
_JGE: Final = 0x35
_JSET: Final = 0x45
_AND: Final = 0x54
_RET: Final = 0x06

ALLOW: Final = 0x7FFF0000
KILL_PROCESS: Final = 0x80000000
_ERRNO: Final = 0x00050000

_NR, _ARCH, _ARG0, _ARG1, _ARG2 = 0, 4, 16, 24, 32
_X32_BIT: Final = 0x40000000

# Every CLONE_NEW* flag: time, mount, cgroup, uts, ipc, user, pid, net.
NAMESPACE_FLAGS: Final = 0x7E020080
_SOCK_TYPE_MASK: Final = 0xF
_TIOCSTI: Final = 0x5412
_TIOCLINUX: Final = 0x541C

_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name: (x86_64, aarch64); None = the architecture has no such call.
_DENIED: Final[Mapping[str, tuple[int | None, int | None]]] = {
    # Mounts: a sandbox's tree is what the launcher made it.
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    # Namespaces: a fresh user namespace hands out capabilities and with them kernel surface.
    "unshare": (272, 97),
    "setns": (308, 268),
    # Other processes' memory, descriptors and secrets of the kernel.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "syslog": (103, 116),
    "lookup_dcookie": (212, 18),
    # Large or often broken kernel interfaces that functions do not need.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "vmsplice": (278, 75),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "_sysctl": (156, None),
    "sysfs": (139, None),
    "ustat": (136, None),
    # The machine itself.
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "create_module": (174, None),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "ioperm": (173, None),
    "iopl": (172, None),
    "vhangup": (153, 58),
    "nfsservctl": (180, 42),
}
_MISSING: Final[Mapping[str, tuple[int, int]]] = {
    "clone3": (435, 435),  # its flags lie in memory, where a filter cannot look
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
_CLONE: Final = (56, 220)
_SOCKET: Final = (41, 198)
_SOCKETPAIR: Final = (53, 199)
_IOCTL: Final = (16, 29)


class UnknownMachine(Exception):
    def __init__(self, machine: str) -> None:
        super().__init__(f"no system call table for {machine}")


def _refuse(code: int) -> int:
    return _ERRNO | code


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _when(number: int, *block: bytes) -> list[bytes]:
    """Run `block` only for one call; the block must end in a return."""
    return [_op(_JEQ, number, 0, len(block)), *block]


def program(machine: str | None = None) -> bytes:
    """The filter for `machine` (the present one by default), as `struct sock_filter[]`."""
    machine = machine or platform.machine()
    if machine not in _AUDIT_ARCH:
        raise UnknownMachine(machine)
    column = 0 if machine == "x86_64" else 1
    eperm, enosys = _refuse(errno.EPERM), _refuse(errno.ENOSYS)
    code = [
        _op(_LD_ABS, _ARCH),
        _op(_JEQ, _AUDIT_ARCH[machine], 1, 0),
        _op(_RET, KILL_PROCESS),  # another ABI's numbers would slip past every rule below
        _op(_LD_ABS, _NR),
    ]
    if machine == "x86_64":
        code += [_op(_JGE, _X32_BIT, 0, 1), _op(_RET, enosys)]
    for numbers in _MISSING.values():
        code += _when(numbers[column], _op(_RET, enosys))
    for pair in _DENIED.values():
        number = pair[column]
        if number is not None:
            code += _when(number, _op(_RET, eperm))
    code += _when(
        _CLONE[column],
        _op(_LD_ABS, _ARG0),
        _op(_JSET, NAMESPACE_FLAGS, 0, 1),
        _op(_RET, eperm),
        _op(_RET, ALLOW),
    )
    for call in (_SOCKET[column], _SOCKETPAIR[column]):
        code += _when(call, *_socket_rules())
    code += _when(
        _IOCTL[column],  # a pushed-back character would be typed into a terminal's shell
        _op(_LD_ABS, _ARG1),
        _op(_JEQ, _TIOCSTI, 1, 0),
        _op(_JEQ, _TIOCLINUX, 0, 1),
        _op(_RET, eperm),
        _op(_RET, ALLOW),
    )
    code.append(_op(_RET, ALLOW))
    return b"".join(code)


def _socket_rules() -> list[bytes]:
    """Unix, IPv4 and IPv6 streams and datagrams; netlink only to read routes (getifaddrs)."""
    no_family = _refuse(errno.EAFNOSUPPORT)
    return [
        _op(_LD_ABS, _ARG0),
        _op(_JEQ, socket.AF_UNIX, 11, 0),
        _op(_JEQ, socket.AF_INET, 5, 0),
        _op(_JEQ, socket.AF_INET6, 4, 0),
        _op(_JEQ, socket.AF_NETLINK, 0, 2),
        _op(_LD_ABS, _ARG2),
        _op(_JEQ, socket.NETLINK_ROUTE, 6, 0),
        _op(_RET, no_family),
        _op(_LD_ABS, _ARG1),
        _op(_AND, _SOCK_TYPE_MASK),
        _op(_JEQ, socket.SOCK_STREAM, 2, 0),
        _op(_JEQ, socket.SOCK_DGRAM, 1, 0),
        _op(_RET, _refuse(errno.EPERM)),
        _op(_RET, ALLOW),
    ]
