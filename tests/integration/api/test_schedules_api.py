"""Fields of a schedule, and when it comes due, over the API."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.api.front import Front, open_front
from tests.unit.functions.desk import PROJECT

pytestmark = pytest.mark.anyio

FUNCTION = {
    "functionId": "f1",
    "name": "Mail",
    "runtime": "node-22",
    "schedule": "30 2 * * *",
    "timezone": "Europe/Berlin",
    "scheduleCatchUp": "all",
    "scheduleOverlap": "skip",
}


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with open_front(tmp_path) as opened:
        yield opened


async def test_a_client_that_does_not_know_the_fields_leaves_them_as_they_are(
    front: Front,
) -> None:
    made = (await front.send("POST", "/functions", json=FUNCTION)).json()
    names = ("timezone", "scheduleCatchUp", "scheduleOverlap")
    assert [made[name] for name in names] == ["Europe/Berlin", "all", "skip"]
    official = {"name": "Mail", "schedule": "0 3 * * *"}
    kept = (await front.send("PUT", "/functions/f1", json=official)).json()
    assert [kept[name] for name in ("schedule", *names)] == [
        "0 3 * * *",
        "Europe/Berlin",
        "all",
        "skip",
    ]
    ours = {**official, "timezone": "", "scheduleCatchUp": "last", "scheduleOverlap": "allow"}
    changed = (await front.send("PUT", "/functions/f1", json=ours)).json()
    assert [changed[name] for name in names] == ["", "last", "allow"]


async def test_the_next_ticks_of_a_function_are_shown_where_its_clocks_are(front: Front) -> None:
    await front.send("POST", "/functions", json=FUNCTION)
    shown = (await front.send("GET", "/functions/f1/schedule?count=30", auth="limited")).json()
    assert (shown["schedule"], shown["interval"], shown["timezone"], shown["active"]) == (
        "30 2 * * *",
        0,
        "Europe/Berlin",
        False,
    )
    assert len(shown["ticks"]) == 30
    assert shown["ticks"][0] == {
        "dueAt": "2026-10-06T00:30:00.000+00:00",
        "localTime": "2026-10-06T02:30:00.000+02:00",
    }
    assert shown["ticks"][-1] == {
        "dueAt": "2026-11-04T01:30:00.000+00:00",
        "localTime": "2026-11-04T02:30:00.000+01:00",
    }
    await front.desk.add_deployment()
    await front.desk.catalog.activate(PROJECT, "f1", "d1")
    active = (await front.send("GET", "/functions/f1/schedule")).json()
    assert (active["active"], len(active["ticks"])) == (True, 10)
    await front.send("PUT", "/functions/f1", json={"name": "Mail"})
    none = (await front.send("GET", "/functions/f1/schedule")).json()
    assert (none["schedule"], none["ticks"]) == ("", [])


async def test_a_schedule_can_be_tried_before_it_is_stored(front: Front) -> None:
    path = "/schedules/preview"
    asked = {"schedule": "0 9 15W * ?", "timezone": "America/New_York", "count": "2"}
    shown = (await front.send("GET", path, params=asked)).json()
    assert [tick["localTime"][:16] for tick in shown["ticks"]] == [
        "2026-10-15T09:00",
        "2026-11-16T09:00",
    ]
    every = (await front.send("GET", path, params={"interval": "90", "count": "2"})).json()
    assert [tick["dueAt"][11:16] for tick in every["ticks"]] == ["09:30", "11:00"]
    assert (await front.send("GET", path)).json()["ticks"] == []


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/schedules/preview?schedule=61+*+*+*+*", 400, "minute"),
        ("/schedules/preview?schedule=*+*+*+*+*&timezone=Moon", 400, "Europe/Berlin"),
        ("/schedules/preview?schedule=*+*+*+*+*&interval=5", 400, "schedule"),
        ("/schedules/preview?count=101", 400, "100"),
        ("/schedules/preview?schedule=0+0+30W+2+*", 400, "never comes due"),
        ("/functions/f1/schedule?count=0", 400, "100"),
        ("/functions/f2/schedule", 404, "f2"),
    ],
)
async def test_what_cannot_be_shown_says_why(
    front: Front, path: str, status: int, told: str
) -> None:
    await front.send("POST", "/functions", json=FUNCTION)
    answer = await front.send("GET", path)
    assert (answer.status_code, told in answer.text) == (status, True), answer.text


async def test_guests_and_users_see_no_schedules(front: Front) -> None:
    for auth in ("guest", "user"):
        for path in ("/functions/f1/schedule", "/schedules/preview"):
            assert (await front.send("GET", path, auth=auth)).status_code == 401
