"""Memory, CPU and process limits of sandboxes, on cgroup v2 and v1.

All groups of one server lie below `runwright-<instance>` in the group the server itself is
in, per controller: hosts nest differently for each. A group is made and joined when a
sandbox is started, because joining is slow (v1 memory waits for a kernel grace period);
taking a deployment only rewrites limits. Where no controller may be written, a sandbox has
rlimits alone and `Controllers.names` is empty.

A limit of a controller that is in use is written or refused aloud: nothing runs with less of
a limit than its specification says because a write failed. What a kernel was built without is
known from the start (`Controllers.uncounted`); the log and the doctor tell it.
"""

import contextlib
import errno
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from runwright.values import dataclass

WANTED: Final = ("memory", "cpu", "pids")
# Short, so that a throttled function stalls for milliseconds instead of a tenth of a second.
CPU_PERIOD_US: Final = 20_000
_MIN_QUOTA_US: Final = 1_000
_NO_LIMIT: Final = 1 << 63
_MIB: Final = 1024 * 1024
_REMOVE_WAIT_S: Final = 2.0
# Buffers of TCP and UDP, which v2 counts as memory and v1 only on request. All sandboxes share
# what the machine has for them: without it TCP stands still for everybody.
_SOCKETS_MIB: Final = 64
_V1_SOCKETS: Final = "memory.kmem.tcp.limit_in_bytes"
_V1_SWAP: Final = "memory.memsw.limit_in_bytes"
_V2_SWAP: Final = "memory.swap.max"
_NO_ALARM: Final = (errno.ENOENT, errno.EOPNOTSUPP)  # the latter with PREEMPT_RT
# A kernel can have the controller without them: it weighs groups then, and bounds none.
_V1_SHARE: Final = "cpu.cfs_quota_us"
_V2_SHARE: Final = "cpu.max"


@dataclass(frozen=True, slots=True)
class Limits:
    memory_mib: int
    pids: int
    cpus: float = 0.0  # 0 = as much as the host gives
    tmp_mib: int = 0  # of files in /tmp; 0 = as it was at the start
    open_files: int = 0  # of each process; 0 likewise


@dataclass(frozen=True, slots=True)
class MemoryReport:
    oom_kills: int = 0
    peak_bytes: int = 0


def _own_groups(text: str) -> dict[str, str]:
    """`/proc/self/cgroup` as controller -> path; "" is the v2 hierarchy."""
    groups = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            groups[name] = path
    return groups


def _mounts(text: str) -> dict[str, str]:
    """`/proc/self/mounts` as controller -> mount point; "" is the v2 hierarchy."""
    mounts: dict[str, str] = {}
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) < 4:
            continue
        _, point, kind, options = fields[:4]
        if kind == "cgroup2":
            mounts.setdefault("", point)
        elif kind == "cgroup":
            for option in options.split(","):
                if option in WANTED:
                    mounts.setdefault(option, point)
    return mounts


