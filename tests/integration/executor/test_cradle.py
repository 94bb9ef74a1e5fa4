"""The first process of a sandbox and its program, born by the zygote's two ways: no box around."""

import os
import subprocess
import sys

import pytest

from runwright.executor.runtimes import RUNNERS

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="process namespaces are root's")

RUNNER = RUNNERS / "python"
# The first process is a child of the zygote's parent: ours.
SCRIPT = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from _runwright import cradle, zygote
way, case = sys.argv[2:]
start = cradle.make().start if way == "cradle" else zygote._start_copied
kept = ["zygote"]
def prepare():
    if case == "fails":
        return False
    if case == "dies":
        os._exit(9)
    return True
pid = start(prepare)
if pid == 0:
    kept[0] = "program"
    if case == "signal":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    if case == "abort":
        os.abort()
    if os.fork() == 0:  # for the first process to reap before the program ends
        if os.fork() == 0:
            os._exit(3)
        os._exit(3)
    os.wait()
    os._exit(40 + os.getpid())
print(kept[0], pid, start(lambda: False))  # it goes on as before
"""
WAYS = ["cradle", "copied"]


def born(way: str, case: str) -> int:
    """The exit code of the first process; the zygote's where that said nothing more."""
    words = [sys.executable, "-I", "-S", "-c", SCRIPT, str(RUNNER), way, case]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    if not done.stdout:
        return -done.returncode
    name, *pids = done.stdout.split()
    assert (name, done.returncode) == ("zygote", 0)
    first, second = [os.waitstatus_to_exitcode(os.waitpid(int(pid), 0)[1]) for pid in pids]
    assert second == 1
    return first


@pytest.mark.parametrize("way", WAYS)
def test_the_program_is_the_second_process_and_its_code_is_told(way: str) -> None:
    assert born(way, "exits") == 42


@pytest.mark.parametrize("way", WAYS)
def test_a_program_ended_by_a_signal_is_told_as_by_a_shell(way: str) -> None:
    assert born(way, "signal") == 128 + 15


@pytest.mark.parametrize("way", WAYS)
def test_a_program_may_end_itself_by_abort(way: str) -> None:
    assert born(way, "abort") == 128 + 6  # the C library knows the number of its thread


@pytest.mark.parametrize("way", WAYS)
def test_without_isolation_there_is_no_program(way: str) -> None:
    assert born(way, "fails") == 1


def test_a_first_process_that_dies_in_the_zygotes_memory_takes_the_zygote_with_it() -> None:
    assert born("cradle", "dies") == -1


# What refuses, before the cradle is made: the kernel (PR_SET_MDWE), or libffi.
REFUSALS = [
    "kept = ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)",
    "ctypes.PYFUNCTYPE = lambda *kinds: refuse; kept = 0",
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_where_memory_cannot_be_executed_there_is_none_and_no_reaper(
    refusal: str,
) -> None:
    program = (
        "import ctypes, os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from _runwright import cradle\n"
        "def refuse(*given): raise MemoryError\n"
        f"{refusal}\n"
        "made = cradle.make()\n"
        "files = [os.path.realpath(item.path) for item in os.scandir('/proc/self/fd')]\n"
        "print(kept, made, any('memfd:init' in name for name in files))\n"
    )
    words = [sys.executable, "-I", "-S", "-c", program, str(RUNNER)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    if done.stdout.startswith("-1"):
        pytest.skip("an older kernel, which does not refuse it")
    assert done.stdout == "0 None False\n"
