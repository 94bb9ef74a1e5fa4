"""The v2 hierarchy of a real kernel, with whichever of its controllers is free here."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runwright.executor import cgroups

# In a group of its own, so that handing out controllers meets the rule that a group holds
# processes or gives controllers to its children, not both.
_SERVER = """
import json, os, sys
from pathlib import Path
from runwright.executor import cgroups

point, name, wanted = sys.argv[1], sys.argv[2], tuple(sys.argv[3].split(","))
cgroups.WANTED = wanted
(Path(point) / name / "cgroup.procs").write_text("0")
told = {}
for attempt in ("first", "again"):
    controllers = cgroups.Controllers.find("test", own=Path("/proc/self/cgroup").read_text(),
                                           mounts=f"cgroup2 {point} cgroup2 rw 0 0")
    own = [line for line in Path("/proc/self/cgroup").read_text().split() if line[:3] == "0::"]
    told[attempt] = [list(controllers._parents), controllers.is_v2, own[0][3:],
                     str(next(iter(controllers._parents.values()), ""))]
group = controllers.make("s1")
group.limit(cgroups.Limits(memory_mib=64, pids=8, cpus=0.5))
pid = os.fork()
if pid == 0:
    group.join()
    while True:
        os.read(0, 1)
end = Path(f"/proc/{pid}/cgroup")
while "s1" not in end.read_text():
    pass
told["members"] = group.members() == [pid]
told["kept while it lives"] = not group.remove()
told["swept"] = controllers.sweep(lambda member: os.kill(member, 9) or os.waitpid(pid, 0))
controllers.remove()
print(json.dumps(told))
"""


def _unified() -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, options = line.split(" ")[:4]
        if kind == "cgroup2" and options.startswith("rw"):
            return Path(point)
    pytest.skip("no v2 hierarchy is mounted")


@pytest.fixture
def slice_() -> Iterator[tuple[Path, str, list[str]]]:
    """Mount point, a new group below it, and the controllers that it may hand out."""
    if os.geteuid() != 0:
        pytest.skip("only root may make groups at the top")
    point = _unified()
    control = point / "cgroup.subtree_control"
    there = (point / "cgroup.controllers").read_text().split()
    wanted: list[str] = [name for name in cgroups.WANTED if name in there] or there[:1]
    if not wanted:
        pytest.skip("the v2 hierarchy has no controller")
    before = set(control.read_text().split())
    folder = point / f"runwright-tests-{os.getpid()}"
    try:
        folder.mkdir()
        control.write_text(" ".join(f"+{name}" for name in wanted))
    except OSError as error:
        pytest.skip(f"no group can be made here: {error}")
    try:
        yield point, folder.name, wanted
    finally:
        for leaf in sorted(folder.rglob("*"), key=lambda path: -len(path.parts)):
            if leaf.is_dir():
                leaf.rmdir()
        folder.rmdir()
        for name in set(wanted) - before:
            with contextlib.suppress(OSError):  # another run of these tests hands it out now
                control.write_text(f"-{name}")


def test_the_server_steps_aside_hands_out_controllers_and_does_so_once(
    slice_: tuple[Path, str, list[str]],
) -> None:
    point, name, wanted = slice_
    done = subprocess.run(
        [sys.executable, "-c", _SERVER, str(point), name, ",".join(wanted)],
        stdin=subprocess.PIPE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    main, groups = f"/{name}/runwright-test-main", f"{point}/{name}/runwright-test"
    assert told["first"] == [wanted, True, main, groups]
    assert told["again"] == told["first"]  # a second launcher of the same server
    assert (told["members"], told["kept while it lives"], told["swept"]) == (True, True, 1)