def _read(path: Path | str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _write(path: Path | str, value: str) -> None:
    """Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _is_written(path: Path | str, value: str) -> bool:
    try:
        _write(path, value)
    except OSError:
        return False
    return True


class Group:
    """The groups of one sandbox, one folder per hierarchy.

    Folders are text: to make and join paths as objects costs more than most calls here.
    """

    def __init__(self, folders: Mapping[str, str], *, is_v2: bool) -> None:
        self._folders = folders  # controller -> folder; v2 has one folder under every name
        self._is_v2 = is_v2
        self._written: dict[str, str] = {}

    def limit(self, limits: Limits) -> None:
        """Raises OSError, as `bound` and `pace` do, when the kernel refuses one of them."""
        self.bound(limits)
        self.pace(limits)

    def bound(self, limits: Limits) -> None:
        """All but the share of the processors."""
        memory = self._folders.get("memory")
        if memory is not None:
            self._limit_memory(memory, limits.memory_mib * _MIB)
        pids = self._folders.get("pids")
        if pids is not None:
            self._set(f"{pids}/pids.max", str(limits.pids))

    def pace(self, limits: Limits) -> None:
        cpu = self._folders.get("cpu")
        if cpu is not None:
            self._limit_cpu(cpu, limits.cpus)

    def _set(self, path: str, value: str) -> None:
        """A write takes the kernel 50 us, and most deployments want what the start gave them."""
        if self._written.get(path) == value:
            return
        try:
            _write(path, value)
        except OSError as exc:
            what = f"{os.path.basename(path)} cannot be set to {value}: {exc.strerror}"
            raise OSError(exc.errno, what) from exc
        self._written[path] = value

    def _set_if_there(self, path: str, value: str) -> None:
        """Not every kernel has it; `Controllers.uncounted` knows."""
        try:
            self._set(path, value)
        except FileNotFoundError:
            self._written[path] = value

    def _limit_memory(self, folder: str, size: int) -> None:
        if self._is_v2:
            self._set(f"{folder}/memory.max", str(size))
            self._set_if_there(f"{folder}/{_V2_SWAP}", "0")
            self._set(f"{folder}/memory.oom.group", "1")
            return
        self._set_if_there(f"{folder}/{_V1_SOCKETS}", str(_SOCKETS_MIB * _MIB))
        # memory <= memory+swap must hold after every write, whichever way the limit moves: the
        # one that is refused at first is in order after the other.
        memory = f"{folder}/memory.limit_in_bytes"
        with contextlib.suppress(OSError):
            self._set(memory, str(size))
        self._set_if_there(f"{folder}/{_V1_SWAP}", str(size))
        self._set(memory, str(size))

    def _limit_cpu(self, folder: str, cpus: float) -> None:
        quota = max(int(cpus * CPU_PERIOD_US), _MIN_QUOTA_US) if cpus > 0 else -1
        if self._is_v2:
            text = str(quota) if quota > 0 else "max"
            self._set(f"{folder}/{_V2_SHARE}", f"{text} {CPU_PERIOD_US}")
            return
        self._set(f"{folder}/cpu.cfs_period_us", str(CPU_PERIOD_US))
        try:
            self._set(f"{folder}/{_V1_SHARE}", str(quota))
        except OSError as exc:
            if exc.errno != errno.EINVAL:
                raise
            # A group above grants less than that, and then that is the limit.
            self._set(f"{folder}/{_V1_SHARE}", "-1")

    def join(self, pid: int = 0) -> None:
        """Move a process in, 0 = the calling one; raises OSError when a group refuses it."""
        for folder in set(self._folders.values()):
            fd = os.open(f"{folder}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, b"%d" % pid)
            finally:
                os.close(fd)

    def doors(self) -> list[int]:
        """Descriptors to write "0" to for a process with one thread that joins by itself.

        It needs not see the groups. On v1 such a one spares the kernel the wait for all others.
        """
        name = "cgroup.procs" if self._is_v2 else "tasks"
        folders = set(self._folders.values())
        return [os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CLOEXEC) for folder in folders]

    def memory(self) -> MemoryReport:
        folder = self._folders.get("memory")
        if folder is None:
            return MemoryReport()
        if self._is_v2:
            events, peak = _read(f"{folder}/memory.events"), _read(f"{folder}/memory.peak")
        else:
            events = _read(f"{folder}/memory.oom_control")
            peak = _read(f"{folder}/memory.max_usage_in_bytes")
        found = re.search(r"^oom_kill (\d+)$", events, re.MULTILINE)
        return MemoryReport(
            oom_kills=int(found[1]) if found else 0,
            peak_bytes=int(peak) if peak.strip().isdigit() else 0,
        )

    def memory_alarm(self) -> int:
        """A descriptor that is readable once the memory limit was hit, on v1; elsewhere -1.

        v2 ends the whole group then (memory.oom.group). v1 ends its largest process, and a
        function would go on without a child of its own, or hang. Some v1 kernels have no alarm
        (`Controllers.uncounted` knows); the limit holds on them. Raises OSError.
        """
        folder = self._folders.get("memory")
        if folder is None or self._is_v2:
            return -1
        alarm = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            control = os.open(f"{folder}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
            try:
                _write(f"{folder}/cgroup.event_control", f"{alarm} {control}")
            finally:
                os.close(control)
        except OSError as exc:
            os.close(alarm)
            if exc.errno in _NO_ALARM:
                return -1
            raise
        return alarm

    def members(self) -> list[int]:
        pids: set[int] = set()
        for folder in self._folders.values():
            pids.update(int(line) for line in _read(f"{folder}/cgroup.procs").split())
        return sorted(pids)

    def remove(self) -> bool:
        """True when nothing is left; a group whose last process is still dying stays."""
        done = True
        for folder in set(self._folders.values()):
            with contextlib.suppress(FileNotFoundError):
                try:
                    os.rmdir(folder)
                except OSError as exc:
                    if isinstance(exc, FileNotFoundError):
                        raise
                    done = False
        return done


class Controllers:
    """What the host lets this server limit, and the folder all its groups lie in."""

    def __init__(self, parents: Mapping[str, Path], *, is_v2: bool) -> None:
        self._parents = parents  # controller -> .../runwright-<instance>
        self.is_v2 = is_v2

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in WANTED if name in self._parents)

    def uncounted(self, swaps: str | None = None) -> tuple[str, ...]:
        """What the memory limit leaves out because this kernel does not count it, and whether it
        cannot tell that the limit was hit."""
        parent = self._parents.get("memory")
        if parent is None:
            return ()
        files = {} if self.is_v2 else {"sockets": _V1_SOCKETS}
        if len((_read("/proc/swaps") if swaps is None else swaps).splitlines()) > 1:
            files["swap"] = _V2_SWAP if self.is_v2 else _V1_SWAP
        missing = [name for name, file in files.items() if not (parent / file).exists()]
        if not (self.is_v2 or _has_alarm(parent)):
            missing.append("alarm")
        return tuple(missing)

    @classmethod
    def find(
        cls,
        instance: str,
        *,
        at: Path = Path("/"),
        own: str | None = None,
        mounts: str | None = None,
    ) -> "Controllers":
        """Make the parent groups of `instance`. `at` is where the host's root is mounted."""
        groups = _own_groups(_read(Path("/proc/self/cgroup")) if own is None else own)
        points = _mounts(_read(Path("/proc/self/mounts")) if mounts is None else mounts)
        parents: dict[str, Path] = {}
        for name in WANTED:
            if name in points and name in groups:
                parent = _made(at, points[name], groups[name], instance)
                if parent is None or not os.access(parent / "cgroup.procs", os.W_OK):
                    continue
                if name == "cpu" and not (parent / _V1_SHARE).exists():
                    with contextlib.suppress(OSError):
                        parent.rmdir()
                    continue
                parents[name] = parent
        if parents:
            return cls(parents, is_v2=False)
        if "" in points and "" in groups:
            # A launcher that is started later is in the leaf already that the server moved into.
            path = groups[""].removesuffix(f"/{_leaf(instance)}")
            base = at / points[""].lstrip("/") / path.lstrip("/")
            if _delegate(base, instance):
                parent = _made(at, points[""], path, instance)
                if parent is not None:
                    return cls(_enable(parent), is_v2=True)
        return cls({}, is_v2=False)

    def memory_left(self) -> int | None:
        """What the limits that this server itself runs under leave, in bytes; None = not known.

        Files that were read and are used no more count as free.
        """
        parent = self._parents.get("memory")
        if parent is None:
            return None
        return min((self._left_in(folder) for folder in parent.parents), default=_NO_LIMIT)

    def _left_in(self, folder: Path) -> int:
        limit, used, unused = (
            ("memory.max", "memory.current", "inactive_file")
            if self.is_v2
            else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        )
        most, current = _read(folder / limit).strip(), _read(folder / used).strip()
        if not (most.isdigit() and current.isdigit()):
            return _NO_LIMIT
        found = re.search(rf"^{unused} (\d+)$", _read(folder / "memory.stat"), re.MULTILINE)
        return int(most) - int(current) + (int(found[1]) if found else 0)

    def moved(self, prefix: str) -> "Controllers":
        """The same groups, seen by a process whose old root now lies at `prefix`."""
        parents = {name: Path(prefix + str(parent)) for name, parent in self._parents.items()}
        return Controllers(parents, is_v2=self.is_v2)

    def make(self, name: str) -> Group:
        """Raises OSError, and then there is none."""
        folders: dict[str, str] = {}
        try:
            for controller, parent in self._parents.items():
                folder = f"{parent}/{name}"
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder)
                folders[controller] = folder
        except OSError:
            Group(folders, is_v2=self.is_v2).remove()
            raise
        return Group(folders, is_v2=self.is_v2)

    def sweep(self, kill: Callable[[int], None]) -> int:
        """Remove every group an earlier server of this instance left; returns how many."""
        count = 0
        for parent in set(self._parents.values()):
            for folder in [entry for entry in parent.iterdir() if entry.is_dir()]:
                count += 1
                end = time.monotonic() + _REMOVE_WAIT_S
                group = Group({"": str(folder)}, is_v2=self.is_v2)
                while not group.remove() and time.monotonic() < end:
                    for pid in group.members():
                        kill(pid)
                    time.sleep(0.01)
        return count

    def remove(self) -> None:
        for parent in set(self._parents.values()):
            with contextlib.suppress(OSError):
                parent.rmdir()


