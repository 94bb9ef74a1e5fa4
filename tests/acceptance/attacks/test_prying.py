"""What belongs to the server or to others is neither seen nor changed."""

import ctypes
import os
import re
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.attacks.rows import BOTH, NODE, PRYING, PYTHON, Row
from tests.acceptance.attacks.stand import ROOT, Stand

Evidence = dict[str, Any]
KEY = 0x0DEC0  # of shared memory of the host
PLAIN_LINK = re.compile(r"/dev/null$|pipe:|anon_inode:\[?eventfd")
IPC_CREAT, IPC_RMID = 0o1000, 0


def told(stand: Stand, row: Row, language: str) -> dict[str, Any]:
    """What a well informed attacker would know."""
    if row.name == "paths of the host":
        data = stand.folder / "data"
        return {
            "paths": [str(path) for path in (data, data / "credentials.json", ROOT, stand.bait)]
        }
    if row.name == "processes":
        return {"pids": stand.pids()}
    if row.name == "notes":
        return {"abstract": "runwright-decoy", "socket": str(stand.folder / "socket"), "key": KEY}
    return {}


def secrets(stand: Stand, language: str, evidence: Evidence) -> None:
    found = evidence["facts"]["found"]
    assert stand.own[language] in found, "the search does not find what it must"
    assert set(found) == {stand.own[language]}


def processes(stand: Stand, language: str, evidence: Evidence) -> None:
    facts = evidence["facts"]
    assert set(facts["seen"]) <= {1, facts["parent"], facts["own"]}
    assert len(facts["seen"]) <= 3
    assert len(evidence["refused"]) > 20
    assert facts["is_same_root"]
    assert all(PLAIN_LINK.match(link) for link in facts["init"]), facts["init"]


def descriptors(stand: Stand, language: str, evidence: Evidence) -> None:
    links = evidence["facts"]["links"]
    assert len({link for link in links if link.startswith("socket:")}) == 1  # its frames
    files = {link for link in links if link.startswith("/") and not link.startswith("/proc/")}
    assert files <= {"/dev/null", "/dev/urandom"}


def kernel_files(stand: Stand, language: str, evidence: Evidence) -> None:
    assert set(evidence["facts"]["symbols"]) <= {"0000000000000000", ""}


def limits(stand: Stand, language: str, evidence: Evidence) -> None:
    facts = evidence["facts"]
    assert facts["core"] == [1, 1]  # neither a file nor a program of the host's that takes it
    assert 0 < facts["files"][1] <= 65536


def set_user_id(stand: Stand, language: str, evidence: Evidence) -> None:
    facts = evidence["facts"]
    assert set(facts["users"].replace("(", "").replace(")", "").replace(",", "").split()) == {
        "1000"
    }, facts["users"]
    assert all(is_ignored for _, is_ignored in facts["found"]), facts["found"]
    assert {int(line.split()[1], 16) for line in facts["caps"]} == {0}


def cgroups(stand: Stand, language: str, evidence: Evidence) -> None:
    assert "runwright" not in evidence["facts"]["groups"]


JUDGES: dict[str, Callable[[Stand, str, Evidence], None]] = {
    "secrets": secrets,
    "processes": processes,
    "descriptors": descriptors,
    "kernel's files": kernel_files,
    "limits": limits,
    "set-user-id": set_user_id,
    "control groups": cgroups,
}


@pytest.fixture
def listeners(stand: Stand) -> Any:
    """Sockets of the host that nobody inside may reach, and notes of the other function."""
    abstract, named = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    path = stand.folder / "socket"
    libc = ctypes.CDLL(None)
    piece = libc.shmget(KEY, 4096, IPC_CREAT | 0o666)
    with abstract, named, ExitStack() as later:
        later.callback(libc.shmctl, piece, IPC_RMID, None)
        abstract.bind("\0runwright-decoy")
        named.bind(str(path))
        path.chmod(0o777)
        for listener in (abstract, named):
            listener.listen()
        yield
        path.unlink()
        for listener in (abstract, named):
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize("row", PRYING, ids=lambda row: row.name)
@pytest.mark.usefixtures("listeners")
def test_nothing_of_others_is_reached(stand: Stand, row: Row, language: str) -> None:
    if row.name == "notes":
        other = PYTHON if language == NODE else NODE
        left = stand.evidence(row, other, case="prying/leave", token="a note")
        assert left["facts"]["left"] >= 3
    with stand.watched(row):
        evidence = stand.evidence(row, language, **told(stand, row, language))
    assert evidence["done"] == {}
    if row.name in JUDGES:
        JUDGES[row.name](stand, language, evidence)
    assert Path(stand.bait).read_text() == stand.secrets["bait"]
    assert os.stat(stand.bait).st_mode & 0o777 == 0o666
