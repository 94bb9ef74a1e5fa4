"""Which runtimes there are, what a sandbox gets of them, and how their runners start."""

import importlib.util
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import metadata
from pathlib import Path
from typing import Final

from runwright.executor.bubblewrap import RUNNER_DIR
from runwright.executor.languages import LANGUAGES, Language
from runwright.executor.stage import Tree
from runwright.values import dataclass

# Runtime id -> what its interpreter's version starts with. Order = catalogue order.
RUNTIMES: Final[Mapping[str, str]] = {
    **{f"node-{major}.0": str(major) for major in (18, 19, 20, 21)},
    **{f"node-{major}": str(major) for major in (22, 23, 24, 25)},
    **{f"python-3.{minor}": f"3.{minor}" for minor in range(9, 15)},
    **{f"{name}-{series}": series for name, it in LANGUAGES.items() for series in it.versions},
}
RUNNERS: Final = Path(__file__).parent / "runners"
BUILD_TOOLS: Final = "/usr/local/share/build-tools"
# Sandboxes cannot write beside the runner, so each would compile it again at every start.
_COMPILE: Final = f"import compileall; compileall.compile_dir('{RUNNER_DIR}/python', quiet=2)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """One interpreter that was asked and answered. Paths are the host's, links resolved."""

    runtime: str
    version: str
    source: str  # "added", "package" or "host"
    executable: str
    stdlib: str = ""  # Python: the folder of the standard library
    library: str = ""  # Python: libpython, when it is a file of its own
    npm: str = ""  # Node: the folder node_modules that holds npm
    headers: str = ""  # Node: the include folder, for native modules
    folders: tuple[str, ...] = ()  # mounted where they are on the host
    options: tuple[str, ...] = ()  # of every start

    @property
    def language(self) -> str:
        return language_of(self.runtime)

    @property
    def row(self) -> Language | None:
        """How its language is treated; None for Node and Python, which have code of their own."""
        return LANGUAGES.get(self.language)

    @property
    def series(self) -> str:
        return RUNTIMES[self.runtime]


def language_of(runtime: str) -> str:
    return runtime.partition("-")[0]


def has_heap_limit(runtime: str) -> bool:
    """Whether its program takes a memory limit at start, so that sandboxes come in classes."""
    language = language_of(runtime)
    return language == "node" or (language in LANGUAGES and LANGUAGES[language].has_heap_limit)


def calls_at_once(runtime: str, most: int) -> int:
    """How many calls one sandbox may have at once."""
    row = LANGUAGES.get(language_of(runtime))
    return min(most, row.calls_at_once) if row is not None and row.calls_at_once else most


def runtime_of(language: str, version: str) -> str | None:
    for runtime, series in RUNTIMES.items():
        if language_of(runtime) == language and f"{version}.".startswith(f"{series}."):
            return runtime
    return None


def package_folder(name: str) -> Path | None:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        return None
    return Path(found.origin).resolve().parent


# How a runtime appears in a sandbox


def run_tree(interpreter: Interpreter) -> Tree:
    """Interpreter and standard library; neither package tools nor the host's packages."""
    name = interpreter.runtime
    if interpreter.language == "node":
        return Tree(name=name, binds={"/usr/local/bin/node": interpreter.executable})
    if interpreter.row is not None:
        return Tree(name=name, binds=_program_bind(interpreter, interpreter.row))
    return _python_tree(interpreter, name, is_build=False)


def build_tree(interpreter: Interpreter) -> Tree:
    """The same with the host's /usr, npm or pip, and headers for native modules."""
    name = build_root(interpreter.runtime)
    if interpreter.language == "python":
        return _python_tree(interpreter, name, is_build=True)
    row = interpreter.row
    if row is not None:
        return _other_build_tree(interpreter, row, name)
    binds = {"/usr/local/bin/node": interpreter.executable}
    links = {}
    if interpreter.npm:
        binds["/usr/local/lib/node_modules"] = interpreter.npm
        for tool in ("npm", "npx"):
            links[f"/usr/local/bin/{tool}"] = f"../lib/node_modules/npm/bin/{tool}-cli.js"
    if interpreter.headers:
        binds["/usr/local/include/node"] = interpreter.headers
    return Tree(name=name, binds=binds, links=links, is_build=True)


def _program_bind(interpreter: Interpreter, row: Language) -> dict[str, str]:
    binds = {f"/usr/local/bin/{row.program}": interpreter.executable}
    return {**binds, **{path: path for path in interpreter.folders}}


