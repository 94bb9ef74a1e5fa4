"""Accepted means done: asynchronous and delayed executions of a real server."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.acceptance.deploying import deploy
from tests.acceptance.gates import HELD, OPENED, SCOPES, open_gate
from tests.acceptance.running import Running
from tests.marker import Marker

FINAL: Final = ("completed", "failed")
WAIT_S: Final = 120.0
ECHO: Final = (
    OPENED
    + """
export default async ({ req, res, log }) => {
  log(req.headers["x-appwrite-trigger"], req.headers["x-runwright-attempt"], req.bodyText.length);
  if (req.path === "/hold") {
    const began = performance.now();
    await opened(req.query.gate, req);
    log(performance.now() - began);
  }
  if (req.path === "/until-stop") await opened("started-again", req, true);
  if (req.path === "/fail") throw new Error("deliberate");
  return res.text(req.bodyText);
};
"""
)
# Each run leaves a trace outside of the server's queue: a user named after run and attempt.
TRACING: Final = (
    OPENED
    + """
export default async ({ req, res }) => {
  const answer = await fetch(`${process.env.APPWRITE_FUNCTION_API_ENDPOINT}/users`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-appwrite-project": process.env.APPWRITE_FUNCTION_PROJECT_ID,
      "x-appwrite-key": req.headers["x-appwrite-key"],
    },
    body: JSON.stringify({
      userId: "unique()",
      name: `${req.headers["x-appwrite-execution-id"]} ${req.headers["x-runwright-attempt"]}`,
    }),
  });
  if (req.path === "/hold") await opened("restarted", req);
  return res.text("", answer.status === 201 ? 200 : 500);
};
"""
)


def accept(api: httpx.Client, function_id: str, **request: Any) -> dict[str, Any]:
    answer = api.post(f"/functions/{function_id}/executions", json={"async": True, **request})
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


def get(api: httpx.Client, made: dict[str, Any]) -> dict[str, Any]:
    answer = api.get(f"/functions/{made['resourceId']}/executions/{made['$id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def until(api: httpx.Client, made: dict[str, Any], *statuses: str) -> dict[str, Any]:
    """The execution as soon as it has one of these states."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = get(api, made)
        if found["status"] in statuses:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def everything(
    api: httpx.Client, path: str, name: str, keep: Callable[[dict[str, Any]], Any]
) -> list[Any]:
    """Every row of a long list, page by page."""
    found: list[Any] = []
    cursor = ""
    while True:
        queries = [{"method": "limit", "values": [500]}]
        if cursor:
            queries.append({"method": "cursorAfter", "values": [cursor]})
        params = {f"queries[{at}]": json.dumps(item) for at, item in enumerate(queries)}
        answer = api.get(path, params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()[name]
        if not page:
            return found
        found += [keep(item) for item in page]
        cursor = page[-1]["$id"]


def test_an_accepted_execution_is_found_at_once_and_ends(server: Running) -> None:
    with server.client() as api:
        deploy(api, "echo-async", "node", ECHO, **HELD)
        path = "/hold?a=b&gate=echo-async"
        made = accept(api, "echo-async", body="ping", path=path, method="PUT")
        assert (made["status"], made["trigger"], made["attempt"]) == ("waiting", "http", 0)
        assert (made["responseBody"], made["responseStatusCode"]) == ("", 0)
        assert get(api, made)["status"] in ("waiting", "processing")
        running = until(api, made, "processing")
        assert running["attempt"] == 1
        refused = api.delete(f"/functions/echo-async/executions/{made['$id']}")
        assert (refused.status_code, refused.json()["type"]) == (400, "execution_in_progress")
        open_gate(api, "echo-async")
        done = until(api, made, *FINAL)
        assert (done["status"], done["responseStatusCode"]) == ("completed", 200)
        told, held_ms = done["logs"].splitlines()
        assert told == "http 1 4"
        assert (done["requestPath"], done["requestMethod"]) == (path, "PUT")
        assert (done["$createdAt"], done["responseBody"]) == (made["$createdAt"], "")
        assert done["duration"] >= float(held_ms) / 1000 - 0.01 > 0
        failed = until(api, accept(api, "echo-async", path="/fail"), *FINAL)
        assert (failed["status"], failed["errorClass"]) == ("failed", "user_exception")
        assert api.delete(f"/functions/echo-async/executions/{made['$id']}").status_code == 204


def test_thousands_of_executions_each_end_once(server: Running) -> None:
    with server.client() as api, ThreadPoolExecutor(16) as threads:
        deploy(api, "many", "node", ECHO)
        made = list(threads.map(lambda at: accept(api, "many", body="x" * (at % 7)), range(2000)))
        for item in made[-50:]:
            until(api, item, *FINAL)
        rows = everything(api, "/functions/many/executions", "executions", dict)
        ids = [row["$id"] for row in rows]
        assert sorted(ids) == sorted(item["$id"] for item in made)
        left = [row for row in rows if row["status"] not in FINAL]
        for row in left:
            until(api, row, *FINAL)
        assert {get(api, item)["status"] for item in made[::40]} == {"completed"}
        assert {row["attempt"] for row in rows if row["status"] in FINAL} == {1}


def test_a_scheduled_execution_is_shown_and_can_be_cancelled(server: Running) -> None:
    moment = (datetime.now(UTC) + timedelta(hours=2)).replace(second=0, microsecond=0)
    with server.client() as api:
        deploy(api, "later", "node", ECHO)
        made = accept(api, "later", scheduledAt=moment.isoformat(), body="y" * 1_000_000)
        assert (made["status"], made["trigger"]) == ("scheduled", "schedule")
        assert datetime.fromisoformat(made["scheduledAt"]) == moment
        assert get(api, made)["status"] == "scheduled"
        assert api.delete(f"/functions/later/executions/{made['$id']}").status_code == 204
        gone = api.get(f"/functions/later/executions/{made['$id']}")
        assert gone.json()["type"] == "execution_not_found"
        for wrong in (moment - timedelta(days=1), moment + timedelta(seconds=30)):
            body = {"async": True, "scheduledAt": wrong.isoformat()}
            answer = api.post("/functions/later/executions", json=body)
            assert (answer.status_code, answer.json()["type"]) == (400, "general_bad_request")


def test_what_waits_is_bounded_and_unreadable_and_what_ended_is_unrecoverable(
    tmp_path: Path,
) -> None:
    marker = Marker()
    server = Running(tmp_path / "data", RUNWRIGHT_QUEUE_JOBS="2").start()
    moment = (datetime.now(UTC) + timedelta(hours=2)).replace(second=0, microsecond=0)
    keys = server.data_dir / "keys"

    def sealing() -> list[Path]:
        standing = {"events", "letters"}  # always one key each, whatever waits
        return [path for path in keys.rglob("*.key") if path.parent.name not in standing]

    request = {"body": marker.text, "headers": {"x-mine": marker.text}}
    try:
        with server.client() as api:
            deploy(api, "private", "node", ECHO, **HELD)
            waits = accept(api, "private", scheduledAt=moment.isoformat(), **request)
            runs = accept(api, "private", path="/hold?gate=private", **request)
            until(api, runs, "processing")
            answer = api.post("/functions/private/executions", json={"async": True})
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
            assert len(sealing()) == 2
            assert marker.found_below(tmp_path) == []
            open_gate(api, "private")
            told = until(api, runs, *FINAL)["logs"].splitlines()[0]
            assert told.endswith(f" {len(marker.text)}")
            assert marker.found_below(tmp_path) == []
            api.delete(f"/functions/private/executions/{waits['$id']}")
            deadline = time.monotonic() + WAIT_S
            while sealing():
                assert time.monotonic() < deadline, "the key outlives what it sealed"
                time.sleep(0.1)
    finally:
        assert server.stop() == 0
    assert marker.found_below(tmp_path) == []


def test_a_stopped_server_goes_on_with_its_queue_and_with_what_comes_due(tmp_path: Path) -> None:
    """One moment is moved to the past in the database: the API takes none so near."""
    # A run ends once it notices the stop, so this is for a slow machine alone.
    settings = {"RUNWRIGHT_WORKERS": "4", "RUNWRIGHT_DRAIN_S": "60"}
    server = Running(tmp_path / "data", **settings).start()
    moment = (datetime.now(UTC) + timedelta(hours=2)).replace(second=0, microsecond=0)
    try:
        with server.client() as api:
            deploy(api, "slow", "node", ECHO, **HELD)
            delayed = accept(api, "slow", scheduledAt=moment.isoformat(), body="y" * 1_000_000)
            made = [accept(api, "slow", path="/until-stop") for _ in range(8)]
            for item in made[:2]:  # one project does not get all workers
                until(api, item, "processing")
        assert server.stop() == 0
        with closing(sqlite3.connect(server.data_dir / "runwright.db")) as database, database:
            moved = database.execute(
                "UPDATE jobs SET ready_at = ? WHERE id = ?",
                (int(time.time() * 1e6), delayed["$id"]),
            )
            assert moved.rowcount == 1
        server.start()
        with server.client() as api:
            open_gate(api, "started-again")
            ended = [until(api, item, *FINAL) for item in made]
            done = until(api, delayed, *FINAL)
        assert {item["status"] for item in ended} == {"completed"}
        assert {item["attempt"] for item in ended} == {1}  # the stop let them finish
        assert (done["status"], done["trigger"], done["attempt"]) == ("completed", "schedule", 1)
        assert done["logs"] == "schedule 1 1000000\n"
        assert datetime.fromisoformat(done["scheduledAt"]) == moment
    finally:
        server.stop()


@pytest.mark.parametrize("kills", [3])
def test_a_killed_server_loses_nothing_and_hides_no_second_run(tmp_path: Path, kills: int) -> None:
    server = Running(tmp_path / "data").start()
    accepted: list[str] = []

    def send(count: int) -> None:
        """Until the server is gone; what got no 202 was not accepted."""
        with server.client() as api:
            for _ in range(count):
                try:
                    answer = api.post("/functions/traced/executions", json={"async": True})
                except httpx.HTTPError:
                    return
                if answer.status_code == 202:
                    accepted.append(answer.json()["$id"])

    def traces(api: httpx.Client) -> Counter[str]:
        names = everything(api, "/users", "users", lambda user: user["name"])
        return Counter(name for name in names if name)  # the gate has none

    try:
        with server.client() as api:
            scopes = [*SCOPES, "users.write"]
            deploy(api, "traced", "node", TRACING, **HELD | {"scopes": scopes})
            held = accept(api, "traced", path="/hold")  # the first kill meets this one for sure
            until(api, held, "processing")
        for _ in range(kills):
            before = len(accepted)
            with ThreadPoolExecutor(8) as threads:
                sending = [threads.submit(send, 100) for _ in range(8)]
                deadline = time.monotonic() + WAIT_S
                while len(accepted) < before + 250:
                    assert time.monotonic() < deadline, server.tail()
                    time.sleep(0.005)
                server.kill()
                for future in sending:
                    future.result()
            server.start()
        with server.client() as api:
            open_gate(api, "restarted")
            rows = {}
            deadline = time.monotonic() + 2 * WAIT_S
            while True:
                found = everything(api, "/functions/traced/executions", "executions", dict)
                rows = {row["$id"]: row for row in found}
                if all(row["status"] in FINAL for row in found):
                    break
                assert time.monotonic() < deadline, Counter(row["status"] for row in found)
                time.sleep(0.2)
            seen = traces(api)
    finally:
        server.stop()
    assert len(accepted) >= kills * 250
    accepted.append(held["$id"])
    assert set(accepted) <= set(rows), "an accepted execution is lost"
    for execution_id in accepted:
        row = rows[execution_id]
        runs = [seen[f"{execution_id} {number}"] for number in range(1, row["attempt"] + 1)]
        assert all(count <= 1 for count in runs), "an attempt has run twice"
        assert row["status"] == "failed" or runs[-1] == 1, "completed, but it left no trace"
    known = {f"{row['$id']} {at}" for row in rows.values() for at in range(1, row["attempt"] + 1)}
    assert set(seen) <= known, "something ran that no record tells of"
    assert rows[held["$id"]]["attempt"] > 1, "no kill met a run; useless"
