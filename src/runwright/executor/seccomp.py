"""The system call filter of a sandbox, as a classic BPF program.

An allow-list: what the runtimes, their standard libraries and ordinary programs use passes,
and everything else is refused. Each group says why it is there. There are four answers:

* allowed, for some calls only with harmless arguments;
* EPERM, where the kernel would refuse an ordinary user too, or might: programs expect it;
* ENOSYS for all the rest, also for calls that are newer than this list: a program then does
  what it does on an older kernel. EPERM would stop it; from `clone3` it keeps glibc from
  starting threads, from `faccessat2` it once broke every shell in containers;
* "done" without doing it, for what would make the whole machine wait.

Another architecture's calls end the process: its numbers would slip past every rule.
"""

import errno
import platform
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

from runwright.executor.syscalls import NUMBERS
from runwright.values import dataclass

Profile = Literal["function", "build"]
PROFILES: Final[tuple[Profile, ...]] = get_args(Profile)

_LD_ABS: Final = 0x20
_JA: Final = 0x05
_JEQ: Final = 0x15
_JGE: Final = 0x35
_JSET: Final = 0x45
_AND: Final = 0x54
_RET: Final = 0x06
_FARTHEST: Final = 255  # a conditional jump has eight bits

ALLOW: Final = 0x7FFF0000
KILL_PROCESS: Final = 0x80000000
_ERRNO: Final = 0x00050000
_EPERM: Final = _ERRNO | errno.EPERM
_ENOSYS: Final = _ERRNO | errno.ENOSYS
_DONE: Final = _ERRNO  # error number 0: the call returns 0

_NR, _ARCH, _ARG0, _ARG1, _ARG2, _ARG3 = 0, 4, 16, 24, 32, 40
_UPPER: Final = 4  # from an argument's lower half to its upper one, on little-endian machines
_X32_BIT: Final = 0x40000000