def _made(at: Path, point: str, path: str, instance: str) -> Path | None:
    folder = at / point.lstrip("/") / path.lstrip("/") / f"runwright-{instance}"
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    return folder


def _has_alarm(folder: Path) -> bool:
    try:
        alarm = Group({"memory": str(folder)}, is_v2=False).memory_alarm()
    except OSError:
        return False
    if alarm >= 0:
        os.close(alarm)
    return alarm >= 0


def _leaf(instance: str) -> str:
    return f"runwright-{instance}-main"


def _delegate(base: Path, instance: str) -> bool:
    """Turn the controllers on below `base`, moving this server into a leaf if that is needed.

    A v2 group may hold processes or give controllers to children, not both.
    """
    wanted = [name for name in WANTED if name in _read(base / "cgroup.controllers").split()]
    if not wanted:
        return False
    control = base / "cgroup.subtree_control"
    if set(wanted) <= set(_read(control).split()):
        return True
    order = " ".join(f"+{name}" for name in wanted)
    if _is_written(control, order):
        return True
    leaf = base / _leaf(instance)
    try:
        leaf.mkdir(exist_ok=True)
    except OSError:
        return False
    for pid in _read(base / "cgroup.procs").split():
        _is_written(leaf / "cgroup.procs", pid)  # one that stays makes the next fail
    return _is_written(control, order)


def _enable(parent: Path) -> dict[str, Path]:
    for name in WANTED:
        _is_written(parent / "cgroup.subtree_control", f"+{name}")  # what counts is read below
    active = set(_read(parent / "cgroup.subtree_control").split())
    if not (parent / _V2_SHARE).exists():
        active.discard("cpu")
    return {name: parent for name in WANTED if name in active}
