"""What a running server holds of the machine: processes, mounts, sockets, files, groups."""

import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import ours
from tests.acceptance.running import Running

_GROUPS: Final = Path("/sys/fs/cgroup")
_OWN_GROUP: Final = re.compile(r"/(runwright-[0-9a-f]+)/")  # of one server, in a sandbox's path


@dataclass(frozen=True, slots=True)
class Held:
    """Numbers of things; two of them are equal when nothing leaked between."""

    processes: int
    files: int  # descriptors of the server and its helpers; no sockets, no databases
    sockets: int
    mounts: int  # in the launcher's namespace, and of the data folder in the host's
    groups: int
    networks: int

    def more_than(self, other: "Held") -> dict[str, int]:
        """By how much it is more, of what it is more."""
        more = {name: getattr(self, name) - getattr(other, name) for name in self.__slots__}
        return {name: count for name, count in more.items() if count > 0}


def held(server: Running) -> Held:
    main = main_processes(server)
    everything = [server.process.pid, *ours.sandboxes(server)]
    links = Counter(
        "sockets" if target.startswith("socket:") else "files"
        for pid in main
        for target in _links(f"/proc/{pid}/fd")
        if ".db" not in target  # a pool of connections that grows as far as it may
    )
    return Held(
        processes=len(everything),
        files=links["files"],
        sockets=links["sockets"],
        mounts=_mounts(server.data_dir, main),
        groups=len(_groups(everything)),
        networks=len({link for pid in everything if (link := _link(f"/proc/{pid}/ns/net"))}),
    )


def main_processes(server: Running) -> list[int]:
    """The server and its two helpers, whose memory must not grow."""
    note = server.data_dir / "run" / "helpers.json"
    helpers = [int(item["pid"]) for item in json.loads(note.read_text())]
    return [server.process.pid, *helpers]


def settled(server: Running, is_as: Callable[[Held], bool], wait_s: float) -> Held:
    """What is held once that is true, or when the wait is over."""
    deadline = time.monotonic() + wait_s
    while True:
        found = held(server)
        if is_as(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def steady(server: Running, *, turns: int = 25, wait_s: float = 120.0) -> Held:
    """What is held once that has not changed for `turns` fifths of a second: for longer than an
    idle sandbox of a soaked server lives."""
    seen: list[Held] = []

    def is_steady(found: Held) -> bool:
        seen.append(found)
        return len(seen) > turns and len(set(seen[-turns:])) == 1

    return settled(server, is_steady, wait_s)


def _mounts(data_dir: Path, pids: list[int]) -> int:
    """Others mount in the host's namespace too, so there only what is ours counts."""
    own = os.readlink("/proc/self/ns/mnt")
    return sum(
        str(data_dir) in line or _link(f"/proc/{pid}/ns/mnt") != own
        for pid in pids
        for line in _lines(f"/proc/{pid}/mountinfo")
    )


def _groups(pids: list[int]) -> list[str]:
    """The group that the launcher made and those below it, in every hierarchy. Groups of other
    servers lie beside it."""
    own = {
        name
        for pid in pids
        for line in _lines(f"/proc/{pid}/cgroup")
        for name in _OWN_GROUP.findall(line)
    }
    return [at for at, _, _ in os.walk(_GROUPS) if not own.isdisjoint(at.split("/"))]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _links(folder: str) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [target for name in names if (target := _link(f"{folder}/{name}"))]


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