_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_ALLOWED: Final[Mapping[str, str]] = {
    # What files a process reaches is decided by its mount namespace and user, not here.
    "files": """
        open openat openat2 creat close close_range read write readv writev pread64 pwrite64
        preadv pwritev preadv2 pwritev2 lseek stat fstat lstat newfstatat statx access faccessat
        faccessat2 truncate ftruncate fallocate readahead sendfile splice tee
        copy_file_range flock fsync fdatasync sync_file_range getdents getdents64 getcwd
        chdir fchdir rename renameat renameat2 mkdir mkdirat rmdir link linkat unlink unlinkat
        symlink symlinkat readlink readlinkat chmod fchmod fchmodat fchmodat2 chown fchown lchown
        fchownat umask utime utimes futimesat utimensat statfs fstatfs dup dup2 dup3 pipe
        pipe2""",
    # tar, cp and Python's shutil carry them over; the tmpfs inside takes few.
    "extended attributes": """
        getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr setxattr lsetxattr fsetxattr
        removexattr lremovexattr fremovexattr""",
    # The garbage collectors and just-in-time compilers of every runtime; keys are V8's.
    "memory": """
        munmap mremap mprotect brk madvise msync mincore mlock mlock2 munlock mlockall
        munlockall pkey_alloc pkey_free pkey_mprotect membarrier map_shadow_stack mseal""",
    # Shared memory and semaphores of the sandbox's own IPC namespace, for PHP's and Perl's
    # extensions and for databases in tests. Message queues have served too many exploits.
    "shared memory": "shmget shmat shmctl shmdt semget semop semctl semtimedop",
    "processes": """
        fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill
        rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal getpid getppid gettid
        getpgid setpgid getpgrp setsid getsid arch_prctl set_tid_address""",
    "threads": """
        futex futex_waitv futex_wake futex_wait futex_requeue set_robust_list get_robust_list
        rseq sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam
        sched_getscheduler sched_setscheduler sched_getattr sched_setattr
        sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority
        setpriority ioprio_get ioprio_set getcpu""",
    # Without a capability and with a single user in the namespace these change nothing, but
    # programs that drop rights call them and stop when they are refused.
    "users": """
        getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid
        setregid setresuid setresgid setfsuid setfsgid setgroups capget capset""",
    "signals": """
        rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigreturn
        sigaltstack signalfd signalfd4 pause restart_syscall""",
    "time": """
        clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times alarm
        getitimer setitimer timer_create timer_settime timer_gettime timer_getoverrun
        timer_delete timerfd_create timerfd_settime timerfd_gettime""",
    "waiting": """
        select pselect6 poll ppoll epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait
        epoll_pwait2 eventfd eventfd2""",
    "connections": """
        bind connect listen accept accept4 getsockname getpeername sendto recvfrom sendmsg
        recvmsg sendmmsg recvmmsg shutdown getsockopt""",
    "the machine, read": "getrandom uname sysinfo getrusage getrlimit",
}
# What compilers, package managers and their wrappers ask for besides.
_ALLOWED_IN_BUILDS: Final[Mapping[str, str]] = {
    "fakeroot speaks to its daemon by message queues": "msgget msgsnd msgrcv msgctl",
    # Such a program gives rights up; `file` and Chromium stop when they cannot.
    "filters and rules of the program's own": """
        seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self""",
}
_REFUSED: Final[Mapping[str, str]] = {
    "mounts: a sandbox's tree is what the launcher made it": """
        mount umount2 pivot_root chroot open_tree move_mount fsopen fsconfig fsmount fspick
        mount_setattr""",
    "a fresh user namespace hands out capabilities and with them kernel surface": "unshare setns",
    "other processes' memory and descriptors": """
        ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp
        pidfd_getfd""",
    # Keyrings belong to a user, not to a namespace; without users of their own, sandboxes share.
    "the kernel's secrets and its log": "add_key request_key keyctl syslog lookup_dcookie",
    "large and often broken interfaces that functions do not need": """
        bpf perf_event_open userfaultfd fanotify_init fanotify_mark vmsplice remap_file_pages
        memfd_secret modify_ldt personality""",
    # They name files by number and so pass by every folder's rights.
    "files without a path": "open_by_handle_at name_to_handle_at",
    "where memory lies, for all of the machine": """
        mbind set_mempolicy get_mempolicy migrate_pages move_pages set_mempolicy_home_node""",
    "what the page cache holds of others": "cachestat",
    "the machine itself": """
        kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff
        acct quotactl quotactl_fd settimeofday clock_settime adjtimex clock_adjtime sethostname
        setdomainname ioperm iopl vhangup nfsservctl""",
}
# They flush the disks of the whole machine, and every other process waits. The files of a
# sandbox are in memory; those of a build are flushed by the server.
_PRETENDED: Final = "sync syncfs"
# These are not even listed, for the reasons given: `clone3` (its flags lie in memory, where a
# filter cannot look), io_uring (a second system call table), the older asynchronous io_* (its
# number of requests is bounded for the machine, not for a user), statmount and listmount (they
# tell more of mounts than /proc does), POSIX message queues, user event and LSM calls, and
# inotify: all sandboxes of a runtime read the same files, and a watch on /etc/hosts or on a
# library tells when another function resolves a name or imports it. Programs poll instead.

# Every CLONE_NEW* flag: time, mount, cgroup, uts, ipc, user, pid, net.
NAMESPACE_FLAGS: Final = 0x7E020080
_SOCK_TYPE_MASK: Final = 0xF
_TCP_ULP: Final = 31
# SO_ATTACH_FILTER, _BPF, _REUSEPORT_CBPF and _REUSEPORT_EBPF.
_SOCKET_FILTERS: Final = (26, 50, 51, 52)
_FILE_TYPE_MASK: Final = 0o170000
_DEVICES: Final = (0o020000, 0o060000)
_PR_SET_SECCOMP: Final = 22
# Leases hold up whoever opens the file next, F_NOTIFY is an older inotify, delegations a newer
# lease (F_SETDELEG): on shared files they reach other sandboxes.
_FILE_WATCHES: Final = (1024, 1026, 1040)
_DROP_CACHED: Final = 4  # POSIX_FADV_DONTNEED: others would read their libraries from disk again
# Huge pages come from a pool of the machine's and are paid from nobody's memory limit.
_MAP_HUGETLB: Final = 0x40000
_MFD_HUGETLB: Final = 0x4
_RLIMIT_CORE: Final = 4
# Characters typed into a terminal's shell, the virtual console, the console's redirection and
# line disciplines, each of which loads a kernel module.
_TERMINAL_REQUESTS: Final = (0x5412, 0x541C, 0x541D, 0x5423)


