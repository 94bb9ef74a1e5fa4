"""Webhooks of a started server: signed, tried again, lost by no crash, read by nobody else."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.acceptance.deploying import deploy, execute
from tests.acceptance.receiving import WAIT_S, Received, Receiver, receiving
from tests.acceptance.running import Running
from tests.marker import Marker

ECHO: Final = "export default async ({ req, res }) => res.json({ ok: true });"
MAKES_A_USER: Final = """
export default async ({ req, res }) => {
  const answer = await fetch(`${process.env.APPWRITE_FUNCTION_API_ENDPOINT}/users`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-appwrite-project": process.env.APPWRITE_FUNCTION_PROJECT_ID,
      "x-appwrite-key": req.headers["x-appwrite-key"],
    },
    body: JSON.stringify({ userId: "unique()", name: "again" }),
  });
  return res.text("made", answer.status);
};
"""
SETTINGS: Final = {
    "RUNWRIGHT_WEBHOOKS_ALLOW_PRIVATE": "on",
    "RUNWRIGHT_WEBHOOK_BACKOFF_S": "0.2",
    "RUNWRIGHT_WEBHOOK_MAX_FAILED_ATTEMPTS": "3",
}


@dataclass
class Shop:
    server: Running
    api: httpx.Client
    receiver: Receiver

    def hook(self, name: str, *events: str, **settings: Any) -> dict[str, Any]:
        body = {
            "webhookId": name,
            "name": f"Hook {name} é",
            "url": self.receiver.url(f"/{name}"),
            "events": events,
        }
        made = self.api.post("/webhooks", json=body | settings)
        assert made.status_code == 201, made.text
        created: dict[str, Any] = made.json()
        return created

    def user(self, user_id: str, **fields: Any) -> dict[str, Any]:
        made = self.api.post("/users", json={"userId": user_id, **fields})
        assert made.status_code == 201, made.text
        created: dict[str, Any] = made.json()
        return created

    def stored(self, name: str, **wanted: Any) -> dict[str, Any]:
        """The webhook, once its fields are as wanted."""
        return self.once(name, lambda found: found | wanted == found)

    def once(self, name: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The webhook, once that holds for it."""
        deadline = time.monotonic() + WAIT_S
        while True:
            found: dict[str, Any] = self.api.get(f"/webhooks/{name}").json()
            if holds(found):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.02)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    server = Running(tmp_path_factory.mktemp("webhooks") / "data", **SETTINGS).start()
    try:
        with server.client() as api, receiving() as receiver:
            yield Shop(server, api, receiver)
    finally:
        assert server.stop() == 0


def test_a_client_s_suite_sets_itself_up_unchanged(shop: Shop) -> None:
    common = {"origin": "http://localhost", "content-type": "application/json"}
    console = {**common, "x-appwrite-project": "console"}
    login = {"email": "suite@localhost.test", "password": "password"}
    with httpx.Client(base_url=shop.server.endpoint, timeout=60) as client:

        def call(
            method: str, path: str, body: dict[str, Any] | None, **headers: str
        ) -> httpx.Response:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = client.request(method, path, json=body, headers=console | named)
            client.cookies.clear()
            return answer

        account = {"userId": "5f1ebc0d1b2c3d4e5f6a", "name": "User Name", **login}
        assert call("POST", "/account", account).status_code == 201
        session = call("POST", "/account/sessions/email", login)
        assert session.status_code == 201
        (raw,) = [
            line.partition(";")[0]
            for line in session.headers.get_list("set-cookie")
            if line.startswith("a_session_console=")
        ]
        assert call("GET", "/account", None, cookie=raw).status_code == 200
        team = {"teamId": "suite", "name": "Demo Project Team"}
        assert call("POST", "/teams", team, cookie=raw).status_code == 201
        project = {
            "projectId": "suite",
            "region": "default",
            "name": "Demo Project",
            "teamId": "suite",
            "description": "Demo Project Description",
            "url": "https://appwrite.io",
        }
        assert call("POST", "/projects", project, cookie=raw).status_code == 201
        key = {"keyId": "unique()", "name": "Demo Project Key", "scopes": ["users.read"]}
        assert call("POST", "/projects/suite/keys", key, cookie=raw).json()["secret"]
        webhook = {
            "webhookId": "unique()",
            "name": "Webhook Test",
            "events": ["databases.*", "functions.*", "buckets.*", "teams.*", "users.*"],
            "url": "http://request-catcher-webhook:5000/",
            "tls": False,
        }
        as_admin = {"x_appwrite_project": "suite", "x_appwrite_mode": "admin"}
        made = call("POST", "/webhooks", webhook, cookie=raw, **as_admin)
        assert made.status_code == 201, made.text
        assert len(made.json()["secret"]) == 128
        mail = {
            "enabled": True,
            "senderEmail": "mailer@appwrite.io",
            "senderName": "Mailer",
            "host": "maildev",
            "port": 1025,
            "username": "user",
            "password": "password",
        }
        assert call("PATCH", "/projects/suite/smtp", mail, cookie=raw).status_code == 200
        assert call("GET", "/console/variables", None, cookie=raw).status_code == 200


