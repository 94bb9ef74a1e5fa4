"""Executions are announced to webhooks, from the moment on at which there is one."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import httpx
import pytest

from tests.acceptance.deploying import deploy, execute
from tests.acceptance.running import Running

WAIT_S: Final = 60.0
ANSWERING: Final = """
export default async ({ req, res, log }) => {
  log("line of " + req.bodyText);
  return res.text("answer to " + req.bodyText, 200, { "x-answer": "header of it" });
};
"""


@dataclass
class Receiver:
    """Takes deliveries on the loopback: (first name of the event, raw body)."""

    got: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        got = self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                names = self.headers["x-appwrite-webhook-events"]
                got.append((names.partition(",")[0], body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def of(self, execution_id: str) -> list[tuple[str, bytes]]:
        return [item for item in self.got if f".{execution_id}." in item[0]]

    def until(self, execution_id: str, *actions: str) -> list[dict[str, Any]]:
        """Payloads of exactly these events of an execution, in this order."""
        deadline = time.monotonic() + WAIT_S
        while len(self.of(execution_id)) < len(actions):
            assert time.monotonic() < deadline, self.of(execution_id)
            time.sleep(0.02)
        by_action = {name.rpartition(".")[2]: body for name, body in self.of(execution_id)}
        assert sorted(by_action) == sorted(actions)
        return [json.loads(by_action[action]) for action in actions]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One whose webhooks may reach the loopback."""
    settings = {"RUNWRIGHT_WEBHOOKS_ALLOW_PRIVATE": "on"}
    running = Running(tmp_path_factory.mktemp("heard") / "data", **settings).start()
    try:
        yield running
    finally:
        assert running.stop() == 0, running.tail()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def listens(api: httpx.Client, receiver: Receiver, *events: str) -> str:
    body = {"webhookId": "unique()", "name": "Hook", "url": receiver.url, "events": list(events)}
    answer = api.post("/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["$id"])


def test_runs_are_told_to_a_webhook_as_soon_as_it_exists(
    server: Running, receiver: Receiver
) -> None:
    with server.client() as api:
        deploy(api, "talks", "node", ANSWERING)
        for _ in range(3):  # nobody listens, and by now the server knows
            execute(api, "talks", body="nobody")
        hook = listens(api, receiver, "functions.*.executions.*")
        done = execute(api, "talks", body="marker-one")
        (told,) = receiver.until(done["$id"], "create")
        assert (told["status"], told["logs"]) == ("completed", "line of marker-one\n")

        answer = api.post("/functions/talks/executions", json={"body": "marker-two", "async": True})
        accepted = answer.json()
        begun, ended = receiver.until(accepted["$id"], "create", "update")
        assert (begun["status"], ended["status"]) == ("waiting", "completed")
        assert ended["logs"] == "line of marker-two\n"

        assert api.delete(f"/functions/talks/executions/{done['$id']}").status_code == 204
        _, deleted = receiver.until(done["$id"], "create", "delete")
        assert deleted["$id"] == done["$id"]

        assert api.delete(f"/webhooks/{hook}").status_code == 204
    for _, body in receiver.got:
        assert b"answer to" not in body
        assert b"header of it" not in body
        assert (json.loads(body)["responseBody"], json.loads(body)["responseHeaders"]) == ("", [])


def test_a_guest_tells_nobody_else_what_the_run_printed(
    server: Running, receiver: Receiver
) -> None:
    with server.client() as api:
        deploy(api, "open", "node", ANSWERING)
        hook = listens(api, receiver, "functions.open.executions.*.create")
        headers = {"x-appwrite-project": server.project_id}
        answer = httpx.post(
            f"{server.endpoint}/functions/open/executions",
            json={"body": "x"},
            headers=headers,
            timeout=60,
        )
        assert answer.status_code == 201, answer.text
        (told,) = receiver.until(answer.json()["$id"], "create")
        assert (told["status"], told["logs"], told["errors"]) == ("completed", "", "")
        assert api.delete(f"/webhooks/{hook}").status_code == 204
