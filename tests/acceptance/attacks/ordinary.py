"""A user without any right to start the server as, though the interpreter may be root's own."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

UID: Final = 61_773
_ROOT: Final = Path(__file__).parents[3]


def prefix(folder: Path) -> tuple[str, ...]:
    """A command that becomes its arguments, run by that user; `folder` is for its mounts.

    Where a folder above the interpreter is closed to others, it is covered by an empty one in a
    mount namespace of the server's own, with only the interpreter in it.
    """
    lines = ["set -e"]
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
