"""Retries, dead letters, replays and limits of a real server."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import httpx

from tests.acceptance.deploying import deploy
from tests.acceptance.running import Running
from tests.acceptance.test_async import FINAL, WAIT_S, accept, get, until
from tests.marker import Marker

# Fails in every attempt before the one that the path names, and always when it names none.
FAILING: Final = """
export default async ({ req, res, log }) => {
  const attempt = Number(req.headers["x-runwright-attempt"]);
  log(`${attempt} at ${Date.now()} with ${req.bodyText.length}`);
  if (process.env.MENDED) return res.text("");
  if (attempt < Number(req.path.slice(1) || 1000)) throw new Error(`attempt ${attempt} failed`);
  return res.text("");
};
"""
TAKING_TURNS: Final = """
export default async ({ res, log }) => {
  const from = Date.now();
  await new Promise((done) => setTimeout(done, 30));
  log(`${from} ${Date.now()}`);
  return res.text("");
};
"""


def configure(api: httpx.Client, function_id: str, **settings: Any) -> None:
    answer = api.put(f"/functions/{function_id}", json={"name": function_id, **settings})
    assert answer.status_code == 200, answer.text


def mend(api: httpx.Client, function_id: str) -> None:
    body = {"variableId": "mended", "key": "MENDED", "value": "1"}
    answer = api.post(f"/functions/{function_id}/variables", json=body)
    assert answer.status_code == 201, answer.text


def once(
    api: httpx.Client, made: dict[str, Any], holds: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The execution as soon as something holds for it."""
    deadline = time.monotonic() + WAIT_S
    while not holds(found := get(api, made)):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def dead_letters(api: httpx.Client, function_id: str) -> list[dict[str, Any]]:
    answer = api.get("/dead-letters", params={"functionId": function_id})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["deadLetters"]
    assert answer.json()["total"] >= len(found)
    return found


def test_a_run_that_fails_twice_is_tried_until_it_succeeds(server: Running) -> None:
    with server.client() as api:
        deploy(api, "shaky", "node", FAILING)
        configure(api, "shaky", retry={"attempts": 3, "backoff": 600})
        waits = accept(api, "shaky")
        failed = once(api, waits, lambda run: bool(run["errors"]))
        assert (failed["status"], failed["errorClass"]) == ("processing", "user_exception")
        assert "attempt 1 failed" in failed["errors"]
        ended = api.post(f"/functions/shaky/executions/{waits['$id']}/cancel")
        assert ended.status_code == 200, ended.text
        configure(api, "shaky", retry={"attempts": 3, "backoff": 0.05})
        made = accept(api, "shaky", path="/3", body="payload")
        done = until(api, made, *FINAL)
        assert (done["status"], done["attempt"], done["errors"]) == ("completed", 3, "")
        assert done["logs"].startswith("3 at ")
        assert done["logs"].endswith("with 7\n")
        assert dead_letters(api, "shaky") == []


def test_dead_letters_are_redriven_one_by_one_and_in_bulk(server: Running) -> None:
    with server.client() as api:
        deploy(api, "broken", "node", FAILING)
        configure(api, "broken", retry={"attempts": 2, "backoff": 0.05})
        made = [accept(api, "broken", body="x" * at) for at in range(1, 6)]
        for item in made:
            ended = until(api, item, *FINAL)
            assert (ended["status"], ended["attempt"]) == ("failed", 2)
        found = dead_letters(api, "broken")
        assert {item["$id"] for item in found} == {item["$id"] for item in made}
        kept_s = datetime.fromisoformat(found[0]["expiresAt"]) - datetime.fromisoformat(
            found[0]["execution"]["$updatedAt"]
        )
        assert 7 * 86_400 - 60 <= kept_s.total_seconds() <= 7 * 86_400 + 60
        mend(api, "broken")
        first = made[0]["$id"]
        answer = api.post(f"/dead-letters/{first}/redrive", json={})
        assert answer.status_code == 202, answer.text
        assert (answer.json()["replayOf"], answer.json()["status"]) == (first, "waiting")
        done = until(api, answer.json(), *FINAL)
        assert (done["status"], done["attempt"], done["replayOf"]) == ("completed", 1, first)
        assert done["logs"].endswith("with 1\n")
        assert get(api, made[0])["status"] == "failed"
        again = api.post(f"/dead-letters/{first}/redrive", json={})
        assert (again.status_code, again.json()["type"]) == (404, "execution_not_found")
        assert api.delete(f"/dead-letters/{made[1]['$id']}").status_code == 204
        bulk = api.post("/dead-letters/redrive", json={"functionId": "broken"})
        assert bulk.json() == {"redriven": 3, "failed": 0, "left": 0}
        params = {"queries[0]": '{"method":"limit","values":[100]}'}
        rows = api.get("/functions/broken/executions", params=params).json()["executions"]
        redriven = [row for row in rows if row["replayOf"] in {item["$id"] for item in made}]
        assert len(redriven) == 4
        for row in redriven:
            assert until(api, row, *FINAL)["status"] == "completed"
        assert dead_letters(api, "broken") == []