class UnknownMachine(Exception):
    def __init__(self, machine: str) -> None:
        super().__init__(f"no system call table for {machine}")


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _ret(value: int) -> list[bytes]:
    return [_op(_RET, value)]


@dataclass(frozen=True, slots=True)
class _Range:
    """System calls from `first` on, up to the next range, have one answer."""

    first: int
    answer: Sequence[bytes]  # ends in a return on every path


def program(machine: str | None = None, profile: Profile = "function") -> bytes:
    """The filter for `machine` (the present one by default), as `struct sock_filter[]`."""
    machine = machine or platform.machine()
    if machine not in _AUDIT_ARCH:
        raise UnknownMachine(machine)
    code = [
        _op(_LD_ABS, _ARCH),
        _op(_JEQ, _AUDIT_ARCH[machine], 1, 0),
        _op(_RET, KILL_PROCESS),
        _op(_LD_ABS, _NR),
    ]
    if machine == "x86_64":
        code += [_op(_JGE, _X32_BIT, 0, 1), _op(_RET, _ENOSYS)]
    return b"".join([*code, *_search(_ranges(_answers(machine, profile)))])


def _answers(machine: str, profile: Profile) -> dict[int, Sequence[bytes]]:
    """What each known system call of this machine is answered; the others have ENOSYS."""
    column = 0 if machine == "x86_64" else 1
    named: dict[str, Sequence[bytes]] = {}
    for groups, answer in ((_ALLOWED, ALLOW), (_REFUSED, _EPERM)):
        for names in groups.values():
            named |= dict.fromkeys(names.split(), _ret(answer))
    named |= dict.fromkeys(_PRETENDED.split(), _ret(_DONE))
    named |= _judged_calls()
    if profile == "build":
        named["prctl"] = _ret(ALLOW)
        # Space that is reserved and not written could fill a disk at once; see disk.py. Programs
        # then write instead.
        named["fallocate"] = _ret(_ERRNO | errno.EOPNOTSUPP)
        for names in _ALLOWED_IN_BUILDS.values():
            named |= dict.fromkeys(names.split(), _ret(ALLOW))
    numbers = {name: NUMBERS[name][column] for name in named}
    return {number: named[name] for name, number in numbers.items() if number is not None}


def _ranges(answers: Mapping[int, Sequence[bytes]]) -> list[_Range]:
    """Neighbours with the same answer joined, so that a search takes few steps."""
    found = [_Range(0, _ret(_ENOSYS))]
    for number in range(max(answers) + 2):
        answer = answers.get(number, _ret(_ENOSYS))
        if list(answer) != list(found[-1].answer):
            found.append(_Range(number, answer))
    return found


def _search(ranges: Sequence[_Range]) -> list[bytes]:
    """Find the accumulator's range by halving; about seven comparisons for any call."""
    if len(ranges) == 1:
        return list(ranges[0].answer)
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    first = ranges[middle].first
    if len(below) <= _FARTHEST:
        return [_op(_JGE, first, len(below), 0), *below, *above]
    return [_op(_JGE, first, 0, 1), _op(_JA, len(below)), *below, *above]


# Calls that are judged by their arguments. The kernel shows the filter whole registers, of
# which the calls below read the lower half.


def _judged_calls() -> dict[str, Sequence[bytes]]:
    return {
        "clone": _without(_ARG0, NAMESPACE_FLAGS),  # threads and processes
        "socket": _socket_rules(),
        "socketpair": _socket_rules(),
        "setsockopt": _option_rules(),
        "ioctl": _unless(_ARG1, _TERMINAL_REQUESTS, _EPERM),
        "fcntl": _unless(_ARG1, _FILE_WATCHES, _EPERM),
        "fadvise64": _unless(_ARG3, (_DROP_CACHED,), _DONE),
        "mmap": _without(_ARG3, _MAP_HUGETLB),
        "memfd_create": _without(_ARG1, _MFD_HUGETLB),
        **_limit_rules(),
        "mknod": _unless(_ARG1, _DEVICES, _EPERM, mask=_FILE_TYPE_MASK),
        "mknodat": _unless(_ARG2, _DEVICES, _EPERM, mask=_FILE_TYPE_MASK),
        # A filter is a program that the kernel compiles; functions bring none.
        "prctl": _unless(_ARG0, (_PR_SET_SECCOMP,), _ERRNO | errno.EINVAL),
    }


