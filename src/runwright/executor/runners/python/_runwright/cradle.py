"""A first process that costs no copy of the zygote's memory.

A fork copies the tables of all pages, and then every page that either side writes to. A sandbox's
first process has no use for that: it takes all rights from itself, forks the program and reaps.
So it begins as after `vfork`: in the zygote's own memory, while the zygote stands still. There it
runs `prepare`, forks the program, which is the one copy, and becomes a program of 251 bytes that
waits for the other to end.

Two returns from one call need what Python cannot say, so that step is machine code, for x86-64.
On other processors, and where memory cannot be executed, `make` returns None.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from _runwright import birth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NAME = b"init"
_CLONE_VM = 0x00000100
_CLONE_VFORK = 0x00004000
_MFD_CLOEXEC, _MFD_EXEC = 1, 16
_PROT_READ, _PROT_WRITE, _PROT_EXEC = 1, 2, 4
_MAP_PRIVATE, _MAP_ANONYMOUS = 2, 32
_PAGE_BYTES = 4096
_READY = 1
_GETPPID = 110  # a call that does nothing
_RSEQ, _LEAST_RSEQ_BYTES, _RSEQ_SIGNATURE = 334, 32, 0x53053053
_EXIT_LONELY, _EXIT_REFUSED = 1, 2

_IS_PREPARED, _REAPER = 1, 4  # words of a plan

# A plan is nine words, rbx its address: flags, whether `prepare` has returned, `prepare`, `fork`,
# a descriptor, an empty text, two words of arguments, an empty environment. What the child calls
# lies deeper in the stack than what the zygote will return to.
_START = """
53                      # push rbx
48 89 fb                # mov rbx, rdi
8b 3b                   # mov edi, [rbx]
31 f6                   # xor esi, esi          the same stack
31 d2                   # xor edx, edx
45 31 d2                # xor r10d, r10d
45 31 c0                # xor r8d, r8d
b8 38 00 00 00          # mov eax, 56           clone
0f 05                   # syscall
48 85 c0                # test rax, rax
74 15                   # je child
78 54                   # js done
48 83 7b 08 00          # cmp qword [rbx+8], 0
75 4d                   # jne done
bf 01 00 00 00          # mov edi, 1            it died in the middle of our Python: nothing here
b8 e7 00 00 00          # mov eax, 231          can be relied on, so exit_group
0f 05                   # syscall
ff 53 10                # child: call [rbx+16]  prepare
48 c7 43 08 01 00 00 00 # mov qword [rbx+8], 1
83 f8 01                # cmp eax, 1
75 25                   # jne fail
ff 53 18                # call [rbx+24]         fork
85 c0                   # test eax, eax
74 2a                   # je done               the program, in memory of its own
78 1c                   # js fail
8b 7b 20                # mov edi, [rbx+32]
48 8d 73 28             # lea rsi, [rbx+40]
48 8d 53 30             # lea rdx, [rbx+48]
4c 8d 53 40             # lea r10, [rbx+64]
41 b8 00 10 00 00       # mov r8d, 0x1000       AT_EMPTY_PATH
b8 42 01 00 00          # mov eax, 322          execveat
0f 05                   # syscall
bf 01 00 00 00          # fail: mov edi, 1
b8 e7 00 00 00          # mov eax, 231          exit_group
0f 05                   # syscall
5b                      # done: pop rbx
c3                      # ret
"""

# What the first process becomes. The program is always number 2 of its namespace.
_REAP = """
b8 9d 00 00 00          # mov eax, 157          prctl(PR_SET_DUMPABLE, 0): no matter of others
bf 04 00 00 00          # mov edi, 4
31 f6                   # xor esi, esi
0f 05                   # syscall
b8 9d 00 00 00          # mov eax, 157          prctl(PR_SET_NAME, name)
bf 0f 00 00 00          # mov edi, 15
48 8d 35 5f 00 00 00    # lea rsi, [rip+name]
0f 05                   # syscall
b8 b4 01 00 00          # mov eax, 436          close_range(0, all, 0)
31 ff                   # xor edi, edi
be ff ff ff ff          # mov esi, -1
31 d2                   # xor edx, edx
0f 05                   # syscall
b8 3d 00 00 00          # again: mov eax, 61    wait4(-1, status, 0, 0)
48 c7 c7 ff ff ff ff    # mov rdi, -1
48 89 e6                # mov rsi, rsp
31 d2                   # xor edx, edx
45 31 d2                # xor r10d, r10d
0f 05                   # syscall
83 f8 02                # cmp eax, 2
7f e5                   # jg again              an orphan
85 c0                   # test eax, eax
78 1d                   # js lost
8b 3c 24                # mov edi, [rsp]
89 f8                   # mov eax, edi
83 e0 7f                # and eax, 127
75 0b                   # jne killed
c1 ef 08                # shr edi, 8
81 e7 ff 00 00 00       # and edi, 255
eb 12                   # jmp leave
8d b8 80 00 00 00       # killed: lea edi, [rax+128]
eb 0a                   # jmp leave
83 f8 fc                # lost: cmp eax, -4     EINTR
74 bf                   # je again
bf 01 00 00 00          # mov edi, 1
b8 e7 00 00 00          # leave: mov eax, 231   exit_group
0f 05                   # syscall
"""


def make() -> Cradle | None:
    if os.uname().machine != "x86_64":
        return None
    try:
        return Cradle()
    # Refused, a library without it, or no memory for what C code is to call.
    except (OSError, AttributeError, MemoryError):
        return None


class Cradle:
    """Holds one descriptor, which no sandbox keeps."""

    def __init__(self) -> None:
        self._prepare: Callable[[], bool] | None = None
        # Both keep the interpreter's lock; a pointer of theirs is in the plan.
        self._first = ctypes.PYFUNCTYPE(ctypes.c_int)(self._be_first)
        self._name = ctypes.create_string_buffer(NAME)
        self._plan = (ctypes.c_uint64 * 9)(
            _CLONE_VM | _CLONE_VFORK | birth.CLONE_NEWPID | birth.CLONE_PARENT,
            0,
            _address(self._first),
            _address(ctypes.PyDLL(None).fork),
            0,
            0,
            ctypes.addressof(self._name),
        )
        self._at = ctypes.addressof(self._plan)
        self._start = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(_executable(_code(_START)))
        self._sequences = _sequences()
        self._plan[_REAPER] = _reaper()  # last, as nothing would close it

    def start(self, prepare: Callable[[], bool]) -> int:
        """Returns 0 in the program, and in the caller the number of the program's parent.

        `prepare` is called in that one, in the memory of the caller: what it changes there stays
        changed. The program is forked if it returns True; it must not raise. Python is not told
        of the fork: there is one thread, which needs nothing made anew.
        """
        self._prepare = prepare
        self._plan[_IS_PREPARED] = 0
        pid = self._start(self._at)
        if pid == 0:
            birth.system_call(*self._sequences)
            random = sys.modules.get("random")
            if random is not None:
                random.seed()
        elif pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        return pid

    def _be_first(self) -> int:
        assert self._prepare is not None
        return _READY if self._prepare() else 0


def _address(function: object) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value  # type: ignore[arg-type]
    assert address is not None
    return address


def _code(listing: str) -> bytes:
    return b"".join(bytes.fromhex(line.partition("#")[0]) for line in listing.splitlines())


def _executable(code: bytes) -> int:
    """The address of a copy that may be executed and no longer changed."""
    libc = ctypes.PyDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    kind = _MAP_PRIVATE | _MAP_ANONYMOUS
    address: int = libc.mmap(None, _PAGE_BYTES, _PROT_READ | _PROT_WRITE, kind, -1, 0)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "mmap")
    ctypes.memmove(address, code, len(code))
    if libc.mprotect(address, _PAGE_BYTES, _PROT_READ | _PROT_EXEC) < 0:
        raise OSError(ctypes.get_errno(), "mprotect")
    return address


def _reaper() -> int:
    """A descriptor of the program that reaps. Raises OSError where it cannot be executed."""
    try:
        fd = os.memfd_create(NAME.decode(), _MFD_CLOEXEC | _MFD_EXEC)
    except OSError:
        fd = os.memfd_create(NAME.decode(), _MFD_CLOEXEC)  # an older kernel
    os.write(fd, _elf(_code(_REAP) + NAME + b"\0"))
    os.fchmod(fd, 0o111)  # not for reading: so the process is closed to /proc from the beginning
    pid = os.fork()
    if pid == 0:
        try:
            os.execve(fd, [NAME], {})
        finally:
            os._exit(_EXIT_REFUSED)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != _EXIT_LONELY:
        os.close(fd)
        raise OSError("a program in memory cannot be executed")
    return fd


def _elf(code: bytes) -> bytes:
    """The smallest program file: a header, one segment, which is the whole file."""
    base, head, segment = 0x400000, 64, 56
    size = head + segment + len(code)
    ident = b"\x7fELF\2\1\1" + bytes(9)
    words = (2, 62, 1, base + head + segment, head, 0, 0, head, segment, 1, 0, 0, 0)
    return (
        ident
        + struct.pack("<HHIQQQIHHHHHH", *words)
        + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, _PAGE_BYTES)
        + code
    )


def _sequences() -> tuple[int, ...]:
    """The call that registers restartable sequences. A process that shares another's memory has
    none to hand on, and the C library takes them for registered."""
    libc = ctypes.PyDLL(None)
    try:
        offset = ctypes.c_ssize_t.in_dll(libc, "__rseq_offset").value
        size = ctypes.c_uint.in_dll(libc, "__rseq_size").value
    except ValueError:
        size = 0  # an older C library, which has none
    if not size:
        return (_GETPPID,)
    libc.pthread_self.restype = ctypes.c_size_t
    area = libc.pthread_self() + offset
    return _RSEQ, area, max(size, _LEAST_RSEQ_BYTES), 0, _RSEQ_SIGNATURE
