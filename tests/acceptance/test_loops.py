"""Functions that start each other by what they write: where it ends, and what is said then."""

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from tests.acceptance.deploying import create, deploy, redeploy
from tests.acceptance.running import Running

WAIT_S: Final = 180.0
FINAL: Final = ("completed", "failed")
# Each run makes one more user, with the key that it was given, as any SDK would.
NODE: Final = """
export default async ({ req, res }) => {
  const most = Number(process.env.MOST ?? Infinity);
  if (Number(req.headers["x-appwrite-event-depth"]) >= most) return res.text("enough");
  const what = process.env.MAKES ?? "users";
  const id = what === "users" ? "userId" : "teamId";
  const answer = await fetch(`${process.env.APPWRITE_FUNCTION_API_ENDPOINT}/${what}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-appwrite-project": process.env.APPWRITE_FUNCTION_PROJECT_ID,
      "x-appwrite-key": req.headers["x-appwrite-key"],
    },
    body: JSON.stringify({ [id]: "unique()", name: "again" }),
  });
  if (answer.status !== 201) throw new Error(await answer.text());
  return res.text("made");
};
"""
PYTHON: Final = """
import json, os, urllib.request

def main(context):
    request = urllib.request.Request(
        os.environ["APPWRITE_FUNCTION_API_ENDPOINT"] + "/users",
        data=json.dumps({"userId": "unique()", "name": "again"}).encode(),
        headers={
            "content-type": "application/json",
            "x-appwrite-project": os.environ["APPWRITE_FUNCTION_PROJECT_ID"],
            "x-appwrite-key": context.req.headers["x-appwrite-key"],
        },
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201
    return context.res.text("made")
"""
# Changes the user that the event is about, with a key of the project or as the user.
RENAMING: Final = """
export default async ({ req, res }) => {
  const key = process.env.STORED_KEY;
  const path = key ? `users/${req.bodyJson.$id}/name` : "account/name";
  const answer = await fetch(`${process.env.APPWRITE_FUNCTION_API_ENDPOINT}/${path}`, {
    method: "PATCH",
    headers: {
      "content-type": "application/json",
      "x-appwrite-project": process.env.APPWRITE_FUNCTION_PROJECT_ID,
      [key ? "x-appwrite-key" : "x-appwrite-jwt"]: key ?? req.headers["x-appwrite-user-jwt"],
    },
    body: JSON.stringify({ name: `n${Date.now()}` }),
  });
  if (answer.status !== 200) throw new Error(await answer.text());
  return res.text("renamed");
};
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of its own: what these functions listen to happens in other tests as well."""
    running = Running(tmp_path_factory.mktemp("loops") / "data").start()
    try:
        yield running
    finally:
        assert running.stop() == 0, running.tail()


@pytest.fixture
def api(alone: Running) -> Iterator[httpx.Client]:
    """The functions of a test are gone when the next one begins."""
    with alone.client() as client:
        yield client
        for item in client.get("/functions").json()["functions"]:
            assert client.delete(f"/functions/{item['$id']}").status_code == 204


