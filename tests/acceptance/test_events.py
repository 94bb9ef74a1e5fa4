"""Events over HTTP: who hears of them, what subscribers see, and that they are independent.

Executions are announced to webhooks, too.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from runwright.triggers.sources import signature
from tests.acceptance.console import Console
from tests.acceptance.deploying import create, deploy, execute
from tests.acceptance.receiving import Received, Receiver, receiving
from tests.acceptance.running import Running
from tests.marker import Marker

WAIT_S: Final = 120.0
ECHO: Final = """
export default async ({ req, res, log }) => {
  log(req.headers["x-appwrite-event"], req.headers["x-appwrite-event-name"], req.method, req.path);
  log(req.headers["x-appwrite-user-id"], req.headers["x-appwrite-trigger"], req.bodyText);
  log(`from ${req.headers["x-runwright-event-origin"]}`);
  const name = process.env.APPWRITE_FUNCTION_ID;
  if (name === "throws") throw new Error("deliberate");
  if (name === "slow") await new Promise((end) => setTimeout(end, 900e3));
  return res.text("heard");
};
"""
ANSWERING: Final = """
export default async ({ req, res, log }) => {
  log("line of " + req.bodyText);
  return res.text("answer to " + req.bodyText, 200, { "x-answer": "header of it" });
};
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of its own, whose stop does not wait for the function that never ends."""
    folder = tmp_path_factory.mktemp("events")
    settings = {"RUNWRIGHT_DRAIN_S": "0.5", "RUNWRIGHT_WEBHOOKS_ALLOW_PRIVATE": "on"}
    running = Running(folder / "data", **settings).start()
    try:
        yield running
    finally:
        assert running.stop() == 0, running.tail()


@pytest.fixture
def api(alone: Running) -> Iterator[httpx.Client]:
    with alone.client() as client:
        yield client


def runs(api: httpx.Client, function_id: str) -> list[dict[str, Any]]:
    found = api.get(f"/functions/{function_id}/executions").json()
    items: list[dict[str, Any]] = found["executions"]
    return items


def until(
    api: httpx.Client, function_id: str, *statuses: str, count: int = 1
) -> list[dict[str, Any]]:
    """Its executions, once there are so many and each has one of these states."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = runs(api, function_id)
        if len(found) >= count and all(item["status"] in statuses for item in found):
            return found
        assert time.monotonic() < deadline, (function_id, found)
        time.sleep(0.01)


def until_told(api: httpx.Client) -> None:
    """Until no event waits to be handed on."""
    deadline = time.monotonic() + WAIT_S
    while waiting := api.get("/queue").json()["events"]:
        assert time.monotonic() < deadline, waiting
        time.sleep(0.01)


def send(api: httpx.Client, **event: Any) -> dict[str, Any]:
    answer = api.post("/events", json=event)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_an_event_that_was_sent_in_reaches_its_subscriber_as_it_was_sent(api: httpx.Client) -> None:
    deploy(api, "hears", "node", ECHO, events=["custom.orders.*", "buckets.*.files.*.create"])
    payload = {"id": 7, "name": "grüße", "list": [1, 2.5, None, {}]}
    send(api, event="custom.orders.paid", payload=payload)
    [run] = until(api, "hears", "completed")
    assert (run["trigger"], run["requestMethod"], run["requestPath"]) == ("event", "POST", "/")
    first, second, third = run["logs"].splitlines()
    assert third == "from key"
    assert first == "custom.orders.paid custom.orders.paid POST /"
    assert json.loads(second.removeprefix(" event ")) == payload
    send(api, event="buckets.b.files.f.create", payload={"$id": "f"})
    assert len(until(api, "hears", "completed", count=2)) == 2
    send(api, event="custom.other", payload={})
    send(api, event="custom.orders.last", payload={})
    last = until(api, "hears", "completed", count=3)
    assert "custom.other" not in json.dumps(last)  # it came before the last one


