"""A real server in a process of its own, started on a free port with a folder of its own."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import httpx

from tests.beside import own_uids

START_S: Final = 300.0
STOP_S: Final = 90.0
# Made once: each client of its own accord would read all certificates of the machine.
TRUST: Final = ssl.create_default_context()
UID_BASE: Final = 1_377_828_864


class Running:
    """One started server. `credentials` holds what it wrote for its user."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.settings = {
            "RUNWRIGHT_PORT": "0",
            "RUNWRIGHT_RATE_LIMITS": "off",
            "RUNWRIGHT_CONSOLE_SIGNUP": "open",
            "RUNWRIGHT_DEMO": "off",
            "RUNWRIGHT_UID_BASE": str(own_uids(UID_BASE)),
            **settings,
        }
        self.prefix: tuple[str, ...] = ()  # a command that becomes the server
        self.credentials: dict[str, Any] = {}
        self.log = data_dir.parent / f"{data_dir.name}.log"

    def start(self) -> "Running":
        """Start and wait until it has greeted. Raises AssertionError with its log."""
        path = self.data_dir / "credentials.json"
        before = path.stat().st_mtime_ns if path.exists() else 0
        environ = {k: v for k, v in os.environ.items() if not k.startswith("RUNWRIGHT_")}
        environ |= self.settings | {"RUNWRIGHT_DATA_DIR": str(self.data_dir)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "runwright", "serve"],
                env=environ,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            self._wait_greeting(path, before)
        except BaseException:
            self.process.kill()  # a server that did not start in time must not stay
            raise
        self.credentials = json.loads(path.read_text())
        return self

    def _wait_greeting(self, path: Path, before: int) -> None:
        deadline = time.monotonic() + START_S
        while not path.exists() or path.stat().st_mtime_ns == before:
            assert self.process.poll() is None, f"the server ended:\n{self.tail()}"
            assert time.monotonic() < deadline, f"the server did not start:\n{self.tail()}"
            time.sleep(0.05)

    @property
    def endpoint(self) -> str:
        return str(self.credentials["endpoint"])

    @property
    def project_id(self) -> str:
        return str(self.credentials["projectId"])

    @property
    def api_key(self) -> str:
        return str(self.credentials["apiKey"])

    @property
    def port(self) -> int:
        port = httpx.URL(self.endpoint).port
        assert port is not None
        return port

    def client(self) -> httpx.Client:
        """An HTTP client of the API with the project's key."""
        headers = {"x-appwrite-project": self.project_id, "x-appwrite-key": self.api_key}
        return httpx.Client(base_url=self.endpoint, headers=headers, timeout=60, verify=TRUST)

    def tail(self, chars: int = 6000) -> str:
        return self.log.read_text(errors="replace")[-chars:]

    def stop(self) -> int:
        """TERM, then wait; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(STOP_S)
