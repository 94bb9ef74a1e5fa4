"""Processes of a started server, as the system tells them. They may end while one looks."""

from contextlib import suppress
from pathlib import Path

# A number is given to another process some time after its process has ended; with the moment of
# its start it means one process.
Process = tuple[int, str]


def descendants(pid: int) -> set[Process]:
    found: set[Process] = set()
    pending = [pid]
    while pending:
        children = _children(pending.pop()) - {number for number, _ in found}
        found |= {(child, began) for child in children if (began := _stat(child)[1])}
        pending += children
    return found


def alive(processes: set[Process]) -> set[Process]:
    """Those that still run; zombies are gone."""
    found = set()
    for pid, began in processes:
        state, its_begin = _stat(pid)
        if its_begin == began and state not in ("Z", "X"):
            found.add((pid, began))
    return found


def _children(pid: int) -> set[int]:
    found: set[int] = set()
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found |= {int(word) for word in (task / "children").read_text().split()}
    return found


def _stat(pid: int) -> tuple[str, str]:
    """State and moment of the start; "" when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]
