"""Helper processes that a killed server left behind.

They are known by process id and start time, written down when they began: a process id alone
may belong to anybody by now.
"""

import json
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_GONE_S: Final = 8.0


def note_down(note: Path, pids: Iterable[int]) -> None:
    entries = [{"pid": pid, "started": _start_time(pid)} for pid in pids]
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(entries))


def _start_time(pid: int) -> int:
    """Clock ticks after boot at which a process began; 0 when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])


def end_leftovers(note: Path) -> int:
    """Kill the helpers that `note` names, if they still are those; returns how many were."""
    try:
        entries = json.loads(note.read_text())
    except (OSError, ValueError):
        return 0
    count = 0
    for entry in entries:
        pid, started = int(entry["pid"]), int(entry["started"])
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            if started and _start_time(pid) == started:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                count += 1
                _wait_gone(pid, started)
        except OSError:
            continue
        finally:
            os.close(handle)
    note.unlink(missing_ok=True)
    return count


def _wait_gone(pid: int, started: int) -> None:
    end = time.monotonic() + _GONE_S
    while _start_time(pid) == started and time.monotonic() < end:
        time.sleep(0.01)
