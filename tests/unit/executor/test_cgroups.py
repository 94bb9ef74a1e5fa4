"""Limits against a tree of plain files that looks like the kernel's."""

import os
from pathlib import Path

import pytest

from runwright.executor.cgroups import CPU_PERIOD_US, Controllers, Limits

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

    def find(self) -> Controllers:
        return Controllers.find("test", at=self.at, own=self.own, mounts=self.mounts)

    def fill(self, name: str) -> None:
        files = {
            "memory": ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
            "cpu": ("cpu.cfs_quota_us", "cpu.cfs_period_us"),
            "pids": ("pids.max",),
        }
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
