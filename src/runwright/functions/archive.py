"""Source archives: unpacking a stranger's gzip'd tar, and packing a built tree.

An archive is hostile until proven otherwise. `tarfile` only parses headers here; every file
is made by us, below a directory descriptor, one path component at a time, never through a
symbolic link. So nothing can be written outside the target, whatever the names say. Symbolic
links are written but never followed, and checked at the end, when the whole tree is known: a
chain of links that look harmless one by one can still lead out.

Sizes are bounded twice: by what a header declares, before anything is read, and by the bytes
that leave the decompressor, which is also what stops a compression bomb.

Runs in the children of `chores`, so it imports little: their start is on the way of each build.
"""

import errno
import gzip
import os
import stat
import tarfile
import zlib
from typing import IO, BinaryIO, Final, NamedTuple, cast

BLOCK: Final = tarfile.BLOCKSIZE
_PART_BYTES: Final = 256 * 1024
# Extended headers (long names, pax records) are read into memory whole.
_MAX_HEADER_BYTES: Final = 256 * 1024
_MAX_NAME_BYTES: Final = 255  # of one path component, as file systems have it
_MAX_LINK_HOPS: Final = 40  # what Linux follows
_SHOWN_CHARS: Final = 120
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LATEST_MTIME: Final = 2**32


class BadArchive(Exception):
    """The archive is refused; the text is one sentence for the build log."""


class Limits(NamedTuple):
    total_bytes: int = 2_000_000_000  # of all files together
    entries: int = 250_000
    path_bytes: int = 2048


class Unpacked(NamedTuple):
    entries: int
    total_bytes: int


def unpack(archive: str, target: str, limits: Limits | None = None) -> Unpacked:
    """Unpack the gzip'd tar at path `archive` into the existing folder `target`.

    Blocks, and may take as long as its author likes: run it through `chores`. Modes become
    644 or 755, owners are ignored. After a failure the target holds whatever was unpacked so
    far. Raises BadArchive.
    """
    limits = limits or Limits()
    with open(archive, "rb") as file, gzip.GzipFile(fileobj=file) as plain:
        source = _Forward(plain, limits)
        writer = _Writer(target, limits)
        try:
            _unpack(source, writer)
        except (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError) as exc:
            raise BadArchive("The source is not a complete gzip'd tar archive.") from exc
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise BadArchive("The server has no disk space left for this source.") from exc
            raise
        finally:
            writer.close()
        return Unpacked(writer.entries, writer.total_bytes)


def _unpack(source: "_Forward", writer: "_Writer") -> None:
    try:
        tar = tarfile.open(  # noqa: SIM115  # holds nothing that needs closing
            fileobj=cast("IO[bytes]", source),  # it reads, tells and skips: all that is used
            mode="r:",
            encoding="utf-8",
            errors="surrogateescape",
        )
        while (member := tar.next()) is not None:
            writer.add(member, source)
            # Else the parser keeps every header of the archive in memory.
            tar.members = []  # type: ignore[attr-defined]  # absent from the stubs
    except (ValueError, OverflowError, RecursionError) as exc:
        raise BadArchive("The source archive has a header that makes no sense.") from exc
    if not source.is_at_end:
        raise BadArchive("The source archive is damaged: it ends with a broken header.")
    source.drain()  # the checksum stands at the very end
    writer.check_links()


class _Forward:
    """What tarfile needs of a file, over a stream that cannot go back."""

    def __init__(self, plain: gzip.GzipFile, limits: Limits) -> None:
        self._plain = plain
        self._position = 0
        # Headers, padding and end blocks come on top of the files themselves.
        self._most = limits.total_bytes + (limits.entries + 64) * 3 * BLOCK
        self._last = b""

    @property
    def is_at_end(self) -> bool:
        """The parser stopped at a zero block or at the end of the data."""
        return not self._last.strip(b"\0")

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        if size > _MAX_HEADER_BYTES:
            raise BadArchive("The source archive has an oversized header.")
        self._last = self.part(size)
        return self._last

    def part(self, size: int) -> bytes:
        """Exactly `size` bytes, or fewer at the end of the data."""
        data = self._plain.read(size)
        self._position += len(data)
        if self._position > self._most:
            raise BadArchive("The source archive unpacks to more data than is allowed.")
        return data

    def seek(self, position: int) -> None:
        if position < self._position:
            raise BadArchive("The source archive has a header that makes no sense.")
        while self._position < position:
            if not self.part(min(position - self._position, _PART_BYTES)):
                return

    def drain(self) -> None:
        while self.part(_PART_BYTES):
            pass