def _other_build_tree(interpreter: Interpreter, row: Language, name: str) -> Tree:
    binds = _program_bind(interpreter, row)
    binds |= {row.build_folders[key][0]: path for key, path in host_folders(interpreter).items()}
    links = {f"/usr/local/bin/{link}": row.program for link in row.links}
    inside = {key: place for key, (place, _) in row.build_folders.items()}
    for program, place in row.build_programs.items():
        links[f"/usr/local/bin/{program}"] = place.format(**inside)
    return Tree(name=name, binds=binds, links=links, is_build=True)


def host_folders(interpreter: Interpreter) -> dict[str, str]:
    """What builds need beside the program, by name: where it is on this machine."""
    row = interpreter.row
    target = Path(interpreter.executable).parent.parent
    folders = row.build_folders if row is not None else {}
    return {
        key: outside.format(target=target, runners=RUNNERS) for key, (_, outside) in folders.items()
    }


def program_name(interpreter: Interpreter) -> str:
    if interpreter.language == "python":
        return f"python{interpreter.series}"
    return interpreter.row.program if interpreter.row is not None else "node"


def shared_pip(interpreter: Interpreter) -> Path | None:
    """The server's own pip, where it runs on that Python too: spares each build unpacking one."""
    folder = package_folder("pip")
    if folder is None or interpreter.language != "python":
        return None
    return folder if _oldest_of_pip() <= int(interpreter.series.partition(".")[2]) else None


@cache
def _oldest_of_pip() -> int:
    """The first Python 3 that it runs on."""
    oldest = re.match(r">=3\.(\d+)", metadata("pip")["Requires-Python"] or "")
    return int(oldest[1]) if oldest is not None else 0


def build_root(runtime: str) -> str:
    return f"build-{runtime}"


def _python_tree(interpreter: Interpreter, name: str, *, is_build: bool) -> Tree:
    program = f"python{interpreter.series}"
    stdlib = f"/usr/local/lib/{program}"
    binds = {f"/usr/local/bin/{program}": interpreter.executable, stdlib: interpreter.stdlib}
    if interpreter.library:
        binds[f"/usr/local/lib/{Path(interpreter.library).name}"] = interpreter.library
    pip = shared_pip(interpreter) if is_build else None
    if pip is not None:
        binds[f"{BUILD_TOOLS}/pip"] = str(pip)
    return Tree(
        name=name,
        binds=binds,
        links={"/usr/local/bin/python3": program, "/usr/local/bin/python": program},
        is_build=is_build,
        empty=(f"{stdlib}/site-packages", f"{stdlib}/dist-packages"),
        prepare=() if is_build else (f"/usr/local/bin/{program}", "-I", "-S", "-c", _COMPILE),
        prepare_env=base_env(interpreter),
    )


def runner_command(
    interpreter: Interpreter,
    *,
    heap_mib: int,
    preload: Iterable[str] = (),
    folder: str = RUNNER_DIR,
    executable: str = "",
) -> list[str]:
    """The command that starts the runner; `heap_mib` is what V8 may use before it gives up."""
    if interpreter.language == "node":
        program = executable or "/usr/local/bin/node"
        return [program, f"--max-old-space-size={heap_mib}", f"{folder}/node/runner.cjs"]
    program = executable or f"/usr/local/bin/{program_name(interpreter)}"
    if interpreter.row is not None:
        words = [program]
        for word in interpreter.row.runner:
            if word == "{options}":
                words += interpreter.options
            else:
                words.append(word.format(runners=folder, heap=heap_mib))
        return words
    command = [program, "-I", "-S", f"{folder}/python/runner.py"]
    modules = ",".join(preload)
    return [*command, f"--preload={modules}"] if modules else command


def base_env(interpreter: Interpreter, code_dir: str = "") -> dict[str, str]:
    """Variables that the interpreter itself needs, before the function's own arrive.

    `code_dir` is where a function's code will be; "" when that is not known yet.
    """
    if interpreter.language == "python" and interpreter.library:
        return {"LD_LIBRARY_PATH": "/usr/local/lib"}
    run_env = interpreter.row.run_env if interpreter.row is not None else None
    return {
        name: value.format(code=code_dir)
        for name, value in (run_env or {}).items()
        if code_dir or "{code}" not in value
    }
