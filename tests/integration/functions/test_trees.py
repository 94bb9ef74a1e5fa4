"""Trees that user code has written: sealed, removed, and the children that do it."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runwright.functions import chores, trees
from runwright.functions.archive import Limits
from runwright.functions.trees import Sealed, Unsealable, may_hold, remove, seal
from tests.fakes.archives import member, tar_gz
from tests.unit.functions.yard import until

pytestmark = pytest.mark.anyio


def sealed(tree: Path, *, most_bytes: int = 10_000, most_entries: int = 1000) -> Sealed:
    return seal(str(tree), most_bytes=most_bytes, most_entries=most_entries)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def deep(tree: Path, depth: int) -> None:
    """Folders nested deeper than any path can name."""
    here = os.open(tree, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT, dir_fd=here))
    os.close(here)


def test_a_sealed_tree_is_read_only_and_counted_once_per_file(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir(mode=0o700)
    (tmp_path / "bin/run").write_text("12345")
    (tmp_path / "bin/run").chmod(0o6711)
    (tmp_path / "private").write_text("123")
    (tmp_path / "private").chmod(0o000)
    os.link(tmp_path / "bin/run", tmp_path / "same")
    assert sealed(tmp_path) == Sealed(files=3, total_bytes=8)
    assert mode(tmp_path / "bin") == 0o555
    assert mode(tmp_path / "bin/run") == 0o555
    assert mode(tmp_path / "private") == 0o444
    assert mode(tmp_path) == 0o755


def test_sealing_never_follows_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    (outside / "file").chmod(0o640)
    outside.chmod(0o750)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "folder").symlink_to(outside)
    (tree / "file").symlink_to(outside / "file")
    (tree / "nowhere").symlink_to("/nonexistent")
    assert sealed(tree) == Sealed(files=3, total_bytes=0)
    assert (mode(outside), mode(outside / "file")) == (0o750, 0o640)


def test_pipes_and_sockets_are_dropped(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
    assert sealed(tmp_path) == Sealed(files=0, total_bytes=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"most_bytes": 5}, "larger than 5 bytes"),
        ({"most_entries": 2}, "more than 2 files"),
    ],
)
def test_a_tree_beyond_its_limits_is_refused(
    tmp_path: Path, limits: dict[str, int], sentence: str
) -> None:
    for name in "abc":
        (tmp_path / name).write_text("xx")
    with pytest.raises(Unsealable, match=sentence):
        sealed(tmp_path, **limits)


def test_a_tree_that_is_too_deep_is_refused_and_removed_all_the_same(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    deep(tree, 1200)
    with pytest.raises(Unsealable, match="nested more than 128 deep"):
        sealed(tree, most_entries=10_000)
    remove(str(tree))
    assert list(tmp_path.iterdir()) == []


def test_removing_takes_everything_and_nothing_else(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    tree = tmp_path / "tree"
    for folder in ("a/b/c", "a/d", "e"):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "file").write_text("x")
    (tree / "a/out").symlink_to(outside)
    os.mkfifo(tree / "pipe")
    sealed(tree)
    remove(str(tree))
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "file").read_text() == "x"
    remove(str(tree))  # there is nothing left, and that is fine


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("main.js", True),
        ("./src//main.js", True),
        ("/main.js", True),
        ("src", True),
        ("other.js", False),
        ("src/other.js", False),
        ("main.js/x", False),
        ("link/anything", True),  # not looked at: it may lie outside
        ("../anything", True),
        ("a\0b", False),
    ],
)
def test_an_entrypoint_is_looked_for_inside_the_tree_only(
    tmp_path: Path, path: str, answer: bool
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "main.js").write_text("")
    (tmp_path / "src/main.js").write_text("")
    (tmp_path / "link").symlink_to("/etc")
    assert may_hold(str(tmp_path), path) is answer


# The children


async def test_a_child_refuses_in_a_sentence(tmp_path: Path) -> None:
    archive, target = tmp_path / "a.tar.gz", tmp_path / "target"
    target.mkdir()
    archive.write_bytes(tar_gz(member("../evil", b"x")))
    with pytest.raises(chores.Refused, match="a path with"):
        await chores.unpack(str(archive), str(target), Limits(), timeout_s=60)


async def test_a_child_that_fails_is_told_from_one_that_refuses(tmp_path: Path) -> None:
    with pytest.raises(chores.ChoreFailed):
        await chores.pack(str(tmp_path / "nothing"), str(tmp_path / "out"), timeout_s=60)


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


async def test_a_child_is_killed_and_reaped_at_its_deadline(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")  # opening it waits for a writer that never comes
    before = children()
    with pytest.raises(chores.TooSlow):
        await chores.unpack(str(tmp_path / "never"), str(tmp_path), Limits(), timeout_s=0.3)
    assert children() <= before


async def test_a_child_is_killed_when_its_caller_is_cancelled(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")
    before = children()
    work = asyncio.create_task(
        chores.unpack(str(tmp_path / "never"), str(tmp_path), Limits(), timeout_s=60)
    )
    await until(lambda: bool(children() - before))
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert children() <= before


def test_the_children_import_next_to_nothing() -> None:
    """Their start is on the way of each build."""
    program = (
        f"import sys; sys.path.insert(0, {str(Path(trees.__file__).parents[2])!r}); "
        "import runwright.functions.chore; print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "runwright.functions.trees" in loaded
    assert not {"asyncio", "dataclasses", "inspect", "msgspec", "logging"} & set(loaded)
