"""Limits against a tree of plain files that looks like the kernel's."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runwright.executor import cgroups
from runwright.executor.cgroups import CPU_PERIOD_US, Controllers, Group, Limits

MIB = 1024 * 1024


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class HybridHost:
    """v1 controllers, memory nested deeper than the others, and an empty v2 hierarchy."""

    own = "4:memory:/outer/inner\n8:pids:/\n1:cpu:/\n2:cpuacct:/\n0::/\n"
    mounts = (
        "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
        "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
        "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n"
        "cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    )

    def __init__(self, at: Path) -> None:
        self.at = at
        self.parents = {
            "memory": at / "sys/fs/cgroup/memory/outer/inner/runwright-test",
            "cpu": at / "sys/fs/cgroup/cpu/runwright-test",
            "pids": at / "sys/fs/cgroup/pids/runwright-test",
        }
        for parent in self.parents.values():
            write(parent / "cgroup.procs")
        write(self.parents["cpu"] / "cpu.cfs_quota_us", "-1\n")

    def find(self) -> Controllers:
        return Controllers.find("test", at=self.at, own=self.own, mounts=self.mounts)

    def fill(self, name: str) -> None:
        files = {
            "memory": ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes",
                       "memory.kmem.tcp.limit_in_bytes"),
            "cpu": ("cpu.cfs_quota_us", "cpu.cfs_period_us"),
            "pids": ("pids.max",),
        }  # fmt: skip
        for controller, parent in self.parents.items():
            for file in files[controller]:
                write(parent / name / file)


def test_each_controller_is_nested_where_the_server_is(tmp_path: Path) -> None:
    host = HybridHost(tmp_path)
    controllers = host.find()
    assert controllers.names == ("memory", "cpu", "pids")
    assert not controllers.is_v2
    controllers.make("s1")
    assert all((parent / "s1").is_dir() for parent in host.parents.values())


def test_limits_are_written_to_v1_files(tmp_path: Path) -> None:
    host = HybridHost(tmp_path)
    group = host.find().make("s1")
    host.fill("s1")
    group.limit(Limits(memory_mib=256, pids=64, cpus=0.5))
    memory, cpu, pids = (host.parents[name] / "s1" for name in ("memory", "cpu", "pids"))
    assert (memory / "memory.limit_in_bytes").read_text() == str(256 * MIB)
    assert (memory / "memory.memsw.limit_in_bytes").read_text() == str(256 * MIB)
    sockets = int((memory / "memory.kmem.tcp.limit_in_bytes").read_text())
    assert 0 < sockets < 256 * MIB
    assert (cpu / "cpu.cfs_quota_us").read_text() == str(CPU_PERIOD_US // 2)
    assert (pids / "pids.max").read_text() == "64"


def test_an_out_of_memory_kill_is_seen_in_v1_files(tmp_path: Path) -> None:
    host = HybridHost(tmp_path)
    group = host.find().make("s1")
    memory = host.parents["memory"] / "s1"
    write(memory / "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    write(memory / "memory.max_usage_in_bytes", f"{300 * MIB}\n")
    report = group.memory()
    assert (report.oom_kills, report.peak_bytes) == (2, 300 * MIB)


def test_memory_is_left_where_the_tightest_of_the_servers_groups_has_it(tmp_path: Path) -> None:
    host = HybridHost(tmp_path)
    inner = host.parents["memory"].parent
    write(inner / "memory.limit_in_bytes", "9223372036854771712\n")
    write(inner / "memory.usage_in_bytes", f"{200 * MIB}\n")
    assert (host.find().memory_left() or 0) > 1 << 40
    write(inner.parent / "memory.limit_in_bytes", f"{1000 * MIB}\n")
    write(inner.parent / "memory.usage_in_bytes", f"{900 * MIB}\n")
    stat = f"inactive_file 0\ntotal_cache 5\ntotal_inactive_file {50 * MIB}\n"
    write(inner.parent / "memory.stat", stat)
    assert host.find().memory_left() == 150 * MIB


class UnifiedHost:
    """v2 alone; every controller is delegated already."""

    own = "0::/system.slice/runwright.service\n"
    mounts = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"

    def __init__(self, at: Path, *, delegated: str = "cpu memory pids") -> None:
        self.at = at
        self.base = at / "sys/fs/cgroup/system.slice/runwright.service"
        self.parent = self.base / "runwright-test"
        write(self.base / "cgroup.controllers", "cpuset cpu io memory pids\n")
        write(self.base / "cgroup.subtree_control", delegated)
        write(self.parent / "cgroup.subtree_control", delegated)

    def find(self) -> Controllers:
        return Controllers.find("test", at=self.at, own=self.own, mounts=self.mounts)


def test_limits_are_written_to_v2_files(tmp_path: Path) -> None:
    host = UnifiedHost(tmp_path)
    # The kernel's file takes "+name" and shows the sum; a plain file keeps the last write.
    host.parent.joinpath("cgroup.subtree_control").chmod(0o644)
    controllers = Controllers(dict.fromkeys(("memory", "cpu", "pids"), host.parent), is_v2=True)
    group = controllers.make("s1")
    folder = host.parent / "s1"
    for name in ("memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max"):
        write(folder / name)
    group.limit(Limits(memory_mib=128, pids=32, cpus=2.0))
    assert (folder / "memory.max").read_text() == str(128 * MIB)
    assert (folder / "memory.swap.max").read_text() == "0"
    assert (folder / "cpu.max").read_text() == f"{2 * CPU_PERIOD_US} {CPU_PERIOD_US}"
    group.limit(Limits(memory_mib=128, pids=32))
    assert (folder / "cpu.max").read_text().startswith("max ")
    write(folder / "memory.events", "low 0\noom 3\noom_kill 1\noom_group_kill 1\n")
    write(folder / "memory.peak", "4096\n")
    assert (group.memory().oom_kills, group.memory().peak_bytes) == (1, 4096)


def test_memory_that_is_left_on_v2(tmp_path: Path) -> None:
    host = UnifiedHost(tmp_path)
    controllers = Controllers({"memory": host.parent}, is_v2=True)
    write(host.base / "memory.max", "max\n")
    write(host.base / "memory.current", "4096\n")
    assert (controllers.memory_left() or 0) > 1 << 40
    write(host.base / "memory.max", f"{64 * MIB}\n")
    write(host.base / "memory.stat", "anon 1\ninactive_file 4096\n")
    assert controllers.memory_left() == 64 * MIB
    assert Controllers({}, is_v2=True).memory_left() is None


def test_a_v2_host_is_recognised(tmp_path: Path) -> None:
    controllers = UnifiedHost(tmp_path).find()
    assert controllers.is_v2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_groups_that_may_not_be_written_are_left_out(tmp_path: Path) -> None:
    host = HybridHost(tmp_path)
    host.parents["memory"].joinpath("cgroup.procs").chmod(0o444)
    assert host.find().names == ("cpu", "pids")


def test_a_host_without_cgroups_has_no_limits_and_no_failure(tmp_path: Path) -> None:
    controllers = Controllers.find("test", at=tmp_path, own="", mounts="")
    assert controllers.names == ()
    group = controllers.make("s1")
    group.limit(Limits(memory_mib=1, pids=1))
    group.join()
    assert group.memory().oom_kills == 0
    assert group.remove()


def test_a_v1_kernel_that_cannot_bound_the_processors_has_no_controller_for_them(
    tmp_path: Path,
) -> None:
    host = HybridHost(tmp_path)
    (host.parents["cpu"] / "cpu.cfs_quota_us").unlink()
    assert host.find().names == ("memory", "pids")


def test_a_v2_kernel_that_cannot_bound_the_processors_has_no_controller_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(tmp_path, SERVICE, monkeypatch)
    (kernel.base / "runwright-test/cpu.max").unlink()
    assert kernel.find(SERVICE).names == ("memory", "pids")


def test_a_sweep_removes_what_an_earlier_server_left(tmp_path: Path) -> None:
    host = HybridHost(tmp_path)
    controllers = host.find()
    for parent in host.parents.values():
        (parent / "s7").mkdir()
    killed: list[int] = []
    assert controllers.sweep(killed.append) == 3
    assert not [parent for parent in host.parents.values() if (parent / "s7").exists()]
    assert killed == []


def test_paths_move_with_the_root(tmp_path: Path) -> None:
    controllers = Controllers({"memory": Path("/sys/x")}, is_v2=False).moved(str(tmp_path))
    (tmp_path / "sys/x").mkdir(parents=True)
    controllers.make("s1")
    assert (tmp_path / "sys/x/s1").is_dir()


class Kernel:
    """A v2 hierarchy that keeps the kernel's rules about controllers and processes."""

    mounts = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"

    def __init__(self, at: Path, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = at
        self.base = at / "sys/fs/cgroup" / own.lstrip("/")
        self.is_delegated = True
        write(self.base / "cgroup.controllers", "cpuset cpu io memory pids\n")
        write(self.base / "cgroup.subtree_control")
        write(self.base / "cgroup.procs", "10\n11\n")
        write(self.base / "runwright-test/cpu.max", f"max {CPU_PERIOD_US}\n")
        monkeypatch.setattr(cgroups, "_write", self.write)

    def write(self, place: Path | str, value: str) -> None:
        path = Path(place)
        if not self.is_delegated:
            raise PermissionError
        if path.name == "cgroup.subtree_control":
            if not path.exists():
                write(path)
            has_processes = (path.parent / "cgroup.procs").exists() and (
                path.parent / "cgroup.procs"
            ).read_text()
            if has_processes:
                raise OSError(errno.EBUSY, "busy")
            active = set(path.read_text().split()) | {name[1:] for name in value.split()}
            path.write_text(" ".join(sorted(active)))
        elif path.name == "cgroup.procs":
            for other in self.base.rglob("cgroup.procs"):
                left = [pid for pid in other.read_text().split() if pid != value]
                other.write_text("".join(f"{pid}\n" for pid in left))
            write(path, (path.read_text() if path.exists() else "") + f"{value}\n")
        else:
            write(path, value)

    def find(self, own: str) -> Controllers:
        return Controllers.find("test", at=self.at, own=f"0::{own}\n", mounts=self.mounts)


SERVICE = "/system.slice/runwright.service"


def test_on_v2_the_server_moves_into_a_leaf_before_it_hands_out_controllers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(tmp_path, SERVICE, monkeypatch)
    controllers = kernel.find(SERVICE)
    assert (controllers.names, controllers.is_v2) == (("memory", "cpu", "pids"), True)
    assert (kernel.base / "cgroup.procs").read_text() == ""
    assert (kernel.base / "runwright-test-main/cgroup.procs").read_text() == "10\n11\n"
    group = controllers.make("s1")
    group.limit(Limits(memory_mib=64, pids=8, cpus=0.5))
    folder = kernel.base / "runwright-test/s1"
    files = ("memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max")
    written = {name: (folder / name).read_text() for name in files}
    assert written == {
        "memory.max": str(64 * MIB),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "cpu.max": f"{CPU_PERIOD_US // 2} {CPU_PERIOD_US}",
        "pids.max": "8",
    }


def test_a_second_launcher_on_v2_finds_the_groups_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(tmp_path, SERVICE, monkeypatch)
    kernel.find(SERVICE).make("s1")
    again = kernel.find(f"{SERVICE}/runwright-test-main")  # the leaf the server is in by now
    assert again.names == ("memory", "cpu", "pids")
    assert not (kernel.base / "runwright-test-main/runwright-test").exists()
    assert again.sweep(lambda _pid: None) == 1


def test_a_v2_group_that_is_not_delegated_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(tmp_path, SERVICE, monkeypatch)
    kernel.is_delegated = False
    assert kernel.find(SERVICE).names == ()
    assert (kernel.base / "cgroup.procs").read_text() == "10\n11\n"


def test_v2_ends_a_whole_group_by_itself_and_v1_is_asked_to_tell(tmp_path: Path) -> None:
    folder = tmp_path / "s1"
    write(folder / "memory.oom_control")
    assert Group({"memory": str(folder)}, is_v2=True).memory_alarm() == -1
    assert Group({}, is_v2=False).memory_alarm() == -1
    write(folder / "cgroup.event_control")
    alarm = Group({"memory": str(folder)}, is_v2=False).memory_alarm()
    try:
        assert (folder / "cgroup.event_control").read_text().startswith(f"{alarm} ")
    finally:
        os.close(alarm)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOENT])
