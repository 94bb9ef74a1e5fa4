"""The server under test: started, killed, disturbed, always on the same folder and port."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.acceptance.running import Running
from tests.chaos import server
from tests.chaos.disk import Disk
from tests.chaos.evidence import Done, Fault
from tests.chaos.tearing import Torn, tear

GONE_S: Final = 60.0
_RUNNERS: Final = ("runner.cjs", "runner.py")


class Victim(Running):
    """What is done to it is noted in `done`."""

    def __init__(self, folder: Path, port: int, witness_port: int, disk: Disk | None) -> None:
        """`disk` is what its data is on, when that is a small one of its own."""
        self._disk = disk
        self._shift = folder / "shift"
        self._shift.write_bytes(server.SHIFT.pack(0.0))
        super().__init__(
            (folder if disk is None else disk.folder) / "data",
            RUNWRIGHT_PORT=str(port),
            RUNWRIGHT_POOL_NODE="2",
            RUNWRIGHT_POOL_PYTHON="1",
            RUNWRIGHT_LOG_LEVEL="warning",
        )
        self.log = folder / "server.log"  # not on the disk that is filled
        self._extra = {
            server.SHIFT_FILE: str(self._shift),
            server.WITNESS_PORT: str(witness_port),
        }
        self.is_spawned = False
        self.done: list[Done] = []
        self.torn: list[Torn] = []
        self.shift_s = 0.0
        self.furthest_s = 0.0  # the greatest shift there was
        self._hard_limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def note(self, fault: Fault, *, until: float = 0.0, at: float | None = None) -> None:
        moment = time.time() if at is None else at
        self.done.append(Done(fault=fault, at=moment, until=until, shift_s=self.shift_s))

    def spawn(self) -> None:
        """Start the process; `await_greeting` tells when it serves."""
        path = self.data_dir / "credentials.json"
        self._greeted_at = path.stat().st_mtime_ns if path.exists() else 0
        environ = {k: v for k, v in os.environ.items() if not k.startswith("RUNWRIGHT_")}
        environ |= self.settings | self._extra | {"RUNWRIGHT_DATA_DIR": str(self.data_dir)}
        self.note(Fault.START)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.server", "serve"],
                env=environ,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

        self.is_spawned = True

    def read_credentials(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / "credentials.json").read_text())
        return found

    def has_greeted(self) -> bool:
        path = self.data_dir / "credentials.json"
        return path.exists() and path.stat().st_mtime_ns != self._greeted_at

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        self.note(Fault.KILL)
        super().kill()

    def stop(self) -> int:
        self.note(Fault.STOP)
        return super().stop()

    def tear(self, random: Random) -> None:
        self.note(Fault.TEAR)
        self.torn.append(tear(self.data_dir / "runwright.db", random))

    def jump(self, shift_s: float) -> None:
        """Set the server's clock so many seconds from where it is."""
        self.set_shift(self.shift_s + shift_s)

    def set_shift(self, shift_s: float) -> None:
        self.shift_s = shift_s
        self.furthest_s = max(self.furthest_s, shift_s)
        self.note(Fault.JUMP)  # before what it leads to
        with self._shift.open("r+b") as file:  # the server has it mapped
            file.write(server.SHIFT.pack(shift_s))

    def server_time(self) -> float:
        return time.time() + self.shift_s

    def refuse_writes(self, limit_bytes: int) -> None:
        """Fill its disk, or let no file of it take a byte behind this place."""
        if self._disk is not None:
            self._disk.fill()
            return
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(
                self.process.pid, resource.RLIMIT_FSIZE, (limit_bytes, self._hard_limit)
            )

    def allow_writes(self) -> None:
        if self._disk is not None:
            self._disk.make_room()
            return
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(
                self.process.pid, resource.RLIMIT_FSIZE, (self._hard_limit, self._hard_limit)
            )

    def kill_sandbox(self, random: Random) -> bool:
        """KILL a process that runs user code, or waits for some; whether there was one."""
        runners = [pid for pid, words in self._below() if any(name in words for name in _RUNNERS)]
        return self._kill_one(runners, Fault.SANDBOX, random)

    def kill_helper(self, random: Random) -> bool:
        """KILL a process that makes sandboxes, or one that carries their connections."""
        helpers = [pid for pid, _ in self._below() if _parent(pid) == self.process.pid]
        return self._kill_one(helpers, Fault.HELPER, random)

    def _kill_one(self, pids: list[int], fault: Fault, random: Random) -> bool:
        if not pids:
            return False
        self.note(fault)
        with contextlib.suppress(ProcessLookupError):
            os.kill(random.choice(pids), signal.SIGKILL)
        return True

    def _below(self) -> Iterator[tuple[int, str]]:
        """Every process that descends from the server, with its command line."""
        parents = {
            pid: _parent(pid) for pid in map(int, filter(str.isdecimal, os.listdir("/proc")))
        }
        for pid in parents:
            above = parents[pid]
            while above > 1 and above != self.process.pid:
                above = parents.get(above, 0)
            if above == self.process.pid:
                with contextlib.suppress(OSError):
                    words = Path(f"/proc/{pid}/cmdline").read_bytes()
                    yield pid, words.replace(b"\0", b" ").decode(errors="replace")


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])