def test_ten_subscribers_of_one_event_do_not_wait_for_each_other(api: httpx.Client) -> None:
    events = ["custom.fan.out"]
    good = [f"good-{at}" for at in range(6)]
    for function_id in ("throws", "slow", *good):
        deploy(api, function_id, "node", ECHO, events=events, timeout=900)
    deploy(api, "off", "node", ECHO, events=events, enabled=False)
    create(api, "empty", "node", events=events)
    began = time.monotonic()
    send(api, event=events[0], payload={})
    for function_id in good:
        until(api, function_id, "processing", "completed")
    print(f"\nsix subscribers had started {time.monotonic() - began:.2f} s after the event")
    for function_id in good:
        until(api, function_id, "completed")
    [thrown] = until(api, "throws", "failed")
    assert (thrown["errorClass"], "deliberate" in thrown["errors"]) == ("user_exception", True)
    [empty] = until(api, "empty", "failed")
    assert "deployment" in empty["errors"].lower()
    assert until(api, "slow", "processing")
    assert runs(api, "off") == []
    assert {len(runs(api, function_id)) for function_id in (*good, "throws", "slow")} == {1}


def test_another_servers_webhook_starts_a_function_here(alone: Running, api: httpx.Client) -> None:
    deploy(api, "rows", "node", ECHO, events=["databases.*.tables.*.rows.*.update"])
    given = {"sourceId": "main", "name": "Main server", "secret": "a secret of both"}
    source = api.post("/events/sources", json=given).json()
    body = rb'{"$id":"r1","url":"https:\/\/example.com","name":"gr\u00fc\u00dfe","prefs":[]}'
    names = [f"databases.d1.tables.t1.rows.{row}.update" for row in ("r1", "*")]
    signed = signature(b"a secret of both", source["url"], body).decode()

    def deliver(signed: str) -> httpx.Response:
        return httpx.post(
            source["url"],
            content=body,
            headers={
                "content-type": "application/json",
                "x-appwrite-webhook-events": ",".join(names),
                "x-appwrite-webhook-signature": signed,
            },
            timeout=60,
        )

    assert deliver(signed[:-2] + "x=").json()["type"] == "general_unauthorized_scope"
    assert deliver(signed).status_code == 202
    [run] = until(api, "rows", "completed")
    assert run["logs"].splitlines()[0].split()[1] == names[0]
    assert run["logs"].splitlines()[1].encode().endswith(body)
    assert run["logs"].splitlines()[2] == "from source:main"


