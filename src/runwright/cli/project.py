"""A function's folder: its `runwright.json`, and packing it for upload."""

import fnmatch
import gzip
import json
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, field
from pathlib import Path
from typing import Any, Final

from runwright.values import dataclass

FILE: Final = "runwright.json"
IGNORE_FILE: Final = ".runwrightignore"
ALWAYS_IGNORED: Final = (
    ".git",
    ".DS_Store",
    "node_modules",
    "__pycache__",
    "runtime-env",
    ".venv",
    "*.pyc",
    FILE,
    IGNORE_FILE,
)


NEEDED: Final = {"functionId", "name", "runtime", "entrypoint"}
_WITH_DEFAULTS: Final = {"commands", "execute"}
# Settings that the file may name; one that it does not name is left as it is on the server.
OPTIONAL: Final = {
    "events",
    "schedule",
    "timezone",
    "interval",
    "scheduleCatchUp",
    "scheduleOverlap",
    "timeout",
    "scopes",
    "enabled",
    "logging",
    "retry",
    "concurrency",
    "requestRetention",
    "loopLimit",
    "minInstances",
    "maxInstances",
    "network",
    "runtimeSpecification",
    "buildSpecification",
    "description",
}


class BadProject(Exception):
    """The folder cannot be deployed; the text says why and what to do."""


@dataclass(kw_only=True)
class FunctionFile:
    """What `runwright.json` holds."""

    functionId: str
    name: str
    runtime: str
    entrypoint: str
    commands: str = ""
    execute: list[str] = field(default_factory=lambda: ["any"])
    optional: dict[str, Any] = field(default_factory=dict)  # by the names of the API

    def save(self, folder: Path) -> None:
        values = asdict(self)
        values |= values.pop("optional")
        (folder / FILE).write_text(json.dumps(values, indent=2) + "\n")


def load(folder: Path) -> FunctionFile:
    """Raises BadProject."""
    path = folder / FILE
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError as exc:
        raise BadProject(
            f"There is no {FILE} in {folder}. Make a starter with `runwright init`."
        ) from exc
    except ValueError as exc:
        raise BadProject(f"{path} is not valid JSON: {exc}") from exc
    if not isinstance(values, dict):
        raise BadProject(f"{path} holds no JSON object.")
    if unknown := set(values) - NEEDED - _WITH_DEFAULTS - OPTIONAL:
        raise BadProject(f"{path} names '{min(unknown)}', which is no setting of a function.")
    if missing := NEEDED - set(values):
        raise BadProject(f"{path} does not name '{min(missing)}', which a function needs.")
    optional = {name: values.pop(name) for name in OPTIONAL & set(values)}
    return FunctionFile(**values, optional=optional)


def _ignored(folder: Path) -> tuple[str, ...]:
    path = folder / IGNORE_FILE
    own = path.read_text().splitlines() if path.exists() else []
    return ALWAYS_IGNORED + tuple(line.strip() for line in own if line.strip())


def files(folder: Path) -> Iterator[Path]:
    """Files to upload, in a stable order; patterns match a name or a path below `folder`."""
    patterns = _ignored(folder)
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        names = (*relative.parts, relative.as_posix())
        if any(fnmatch.fnmatch(name, pattern) for name in names for pattern in patterns):
            continue
        if path.is_file() or path.is_symlink():
            yield path


def pack(folder: Path, target: Path) -> int:
    """Write the folder as a gzipped tar with the source at its root; returns the file count.

    Owners and times are left out, so that equal sources give equal archives.
    """
    count = 0
    with (
        target.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as archive,
    ):
        for path in files(folder):
            archive.add(path, path.relative_to(folder).as_posix(), filter=_plain)
            count += 1
    if not count:
        raise BadProject(f"{folder} holds no files to deploy.")
    return count


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member