def test_events_of_every_kind_arrive_signed(shop: Shop) -> None:
    hook = shop.hook("all", "users.*", "functions.*", authUsername="ann", authPassword="pw")
    ann = shop.user("ann", name="Änn/東京", email="ann@example.com")
    (told,) = shop.receiver.wait("/all", lambda item: "users.ann.create" in item.events)
    assert told.events == ["users.ann.create", "users.*.create", "users.ann", "users.*"]
    assert told.headers["content-type"] == "application/json"
    assert told.headers["x-appwrite-webhook-id"] == "all"
    assert told.headers["x-appwrite-webhook-name"].encode("latin-1").decode() == "Hook all é"
    assert told.headers["x-appwrite-webhook-project-id"] == shop.server.project_id
    assert told.headers["x-appwrite-webhook-user-id"] == ""
    assert told.headers["authorization"] == "Basic YW5uOnB3"
    assert told.headers["user-agent"].startswith("Appwrite-Server v")
    assert (told.payload["$id"], told.payload["name"]) == ("ann", ann["name"])
    assert b'"name":"\\u00c4nn\\/\\u6771\\u4eac"' in told.body
    assert b'"prefs":[]' in told.body

    deploy(shop.api, "told", "node", ECHO)
    shop.receiver.wait("/all", lambda item: "functions.told.create" in item.events)
    run = execute(shop.api, "told")
    name = f"functions.told.executions.{run['$id']}.create"
    (ended,) = shop.receiver.wait("/all", lambda item: name in item.events)
    assert (ended.payload["$id"], ended.payload["status"]) == (run["$id"], "completed")
    assert ended.payload["responseBody"] == ""

    received = shop.receiver.at("/all")
    assert all(item.is_signed(hook["secret"], hook["url"]) for item in received)
    assert len({item.delivery_id for item in received}) == len(received)


def test_a_new_secret_signs_what_follows(shop: Shop) -> None:
    hook = shop.hook("renewed", "users.*.create")
    shop.user("before")
    (first,) = shop.receiver.wait("/renewed", lambda item: True)
    renewed = shop.api.patch("/webhooks/renewed/signature").json()
    assert renewed["secret"] != hook["secret"]
    shop.user("after")
    second = shop.receiver.wait("/renewed", lambda item: True, 2)[1]
    assert first.is_signed(hook["secret"], hook["url"])
    assert second.is_signed(renewed["secret"], hook["url"])


def test_a_failed_delivery_is_tried_again_until_it_is_taken(shop: Shop) -> None:
    shop.receiver.statuses["/flaky"] = [500, 503, 200]
    hook = shop.hook("flaky", "users.*.create")
    shop.user("flaky")
    tries = shop.receiver.wait("/flaky", lambda item: True, 3)
    assert len({(item.delivery_id, item.body) for item in tries}) == 1
    assert [item.headers["x-runwright-delivery-attempt"] for item in tries] == ["1", "2", "3"]
    assert all(item.is_signed(hook["secret"], hook["url"]) for item in tries)
    shown = shop.stored("flaky", attempts=0)
    assert shown["enabled"] is True
    assert "Status code: 503\nBody:\ntold" in shown["logs"]


def test_a_webhook_that_fails_again_and_again_is_switched_off(shop: Shop) -> None:
    shop.receiver.statuses["/broken"] = [500]
    hook = shop.hook("broken", "users.*.create")
    shop.hook("whole", "users.*.create")
    shop.user("broken")
    shown = shop.stored("broken", enabled=False)
    assert shown["attempts"] == 3
    assert "Switched off after 3 failures in a row." in shown["logs"]
    tries = len(shop.receiver.at("/broken"))
    shop.user("unheard")
    shop.receiver.wait("/whole", lambda item: "users.unheard.create" in item.events)
    assert len(shop.receiver.at("/broken")) == tries
    shop.receiver.statuses["/broken"] = [204]
    body = {"name": "x", "url": hook["url"], "events": ["users.*.create"]}
    assert shop.api.put("/webhooks/broken", json=body).json()["attempts"] == 0
    shop.user("heard")
    shop.receiver.wait("/broken", lambda item: "users.heard.create" in item.events)


def test_a_loop_through_a_webhook_is_seen_and_stopped(shop: Shop) -> None:
    domain = deploy(shop.api, "again", "node", MAKES_A_USER, scopes=["users.write"])
    address = f"http://{domain}:{shop.server.port}/"
    shop.hook("again", "users.*.create", url=address)
    shop.user("seed", name="seed")
    deadline = time.monotonic() + WAIT_S
    while True:
        params = {"queries[0]": json.dumps({"method": "limit", "values": [100]})}
        runs = shop.api.get("/functions/again/executions", params=params).json()["executions"]
        stopped = [run for run in runs if run["errorClass"] == "loop"]
        completed = [run for run in runs if run["status"] == "completed"]
        if stopped and len(completed) >= 15:  # whose answers are no faster than the next run
            break
        assert time.monotonic() < deadline, [run["status"] for run in runs]
        time.sleep(0.05)
    shop.api.delete("/webhooks/again")
    assert len(completed) == 15
    assert "again -> again" in stopped[0]["errors"]


