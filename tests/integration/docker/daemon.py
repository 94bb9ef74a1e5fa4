"""A Docker daemon of our own, and an image for it, made of this machine's Python.

Nothing is pulled and nothing of the machine's own Docker is touched: the daemon has its data,
its socket and its containerd below one folder, which is gone afterwards with its mounts.
"""

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

import runwright

SERVER = Path(__file__).parents[2] / "functions" / "v5-image"
RUNNER = Path(runwright.__file__).parent / "executor/runners/python/_runwright"
UNPACKED = Path(sys.prefix) / "test-docker"  # filled by `make test` where no Docker is installed
PROGRAMS = (
    "bash",
    *("cat", "chmod", "cp", "head", "id", "ln", "ls", "mkdir", "rm", "sleep"),
    *("tar", "gzip"),
)
RUNTIME = "python-ml-3.11"
IMAGE = "openruntimes/python-ml:v5-3.11"
_UP_S = 180.0
_DOWN_S = 60.0
_MODULES = (
    *("__future__", "array", "base64", "contextlib", "decimal"),
    *("encodings.idna", "encodings.latin_1", "datetime", "random", "tempfile", "textwrap"),
    *("hashlib", "html", "http.server", "importlib.util", "json", "logging", "math", "pathlib"),
    *("resource", "secrets", "site", "socket", "socketserver", "struct", "subprocess"),
    *("sysconfig", "threading", "traceback", "urllib.request"),
)
_ASK_PYTHON = """
import importlib, os, sys, sysconfig
for name in sys.argv[1:]:
    importlib.import_module(name)
print(f"python3.{sys.version_info.minor}")
print(os.path.realpath(sys.executable))
stdlib = sysconfig.get_path("stdlib")
print(stdlib)
for module in list(sys.modules.values()):
    for path in (getattr(module, "__file__", None), getattr(module, "__cached__", None)):
        if path and path.startswith(stdlib) and os.path.isfile(path):
            print(path)
print(os.path.join(stdlib, "os.py"))
"""


def program() -> str | None:
    """Where the daemon is; None when this machine has none."""
    return shutil.which("dockerd", path=search_path())


def search_path() -> str:
    own = [str(UNPACKED / folder) for folder in ("usr/sbin", "usr/bin")]
    return os.pathsep.join([*own, os.environ.get("PATH", os.defpath), "/usr/sbin"])


@contextmanager
def daemon() -> Iterator[str]:
    """Run one; yields the path of its socket."""
    found = program()
    assert found is not None
    folder = Path(tempfile.mkdtemp(prefix="runwright-dockerd-"))
    socket_path = folder / "socket"
    output = (folder / "output").open("wb")
    process = subprocess.Popen(
        [
            found,
            *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
            *("--pidfile", str(folder / "pid"), "--host", f"unix://{socket_path}"),
            *("--bridge=none", "--iptables=false", "--ip6tables=false"),
            *("--ip-forward=false", "--ip-masq=false", "--shutdown-timeout=5"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**os.environ, "PATH": search_path()},
        start_new_session=True,
    )
    try:
        _wait_until_up(process, socket_path, folder / "output")
        yield str(socket_path)
    finally:
        _end(process)
        output.close()
        _remove(folder)


def client(socket_path: str) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=socket_path)
    return httpx.Client(transport=transport, base_url="http://docker", timeout=120.0)


def _wait_until_up(process: "subprocess.Popen[bytes]", socket_path: Path, output: Path) -> None:
    until = time.monotonic() + _UP_S
    while time.monotonic() < until and process.poll() is None:
        if _listens(socket_path):
            with client(str(socket_path)) as http:
                if http.get("/_ping").status_code == 200:
                    return
        time.sleep(0.05)
    raise RuntimeError("no Docker daemon: " + output.read_text()[-4000:])


def _listens(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(socket_path)) == 0


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_DOWN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_DOWN_S)


def _remove(folder: Path) -> None:
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in sorted((it for it in points if it.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


def import_image(socket_path: str, *tags: str) -> None:
    """Make the image, under each of the names."""
    with client(socket_path) as http:
        for tag in tags:
            name, _, version = tag.rpartition(":")
            query = {"fromSrc": "-", "repo": name, "tag": version}
            changes = {"changes": "ENV PATH=/usr/local/bin:/usr/bin:/bin"}
            made = http.post("/images/create", params={**query, **changes}, content=_root_tree())
            assert "error" not in made.text


def _root_tree() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tree = _Tree(tar)
        for folder in ("tmp", "mnt", "proc", "sys", "dev", "etc", "usr/local/server/src/function"):
            tree.folder(folder)
        tree.python()
        for name in PROGRAMS:
            tree.program(shutil.which(name) or "", f"usr/bin/{name}")
        tree.link("bin/sh", "/usr/bin/bash")
        tree.link("bin/bash", "/usr/bin/bash")
        for source, target in ((SERVER, ""), (RUNNER, "src/_runwright/")):
            for path in sorted((*source.rglob("*.py"), *source.rglob("*.sh"))):
                inside = path.relative_to(source).as_posix()
                place = f"src/{inside}" if source == SERVER and path.suffix == ".py" else inside
                tar.add(path, f"usr/local/server/{target}{place}")
    return file.getvalue()


class _Tree:
    """Copies programs of this machine with the libraries they need."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._libraries: set[str] = set()

    def folder(self, name: str) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
        self._tar.addfile(info)

    def link(self, name: str, target: str) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(info)

    def program(self, path: str, name: str) -> None:
        self._tar.add(os.path.realpath(path), name)
        self._add_libraries(path)

    def python(self) -> None:
        """The interpreter and those modules alone that the server and the functions import."""
        python = "/usr/bin/python3" if Path("/usr/bin/python3").is_file() else sys.executable
        asked = subprocess.run(
            [python, "-I", "-S", "-c", _ASK_PYTHON, *_MODULES],
            capture_output=True,
            text=True,
            check=True,
        )
        version, executable, stdlib, *files = asked.stdout.splitlines()
        self.program(executable, f"usr/local/bin/{version}")
        self.link("usr/local/bin/python3", version)
        for file in sorted(set(files)):
            self._tar.add(os.path.realpath(file), f"usr/local/lib/{version}{file[len(stdlib) :]}")
            if file.endswith(".so"):
                self._add_libraries(file)

    def _add_libraries(self, path: str) -> None:
        done = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            library = next((word for word in line.split() if word.startswith("/")), "")
            if library and library not in self._libraries:
                self._libraries.add(library)
                self._tar.add(os.path.realpath(library), library.lstrip("/"))