def test_a_v1_kernel_without_an_alarm_limits_memory_all_the_same(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "memory.oom_control")
    Refusing(monkeypatch, "cgroup.event_control", number)
    assert Group({"memory": str(tmp_path)}, is_v2=False).memory_alarm() == -1
    assert "alarm" in Controllers({"memory": tmp_path}, is_v2=False).uncounted("Filename\n")


def test_an_alarm_that_cannot_be_had_for_now_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "memory.oom_control")
    Refusing(monkeypatch, "cgroup.event_control", errno.EMFILE)
    with pytest.raises(OSError, match="Too many open files"):
        Group({"memory": str(tmp_path)}, is_v2=False).memory_alarm()


def test_what_a_group_has_already_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = HybridHost(tmp_path)
    group = host.find().make("s1")
    host.fill("s1")
    group.limit(Limits(memory_mib=512, pids=256))
    written: list[str] = []

    def note(path: Path | str, _value: str) -> None:
        written.append(Path(path).name)

    monkeypatch.setattr(cgroups, "_write", note)
    group.limit(Limits(memory_mib=512, pids=256, cpus=0.5))
    assert written == ["cpu.cfs_quota_us"]


def v1_group(at: Path) -> Group:
    host = HybridHost(at)
    made = host.find().make("s1")
    host.fill("s1")
    return made


