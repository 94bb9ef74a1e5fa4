"""Folders that user code has written to: sealing and removing them.

A build may leave anything behind: links to anywhere, pipes, files that nobody may read,
folders nested without end. So nothing here follows a link, every entry is reached through the
descriptor of its folder, and no step recurses as deep as the tree goes.

Runs in the children of `chores`, so it imports little: their start is on the way of each build.
"""

import ctypes
import os
import stat
from typing import Final, NamedTuple

MAX_DEPTH: Final = 128
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Unsealable(Exception):
    """The tree exceeds a limit; the text is one sentence for the build log."""


class Sealed(NamedTuple):
    files: int  # everything but folders
    total_bytes: int  # a file with several names counts once


def seal(tree: str, *, most_bytes: int, most_entries: int) -> Sealed:
    """Make a tree readable by everyone, writable by nobody (but its top by us) and ours.

    Pipes, sockets and devices are dropped, and so are set-id bits. The data is on disk when
    this returns. Blocks: run it through `chores`. Raises Unsealable.
    """
    seen: set[tuple[int, int]] = set()
    files = entries = total = 0
    for path, folders, names, here in os.fwalk(tree, follow_symlinks=False):
        if path.count("/") - tree.count("/") > MAX_DEPTH:
            raise Unsealable(f"The build made folders nested more than {MAX_DEPTH} deep.")
        entries += len(folders) + len(names)
        if entries > most_entries:
            raise Unsealable(f"The build made more than {most_entries} files and folders.")
        for name in folders + names:
            found = os.lstat(name, dir_fd=here)
            if not stat.S_ISDIR(found.st_mode) and _seal_file(name, found, here):
                files += 1
                if stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) not in seen:
                    seen.add((found.st_dev, found.st_ino))
                    total += found.st_size
            elif stat.S_ISDIR(found.st_mode):
                os.chmod(name, 0o700, dir_fd=here)  # so that the walk can enter it
        if total > most_bytes:
            raise Unsealable(f"The build output is larger than {most_bytes} bytes.")
        _own(".", here)
        os.fchmod(here, 0o755 if path == tree else 0o555)
    _flush(tree)
    return Sealed(files, total)


def _seal_file(name: str, found: os.stat_result, here: int) -> bool:
    """False when the entry is nothing that belongs in a tree, and is gone now."""
    if stat.S_ISLNK(found.st_mode):
        _own(name, here)
        return True
    if not stat.S_ISREG(found.st_mode):
        os.unlink(name, dir_fd=here)
        return False
    _own(name, here)  # first: a change of owner may alter the mode
    os.chmod(name, 0o555 if found.st_mode & 0o111 else 0o444, dir_fd=here)
    return True


def _own(name: str, here: int) -> None:
    if os.geteuid() == 0:
        os.chown(name, 0, 0, dir_fd=here, follow_symlinks=False)


def _flush(tree: str) -> None:
    """Write the file system's dirty data: one call, where a sync per file takes minutes."""
    descriptor = os.open(tree, _FOLDER)
    try:
        ctypes.CDLL(None, use_errno=True).syncfs(descriptor)
    finally:
        os.close(descriptor)


def remove(tree: str) -> None:
    """Delete a folder, whatever its modes and depth; nothing happens when there is none.

    Sub-folders are moved to the top before they are emptied, each once, so the work is linear
    and flat. Blocks: run it through `chores` when the tree may be large.
    """
    try:
        top = os.open(tree, _FOLDER)
    except FileNotFoundError:
        return
    try:
        os.fchmod(top, 0o700)
        prefix = os.urandom(8).hex()
        waiting: list[str] = []
        _empty(top, top, prefix, waiting)
        while waiting:
            name = waiting.pop()
            os.chmod(name, 0o700, dir_fd=top)
            here = os.open(name, _FOLDER, dir_fd=top)
            try:
                _empty(here, top, prefix, waiting)
            finally:
                os.close(here)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(tree)


def _empty(here: int, top: int, prefix: str, waiting: list[str]) -> None:
    """Unlink the files of a folder and move its sub-folders to the top."""
    with os.scandir(here) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=here)
        elif here == top:
            waiting.append(name)
        else:
            os.chmod(name, 0o700, dir_fd=here)  # moving a folder takes write access to it
            moved = f"{prefix}-{os.urandom(8).hex()}"
            os.rename(name, moved, src_dir_fd=here, dst_dir_fd=top)
            waiting.append(moved)


def may_hold(tree: str, path: str) -> bool:
    """Whether a file can stand at `path` below the tree. Where a link or `..` is on the way
    the answer is yes: to look further would tell of files outside the tree."""
    here = tree
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            return True
        here = f"{here}/{part}"
        try:
            if stat.S_ISLNK(os.lstat(here).st_mode):
                return True
        except (OSError, ValueError):
            return False
    return True
