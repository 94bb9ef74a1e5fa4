"""The filter, run by a small interpreter of classic BPF."""

import errno
import re
import socket
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from runwright.executor import seccomp
from runwright.executor.syscalls import NUMBERS

X86, ARM = 0xC000003E, 0xC00000B7
ALLOW, KILL, DONE = "allow", "kill", "done"
_EVERY_NUMBER = range(1024)
_NEVER = """
    ptrace process_vm_readv process_vm_writev pidfd_getfd mount umount2 pivot_root chroot open_tree
    move_mount fsopen fsmount mount_setattr unshare setns bpf perf_event_open userfaultfd keyctl
    add_key request_key personality kexec_load init_module finit_module delete_module
    open_by_handle_at name_to_handle_at quotactl syslog acct swapon reboot vmsplice clock_settime
    sethostname"""
_HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def judge(program: bytes, number: int, *args: int, arch: int = X86) -> str:
    """What the kernel would do with one system call."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(list(args) + [0] * 6)[:6])
    code = decoded(program)
    at = accumulator = 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x05:
            at += value
        elif operation == 0x15:
            at += yes if accumulator == value else no
        elif operation == 0x35:
            at += yes if accumulator >= value else no
        elif operation == 0x45:
            at += yes if accumulator & value else no
        elif operation == 0x06:
            return _answer(value)
        else:
            raise AssertionError(f"unknown operation {operation:#x}")


@cache
def decoded(program: bytes) -> list[tuple[int, ...]]:
    return list(struct.iter_unpack("=HBBI", program))


@cache
def made(machine: str, profile: seccomp.Profile) -> bytes:
    return seccomp.program(machine, profile)


def _answer(value: int) -> str:
    if value == seccomp.ALLOW:
        return ALLOW
    if value == seccomp.KILL_PROCESS:
        return KILL
    return errno.errorcode[value & 0xFFFF] if value & 0xFFFF else DONE


@dataclass(frozen=True)
class Filter:
    """One program and the numbers that it judges."""

    machine: str
    profile: seccomp.Profile

    @property
    def program(self) -> bytes:
        return made(self.machine, self.profile)

    def number(self, name: str) -> int | None:
        return NUMBERS[name][0 if self.machine == "x86_64" else 1]

    def judge(self, call: str | int, *args: int) -> str:
        number = self.number(call) if isinstance(call, str) else call
        assert number is not None
        arch = X86 if self.machine == "x86_64" else ARM
        return judge(self.program, number, *args, arch=arch)


@pytest.fixture(
    params=[(machine, profile) for machine in _HEADERS for profile in seccomp.PROFILES],
    ids=lambda pair: "-".join(pair),
)
def filter_(request: pytest.FixtureRequest) -> Filter:
    return Filter(*request.param)


@pytest.fixture(params=_HEADERS)
def functions(request: pytest.FixtureRequest) -> Filter:
    return Filter(str(request.param), "function")


def names(groups: dict[str, str]) -> list[str]:
    return [name for text in groups.values() for name in text.split()]


def test_every_number_has_the_answer_of_its_list_and_the_rest_look_missing(filter_: Filter) -> None:
    """All numbers there are, and those of calls yet to come."""
    expected = dict.fromkeys(names(dict(seccomp._ALLOWED)), ALLOW)
    expected |= dict.fromkeys(names(dict(seccomp._REFUSED)), "EPERM")
    expected |= dict.fromkeys(seccomp._PRETENDED.split(), DONE)
    if filter_.profile == "build":
        expected |= dict.fromkeys(names(dict(seccomp._ALLOWED_IN_BUILDS)), ALLOW)
        expected["fallocate"] = "ENOTSUP"
    by_number = {filter_.number(name): answer for name, answer in expected.items()}
    judged = {filter_.number(name) for name in seccomp._judged_calls()}
    wrong = {
        number: answer
        for number in _EVERY_NUMBER
        if number not in judged
        and (answer := filter_.judge(number)) != by_number.get(number, "ENOSYS")
    }
    assert wrong == {}


def test_nothing_that_reaches_beyond_the_sandbox_is_allowed(filter_: Filter) -> None:
    """Written down a second time, so that no slip in the lists goes unseen."""
    for name in _NEVER.split():
        assert filter_.judge(name) == "EPERM", name
    newer = {"clone3": 435, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427}
    for name, number in newer.items():
        assert filter_.judge(number) == "ENOSYS", name
    for number in (457, 458, 467):  # statmount, listmount, open_tree_attr
        assert filter_.judge(number) == "ENOSYS"


@pytest.mark.parametrize("machine", _HEADERS)
def test_the_numbers_are_those_of_the_kernel(machine: str) -> None:
    header = _HEADERS[machine]
    if not header.exists():
        pytest.skip("the kernel's headers are not installed")
    text = header.read_text()
    numbers = {m[1]: int(m[2]) for m in re.finditer(r"#define __NR(?:3264)?_(\w+) (\d+)", text)}
    aliases = re.finditer(r"#define __NR_(\w+) __NR3264_(\w+)", text)
    numbers |= {m[1]: numbers[m[2]] for m in aliases if m[2] in numbers}
    ours = {name: pair[0 if machine == "x86_64" else 1] for name, pair in NUMBERS.items()}
    wrong = {name: ours[name] for name in ours.keys() & numbers if ours[name] != numbers[name]}
    assert wrong == {}
    assert len(ours.keys() & numbers) > 200


def test_every_known_call_stands_in_one_list() -> None:
    listed = [
        *names(dict(seccomp._ALLOWED)),
        *names(dict(seccomp._ALLOWED_IN_BUILDS)),
        *names(dict(seccomp._REFUSED)),
        *seccomp._PRETENDED.split(),
        *seccomp._judged_calls(),
    ]
    assert sorted(listed) == sorted(NUMBERS)


def test_threads_may_be_made_but_no_namespace(filter_: Filter) -> None:
    thread_flags = 0x3D0F00
    assert filter_.judge("clone", thread_flags) == ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert filter_.judge("clone", thread_flags | flag) == "EPERM", hex(flag)


SOCKETS = [
    (socket.AF_UNIX, socket.SOCK_STREAM, 0, ALLOW),
    (socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, ALLOW),
    (socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, 0, ALLOW),
    (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, ALLOW),
    (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP, ALLOW),
    (socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0, ALLOW),
    (socket.AF_INET, socket.SOCK_RAW, 1, "EPERM"),
    (socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 1, "EPERM"),
    (socket.AF_INET, socket.SOCK_SEQPACKET, 132, "EPERM"),
    (socket.AF_INET, socket.SOCK_STREAM, 132, "EPROTONOSUPPORT"),  # SCTP
    (socket.AF_INET, socket.SOCK_STREAM, 262, "EPROTONOSUPPORT"),  # multipath TCP
    (socket.AF_INET, socket.SOCK_DGRAM, 1, "EPROTONOSUPPORT"),  # ping
    (socket.AF_NETLINK, socket.SOCK_RAW, 0, ALLOW),
    (socket.AF_NETLINK, socket.SOCK_RAW, 12, "EAFNOSUPPORT"),
    (socket.AF_PACKET, socket.SOCK_RAW, 3, "EAFNOSUPPORT"),
    (40, socket.SOCK_STREAM, 0, "EAFNOSUPPORT"),  # vsock
    (38, socket.SOCK_SEQPACKET, 0, "EAFNOSUPPORT"),  # alg
]


@pytest.mark.parametrize(("family", "kind", "protocol", "expected"), SOCKETS)
def test_sockets_by_family_type_and_protocol(
    functions: Filter, family: int, kind: int, protocol: int, expected: str
) -> None:
    assert functions.judge("socket", family, kind, protocol) == expected
    assert functions.judge("socketpair", family, kind, protocol) == expected


def test_no_socket_of_another_family_exists(functions: Filter) -> None:
    usable = {family for family in range(64) if functions.judge("socket", family, 1, 0) == ALLOW}
    assert usable == {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK}


def test_upper_layer_protocols_are_not_there(functions: Filter) -> None:
    assert functions.judge("setsockopt", 0, socket.IPPROTO_TCP, 31) == "ENOPROTOOPT"
    assert functions.judge("setsockopt", 0, socket.IPPROTO_TCP, socket.TCP_NODELAY) == ALLOW
    assert functions.judge("setsockopt", 0, socket.SOL_SOCKET, 31) == ALLOW


def test_no_socket_gets_a_filter_program(filter_: Filter) -> None:
    for option in (26, 50, 51, 52):
        assert filter_.judge("setsockopt", 0, socket.SOL_SOCKET, option) == "EPERM", option
        assert filter_.judge("setsockopt", 0, socket.IPPROTO_TCP, option) == ALLOW, option
        assert filter_.judge("setsockopt", 0, socket.IPPROTO_IP, option) == ALLOW, option
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT, socket.SO_LINGER, 27, 53):
        assert filter_.judge("setsockopt", 0, socket.SOL_SOCKET, option) == ALLOW, option


def test_shared_files_are_neither_watched_nor_leased(filter_: Filter) -> None:
    for number in (253, 254, 255, 294) if filter_.machine == "x86_64" else (26, 27, 28):
        assert filter_.judge(number) == "ENOSYS", number
    for command in (1024, 1026, 1040):  # F_SETLEASE, F_NOTIFY, F_SETDELEG
        assert filter_.judge("fcntl", 3, command) == "EPERM", command
    for command in (*range(17), 1025, 1030, 1031, 1033):
        assert filter_.judge("fcntl", 3, command) == ALLOW, command


def test_cached_pages_of_files_stay(filter_: Filter) -> None:
    advice = {at: filter_.judge("fadvise64", 3, 0, 0, at) for at in range(6)}
    assert advice == {**dict.fromkeys(range(6), ALLOW), 4: DONE}


def test_no_memory_comes_from_the_pool_of_huge_pages(filter_: Filter) -> None:
    private, huge = 0x22, 0x40000
    assert filter_.judge("mmap", 0, 4096, 3, private) == ALLOW
    assert filter_.judge("mmap", 0, 4096, 3, private | huge) == "EPERM"
    assert filter_.judge("memfd_create", 0, 3) == ALLOW
    assert filter_.judge("memfd_create", 0, 4) == "EPERM"


def test_the_limit_of_core_files_is_read_and_never_set(filter_: Filter) -> None:
    core, files, address = 4, 7, 0x7FFF_0000_0000
    assert filter_.judge("prlimit64", 0, core, 0, address) == ALLOW
    for new in (address, 0x1000):  # either half of it may be 0
        assert filter_.judge("prlimit64", 0, core, new, 0) == DONE
        assert filter_.judge("prlimit64", 0, files, new, 0) == ALLOW
    assert filter_.judge("setrlimit", core, address) == DONE
    assert filter_.judge("setrlimit", files, address) == ALLOW


def test_typing_into_a_terminal_is_refused(functions: Filter) -> None:
    for request in (0x5412, 0x541C, 0x541D, 0x5423):
        assert functions.judge("ioctl", 0, request) == "EPERM", hex(request)
    for request in (0x5401, 0x5413, 0x541B):
        assert functions.judge("ioctl", 0, request) == ALLOW, hex(request)


def test_pipes_may_be_named_but_no_device_made(functions: Filter) -> None:
    calls: list[tuple[str, tuple[int, ...]]] = [("mknodat", (0, 0))]
    if functions.number("mknod") is not None:
        calls.append(("mknod", (0,)))
    for name, before in calls:
        assert functions.judge(name, *before, 0o010644) == ALLOW
        assert functions.judge(name, *before, 0o100644) == ALLOW
        assert functions.judge(name, *before, 0o020644) == "EPERM"
        assert functions.judge(name, *before, 0o060644) == "EPERM"


def test_only_builds_bring_filters_of_their_own() -> None:
    for machine in _HEADERS:
        function, build = Filter(machine, "function"), Filter(machine, "build")
        assert (function.judge("prctl", 22), build.judge("prctl", 22)) == ("EINVAL", ALLOW)
        assert function.judge("prctl", 15) == ALLOW
        assert (function.judge("seccomp"), build.judge("seccomp")) == ("ENOSYS", ALLOW)


def test_another_abi_ends_the_process() -> None:
    assert judge(seccomp.program("x86_64"), 1, arch=0x40000003) == KILL
    assert judge(seccomp.program("x86_64"), 0x40000000 | 165) == "ENOSYS"
    assert judge(seccomp.program("x86_64"), 0x40000000) == "ENOSYS"
    assert judge(seccomp.program("x86_64"), 0xFFFFFFFF) == "ENOSYS"


def test_every_path_of_the_program_ends_inside_it(filter_: Filter) -> None:
    code = list(struct.iter_unpack("=HBBI", filter_.program))
    for at, (operation, yes, no, value) in enumerate(code):
        if operation in (0x15, 0x35, 0x45):
            assert at + 1 + max(yes, no) < len(code)
        if operation == 0x05:
            assert at + 1 + value < len(code)
    assert code[-1][0] == 0x06


def test_an_unknown_machine_is_named() -> None:
    with pytest.raises(seccomp.UnknownMachine, match="riscv64"):
        seccomp.program("riscv64")
