"""What builds leave behind to harm the server or later builds."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runwright.ports.executor import BuildResult
from tests.integration.executor.conftest import NODE, Bench
from tests.integration.executor.test_builds import Site

pytestmark = pytest.mark.anyio

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