class _Writer:
    """Makes the entries of one archive below one folder."""

    def __init__(self, target: str, limits: Limits) -> None:
        self._root = os.open(target, _DIRECTORY)
        self._limits = limits
        self._links: set[tuple[str, ...]] = set()
        # Archives list a folder's files in a row, so the last parent is nearly always right.
        self._parent: tuple[tuple[str, ...], int] | None = None
        self.entries = 0
        self.total_bytes = 0

    def close(self) -> None:
        self._forget_parent()
        os.close(self._root)

    def add(self, member: tarfile.TarInfo, source: _Forward) -> None:
        self.entries += 1
        if self.entries > self._limits.entries:
            raise BadArchive(
                f"The source archive has more than {self._limits.entries} files and folders."
            )
        parts = self._parts(member.name)
        shown = _shown(member.name)
        if member.issparse():
            raise BadArchive(f"The source archive holds a sparse file, {shown}; store it plainly.")
        if member.isdir():
            self._make_folder(parts, shown)
        elif not parts:
            raise BadArchive(f"The source archive has an entry without a name: {shown}.")
        elif member.issym():
            self._make_link(parts, member.linkname, shown)
        elif member.islnk():
            self._make_hard_link(parts, self._parts(member.linkname), shown)
        elif member.isreg():
            self._make_file(parts, member, source, shown)
        else:
            raise BadArchive(f"The source archive holds a device, pipe or unknown entry: {shown}.")

    def check_links(self) -> None:
        for parts in sorted(self._links):
            if not self._stays_inside(parts):
                raise BadArchive(f"The link {_shown('/'.join(parts))} points outside the source.")

    def _parts(self, name: str) -> tuple[str, ...]:
        if name.startswith("/"):
            raise BadArchive(f"The source archive has an absolute path: {_shown(name)}.")
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if ".." in parts:
            raise BadArchive(f"The source archive has a path with `..`: {_shown(name)}.")
        try:
            sizes = [len(os.fsencode(part)) for part in parts]
        except UnicodeEncodeError:
            raise BadArchive(
                f"The source archive has a name that is not text: {_shown(name)}."
            ) from None
        if "\0" in name:
            raise BadArchive(f"The source archive has a name that is not text: {_shown(name)}.")
        if (
            sum(sizes) + len(sizes) > self._limits.path_bytes
            or max(sizes, default=0) > _MAX_NAME_BYTES
        ):
            raise BadArchive(f"The source archive has a path that is too long: {_shown(name)}.")
        return parts

    def _count(self, size: int) -> None:
        self.total_bytes += size
        if size < 0 or self.total_bytes > self._limits.total_bytes:
            raise BadArchive(f"The source unpacks to more than {self._limits.total_bytes} bytes.")

    def _folder(self, parts: tuple[str, ...], shown: str) -> int:
        """An open descriptor of a folder, made when missing. The writer keeps it."""
        if self._parent is not None and self._parent[0] == parts:
            return self._parent[1]
        here = os.dup(self._root)
        try:
            for part in parts:
                here = self._enter(here, part, shown)
        except BaseException:
            os.close(here)
            raise
        self._forget_parent()
        self._parent = (parts, here)
        return here

    def _enter(self, here: int, part: str, shown: str) -> int:
        """Open a sub-folder and close `here`, which stays open when this fails."""
        try:
            below = os.open(part, _DIRECTORY, dir_fd=here)
        except FileNotFoundError:
            os.mkdir(part, 0o755, dir_fd=here)
            below = os.open(part, _DIRECTORY, dir_fd=here)
            os.fchmod(below, 0o755)
        except OSError as exc:
            if exc.errno in (errno.ENOTDIR, errno.ELOOP):
                raise BadArchive(
                    f"The path {shown} leads through a file or a link, not a folder."
                ) from exc
            raise
        os.close(here)
        return below

    def _forget_parent(self) -> None:
        if self._parent is not None:
            os.close(self._parent[1])
            self._parent = None

    def _place(self, parts: tuple[str, ...], shown: str) -> int:
        """The open parent of a new entry, whose name is free afterwards: later entries win."""
        parent = self._folder(parts[:-1], shown)
        try:
            os.unlink(parts[-1], dir_fd=parent)
            self._links.discard(parts)
        except FileNotFoundError:
            pass
        except (IsADirectoryError, PermissionError):
            raise BadArchive(f"The source archive has {shown} twice, once as a folder.") from None
        return parent

    def _make_folder(self, parts: tuple[str, ...], shown: str) -> None:
        if not parts:
            return
        parent = self._folder(parts[:-1], shown)
        try:
            os.mkdir(parts[-1], 0o755, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(parts[-1], dir_fd=parent).st_mode):
                raise BadArchive(
                    f"The source archive has {shown} twice, once as a folder."
                ) from None
        self._folder(parts, shown)

    def _make_file(
        self, parts: tuple[str, ...], member: tarfile.TarInfo, source: _Forward, shown: str
    ) -> None:
        self._count(member.size)
        parent = self._place(parts, shown)
        descriptor = os.open(parts[-1], _NEW_FILE, 0o600, dir_fd=parent)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            _copy(source, file, member.size, shown)
            mtime = min(max(int(member.mtime), 0), _LATEST_MTIME)
            os.utime(descriptor, (mtime, mtime))
            os.fchmod(descriptor, 0o755 if member.mode & 0o111 else 0o644)

    def _make_link(self, parts: tuple[str, ...], to: str, shown: str) -> None:
        if to.startswith("/"):
            raise BadArchive(f"The link {shown} points outside the source.")
        if not to or "\0" in to or len(os.fsencode(to)) > self._limits.path_bytes:
            raise BadArchive(f"The link {shown} has an unusable target.")
        parent = self._place(parts, shown)
        os.symlink(to, parts[-1], dir_fd=parent)
        self._links.add(parts)

    def _make_hard_link(self, parts: tuple[str, ...], to: tuple[str, ...], shown: str) -> None:
        if not to or to == parts:
            raise BadArchive(f"The hard link {shown} points at nothing in the archive.")
        try:
            folder = os.dup(self._folder(to[:-1], shown))
        except OSError as exc:
            raise BadArchive(f"The hard link {shown} points at nothing in the archive.") from exc
        try:
            found = os.lstat(to[-1], dir_fd=folder)
            if not stat.S_ISREG(found.st_mode):
                raise BadArchive(f"The hard link {shown} does not point at a file.")
            self._count(found.st_size)  # packing the tree again may write it out twice
            parent = self._place(parts, shown)
            os.link(
                to[-1],
                parts[-1],
                src_dir_fd=folder,
                dst_dir_fd=parent,
                follow_symlinks=False,
            )
        except FileNotFoundError as exc:
            raise BadArchive(f"The hard link {shown} points at nothing in the archive.") from exc
        finally:
            os.close(folder)

    def _stays_inside(self, parts: tuple[str, ...]) -> bool:
        """Follow a link as the kernel would, and see whether it ever leaves the root."""
        todo = list(reversed(parts))
        real: list[str] = []
        hops = 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if not real:
                    return False
                real.pop()
                continue
            try:
                to = os.readlink("/".join([*real, part]), dir_fd=self._root)
            except OSError:
                real.append(part)  # a file, a folder, or nothing
                continue
            hops += 1
            if hops > _MAX_LINK_HOPS:
                return True  # a loop: no program can follow it anywhere
            if to.startswith("/"):
                return False
            todo.extend(reversed(to.split("/")))
        return True


def _copy(source: _Forward, file: BinaryIO, size: int, shown: str) -> None:
    left = size
    while left:
        data = source.part(min(left, _PART_BYTES))
        if not data:
            raise BadArchive(f"The source archive ends in the middle of {shown}.")
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        left -= len(data)


def _shown(name: str) -> str:
    """A name of a stranger's choice, fit for a log line."""
    safe = "".join(char if char.isprintable() else "?" for char in name)
    return f"`{safe[:_SHOWN_CHARS]}…`" if len(safe) > _SHOWN_CHARS else f"`{safe}`"


def pack(tree: str, archive: str) -> None:
    """Write the folder `tree` as a gzip'd tar at path `archive`. Links are kept as links.

    Blocks: run it through `chores`. Owners are dropped, modes become 644 or 755.
    """
    with tarfile.open(archive, "w:gz", compresslevel=6, format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(os.listdir(tree)):
            tar.add(os.path.join(tree, name), arcname=name, filter=_nobodys)


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if not member.isreg() or member.mode & 0o111 else 0o644
    return member
