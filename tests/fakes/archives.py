"""Source archives for tests."""

import gzip
import io
import tarfile
from collections.abc import Mapping


def member(name: str, data: bytes = b"", mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = mode
    return info, data


def link(name: str, target: str, *, is_hard: bool = False) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = tarfile.LNKTYPE if is_hard else tarfile.SYMTYPE
    info.linkname = target
    return info, b""


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    info.mode = 0o755
    return info, b""


def special(name: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = kind
    return info, b""


def tar_gz(
    *members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT, level: int = 1
) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=format) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), level)


def source(files: Mapping[str, bytes] | None = None) -> bytes:
    """A source archive; by default that of a small function."""
    chosen = {"main.js": b"module.exports = () => {};\n"} if files is None else files
    return tar_gz(*(member(name, data) for name, data in chosen.items()))
