"""What passes through a run is in no file of the server, while it runs and after it."""

import base64
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runwright.model.execution import ErrorClass, Outcome
from runwright.storage.database import Database, open_database
from tests.fakes.user_code import answering
from tests.marker import Marker
from tests.unit.executions import bench as parts
from tests.unit.executions.bench import FUNCTION, a_key
from tests.unit.gateway.door import a_door

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "disguise",
    [
        lambda text: text.encode(),
        lambda text: text.encode("utf-16-le"),
        lambda text: base64.b64encode(b"xy" + text.encode() + b"z"),
        lambda text: gzip.compress(b"abc" + text.encode()),
    ],
)
def test_the_search_finds_what_is_there(tmp_path: Path, disguise: object) -> None:
    marker = Marker()
    assert callable(disguise)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(disguise(marker.text))
    (tmp_path / "other").write_text("nothing")
    assert marker.found_below(tmp_path) == [tmp_path / "deep" / "file"]


async def test_bodies_and_headers_of_both_directions_are_stored_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def on_disk() -> AsyncIterator[Database]:
        async with open_database(tmp_path / "runwright.db") as database:
            yield database

    monkeypatch.setattr(parts, "open_memory", on_disk)
    marker, kept = Marker(), Marker()
    secret = marker.text
    headers = (("x-secret", secret), ("content-type", f"text/plain; x={secret}"))
    outcomes = [
        Outcome(status_code=200, headers=headers, body=secret.encode(), logs="ok"),
        Outcome(status_code=500, headers=headers, error_class=ErrorClass.USER_EXCEPTION),
    ]
    async with a_door() as door:
        for outcome in outcomes:
            door.bench.code.run_next = answering(outcome)
            done = await door.bench.executions.create(
                a_key(),
                FUNCTION,
                path=f"/{kept.text}",
                body=secret.encode(),
                headers={"x-mine": secret, "authorization": secret},
                user_jwt=secret,
            )
            assert dict(done.outcome.headers)["x-secret"] == secret
            sent = [("x-mine", secret), ("cookie", secret), ("x-appwrite-key", secret)]
            reply = await door.call("POST", headers=sent, body=secret.encode())
            assert reply["x-secret"] == secret
        await door.bench.recorder.flush()
        assert kept.found_below(tmp_path) != []  # paths are kept, so the search does see records
        assert marker.found_below(tmp_path) == []
    assert marker.found_below(tmp_path) == []
