"""The clean-up template against an API that counts what it is asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.integration.templates.languages import Call, Reply, run

pytestmark = pytest.mark.parametrize("language", ["node", "python"])

KEY = "ephemeral_key"


@dataclass
class FakeApi:
    lists: dict[str, list[dict[str, Any]]]
    deleted: list[str] = field(default_factory=list)
    callers: set[tuple[str | None, str | None]] = field(default_factory=set)
    port: int = 0

    def page(self, path: str, queries: list[dict[str, Any]]) -> dict[str, Any]:
        items = self.lists[path]
        by_method = {query["method"]: query["values"][0] for query in queries}
        start = 0
        if "cursorAfter" in by_method:
            ids = [item["$id"] for item in items]
            start = ids.index(by_method["cursorAfter"]) + 1
        name = path.rpartition("/")[2]
        return {"total": 0, name: items[start : start + by_method["limit"]]}


@contextmanager
def serving(api: FakeApi) -> Iterator[FakeApi]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            queries = [json.loads(v) for k, v in parse_qsl(parts.query) if k.startswith("queries[")]
            path = parts.path.removeprefix("/v1")
            if path in api.lists:
                self.answer(200, api.page(path, queries))
            else:
                self.answer(404, {"message": "no such thing"})

        def do_DELETE(self) -> None:
            api.deleted.append(self.path)
            self.answer(204, None)

        def answer(self, status: int, body: Any) -> None:
            headers = self.headers
            api.callers.add((headers["x-appwrite-project"], headers["x-appwrite-key"]))
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def clean(language: str, api: FakeApi, **env: str) -> Reply:
    place = {
        "APPWRITE_FUNCTION_API_ENDPOINT": f"http://127.0.0.1:{api.port}/v1",
        "APPWRITE_FUNCTION_PROJECT_ID": "p1",
    }
    call = Call(method="POST", headers={"x-appwrite-key": KEY}, env={**place, **env})
    (reply,) = run("deployment-cleanup", language, [call])
    return reply


def deployments(count: int, **statuses: str) -> list[dict[str, Any]]:
    return [
        {"$id": f"d{number}", "status": statuses.get(f"d{number}", "ready")}
        for number in range(count)
    ]


def an_api() -> FakeApi:
    return FakeApi(
        {
            "/functions": [
                {"$id": "f1", "name": "One", "deploymentId": "d0"},
                {"$id": "f2", "name": "Two", "deploymentId": ""},
            ],
            "/functions/f1/deployments": deployments(6, d1="building", d2="failed"),
            "/functions/f2/deployments": deployments(2),
        }
    )


def test_all_but_the_newest_the_active_and_the_busy_go(language: str) -> None:
    with serving(an_api()) as api:
        reply = clean(language, api, KEEP="2")
    assert reply.json == {"dryRun": False, "deleted": ["f1/d2", "f1/d3"]}
    assert api.deleted == ["/v1/functions/f1/deployments/d2", "/v1/functions/f1/deployments/d3"]
    assert api.callers == {("p1", KEY)}
    assert reply.logs == ("Deleted d2 of One", "Deleted d3 of One")


def test_a_dry_run_deletes_nothing(language: str) -> None:
    with serving(an_api()) as api:
        reply = clean(language, api, KEEP="0", DRY_RUN="1")
    assert reply.json["deleted"] == ["f1/d2", "f1/d3", "f1/d4", "f1/d5", "f2/d0", "f2/d1"]
    assert api.deleted == []
    assert reply.logs[0] == "Would delete d2 of One"


def test_long_lists_are_read_to_their_end(language: str) -> None:
    lists = {
        "/functions": [{"$id": "f1", "name": "One", "deploymentId": "d249"}],
        "/functions/f1/deployments": deployments(250),
    }
    with serving(FakeApi(lists)) as api:
        reply = clean(language, api)
    assert len(reply.json["deleted"]) == 245
    assert reply.json["deleted"][-1] == "f1/d244"


def test_a_bad_number_is_refused_before_anything_is_asked(language: str) -> None:
    with serving(an_api()) as api:
        reply = clean(language, api, KEEP="-1")
    assert (reply.status, api.callers) == (500, set())
    assert "KEEP" in reply.errors[0]
