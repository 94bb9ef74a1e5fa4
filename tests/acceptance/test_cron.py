"""Schedules of a real server: they fire, and a killed server neither loses nor doubles a tick."""

import json
import sqlite3
import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from tests.acceptance.deploying import deploy
from tests.acceptance.running import Running

FINAL: Final = ("completed", "failed")
MINUTE: Final = timedelta(minutes=1)
WAIT_S: Final = 180.0  # a whole minute, and some time for a slow machine
MISSED: Final = 5
SOURCE: Final = """
export default async ({ req, res, log }) => {
  log([req.method, req.path, req.bodyText.length, req.headers["x-appwrite-trigger"],
    req.headers["x-runwright-due"]].join(" "));
  return res.text("");
};
"""


def runs(api: httpx.Client, function_id: str) -> list[dict[str, Any]]:
    """Every execution of the function, in the order of the ticks."""
    params = {"queries[0]": json.dumps({"method": "limit", "values": [100]})}
    answer = api.get(f"/functions/{function_id}/executions", params=params)
    assert answer.status_code == 200, answer.text
    return sorted(answer.json()["executions"], key=due)


def due(run: dict[str, Any]) -> datetime:
    headers = {item["name"]: item["value"] for item in run["requestHeaders"]}
    return datetime.fromisoformat(headers["x-runwright-due"])


def wait_fired(api: httpx.Client, function_id: str, *, tick: datetime | None = None) -> None:
    """Until there is the execution of a tick, or any."""
    deadline = time.monotonic() + WAIT_S
    while not any(tick in (None, due(run)) for run in runs(api, function_id)):
        assert time.monotonic() < deadline, "nothing was fired"
        time.sleep(0.02)


def wait_ended(api: httpx.Client, function_id: str, least: int) -> list[dict[str, Any]]:
    """The executions once there are enough of them and all have ended."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = runs(api, function_id)
        if len(found) >= least and all(run["status"] in FINAL for run in found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def turn_back(server: Running, function_id: str, minutes: int) -> None:
    """Let a stopped server find ticks that it never saw, as after a longer stop."""
    with closing(sqlite3.connect(server.data_dir / "runwright.db")) as database, database:
        changed = database.execute(
            "UPDATE timers SET due_at = due_at - ? WHERE id = ?",
            (minutes * 60_000_000, function_id),
        )
        assert changed.rowcount == 1


def test_schedules_fire_and_a_kill_neither_loses_nor_doubles_a_tick(tmp_path: Path) -> None:
    server = Running(tmp_path / "data").start()
    functions: dict[str, dict[str, Any]] = {
        # All, as the next start may take so long that more than one tick is due by then.
        "by-cron": {
            "schedule": "* * * * *",
            "timezone": "Asia/Kolkata",
            "scheduleCatchUp": "all",
        },
        "by-interval": {"interval": 1, "scheduleCatchUp": "all"},
        "late": {"schedule": "* * * * *"},
        "late-all": {"schedule": "* * * * *", "scheduleCatchUp": "all"},
        "off": {"schedule": "* * * * *", "enabled": False},
    }
    try:
        with server.client() as api:
            for function_id, settings in functions.items():
                deploy(api, function_id, "node", SOURCE, **settings)
            next_ticks = api.get("/functions/by-cron/schedule?count=2").json()["ticks"]
            wait_fired(api, "by-interval")
            # Not the first one, if a minute has begun while all was deployed.
            wait_fired(api, "by-cron", tick=datetime.fromisoformat(next_ticks[0]["dueAt"]))
            server.kill()
        assert next_ticks[0]["localTime"].endswith("+05:30")
        turn_back(server, "late", MISSED)
        turn_back(server, "late-all", MISSED)
        server.start()
        with server.client() as api:
            ended = {name: wait_ended(api, name, 1) for name in ("by-cron", "by-interval")}
            ended["late"] = wait_ended(api, "late", MISSED)
            ended["late-all"] = wait_ended(api, "late-all", MISSED)
            assert runs(api, "off") == []
    finally:
        server.stop()
    for found in ended.values():
        ticks = [due(run) for run in found]
        assert ticks == [ticks[0] + at * MINUTE for at in range(len(ticks))]
        assert {run["trigger"] for run in found} == {"schedule"}
        assert {run["scheduledAt"] for run in found} == {None}
    for name in ("by-cron", "by-interval", "late-all"):
        assert {run["status"] for run in ended[name]} == {"completed"}
        for run in ended[name]:
            told = due(run).isoformat(timespec="milliseconds")
            assert run["logs"].splitlines()[0] == f"POST / 0 schedule {told}"
    missed = [run for run in ended["late"] if run["errorClass"] == "expired"]
    assert {run["status"] for run in missed} == {"failed"}
    assert len(missed) >= MISSED - 1
    assert all("`scheduleCatchUp` is `last`" in run["errors"] for run in missed)
    assert ended["late"][-1]["status"] == "completed"
