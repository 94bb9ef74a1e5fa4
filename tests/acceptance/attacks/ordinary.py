"""A user without any right to start the server as, though the interpreter may be root's own."""

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

UID: Final = 61_773
_ROOT: Final = Path(__file__).parents[3]


CONTROLLERS: Final = ("memory", "cpu", "pids")
GROUPS: Final = Path("/sys/fs/cgroup")


def can_delegate() -> bool:
    """Version 1 only: on version 2 a group with processes has no groups below it."""
    is_wanted = os.environ.get("ATTACKS_DELEGATED") == "on"
    return is_wanted and all((GROUPS / name / "cgroup.procs").exists() for name in CONTROLLERS)


@contextmanager
def delegated(name: str) -> Iterator[list[Path]]:
    """Control groups that are that user's own."""
    made: list[Path] = []
    try:
        for controller in CONTROLLERS if can_delegate() else ():
            group = GROUPS / controller / name
            group.mkdir()
            made.append(group)
            for path in (group, *group.iterdir()):
                give(path)
        yield made
    finally:
        for group in made:
            group.rmdir()


def prefix(folder: Path, groups: Sequence[Path] = ()) -> tuple[str, ...]:
    """A command that becomes its arguments, run by that user; `folder` is for its mounts.

    Where a folder above the interpreter is closed to others, it is covered by an empty one in a
    mount namespace of the server's own, with only the interpreter in it.
    """
    lines = ["set -e", *(f"echo $$ > {group}/cgroup.procs" for group in groups)]
    for at, (closed, needed) in enumerate(_closed_folders()):
        aside = shlex.quote(f"{folder}/aside-{at}")
        lines += [f"mkdir {aside}", f"mount --rbind {shlex.quote(str(needed))} {aside}"]
        cover = shlex.quote(str(closed))
        inside = shlex.quote(str(needed))
        lines += [f"mount -t tmpfs -o mode=755 none {cover}", f"mkdir -p {inside}"]
        lines += [f"mount --rbind {aside} {inside}"]
    words = f"exec setpriv --reuid {UID} --regid {UID} --clear-groups"
    lines.append(f'{words} --inh-caps=-all --bounding-set=-all "$@"')
    return ("unshare", "--mount", "sh", "-c", "\n".join(lines), "sh")


def _closed_folders() -> list[tuple[Path, Path]]:
    """(folder nobody else may enter, what is needed below it)."""
    found = []
    for needed in _needed():
        for folder in reversed(needed.parents):
            if not folder.stat().st_mode & 0o001:
                found.append((folder, needed))
                break
    assert len({closed for closed, _ in found}) == len(found), "one cover would hide another"
    return found


def _needed() -> Sequence[Path]:
    paths = {Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), _ROOT}
    return [path for path in paths if not paths & set(path.parents)]


def give(path: Path) -> None:
    """Make a folder that user's."""
    os.chown(path, UID, UID)
