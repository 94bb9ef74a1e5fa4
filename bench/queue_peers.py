"""What others would use for background jobs: dramatiq on Redis, procrastinate on PostgreSQL.

Each does no-op jobs with 200 bytes of body, one worker process with its defaults. Redis keeps
its log as most people do (flushed once a second) and PostgreSQL flushes every commit.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.ports import reserved_port

FOLDER: Final = Path(__file__).parent / "peers" / "python"
PYTHON: Final = FOLDER / ".venv" / "bin" / "python"
JOBS: Final = 2000
WAIT_S: Final = 120.0
_POSTGRES_USER: Final = "nobody"  # PostgreSQL refuses to run as root


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs per second: put by one producer, and put and done."""

    accepts: float
    lives: float


def dramatiq() -> Jobs:
    with tempfile.TemporaryDirectory() as folder, _redis(Path(folder)) as url:
        environ = {"BENCH_REDIS": url}
        program = str(FOLDER / "dramatiq_noop.py")
        worker = ["-m", "dramatiq", "dramatiq_noop", "--processes", "1", "--threads", "8"]
        with _python(worker, environ):
            time.sleep(1.0)  # the worker has no way to say that it is ready
            done = ["redis-cli", "-u", url, "get", "done"]
            return _measured(
                [str(PYTHON), program, "send", str(JOBS)],
                environ,
                lambda: _until(lambda: int(_output(done) or 0) >= JOBS),
            )


def procrastinate() -> Jobs:
    with tempfile.TemporaryDirectory() as folder, _postgres(Path(folder)) as conninfo:
        environ = {"BENCH_POSTGRES": conninfo}
        program = str(FOLDER / "procrastinate_noop.py")
        _run([str(PYTHON), program, "prepare"], environ)
        with _python([program, "work"], environ):
            time.sleep(1.0)
            return _measured(
                [str(PYTHON), program, "send", str(JOBS)],
                environ,
                lambda: _run([str(PYTHON), program, "done", str(JOBS)], environ),
            )


def _measured(send: list[str], environ: Mapping[str, str], wait: Callable[[], None]) -> Jobs:
    began = time.monotonic()
    _run(send, environ)
    sent = time.monotonic()
    wait()
    return Jobs(JOBS / (sent - began), JOBS / (time.monotonic() - began))


def _run(command: list[str], environ: Mapping[str, str]) -> None:
    subprocess.run(command, check=True, env={**os.environ, **environ}, cwd=FOLDER, timeout=WAIT_S)


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_done():
        if time.monotonic() > deadline:
            raise RuntimeError("the jobs did not end")
        time.sleep(0.02)


@contextmanager
def _python(arguments: list[str], environ: Mapping[str, str]) -> Iterator[None]:
    with _process([str(PYTHON), *arguments], {**os.environ, **environ}, FOLDER):
        yield


@contextmanager
def _process(command: list[str], environ: Mapping[str, str], cwd: Path) -> Iterator[None]:
    process = subprocess.Popen(
        command, env=dict(environ), cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    with reserved_port() as port:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        command += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
        with _process(command, os.environ, folder):
            _listening(port)
            yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    data = folder / "data"
    as_user: list[str] = []
    if os.getuid() == 0:
        shutil.chown(folder, _POSTGRES_USER)
        folder.chmod(0o711)
        as_user = ["setpriv", f"--reuid={_POSTGRES_USER}", "--clear-groups"]
        as_user += [f"--regid={pwd.getpwnam(_POSTGRES_USER).pw_gid}"]
    programs = _postgres_programs()
    subprocess.run(
        [*as_user, str(programs / "initdb"), "-D", str(data), "-U", "bench", "-A", "trust"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    with reserved_port() as port:
        server = [*as_user, str(programs / "postgres"), "-D", str(data), "-p", str(port)]
        server += ["-k", str(folder), "-c", "listen_addresses=127.0.0.1"]
        with _process(server, os.environ, folder):
            _listening(port)
            yield f"host=127.0.0.1 port={port} user=bench dbname=postgres"


def _postgres_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        raise RuntimeError("PostgreSQL is not installed; bench/setup.sh does that")
    return found[-1].parent


def _listening(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            time.sleep(0.3)  # a database accepts before it is ready to answer
            return


if __name__ == "__main__":
    print(dramatiq(), procrastinate(), file=sys.stdout)