def _unless(argument: int, values: Sequence[int], answer: int, mask: int = 0) -> list[bytes]:
    """`answer` when the argument is one of `values`, else allowed."""
    code = [_op(_LD_ABS, argument)]
    if mask:
        code.append(_op(_AND, mask))
    for at, value in enumerate(values):
        is_last = at == len(values) - 1
        code.append(_op(_JEQ, value, len(values) - at - 1, 1 if is_last else 0))
    return [*code, _op(_RET, answer), _op(_RET, ALLOW)]


def _without(argument: int, flags: int) -> list[bytes]:
    """EPERM when the argument has one of the flags, else allowed."""
    return [
        _op(_LD_ABS, argument),
        _op(_JSET, flags, 0, 1),
        _op(_RET, _EPERM),
        _op(_RET, ALLOW),
    ]


def _limit_rules() -> dict[str, Sequence[bytes]]:
    """The limit of core files is read and never set, though that is said to be done.

    The launcher sets it to 1, which no file has room in and at which the kernel starts no
    program that collects them. With 0 it would: outside, as root, and once for every crash.
    """
    is_read = [
        _op(_LD_ABS, _ARG2),
        _op(_JEQ, 0, 0, 3),
        _op(_LD_ABS, _ARG2 + _UPPER),
        _op(_JEQ, 0, 0, 1),
        _op(_RET, ALLOW),
        _op(_RET, _DONE),
    ]
    return {
        "setrlimit": _unless(_ARG0, (_RLIMIT_CORE,), _DONE),
        "prlimit64": [
            _op(_LD_ABS, _ARG1),
            _op(_JEQ, _RLIMIT_CORE, 1, 0),
            _op(_RET, ALLOW),
            *is_read,
        ],
    }


def _option_rules() -> list[bytes]:
    """No upper layer protocols, which are kernel modules that few machines need, and no filter
    programs for sockets: the kernel compiles them, too."""
    return [
        _op(_LD_ABS, _ARG1),
        _op(_JEQ, socket.IPPROTO_TCP, 0, 3),
        _op(_LD_ABS, _ARG2),
        _op(_JEQ, _TCP_ULP, 0, len(_SOCKET_FILTERS) + 4),
        _op(_RET, _ERRNO | errno.ENOPROTOOPT),
        _op(_JEQ, socket.SOL_SOCKET, 0, len(_SOCKET_FILTERS) + 2),
        *_unless(_ARG2, _SOCKET_FILTERS, _EPERM),
    ]


def _socket_rules() -> list[bytes]:
    """Unix sockets; IPv4 and IPv6 by TCP and UDP; netlink only to read routes (getifaddrs).

    Other protocols load kernel modules. Go tries multipath TCP first and takes the plain one
    when it is told that there is none.
    """
    no_family, no_protocol = _ERRNO | errno.EAFNOSUPPORT, _ERRNO | errno.EPROTONOSUPPORT
    return [
        _op(_LD_ABS, _ARG0),
        _op(_JEQ, socket.AF_UNIX, 16, 0),
        _op(_JEQ, socket.AF_INET, 5, 0),
        _op(_JEQ, socket.AF_INET6, 4, 0),
        _op(_JEQ, socket.AF_NETLINK, 0, 2),
        _op(_LD_ABS, _ARG2),
        _op(_JEQ, socket.NETLINK_ROUTE, 11, 0),
        _op(_RET, no_family),
        _op(_LD_ABS, _ARG1),
        _op(_AND, _SOCK_TYPE_MASK),
        _op(_JEQ, socket.SOCK_STREAM, 2, 0),
        _op(_JEQ, socket.SOCK_DGRAM, 1, 0),
        _op(_RET, _EPERM),
        _op(_LD_ABS, _ARG2),
        _op(_JEQ, 0, 3, 0),
        _op(_JEQ, socket.IPPROTO_TCP, 2, 0),
        _op(_JEQ, socket.IPPROTO_UDP, 1, 0),
        _op(_RET, no_protocol),
        _op(_RET, ALLOW),
    ]