def v2_group(at: Path) -> Group:
    for name in ("memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max"):
        write(at / "s1" / name)
    return Group(dict.fromkeys(("memory", "cpu", "pids"), str(at / "s1")), is_v2=True)


class Refusing:
    """A kernel that refuses to write some files, for ever or a number of times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
        self.name, self.number, self.left = name, number, -1
        self.written: dict[str, str] = {}
        monkeypatch.setattr(cgroups, "_write", self.write)

    def write(self, path: Path | str, value: str) -> None:
        name = Path(path).name
        if name == self.name and self.left != 0 and value != "-1":
            self.left -= 1
            raise OSError(self.number, os.strerror(self.number))
        self.written[name] = value


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (v1_group, "memory.limit_in_bytes"),
        (v1_group, "memory.memsw.limit_in_bytes"),
        (v1_group, "memory.kmem.tcp.limit_in_bytes"),
        (v1_group, "cpu.cfs_period_us"),
        (v1_group, "cpu.cfs_quota_us"),
        (v1_group, "pids.max"),
        (v2_group, "memory.max"),
        (v2_group, "memory.swap.max"),
        (v2_group, "memory.oom.group"),
        (v2_group, "cpu.max"),
        (v2_group, "pids.max"),
    ],
)
def test_a_limit_that_the_kernel_refuses_is_told_by_name(
    make: Callable[[Path], Group], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = make(tmp_path)
    kernel = Refusing(monkeypatch, name, errno.EBUSY)
    with pytest.raises(OSError, match=rf"{name} cannot be set to .*busy"):
        group.limit(Limits(memory_mib=256, pids=64, cpus=0.5))
    kernel.name = ""  # what was refused is not taken for written
    group.limit(Limits(memory_mib=256, pids=64, cpus=0.5))
    assert name in kernel.written


def test_on_v1_memory_may_be_refused_until_its_sum_with_swap_is_larger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = v1_group(tmp_path)
    kernel = Refusing(monkeypatch, "memory.limit_in_bytes", errno.EINVAL)
    kernel.left = 1
    group.limit(Limits(memory_mib=256, pids=64))
    assert kernel.written["memory.limit_in_bytes"] == str(256 * MIB)


def test_on_v1_a_share_beyond_that_of_the_server_is_the_servers_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = v1_group(tmp_path)
    kernel = Refusing(monkeypatch, "cpu.cfs_quota_us", errno.EINVAL)
    group.limit(Limits(memory_mib=256, pids=64, cpus=8.0))
    assert kernel.written["cpu.cfs_quota_us"] == "-1"


SWAPS = "Filename Type Size Used Priority\n/dev/sda2 partition 8 0 -2\n"


def test_what_a_kernel_does_not_count_is_no_failure_and_is_known(tmp_path: Path) -> None:
    controllers = Controllers({"memory": tmp_path}, is_v2=False)
    for name in ("memory.oom_control", "cgroup.event_control"):
        write(tmp_path / name)
    (tmp_path / "s1").mkdir()
    write(tmp_path / "s1/memory.limit_in_bytes")
    Group({"memory": str(tmp_path / "s1")}, is_v2=False).limit(Limits(memory_mib=64, pids=8))
    assert controllers.uncounted("Filename\n") == ("sockets",)
    assert controllers.uncounted(SWAPS) == ("sockets", "swap")
    write(tmp_path / "memory.kmem.tcp.limit_in_bytes")
    write(tmp_path / "memory.memsw.limit_in_bytes")
    assert controllers.uncounted(SWAPS) == ()
    assert Controllers({"memory": tmp_path}, is_v2=True).uncounted(SWAPS) == ("swap",)
    assert Controllers({}, is_v2=True).uncounted(SWAPS) == ()


def test_a_group_that_cannot_be_made_whole_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    parents = {"memory": tmp_path / "memory", "pids": tmp_path / "gone"}
    with pytest.raises(FileNotFoundError):
        Controllers(parents, is_v2=False).make("s1")
    assert not (tmp_path / "memory/s1").exists()
