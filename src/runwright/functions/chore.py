"""The child's side of `chores`: a program that does one file chore.

It reads `[name, [argument, ...]]` as JSON from standard input and prints `{"ok": ...}` or
`{"refused": "one sentence"}`.
"""

import ctypes
import json
import os
import resource
import sys
from typing import Any, Final

from runwright.functions import archive, trees

_MEMORY_BYTES: Final = 1024 * 1024 * 1024
_NICE: Final = 5  # requests go first
_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9


def main() -> None:
    _die_with_parent()
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    name, arguments = json.load(sys.stdin)
    try:
        answer = {"ok": do(name, arguments)}
    except (archive.BadArchive, trees.Unsealable) as exc:
        answer = {"refused": str(exc)}
    json.dump(answer, sys.stdout)


def do(name: str, arguments: list[Any]) -> object:
    match name, arguments:
        case "unpack", [source, target, limits]:
            return archive.unpack(source, target, archive.Limits(*limits))
        case "pack", [tree, target]:
            archive.pack(tree, target)
        case "seal", [tree, most_bytes, most_entries]:
            return trees.seal(tree, most_bytes=most_bytes, most_entries=most_entries)
        case "remove", [tree]:
            trees.remove(tree)
        case _:
            raise ValueError(name)
    return None


def _die_with_parent() -> None:
    """A server that was killed must not leave a child writing into a folder that its
    successor cleans."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # it died before we asked
