"""The copy of an interpreter in large pages."""

import asyncio
import errno
import os
import select
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from runwright.executor import kernel, programs, stage
from tests.integration.executor.conftest import DEADLINES_S, NODE, Bench

_ENOUGH_BYTES = 4 << 30  # also when other tests run beside this one
_LOOK = """
const lines = require('fs').readFileSync('/proc/self/mountinfo', 'utf8').split('\\n');
const own = lines.filter((line) => line.split(' ')[4] === process.execPath);
module.exports = ({ res }) => res.json(own.pop());
"""


@pytest.mark.anyio
async def test_a_runtime_in_use_runs_from_large_pages(bench: Bench) -> None:
    bench.needs_memory_groups()
    switch = Path(programs._SWITCH)
    if not switch.exists() or programs._FORBIDDEN in switch.read_text():
        pytest.skip("no large pages here")
    if programs._free_bytes() < _ENOUGH_BYTES:
        pytest.skip("memory is short")
    for _ in range(programs._STARTS):
        await bench.run(bench.deploy(NODE, _LOOK))
    for wait_s in DEADLINES_S:
        seen = await bench.run(bench.deploy(NODE, _LOOK))
        if b"tmpfs" in seen.body:
            break
        await asyncio.sleep(wait_s)
    assert b"huge=always" in seen.body
    _, _, _, _, point, options, *_ = seen.body.decode().split(" ")
    assert point == "/usr/local/bin/node"
    assert {"ro", "nosuid"} <= set(options.split(","))


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(*_: object) -> None:
    raise OSError(errno.EPERM, "refused")


def change(program: Path) -> None:
    program.write_bytes(b"another")


def replace(program: Path) -> None:
    other = program.with_name("other")
    other.write_bytes(program.read_bytes())
    other.rename(program)


def in_own_mounts(work: Callable[[], None]) -> int:
    """How a process with mounts of its own ended, in which this was done."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            kernel.unshare(kernel.CLONE_NEWNS)
            kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root may have mounts of its own")
    (tmp_path / "programs").mkdir()
    monkeypatch.setattr(stage, "PROGRAMS", str(tmp_path / "programs"))
    made = tmp_path / "program"
    made.write_bytes(b"a program" * 1000)
    return made


def copies(program: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if str(program.parent) in line]


def test_a_copy_covers_its_program_with_the_same_bytes(program: Path) -> None:
    def copy() -> None:
        before, device = program.read_bytes(), program.stat().st_dev
        programs._put_copy(str(program))
        assert program.read_bytes() == before
        assert program.stat().st_mode & 0o777 == 0o755
        assert program.stat().st_dev != device
        assert any(line.split(" ")[5].startswith("ro,nosuid") for line in copies(program))

    assert in_own_mounts(copy) == 0


@pytest.mark.parametrize("end", [die, fail])
def test_nothing_is_left_of_a_copy_whose_maker_dies_or_fails(
    program: Path, monkeypatch: pytest.MonkeyPatch, end: Callable[..., None]
) -> None:
    def copy_and_look() -> None:
        pid = os.fork()
        if pid == 0:
            try:
                monkeypatch.setattr(os, "fchmod", end)
                monkeypatch.setattr(os, "chmod", end)
                programs._put_copy(str(program))
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) in (1, -signal.SIGKILL)
        assert copies(program) == []

    assert in_own_mounts(copy_and_look) == 0


def test_a_copy_that_cannot_be_shown_is_taken_away(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "bind", fail)

    def copy() -> None:
        with pytest.raises(OSError, match="refused"):
            programs._put_copy(str(program))
        assert copies(program) == []

    assert in_own_mounts(copy) == 0


@pytest.mark.parametrize("way", [change, replace])
def test_a_program_that_changes_meanwhile_is_not_covered(
    program: Path, monkeypatch: pytest.MonkeyPatch, way: Callable[[Path], None]
) -> None:
    def copy() -> None:
        for name in ("fchmod", "chmod"):
            monkeypatch.setattr(os, name, lambda *_: way(program))
        with pytest.raises(OSError, match="changed"):
            programs._put_copy(str(program))
        assert copies(program) == []

    assert in_own_mounts(copy) == 0


def test_a_copy_that_was_not_made_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = {"made": lambda _program: None, "failed": lambda _program: 1 // 0}
    taken: dict[str, int] = {}
    for name, end in ends.items():
        monkeypatch.setattr(programs, "_put_copy", end)
        with select.epoll() as poll:
            copies = programs.Programs(poll)
            copies._start_copier(str(tmp_path), 4096)
            [(watch, _)] = poll.poll(30)
            assert copies.arrived(watch)
            taken[name] = copies._bytes
    assert taken == {"made": 4096, "failed": 0}
