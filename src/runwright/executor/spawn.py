"""What starts and ends the processes of sandboxes: the seam between pool and isolation.

`control.py` answers it with the launcher and bubblewrap, `process.py` with plain processes.
"""

import socket
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from typing import Final, Protocol

from runwright.errors import ServiceUnavailable
from runwright.executor.cgroups import Limits
from runwright.executor.runtimes import Interpreter
from runwright.executor.seccomp import Profile
from runwright.ports.executor import BuildJob
from runwright.values import dataclass


class SpawnFailed(ServiceUnavailable):
    """A sandbox could not be started or prepared. The reason is for the server's log only."""

    def __init__(self, reason: str) -> None:
        super().__init__("A sandbox could not be started. Try again.")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How one sandbox begins."""

    id: int  # never used twice by one server
    root: str  # prepared tree
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/tmp"
    uid: int | None = None  # host user id; None = stay who we are
    tmp_mib: int = 64
    open_files: int = 1024
    file_mib: int = 0  # largest size of one file; 0 = any
    limits: Limits
    has_own_network: bool = True  # else the host's
    profile: Profile = "function"  # which system calls pass
    is_forkable: bool = False  # its program knows how to be a zygote, too (`zygote.py`)


@dataclass(frozen=True, slots=True)
class Mount:
    source: str  # absolute path on the host, links resolved
    target: str  # inside
    is_read_only: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a sandbox ended."""

    code: int  # as a shell reports it: 128 + n = signal n
    oom_kills: int = 0
    peak_bytes: int = 0
    reason: str = ""  # what failed before the program could start; for the server's log
    is_platform: bool = False  # ended because the launcher did, or could not bound it
    is_unlimited: bool = False  # the latter


_LEAST: Final = 0.5
_MOST: Final = 4.0


@dataclass(frozen=True, slots=True)
class Grants:
    """What a specification of `memory_mib` grants; other specifications get more or less."""

    memory_mib: int
    pids: int
    open_files: int
    tmp_mib: int  # the most that any specification grants

    def to(self, memory_mib: int, cpus: float) -> Limits:
        """Processes and open files grow with the memory that the kernel needs for them.

        Files in /tmp are paid from the memory limit; a full disk is told before it is reached.
        """
        share = min(max(memory_mib / self.memory_mib, _LEAST), _MOST)
        return Limits(
            memory_mib=memory_mib,
            pids=int(self.pids * share),
            cpus=cpus,
            tmp_mib=max(min(memory_mib // 2, self.tmp_mib), 1),
            open_files=int(self.open_files * share),
        )


class Uids:
    """Host user ids for live sandboxes, one each. Without a base nobody changes users."""

    def __init__(self, base: int | None, count: int) -> None:
        self._base = base
        self._free = deque(range(count))

    def take(self) -> int | None:
        """Raises SpawnFailed when all are taken."""
        if self._base is None:
            return None
        if not self._free:
            raise SpawnFailed("no free user id")
        return self._base + self._free.popleft()

    def give_back(self, uid: int | None) -> None:
        """Only after the last process of that user has ended."""
        if uid is not None and self._base is not None:
            self._free.append(uid - self._base)


@dataclass(frozen=True, slots=True)
class BuildPlaces:
    """Where a build finds things, as its own processes see them."""

    workspace: str
    cache: str
    program: str  # the interpreter
    tools: str  # folder of programs that comes first in the PATH
    pip: str  # folder that holds the package `pip`
    folders: Mapping[str, str] = field(default_factory=dict)  # what the language needs besides


class Spawner(Protocol):
    on_network_lost: Callable[[], None]  # sandboxes that run now have no way out any more

    async def start(self) -> None: ...

    def next_id(self) -> int: ...

    def network_env(self) -> Mapping[str, str]:
        """Variables that lead programs to the network, where it is not simply there."""

    async def stop(self) -> None:
        """End every sandbox and wait until nothing of them is left."""

    async def launch(
        self,
        launch: Launch,
        frames: socket.socket,
        output: int,
        on_exit: Callable[[Exit], None],
    ) -> None:
        """Begin a sandbox; both descriptors are taken over. Raises SpawnFailed.

        `on_exit` is called once, later, unless SpawnFailed was raised.
        """

    def settle(self, sandbox_id: int) -> None:
        """The sandbox is ready and waits: finish what would only cost time at `assign`."""

    def assign(
        self, sandbox_id: int, mounts: Sequence[Mount], limits: Limits, network: str
    ) -> Awaitable[None]:
        """Mount into a running sandbox, set its limits and open its network as far as that kind
        of sandbox has one (`egress.py`). Begins at once; what is returned waits for the end of
        it. Either raises SpawnFailed."""

    @property
    def can_adopt(self) -> bool:
        """Whether forks of a sandbox's process can be sandboxes of their own."""

    async def adopt(
        self,
        sandbox_id: int,
        template_id: int,
        pid: int,
        limits: Limits,
        on_exit: Callable[[Exit], None],
    ) -> None:
        """Take a process that another sandbox forked for a sandbox with limits of its own.

        `on_exit` is called once, later, without an exit code, unless SpawnFailed was raised.
        """

    def signal(self, sandbox_id: int, number: int) -> None:
        """TERM reaches the programs inside; KILL ends everything at once."""

    def code_dir(self, artifact: str) -> str:
        """Where an artefact appears to the runner."""

    def runner_command(self, interpreter: Interpreter, heap_mib: int) -> list[str]: ...

    def build_places(self, interpreter: Interpreter, job: BuildJob) -> BuildPlaces: ...
