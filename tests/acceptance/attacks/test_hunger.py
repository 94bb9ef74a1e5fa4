"""Who takes all there is takes it from himself: the neighbour keeps its pace, nothing remains."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.acceptance.attacks.rows import BOTH, HUNGER, Row
from tests.acceptance.attacks.stand import TMP_MIB, Stand

# What ends a case that would never end by itself: the deadline of a function with a short one.
DEADLINE: Final = frozenset({"timeout"})
DEATH: Final = frozenset({"exit"})
NO_MEMORY: Final = frozenset({"out_of_memory"})
ENDINGS: Final[Mapping[str, frozenset[str]]] = {
    "fork bomb": DEADLINE,
    "stopped": DEADLINE,
    "deaf": DEADLINE,
    "endless import": DEADLINE,
    "own init": DEATH,
    "heap": NO_MEMORY,
    "mapped memory": NO_MEMORY,
    "memory files": NO_MEMORY,
    "shared memory": NO_MEMORY,
}
# The most that may be had of something, by what the case counted.
BOUNDS: Final = {
    "/tmp": TMP_MIB,
    "/dev/shm": TMP_MIB,
    "files": 65536,
    "pipes": 32768,
    "socket MiB": 600,  # the whole memory limit and what is still counted after it
    "threads": 4096,
    "zombies": 4096,
    "cpus": 1.3,  # of one that it may have, measured by itself
}
GONE_S: Final = 60.0


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize("row", HUNGER, ids=lambda row: row.name)
def test_only_the_hungry_starve(stand: Stand, row: Row, language: str) -> None:
    if language not in row.languages:
        pytest.skip("the language has no way to do it")
    for _ in stand.rounds(row):
        with stand.watched(row):
            ended = attack(stand, row, language)
        judge(row, ended)
        no_process_remains(stand)


def attack(stand: Stand, row: Row, language: str) -> dict[str, Any]:
    if row.name == "endless import":
        return stand.call(row, language, function="endless")
    if ENDINGS.get(row.name) == DEADLINE:
        return stand.call(row, language, function="brief")
    ended = stand.call(row, language)
    if ended["status"] == "completed":
        # Whatever it has left in its sandbox goes with it.
        left = stand.call(row, language, case="hunger/leave")
        assert left["errorClass"] == "exit"
    return ended


def judge(row: Row, ended: dict[str, Any]) -> None:
    if row.name in ENDINGS:
        assert ended["errorClass"] in ENDINGS[row.name], ended["errors"]
        return
    assert ended["status"] == "completed", ended["errors"][-500:]
    evidence = evidence_of(ended)
    assert evidence["done"] == {}
    for what, most in BOUNDS.items():
        got = evidence["facts"].get(what, 0)
        assert (got[0] if isinstance(got, list) else got) <= most, (what, got)
    if "claim" in evidence["facts"]:
        assert evidence["facts"]["claim"] == -1


def evidence_of(ended: dict[str, Any]) -> dict[str, Any]:
    evidence: dict[str, Any] = json.loads(ended["responseBody"])
    return evidence


def no_process_remains(stand: Stand) -> None:
    deadline = time.monotonic() + GONE_S
    while found := stand.remains():
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
