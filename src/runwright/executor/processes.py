"""Processes by their numbers: which descend from which, how they are ended, how they ended."""

import contextlib
import os
import signal
from collections.abc import Collection
from pathlib import Path

from runwright.executor.cgroups import Group


def descendants(pid: int) -> list[int]:
    """Every process below `pid`, each before its children. They may form a chain of any length."""
    found: list[int] = []
    to_ask = [pid]
    while to_ask:
        pid = to_ask.pop()
        with contextlib.suppress(OSError):  # it has ended
            listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            children = [int(word) for word in listed]
            found += children
            to_ask += children
    return found


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def end(child: int) -> None:
    """End a child of the calling process and reap it."""
    kill(child)
    os.waitpid(child, 0)


def end_strays(known: Collection[int]) -> bool:
    """End and reap all children of the calling process but these, without a wait; whether none
    is left.

    A zygote's forks are the launcher's children, and the zygote says which. One that ends in a
    birth leaves a child that nobody was told of, alive or a zombie. A kernel without
    CONFIG_PROC_CHILDREN does not tell of them, and there they stay.
    """
    try:
        listed = Path("/proc/thread-self/children").read_text().split()
    except OSError:
        return True
    is_over = True
    for word in listed:
        pid = int(word)
        if pid not in known:
            kill(pid)
            is_over &= os.waitpid(pid, os.WNOHANG)[0] == pid
    return is_over


def end_all(group: Group) -> None:
    for pid in group.members():
        kill(pid)


def is_removed(group: Group) -> bool:
    """Try it. What a fork left behind has no namespace whose end would end it."""
    if group.remove():
        return True
    end_all(group)
    return False


def shell_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
