"""Running user code: the port that every executor answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Protocol

from runwright.errors import RunwrightError
from runwright.model.execution import ErrorClass, Headers, Invocation, Outcome, Workload
from runwright.values import dataclass


class NoSlot(RunwrightError):
    """Every slot is taken and the queue for one is full (or the wait ended)."""

    type, status = "general_rate_limit_exceeded", 429
    headers = (("retry-after", "1"),)

    def __init__(self) -> None:
        super().__init__("Too many executions are running. Try again in a second.")


class ResponseSink(Protocol):
    """Where a streamed response goes. Calls come in order: one `start`, then `write`s."""

    def start(self, status_code: int, headers: Headers) -> None:
        """The head is known. Called at most once."""

    async def write(self, chunk: bytes) -> None:
        """Deliver one part of the body; returns when more may be sent (back-pressure).

        Raises ConnectionError when the caller has gone; the run then goes on unheard.
        """


class RequestSource(Protocol):
    """Where a streamed request body comes from."""

    @property
    def is_over(self) -> bool:
        """Whether all of it was read."""

    async def read(self) -> bytes:
        """The next part as it came; empty at the end.

        Asked only when user code has room for more, which is what slows a caller down. Raises
        ConnectionError when the caller broke off.
        """


class Output(Protocol):
    """What one run has printed, while it runs and for as long as somebody holds this.

    Positions are bytes since the beginning of the stream. Only the newest part is kept, however
    much is printed, so a reader that is slow misses something and nothing is held up by it.
    """

    @property
    def is_over(self) -> bool:
        """Whether the run has ended; nothing is added then."""

    def read(self, *, errors: bool, start: int, most: int) -> tuple[int, bytes]:
        """Up to `most` bytes of the logs, or of the errors, and where they begin.

        That is `start`, or later when what was there is no longer kept.
        """

    async def news(self, wait_s: float) -> None:
        """Return when something was added or the run is over, at the latest after `wait_s`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """Commands to run over a source tree, inside a sandbox with network access."""

    deployment_id: str
    project_id: str
    function_id: str
    runtime: str
    workspace: str  # absolute path of the extracted source; the build changes it in place
    cache: str  # absolute path of the per-function package cache folder
    commands: str  # shell text; may be empty
    env: Mapping[str, str] = field(default_factory=dict)
    cpus: float = 1.0
    memory_mib: int = 1024
    timeout_s: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    exit_code: int  # 0 = success; negative = signal
    error_class: ErrorClass | None = None  # timeout, out_of_memory, cancelled, cold_start
    message: str = ""  # one sentence for the build log when it failed


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStatus:
    """An interpreter that this executor can run."""

    id: str  # runtime id, such as node-22
    interpreter_version: str  # what the interpreter says of itself, such as 22.20.0
    source: str  # where it comes from: "package", "host", "added" or "docker"
    has_build_step: bool = False  # builds do more than the commands, so they run without any too


OnEnd = Callable[[Outcome | Exception], None]


class Executor(Protocol):
    def expect(self, workload: Workload) -> None:
        """A run of it is about to begin, by a caller who may: what it would wait for starts now.
        If no run comes within seconds, that is given up again."""

    def begin(
        self,
        workload: Workload,
        invocation: Invocation,
        on_end: OnEnd,
        *,
        sink: ResponseSink | None = None,
        source: RequestSource | None = None,
    ) -> None:
        """What `run` does without a task that waits: `on_end` is called once, with the outcome
        or with NoSlot, possibly before this returns. It must not raise.

        On the way of every call; a task and its wake-up would cost more than the rest of it.

        With a `source` the body of the invocation is empty, and user code begins at once and
        reads the body as it comes; only for runtimes that `model/streams.py` names.
        """

    async def run(
        self, workload: Workload, invocation: Invocation, *, sink: ResponseSink | None = None
    ) -> Outcome:
        """Run one invocation and wait for its end.

        The deadline is `invocation.timeout_s`, counted from when a slot is lent. Failures of
        user code, of its limits and of its start are outcomes with an `error_class`. With a
        `sink` the response is streamed and `Outcome.body` stays empty; a response that came
        in one piece may be returned in `Outcome.body` with `sink.start` never called.

        Cancelling the call does not stop user code that has started; `cancel` does.
        Raises NoSlot when no slot comes free in time.
        """

    def hang_up(self, execution_id: str) -> None:
        """The caller of a run has left: user code that asks is told, and goes on as it likes."""

    def cancel(self, execution_id: str) -> bool:
        """End the run of an execution: its outcome has class `cancelled` and what was printed.

        A run that waits for a slot never begins. User code that runs is treated as after its
        timeout: its process takes no new work, and is asked to end and then killed as soon as
        nobody else waits for an answer of it. False when no run of it is here.
        """

    async def output(self, execution_id: str, *, wait_s: float) -> Output | None:
        """The output of a run, which may begin within `wait_s` seconds; None if it does not."""

    async def build(
        self, job: BuildJob, on_log: Callable[[str], None], cancelled: "CancelSignal"
    ) -> BuildResult:
        """Run the build commands; `on_log` gets text as it is printed, from the event loop.

        Timeout, memory limit and `cancelled` kill the whole process tree.
        """

    def retire(self, deployment_id: str) -> None:
        """Stop lending sandboxes of a deployment; idle ones end now, busy ones when done."""

    def keep(self, wanted: Sequence[tuple[Workload, int]]) -> None:
        """Hold at least so many sandboxes of each workload ready, from now on and whether or not
        anybody calls. The list is whole: what it does not name is kept no longer, and a
        workload's `max_instances` holds for its sandboxes that are alive already."""

    def runtimes(self) -> Sequence[RuntimeStatus]:
        """Every runtime that can run here now."""


class CancelSignal(Protocol):
    """Something that becomes true once; `asyncio.Event` is one."""

    def is_set(self) -> bool: ...

    async def wait(self) -> bool: ...
