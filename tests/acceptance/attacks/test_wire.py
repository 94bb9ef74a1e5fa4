"""The frame socket: whatever a function puts on it harms its own sandbox at most."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from runwright.executor import wire
from tests.acceptance.attacks.rows import BOTH, NODE, WIRE, Row
from tests.acceptance.attacks.stand import NEIGHBOUR, Stand
from tests.acceptance.deploying import execute

OWN: Final = int.from_bytes(bytes.fromhex("f0f1f2f3"), "little")  # stands for the call's own id
OTHER: Final = 1_000_000
FORGED: Final = b"forged"


def answer(
    request_id: int, *, head: bytes = b"", body: bytes = FORGED, status: int = 200, flags: int = 1
) -> bytes:
    payload = wire._RESPONSE.pack(flags, 0, status, 0, len(head)) + head + body
    return wire.frame(wire.Kind.RESPONSE, request_id, payload)


def log(request_id: int) -> bytes:
    return wire.frame(wire.Kind.LOG, request_id, b"\0" + FORGED)


def _kind(number: int) -> bytes:
    return wire.HEADER.pack(5, number, 0)


# Each is one call of its own; all of a row have to end alike.
FRAMES: Final[Mapping[str, tuple[tuple[bytes, ...], ...]]] = {
    "another's answer": ((answer(OTHER),), (answer(0),), (answer(OTHER, flags=0),)),
    "another's log": ((log(OTHER),), (log(0),)),
    "frame sizes": (
        (wire.HEADER.pack(0xFFFFFFFF, 18, OTHER),),
        (wire.HEADER.pack(wire.MAX_FRAME_BYTES + 1, 18, OTHER),),
        (wire.HEADER.pack(4, 18, OTHER),),
        (wire.HEADER.pack(0, 18, OTHER),),
    ),
    "garbage": ((b"\xaa" * 64,), (b"GET / HTTP/1.1\r\n\r\n",), (answer(OWN)[:-4] + b"\0" * 40,)),
    "frames of the server": tuple((_kind(number),) for number in (1, 2, 4, 5, 6, 16, 21, 23, 255)),
    "parts out of order": (
        (wire.frame(wire.Kind.CHUNK, OWN, b"x"),),
        (wire.frame(wire.Kind.END, OWN, bytes(5)),),
        (answer(OWN, flags=0), answer(OWN, flags=0)),
        (answer(OWN, flags=0), wire.frame(wire.Kind.CHUNK, OWN, b"x" * (wire.WINDOW_BYTES + 1))),
    ),
    "malformed answers": (
        (answer(OWN, status=99),),
        (answer(OWN, status=600),),
        (answer(OWN, head=b"no colon"),),
        (answer(OWN, head=b":no name"),),
        (answer(OWN, head=b"x-a:b\rx-b:c"),),
        (answer(OWN, head=b"x-a:\0"),),
        (wire.frame(wire.Kind.RESPONSE, OWN, b"\1"),),
        (wire.frame(wire.Kind.END, OWN, b"\1"),),
    ),
    "two answers": ((answer(OWN), answer(OWN)),),
    "half a frame": ((answer(OWN)[:-3],),),
    "frame flood": ((_kind(22) * 500,),),
    "line flood": ((log(OWN) * 500,),),
}
BRIEF: Final = ("half a frame", "closed socket")
TIMES: Final = {"frame flood": 400, "line flood": 400}


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize("row", WIRE, ids=lambda row: row.name)
def test_what_is_not_its_own_answer_reaches_nobody(stand: Stand, row: Row, language: str) -> None:
    if language not in row.languages:
        pytest.skip("the language has no way to do it")
    for _ in stand.rounds(row):
        with stand.watched(row):
            for frames in FRAMES.get(row.name, ((),)):
                judge(row, forge(stand, row, language, frames))
    assert stand.remains() == []


def forge(stand: Stand, row: Row, language: str, frames: tuple[bytes, ...]) -> dict[str, Any]:
    is_answered = row.name in (*TIMES, "two answers", "pushed descriptors")
    return stand.call(
        row,
        language,
        function="brief" if row.name in BRIEF else "hostile",
        frames=[part.hex() for part in frames],
        times=TIMES.get(row.name, 1),
        then="answer" if is_answered else "silence",
    )


def judge(row: Row, ended: dict[str, Any]) -> None:
    if row.name == "two answers":
        assert ended["responseBody"] == FORGED.decode()  # its own answer is its own affair
    elif row.name == "half a frame":
        assert ended["errorClass"] == "timeout"
    elif row.name == "closed socket":  # a thread that reads it keeps it open
        assert ended["errorClass"] in ("exit", "timeout")
    elif row.kind == "resource":
        assert ended["status"] == "completed", ended["errors"]
        assert json.loads(ended["responseBody"])["done"] == {}
    else:
        assert ended["errorClass"] == "exit", (ended["errorClass"], ended["errors"])
    if row.name != "line flood":
        assert FORGED.decode() not in ended["logs"]


def test_nobody_else_was_answered_or_logged(stand: Stand) -> None:
    ran = execute(stand.api, NEIGHBOUR)
    assert (ran["responseBody"], ran["logs"], ran["errors"]) == ("well", "", "")
    params = {"queries[0]": json.dumps({"method": "limit", "values": [100]})}
    kept = stand.api.get(f"/functions/{NEIGHBOUR}/executions", params=params).json()["executions"]
    assert len(kept) == 100
    assert {(one["logs"], one["errors"], one["status"]) for one in kept} == {("", "", "completed")}
    other = stand.api.get(f"/functions/endless-{NODE}/executions", params=params).json()
    assert all(FORGED.decode() not in one["logs"] for one in other["executions"])