def test_what_one_project_announces_starts_a_function_of_another(
    alone: Running, api: httpx.Client
) -> None:
    """By a webhook of ours, which is signed as those of Appwrite are."""
    deploy(api, "neighbour", "node", ECHO, events=["users.*.update.name"])
    source = api.post("/events/sources", json={"sourceId": "next-door", "name": "Other"}).json()
    console = Console(alone)
    project_id = console.new_project()
    key = console.new_key(project_id, ["users.write", "webhooks.write"])
    console.api.close()
    headers = {"x-appwrite-project": project_id, "x-appwrite-key": key}
    with httpx.Client(base_url=alone.endpoint, headers=headers, timeout=60) as other:
        hook = {"webhookId": "h", "name": "h", "events": ["users.*"], "secret": source["secret"]}
        assert other.post("/webhooks", json={**hook, "url": source["url"]}).status_code == 201
        assert other.post("/users", json={"userId": "u1", "name": "Ann"}).status_code == 201
        assert other.patch("/users/u1/name", json={"name": "Änn"}).status_code == 200
    [run] = until(api, "neighbour", "completed")
    assert run["logs"].startswith("users.u1.update users.u1.update.name POST /\n")
    _, payload, origin = run["logs"].splitlines()
    assert json.loads(payload.removeprefix(" event "))["name"] == "Änn"
    assert origin == "from source:next-door"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def listens(api: httpx.Client, receiver: Receiver, *events: str) -> str:
    url = receiver.url("/hook")
    body = {"webhookId": "unique()", "name": "Hook", "url": url, "events": list(events)}
    answer = api.post("/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["$id"])


def told_of(receiver: Receiver, execution_id: str, *actions: str) -> list[dict[str, Any]]:
    """Payloads of exactly these events of an execution, in this order, once all have come."""
    told: dict[str, Any] = {}

    def have_come(newest: Received) -> bool:
        _, _, execution_and_action = newest.events[0].partition(".executions.")
        found, _, action = execution_and_action.partition(".")
        if found == execution_id:
            told[action] = newest.payload
        return told.keys() >= set(actions)

    receiver.wait("/hook", have_come)
    assert sorted(told) == sorted(actions)
    return [told[action] for action in actions]


def test_runs_are_told_to_a_webhook_from_the_moment_at_which_there_is_one(
    api: httpx.Client, receiver: Receiver
) -> None:
    deploy(api, "talks", "node", ANSWERING)
    for _ in range(3):  # nobody listens, and by now the server knows
        execute(api, "talks", body="nobody")
    hook = listens(api, receiver, "functions.*.executions.*")
    done = execute(api, "talks", body="marker-one")
    (told,) = told_of(receiver, done["$id"], "create")
    assert (told["status"], told["logs"]) == ("completed", "line of marker-one\n")

    answer = api.post("/functions/talks/executions", json={"body": "marker-two", "async": True})
    accepted = answer.json()
    begun, ended = told_of(receiver, accepted["$id"], "create", "update")
    assert (begun["status"], ended["status"]) == ("waiting", "completed")
    assert ended["logs"] == "line of marker-two\n"

    assert api.delete(f"/functions/talks/executions/{done['$id']}").status_code == 204
    _, deleted = told_of(receiver, done["$id"], "create", "delete")
    assert deleted["$id"] == done["$id"]

    assert api.delete(f"/webhooks/{hook}").status_code == 204
    for item in receiver.at("/hook"):
        assert b"answer to" not in item.body
        assert b"header of it" not in item.body
        assert (item.payload["responseBody"], item.payload["responseHeaders"]) == ("", [])


def test_a_guest_tells_nobody_else_what_the_run_printed(
    alone: Running, api: httpx.Client, receiver: Receiver
) -> None:
    deploy(api, "open", "node", ANSWERING)
    hook = listens(api, receiver, "functions.open.executions.*.create")
    answer = httpx.post(
        f"{alone.endpoint}/functions/open/executions",
        json={"body": "x"},
        headers={"x-appwrite-project": alone.project_id},
        timeout=60,
    )
    assert answer.status_code == 201, answer.text
    (told,) = told_of(receiver, answer.json()["$id"], "create")
    assert (told["status"], told["logs"], told["errors"]) == ("completed", "", "")
    assert api.delete(f"/webhooks/{hook}").status_code == 204


def test_an_event_that_is_repeated_after_a_crash_is_announced_once(alone: Running) -> None:
    headers = {"idempotency-key": "order-7"}
    event = {"event": "custom.once", "payload": {"order": 7}}
    with alone.client() as api:
        deploy(api, "once", "node", ECHO, events=["custom.once"])
        first = api.post("/events", json=event, headers=headers)
        assert first.status_code == 202
        alone.kill()
        alone.start()
    with alone.client() as api:
        again = api.post("/events", json=event, headers=headers)
        assert again.json()["$id"] == first.json()["$id"]
        until(api, "once", "completed")
        send(api, event="custom.once", payload={"order": 8})
        assert len(until(api, "once", "completed", count=2)) == 2


def test_an_event_that_waits_for_a_full_queue_is_kept_and_cannot_be_read(tmp_path: Path) -> None:
    marker = Marker()
    length = (
        "export default ({ req, res, log }) => { log(req.bodyText.length); return res.empty(); }"
    )
    later = (datetime.now(UTC) + timedelta(hours=2)).replace(second=0, microsecond=0).isoformat()
    server = Running(tmp_path / "data", RUNWRIGHT_QUEUE_JOBS="2").start()
    try:
        with server.client() as api:
            deploy(api, "waits", "node", length, events=["custom.secret"])
            until_told(api)  # of what was just made; a full queue would keep that, too
            delayed = {"async": True, "scheduledAt": later}
            made = [api.post("/functions/waits/executions", json=delayed).json() for _ in range(2)]
            event = {"event": "custom.secret", "payload": marker.text}
            sent = api.post("/events", json=event, headers={"idempotency-key": marker.text})
            assert sent.status_code == 202
            assert api.get("/queue").json()["events"] == 1
            assert marker.found_below(tmp_path) == []
            for item in made:
                gone = api.delete(f"/functions/waits/executions/{item['$id']}")
                assert gone.status_code == 204
            [run] = until(api, "waits", "completed")
            assert run["logs"] == f"{len(marker.text) + 2}\n"
            until_told(api)
            assert marker.found_below(tmp_path) == []
    finally:
        assert server.stop() == 0
    assert marker.found_below(tmp_path) == []