def a_user(api: httpx.Client) -> str:
    answer = api.post("/users", json={"userId": "unique()", "name": "first"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["$id"])


def total(api: httpx.Client, path: str) -> int:
    return int(api.get(path).json()["total"])


def runs(api: httpx.Client, function_id: str) -> list[dict[str, Any]]:
    params = {"queries[0]": json.dumps({"method": "limit", "values": [200]})}
    found = api.get(f"/functions/{function_id}/executions", params=params).json()
    items: list[dict[str, Any]] = found["executions"]
    return items


def ended(api: httpx.Client, function_id: str, least: int) -> list[dict[str, Any]]:
    """All executions, once there are so many and none of them goes on."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = runs(api, function_id)
        if len(found) >= least and all(item["status"] in FINAL for item in found):
            return found
        assert time.monotonic() < deadline, [item["status"] for item in found]
        time.sleep(0.02)


def stopped(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The only run that did not succeed."""
    [one] = [item for item in found if item["status"] != "completed"]
    assert (one["status"], one["responseStatusCode"]) == ("failed", 0), one
    assert one["errorClass"] == "loop"
    return one


@pytest.mark.parametrize(("language", "source"), [("node", NODE), ("python", PYTHON)])
def test_a_function_that_starts_itself_stops_at_its_sixteenth_run(
    api: httpx.Client, language: str, source: str
) -> None:
    deploy(api, "again", language, source, events=["users.*.create"], scopes=["users.write"])
    before = total(api, "/users")
    began = time.monotonic()
    a_user(api)
    found = ended(api, "again", 16)
    print(f"\n{language}: stopped {time.monotonic() - began:.2f} s after the first write")
    assert len(found) == 16
    last = stopped(found)
    assert last["trigger"] == "event"
    assert "has 16 runs, 16 of them of 'again'" in last["errors"]
    assert last["errors"].endswith("again -> again")
    assert total(api, "/users") == before + 16  # the run was stopped, the write was not


def test_a_chain_of_fifteen_is_not_stopped(api: httpx.Client) -> None:
    create(api, "fifteen", "node", events=["users.*.create"], scopes=["users.write"])
    variable(api, "fifteen", "MOST", "15")
    redeploy(api, "fifteen", "node", NODE)
    a_user(api)
    found = ended(api, "fifteen", 15)
    assert [item["status"] for item in found] == ["completed"] * 15


def test_a_function_sets_its_own_limit(api: httpx.Client) -> None:
    settings: dict[str, Any] = {"events": ["users.*.create"], "scopes": ["users.write"]}
    deploy(api, "soon", "node", NODE, loopLimit=3, **settings)
    a_user(api)
    found = ended(api, "soon", 3)
    assert len(found) == 3
    assert "has 3 runs, 3 of them of 'soon'" in stopped(found)["errors"]
    assert api.delete("/functions/soon").status_code == 204
    create(api, "free", "node", loopLimit=0, **settings)
    variable(api, "free", "MOST", "20")
    redeploy(api, "free", "node", NODE)
    a_user(api)
    assert [item["status"] for item in ended(api, "free", 20)] == ["completed"] * 20


def test_two_functions_that_start_each_other_are_named_in_turn(api: httpx.Client) -> None:
    create(api, "ping", "node", events=["users.*.create"], scopes=["teams.write"])
    variable(api, "ping", "MAKES", "teams")
    redeploy(api, "ping", "node", NODE)
    deploy(api, "pong", "node", NODE, events=["teams.*.create"], scopes=["users.write"])
    a_user(api)
    found = ended(api, "ping", 16)
    last = stopped(found)
    assert len(found) == 16
    assert "has 31 runs, 16 of them of 'ping'" in last["errors"]
    assert last["errors"].endswith("ping -> pong -> ping")
    others = ended(api, "pong", 15)
    assert [item["status"] for item in others] == ["completed"] * 15
    chain = last["errors"].partition("Chain ")[2].split()[0]
    assert chain, last["errors"]


def test_a_loop_that_hides_behind_a_key_of_its_own_is_stopped_by_its_rate(
    alone: Running, api: httpx.Client
) -> None:
    create(api, "hidden", "node", events=["users.*.update.name"])
    variable(api, "hidden", "STORED_KEY", alone.api_key)
    redeploy(api, "hidden", "node", RENAMING)
    user_id = a_user(api)
    api.patch(f"/users/{user_id}/name", json={"name": "changed"})
    found = ended(api, "hidden", 31)
    assert len(found) == 31
    assert f"users.{user_id}.update.name" in stopped(found)["errors"]
    # Others are not held up by it.
    other = a_user(api)
    api.patch(f"/users/{other}/name", json={"name": "changed"})
    # To its end: a rename that is still on its way would be heard by the next test's function.
    assert len(ended(api, "hidden", 62)) == 62


def test_a_loop_that_acts_as_its_user_is_stopped_as_well(alone: Running, api: httpx.Client) -> None:
    deploy(api, "acting", "node", RENAMING, events=["users.*.update.name"])
    headers = {"x-appwrite-project": alone.project_id}
    person = {"userId": "unique()", "email": "ann@loops.example", "password": "correct horse"}
    with httpx.Client(base_url=alone.endpoint, headers=headers, timeout=60) as visitor:
        assert visitor.post("/account", json=person).status_code == 201
        session = {"email": person["email"], "password": person["password"]}
        assert visitor.post("/account/sessions/email", json=session).status_code == 201
        assert visitor.patch("/account/name", json={"name": "Ann"}).status_code == 200
    found = ended(api, "acting", 16)
    assert len(found) == 16
    assert stopped(found)["errors"].endswith("acting -> acting")


def variable(api: httpx.Client, function_id: str, key: str, value: str) -> None:
    body = {"variableId": "unique()", "key": key, "value": value, "secret": False}
    answer = api.post(f"/functions/{function_id}/variables", json=body)
    assert answer.status_code == 201, answer.text
