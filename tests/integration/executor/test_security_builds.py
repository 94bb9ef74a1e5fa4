"""What builds leave behind to harm the server or later builds."""

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runwright.executor.disk import too_large, used_bytes
from runwright.ports.executor import BuildResult
from tests.integration.executor.conftest import NODE, Bench
from tests.integration.executor.test_builds import Site

pytestmark = pytest.mark.anyio

_MIB = 1024 * 1024
_NEST = "mkdir -p '%s' && cd '%s' && perl -e 'for (1..1500) { mkdir \"d\"; chdir \"d\" }'"


@pytest.fixture
def site(bench: Bench, tmp_path: Path) -> Iterator[Site]:
    site = Site(bench, tmp_path, NODE)
    yield site
    # Deeper than the test runner's own clean-up can go.
    subprocess.run(["rm", "-rf", str(site.workspace), str(site.cache)], check=True, timeout=60)


@pytest.mark.parametrize("folder", ["$PWD/made", "/usr/local/cache/made", "$TMPDIR"])
async def test_folders_without_end_break_neither_this_build_nor_the_next(
    bench: Bench, site: Site, folder: str
) -> None:
    folder = folder.replace("$PWD", "/usr/local/build").replace("$TMPDIR", "/usr/local/cache/tmp")
    result = await site.build(_NEST % (folder, folder))
    assert result == BuildResult(exit_code=0), site.log
    builder = bench.executor._builder
    assert builder is not None
    assert not builder._running
    assert await site.build("touch more") == BuildResult(exit_code=0), site.log
    assert not (site.cache / "tmp" / "d").exists()


async def test_links_out_of_the_tree_are_not_followed_when_files_are_taken_back(
    site: Site, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    os.chmod(outside / "file", 0o640)
    before = (outside / "file").stat()
    commands = (
        f"ln -s {outside} folder; ln -s {outside}/file file; ln -s {outside} /usr/local/cache/link;"
        f" rm -rf /usr/local/cache/tmp; ln -s {outside} /usr/local/cache/tmp;"
        " cp /bin/true own; chmod 6755 own; ! ln /bin/true taken 2>&1"
    )
    result = await site.build(commands)
    assert result == BuildResult(exit_code=0), site.log
    after = (outside / "file").stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)
    assert outside.stat().st_uid == os.geteuid()
    assert not stat.S_IMODE((site.workspace / "own").stat().st_mode) & (stat.S_ISUID | stat.S_ISGID)


@contextmanager
def at_most(bench: Bench, disk_mib: int) -> Iterator[None]:
    builder = bench.executor._builder
    assert builder is not None
    limits = builder._limits
    builder._limits = replace(limits, disk_mib=disk_mib)
    try:
        yield
    finally:
        builder._limits = limits


_FILL = "for n in $(seq 1000); do head -c 8M /dev/zero > %s/$n; done; sleep 60"
_EMPTY = "cd %s && seq 20000 | xargs touch; sleep 60"


@pytest.mark.parametrize(
    "commands",
    [
        _FILL % "/usr/local/build",
        _FILL % "/usr/local/cache",
        _FILL % "/usr/local/cache/tmp",
        _EMPTY % "/usr/local/cache",
    ],
    ids=["workspace", "cache", "temporary", "empty files"],
)
async def test_a_build_that_fills_the_disk_is_ended_and_told_why(
    bench: Bench, site: Site, commands: str
) -> None:
    with at_most(bench, 64):
        result = await site.build(commands)
        assert result == BuildResult(exit_code=-9, message=too_large(64))
        for path in site.workspace.iterdir():
            path.unlink()  # the next deployment has a workspace of its own, but the same cache
        assert (await site.build("echo well")).exit_code == 0, site.log
    assert "well" in site.log


async def test_one_file_is_bounded_at_once_and_none_can_be_reserved(
    bench: Bench, site: Site
) -> None:
    with at_most(bench, 64):
        # Without blocks: who watches the disk is not to be the quicker one.
        result = await site.build("truncate -s 64M large && truncate -s 200M large || exit 3")
        assert result.exit_code == 3, site.log
        assert (site.workspace / "large").stat().st_size == 64 << 20
        (site.workspace / "large").unlink()
        result = await site.build("! fallocate -l 32M reserved 2>&1")
        assert result.exit_code == 0, site.log
        assert (site.workspace / "reserved").stat().st_blocks == 0


async def test_a_build_that_was_quick_is_measured_at_its_end(bench: Bench, site: Site) -> None:
    with at_most(bench, 64):
        result = await site.build("for n in 1 2 3; do head -c 30M /dev/zero > $n; done")
    assert result == BuildResult(exit_code=-9, message=too_large(64))


async def test_blocks_are_counted_once_and_links_are_not_followed(tmp_path: Path) -> None:
    workspace, cache, outside = (tmp_path / name for name in ("workspace", "cache", "outside"))
    for folder in (workspace, cache, outside):
        folder.mkdir()
    (outside / "large").write_bytes(bytes(4 * _MIB))
    (workspace / "file").write_bytes(b"x" * _MIB)
    (workspace / "again").hardlink_to(workspace / "file")
    (workspace / "link").symlink_to(outside)
    with (cache / "sparse").open("wb") as file:
        file.truncate(100 * _MIB)
    used = used_bytes(str(workspace), str(cache))
    assert _MIB <= used < 2 * _MIB
    assert used_bytes(str(tmp_path / "gone")) == 0
    for number in range(300):
        (cache / f"empty-{number}").touch()
    assert 300 * 4096 <= used_bytes(str(workspace), str(cache)) < 2 * _MIB
