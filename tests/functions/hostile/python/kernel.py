"""System calls that a function has no business with."""

import ctypes
import json
import mmap
import os
import signal
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LIBC = ctypes.CDLL(None, use_errno=True)
# What a call that got through may leave: a child of clone, or a changed process.
WAIT_S = 5


def calls(box):
    with open(HERE + "/syscalls.json") as file:
        table = json.load(file)
    for name, *args in table["cases"][box.told["case"]]:
        number = table["numbers"][name]
        box.attempt(f"{name}{tuple(args)}", lambda n=number, a=args: in_a_child(n, a))


def in_a_child(number, args):
    """A call may change or end its process, which has an answer to give."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        ctypes.set_errno(0)
        done = LIBC.syscall(number, *map(as_argument, args))
        os.write(write, f"{done} {ctypes.get_errno()}".encode())
        os._exit(0)
    os.close(write)
    said = os.read(read, 100).decode()
    os.close(read)
    _, status = os.waitpid(pid, 0)
    if not said:
        raise OSError(0, f"killed by {signal.Signals(os.WTERMSIG(status)).name}")
    done, code = map(int, said.split())
    if done == -1:
        raise OSError(code, "refused")
    return done


def as_argument(value):
    if isinstance(value, int):
        return ctypes.c_long(value)
    return ctypes.create_string_buffer(value.encode("latin-1"), 128)


def another_abi(box):
    """32-bit and x32 numbers mean other calls; a filter that forgets them has a hole."""
    sequences = {
        "int 0x80 getpid": "b814000000cd80c3",
        "int 0x80 mount": "b815000000cd80c3",
        "x32 getpid": "b8270000400f05c3",
        "x32 ptrace": "b8090200400f05c3",
    }
    for label, code in sequences.items():
        box.attempt(label, lambda code=code: run_code(bytes.fromhex(code)))


def run_code(code):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    function = ctypes.CFUNCTYPE(ctypes.c_int)(address)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, str(function()).encode())
        os._exit(0)
    os.close(write)
    said = os.read(read, 100).decode()
    os.close(read)
    _, status = os.waitpid(pid, 0)
    if not said:
        raise OSError(0, f"killed by {signal.Signals(os.WTERMSIG(status)).name}")
    if int(said) < 0:
        raise OSError(-int(said), "refused")
    return said


def time_stays(box):
    """After everything that could move the clock: does it still run as it did?"""
    box.facts["now"] = time.time()