def test_a_kept_request_is_replayed_and_another_cannot_be(server: Running) -> None:
    with server.client() as api:
        deploy(api, "kept", "node", FAILING)
        before = accept(api, "kept", path="/1", body="abc")
        until(api, before, *FINAL)
        configure(api, "kept", requestRetention=600)
        made = accept(api, "kept", path="/1", body="abcdef")
        until(api, made, *FINAL)
        path = "/functions/kept/executions/{}/replay"
        refused = api.post(path.format(before["$id"]), json={})
        assert (refused.status_code, refused.json()["type"]) == (400, "general_bad_request")
        answer = api.post(path.format(made["$id"]), json={})
        assert answer.status_code == 202, answer.text
        again = until(api, answer.json(), *FINAL)
        assert (again["status"], again["replayOf"]) == ("completed", made["$id"])
        assert again["logs"].endswith("with 6\n")


def test_a_function_for_one_run_at_once_never_runs_twice_at_once(server: Running) -> None:
    with server.client() as api, ThreadPoolExecutor(10) as threads:
        deploy(api, "turns", "node", TAKING_TURNS)
        configure(api, "turns", concurrency=1)
        made = list(threads.map(lambda _: accept(api, "turns"), range(20)))
        done = [until(api, item, *FINAL) for item in made]
        assert {item["status"] for item in done} == {"completed"}
        spans = sorted([int(part) for part in item["logs"].split()] for item in done)
        assert len(spans) == 20
        for (_, end), (start, _) in pairwise(spans):
            assert start >= end


def test_a_wait_survives_a_kill_and_a_dead_letter_is_unreadable(tmp_path: Path) -> None:
    marker, backoff_s = Marker(), 6.0
    server = Running(tmp_path / "data").start()
    keys = server.data_dir / "keys" / "kept"
    request = {"body": marker.text, "headers": {"x-mine": marker.text}}
    try:
        with server.client() as api:
            deploy(api, "slow", "node", FAILING)
            configure(api, "slow", retry={"attempts": 2, "backoff": backoff_s})
            made = accept(api, "slow", path="/2")
            dies = accept(api, "slow", **request)
            failed_at = once(api, made, lambda run: bool(run["errors"]))["$updatedAt"]
            once(api, dies, lambda run: bool(run["errors"]))
        server.kill()
        assert marker.found_below(tmp_path) == []
        server.start()
        with server.client() as api:
            done = until(api, made, *FINAL)
            assert (done["status"], done["attempt"]) == ("completed", 2)
            started_ms = int(done["logs"].split()[2])
            failed_ms = datetime.fromisoformat(failed_at).timestamp() * 1000
            assert started_ms - failed_ms >= backoff_s * 500
            assert until(api, dies, *FINAL)["status"] == "failed"
            assert [item["$id"] for item in dead_letters(api, "slow")] == [dies["$id"]]
            assert marker.found_below(tmp_path) == []
            assert len(list(keys.glob("*.key"))) >= 1
            mend(api, "slow")
            again = api.post(f"/dead-letters/{dies['$id']}/redrive", json={}).json()
            done = until(api, again, *FINAL)
            assert (done["status"], done["logs"][-8:]) == (
                "completed",
                f"with {len(marker.text)}\n",
            )
            deadline = time.monotonic() + WAIT_S
            while list(keys.glob("*.key")):
                assert time.monotonic() < deadline, "the key outlives what it sealed"
                time.sleep(0.1)
    finally:
        assert server.stop() == 0
    assert marker.found_below(tmp_path) == []