def test_a_crash_between_event_and_delivery_loses_nothing_and_shows_nothing(
    tmp_path: Path,
) -> None:
    marker = Marker()
    settings = {"RUNWRIGHT_WEBHOOKS_ALLOW_PRIVATE": "on", "RUNWRIGHT_WEBHOOK_BACKOFF_S": "3"}
    server = Running(tmp_path / "data", **settings).start()
    with receiving() as receiver:
        try:
            with server.client() as api:
                shop = Shop(server, api, receiver)
                hook = shop.hook("held", "custom.orders.*")
                shop.hook("failed", "custom.failed.*")

                def send(name: str) -> None:
                    event = {"event": name, "payload": {"secret": marker.text}}
                    sent = api.post("/events", json=event)
                    assert sent.status_code < 300, sent.text

                receiver.statuses["/failed"] = [500]
                send("custom.failed.once")
                shop.once("failed", lambda found: found["attempts"] >= 1)  # it will be tried again
                receiver.silent.set()
                for at in range(20):
                    send(f"custom.orders.paid{at}")
                receiver.wait("/held", lambda item: True)
                assert marker.found_below(server.data_dir) == []
            server.kill()
            assert marker.found_below(server.data_dir) == []
            begun = {item.delivery_id for item in receiver.at("/held")}
            receiver.received.clear()
            receiver.statuses["/failed"] = [200]
            receiver.silent.clear()
            server.start()
            for at in range(20):  # one of them may be told twice
                paid = f"custom.orders.paid{at}"
                receiver.wait("/held", partial(is_about, paid))
            received = receiver.at("/held")
            assert begun <= {item.delivery_id for item in received}  # told again, as the same
            orders = {item.events[0] for item in received}
            assert orders == {f"custom.orders.paid{at}" for at in range(20)}
            (again, *_) = receiver.wait("/failed", lambda item: True)
            assert again.payload == {"secret": marker.text}
            assert all(item.payload == {"secret": marker.text} for item in received)
            assert all(item.is_signed(hook["secret"], hook["url"]) for item in received)
        finally:
            assert server.stop() == 0
    assert marker.found_below(server.data_dir) == []
    assert Marker(hook["secret"]).found_below(server.data_dir) == []


def test_private_addresses_are_refused_unless_the_operator_allows_them(server: Running) -> None:
    with server.client() as api, receiving() as receiver:
        for url in (receiver.url("/in"), "http://localhost/", "http://catcher:5000/"):
            body = {"webhookId": "private", "name": "x", "url": url, "events": ["users.*"]}
            refused = api.post("/webhooks", json=body)
            assert refused.status_code == 400
            assert refused.json()["type"] == "general_argument_invalid"
        body["url"] = "http://request-catcher-webhook:5000/"  # of the clients' own suite
        assert api.post("/webhooks", json=body).status_code == 201
        assert api.delete("/webhooks/private").status_code == 204  # others use the server too


def test_a_webhook_from_a_time_when_it_was_allowed_is_refused_by_address(tmp_path: Path) -> None:
    """Where it leads is judged at each delivery, and not when it was made."""
    settings = {"RUNWRIGHT_WEBHOOKS_ALLOW_PRIVATE": "on"}
    server = Running(tmp_path / "data", **settings).start()
    with receiving() as receiver:
        urls = {
            "address": receiver.url("/in"),
            "name": f"http://localhost:{receiver.port}/in",
            "decimal": f"http://2130706433:{receiver.port}/in",
            "short": f"http://127.1:{receiver.port}/in",
            "mapped": f"http://[::ffff:127.0.0.1]:{receiver.port}/in",
        }
        try:
            with server.client() as api:
                for name, url in urls.items():
                    body = {"webhookId": name, "name": name, "url": url, "events": ["users.*"]}
                    assert api.post("/webhooks", json=body).status_code == 201
                api.post("/users", json={"userId": "before"}).raise_for_status()
            receiver.wait("/in", lambda item: True, len(urls))
        finally:
            assert server.stop() == 0
        before = len(receiver.received)
        server = Running(tmp_path / "data").start()
        try:
            with server.client() as api:
                api.post("/users", json={"userId": "after"}).raise_for_status()
                for name in urls:
                    wait_refused(api, name)
                    assert api.get(f"/webhooks/{name}").json()["attempts"] == 0
        finally:
            assert server.stop() == 0
        assert len(receiver.received) == before


def is_about(event: str, item: Received) -> bool:
    return event in item.events


def wait_refused(api: httpx.Client, name: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while "not public" not in api.get(f"/webhooks/{name}").json()["logs"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
