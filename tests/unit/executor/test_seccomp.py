"""The filter, run by a small interpreter of classic BPF."""

import errno
import socket
import struct

import pytest

from runwright.executor import seccomp

X86, ARM = 0xC000003E, 0xC00000B7
ALLOW, KILL = "allow", "kill"


def judge(program: bytes, number: int, *args: int, arch: int = X86) -> str:
    """What the kernel would do with one system call."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(list(args) + [0] * 6)[:6])
    code = list(struct.iter_unpack("=HBBI", program))
    at = accumulator = 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x15:
            at += yes if accumulator == value else no
        elif operation == 0x35:
            at += yes if accumulator >= value else no
        elif operation == 0x45:
            at += yes if accumulator & value else no
        elif operation == 0x06:
            if value == seccomp.ALLOW:
                return ALLOW
            if value == seccomp.KILL_PROCESS:
                return KILL
            return errno.errorcode[value & 0xFFFF]
        else:
            raise AssertionError(f"unknown operation {operation:#x}")


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest) -> tuple[bytes, int, int]:
    """Program, architecture and the column of its numbers."""
    name = str(request.param)
    return seccomp.program(name), X86 if name == "x86_64" else ARM, 0 if name == "x86_64" else 1


def test_every_denied_call_is_refused(machine: tuple[bytes, int, int]) -> None:
    program, arch, column = machine
    for name, numbers in seccomp._DENIED.items():
        number = numbers[column]
        if number is not None:
            assert judge(program, number, arch=arch) == "EPERM", name


def test_newer_calls_with_an_older_twin_look_missing(machine: tuple[bytes, int, int]) -> None:
    program, arch, column = machine
    for name, numbers in seccomp._MISSING.items():
        assert judge(program, numbers[column], arch=arch) == "ENOSYS", name


def test_no_call_is_listed_twice(machine: tuple[bytes, int, int]) -> None:
    _, _, column = machine
    groups = [seccomp._DENIED.values(), seccomp._MISSING.values()]
    numbers = [pair[column] for group in groups for pair in group if pair[column] is not None]
    assert len(numbers) == len(set(numbers))


def test_ordinary_calls_pass(machine: tuple[bytes, int, int]) -> None:
    program, arch, column = machine
    # read, write, mmap, futex, execve, exit_group
    ordinary = [(0, 63), (1, 64), (9, 222), (202, 98), (59, 221), (231, 94)]
    for numbers in ordinary:
        assert judge(program, numbers[column], arch=arch) == ALLOW


def test_threads_may_be_made_but_no_namespace(machine: tuple[bytes, int, int]) -> None:
    program, arch, column = machine
    clone = (56, 220)[column]
    thread_flags = 0x3D0F00
    assert judge(program, clone, thread_flags, arch=arch) == ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert judge(program, clone, thread_flags | flag, arch=arch) == "EPERM", hex(flag)


SOCKETS = [
    (socket.AF_UNIX, socket.SOCK_STREAM, 0, ALLOW),
    (socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, ALLOW),
    (socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, 0, ALLOW),
    (socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0, ALLOW),
    (socket.AF_INET, socket.SOCK_RAW, 1, "EPERM"),
    (socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 1, "EPERM"),
    (socket.AF_INET, socket.SOCK_SEQPACKET, 132, "EPERM"),
    (socket.AF_NETLINK, socket.SOCK_RAW, 0, ALLOW),
    (socket.AF_NETLINK, socket.SOCK_RAW, 12, "EAFNOSUPPORT"),
    (socket.AF_PACKET, socket.SOCK_RAW, 3, "EAFNOSUPPORT"),
    (40, socket.SOCK_STREAM, 0, "EAFNOSUPPORT"),  # vsock
    (38, socket.SOCK_SEQPACKET, 0, "EAFNOSUPPORT"),  # alg
]


@pytest.mark.parametrize(("family", "kind", "protocol", "expected"), SOCKETS)
def test_sockets_by_family_and_type(
    machine: tuple[bytes, int, int], family: int, kind: int, protocol: int, expected: str
) -> None:
    program, arch, column = machine
    assert judge(program, (41, 198)[column], family, kind, protocol, arch=arch) == expected


def test_typing_into_a_terminal_is_refused(machine: tuple[bytes, int, int]) -> None:
    program, arch, column = machine
    assert judge(program, (16, 29)[column], 0, 0x5412, arch=arch) == "EPERM"
    assert judge(program, (16, 29)[column], 0, 0x5401, arch=arch) == ALLOW


def test_another_abi_ends_the_process() -> None:
    assert judge(seccomp.program("x86_64"), 1, arch=0x40000003) == KILL
    assert judge(seccomp.program("x86_64"), 0x40000000 | 165) == "ENOSYS"


def test_every_path_of_the_program_ends_inside_it(machine: tuple[bytes, int, int]) -> None:
    program, _, _ = machine
    code = list(struct.iter_unpack("=HBBI", program))
    for at, (operation, yes, no, _) in enumerate(code):
        if operation in (0x15, 0x35, 0x45):
            assert at + 1 + max(yes, no) < len(code)
    assert code[-1][0] == 0x06


def test_an_unknown_machine_is_named() -> None:
    with pytest.raises(seccomp.UnknownMachine, match="riscv64"):
        seccomp.program("riscv64")
