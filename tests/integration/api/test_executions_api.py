"""The routes of executions, spoken to as HTTP clients do but without a socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import httpx
import pytest

from runwright.api.app import ApiOptions, build_app
from runwright.api.limits import Limiter
from runwright.api.routes.executions import ExecutionRoutes
from runwright.clock import SystemClock
from runwright.identity.tokens import encode_session, hash_secret
from runwright.model.execution import ErrorClass, Outcome, Phases
from runwright.model.identity import ApiKey
from tests.fakes.declared import as_declared
from tests.fakes.user_code import answering
from tests.unit.executions.bench import (
    FUNCTION,
    NOW,
    PROJECT,
    Bench,
    a_bench,
    a_function,
    a_session,
    a_user,
)

pytestmark = pytest.mark.anyio
KEY = "standard_" + "k" * 64
PATH = f"/v1/functions/{FUNCTION}/executions"
FIELDS = [
    "$id",
    "$createdAt",
    "$updatedAt",
    "$permissions",
    "resourceId",
    "resourceType",
    "deploymentId",
    "trigger",
    "status",
    "requestMethod",
    "requestPath",
    "requestHeaders",
    "responseStatusCode",
    "responseBody",
    "responseHeaders",
    "logs",
    "errors",
    "duration",
    "scheduledAt",
    "errorClass",
    "phases",
    "cold",
    "attempt",
    "event",
    "chainId",
    "replayOf",
]


@dataclass
class Front:
    bench: Bench
    client: httpx.AsyncClient

    async def send(
        self,
        method: str = "POST",
        path: str = PATH,
        *,
        caller: str = "key",
        headers: dict[str, str] | None = None,
        **content: Any,
    ) -> httpx.Response:
        own = {"x-appwrite-project": PROJECT, **(headers or {})}
        if caller == "key":
            own["x-appwrite-key"] = KEY
        elif caller == "session":
            own["x-appwrite-session"] = encode_session("ada", "s3cret")
        elif caller == "jwt":
            tokens = self.bench.tokens
            own["x-appwrite-jwt"] = tokens.user_jwt("ada", "", 60, project_id=PROJECT)
        return await self.client.request(method, path, headers=own, **content)


@asynccontextmanager
async def a_front(folder: Path, **options: Any) -> AsyncIterator[Front]:
    async with a_bench(**options) as bench:
        key = ApiKey(
            id="k",
            project_id=PROJECT,
            created_at=NOW,
            updated_at=NOW,
            name="k",
            scopes=("executions.read", "executions.write"),
            secret_hash=hash_secret(KEY),
        )
        await bench.storage.write(lambda uow: uow.keys.add(key))
        await bench.put(a_user(), a_session())
        routes = ExecutionRoutes(bench.executions, bench.cancelling(), bench.tails()).routes()
        app = build_app(
            routes,
            bench.authenticator,
            Limiter(SystemClock()),
            ApiOptions(upload_dir=str(folder)),
        )
        transport = httpx.ASGITransport(app=app, client=("203.0.113.9", 4711))
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://localhost",
            event_hooks={"response": [as_declared(routes)]},
        ) as client:
            yield Front(bench, client)


async def test_a_call_answers_201_with_the_whole_model(tmp_path: Path) -> None:
    outcome = Outcome(
        status_code=202,
        headers=(("x-a", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")),
        body="k\u00e4se".encode(),
        logs="log line",
        duration_s=0.25,
        is_cold=True,
        phases=Phases(queue_s=0.01, start_s=0.02, user_s=0.03),
    )
    async with a_front(tmp_path) as front:
        front.bench.code.run_next = answering(outcome)
        reply = await front.send(json={"path": "/x?y=1", "method": "PUT", "body": "in"})
        shape = reply.json()
        read = (await front.send("GET", f"{PATH}/{shape['$id']}")).json()
    assert reply.status_code == 201
    assert list(shape) == FIELDS
    assert (shape["resourceId"], shape["resourceType"]) == (FUNCTION, "functions")
    assert (shape["status"], shape["responseStatusCode"]) == ("completed", 202)
    assert (shape["responseBody"], shape["logs"]) == ("k\u00e4se", "log line")
    assert shape["responseHeaders"] == [
        {"name": "x-a", "value": "1"},
        {"name": "set-cookie", "value": "b=2"},
        {"name": "x-appwrite-execution-id", "value": shape["$id"]},
    ]
    assert shape["requestHeaders"] == [
        {"name": "host", "value": "localhost"},
        {"name": "x-appwrite-client-ip", "value": "203.0.113.9"},
    ]
    assert (shape["duration"], shape["cold"], shape["errorClass"]) == (0.25, True, "")
    assert shape["phases"] == {"queue": 0.01, "start": 0.02, "user": 0.03}
    assert shape["scheduledAt"] is None
    assert (read["responseBody"], read["responseHeaders"]) == ("", [])
    same = set(FIELDS) - {"responseBody", "responseHeaders"}
    assert {name: read[name] for name in same} == {name: shape[name] for name in same}


async def test_older_formats_name_the_function_as_they_always_did(tmp_path: Path) -> None:
    async with a_front(tmp_path) as front:
        headers = {"x-appwrite-response-format": "1.9.5"}
        made = (await front.send(json={}, headers=headers)).json()
        one = (await front.send("GET", f"{PATH}/{made['$id']}", headers=headers)).json()
        many = (await front.send("GET", headers=headers)).json()
    for shape in (made, one, many["executions"][0]):
        assert shape["functionId"] == FUNCTION
        assert not {"resourceId", "resourceType"} & set(shape)
    assert many["total"] == 1


@pytest.mark.parametrize(("caller", "shown"), [("key", "secret"), ("session", ""), ("guest", "")])
async def test_logs_and_errors_are_shown_to_keys_only(
    tmp_path: Path, caller: str, shown: str
) -> None:
    failed = ErrorClass.USER_EXCEPTION
    outcome = Outcome(status_code=500, logs="secret", errors="secret", error_class=failed)
    async with a_front(tmp_path) as front:
        front.bench.code.run_next = answering(outcome)
        shape = (await front.send(json={}, caller=caller)).json()
        assert (shape["logs"], shape["errors"]) == (shown, shown)
        assert (shape["status"], shape["errorClass"]) == ("failed", "user_exception")
        if caller == "session":
            read = (await front.send("GET", f"{PATH}/{shape['$id']}", caller=caller)).json()
            assert (read["logs"], read["errors"]) == ("", "")
            listed = (await front.send("GET", caller=caller)).json()
            assert [item["logs"] for item in listed["executions"]] == [""]


async def test_permissions_name_the_user_who_started_it(tmp_path: Path) -> None:
    async with a_front(tmp_path) as front:
        by = {
            caller: (await front.send(json={}, caller=caller)).json()["$permissions"]
            for caller in ("key", "session", "jwt", "guest")
        }
    ada = ['read("user:ada")']
    assert by == {"key": [], "session": ada, "jwt": ada, "guest": []}


async def test_the_function_gets_a_token_of_the_signed_in_user(tmp_path: Path) -> None:
    async with a_front(tmp_path) as front:
        for caller in ("session", "jwt"):
            reply = await front.send(json={}, caller=caller)
            assert reply.status_code == 201
            seen = front.bench.code.seen
            token = seen["x-appwrite-user-jwt"]
            acting = await front.bench.authenticator.user_for_jwt(PROJECT, token)
            assert (acting.user_id, seen["x-appwrite-user-id"]) == ("ada", "ada")
            if caller == "jwt":
                assert token == reply.request.headers["x-appwrite-jwt"]


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"method": "get"}, "method"),
        ({"method": "TRACE"}, "method"),
        ({"path": ""}, "path"),
        ({"path": "x" * 2049}, "path"),
        ({"async": "maybe"}, "async"),
        ({"headers": "no json"}, "headers"),
        ({"headers": "[1]"}, "headers"),
        ({"headers": {"X-Appwrite-Key": "x"}}, "headers"),
        ({"body": ["x"]}, "body"),
        ({"body": "x" * 10_485_761}, "body"),
        ({"scheduledAt": "x" * 101}, "scheduledAt"),
    ],
)
async def test_bad_parameters_are_named(tmp_path: Path, params: dict[str, Any], name: str) -> None:
    async with a_front(tmp_path) as front:
        reply = await front.send(json=params)
        assert front.bench.code.calls == []
    assert (reply.status_code, reply.json()["type"]) == (400, "general_argument_invalid")
    assert name in reply.json()["message"]


@pytest.mark.parametrize("headers", [{}, [], "{}", '{"x-a": "1"}', None])
async def test_headers_may_be_an_object_or_its_text(tmp_path: Path, headers: Any) -> None:
    async with a_front(tmp_path) as front:
        reply = await front.send(json={"headers": headers, "async": "0", "scheduledAt": None})
    assert reply.status_code == 201


async def test_asynchronous_calls_are_accepted_with_a_record_that_waits(tmp_path: Path) -> None:
    async with a_front(tmp_path) as front:
        reply = await front.send(json={"async": True, "body": "in"})
        assert (reply.status_code, list(reply.json())) == (202, FIELDS)
        assert (reply.json()["status"], reply.json()["responseBody"]) == ("waiting", "")
        found = await front.send("GET", f"{PATH}/{reply.json()['$id']}")
        assert found.json() == reply.json()
        later = {"async": "1", "scheduledAt": "2099-01-01T00:00:00.000+00:00"}
        reply = await front.send(json=later, headers={"accept": "multipart/form-data"})
        assert (reply.status_code, b"scheduled" in reply.content) == (202, True)
        reply = await front.send(json={"scheduledAt": "2099-01-01T00:00:00.000+00:00"})
        assert (reply.status_code, reply.json()["type"]) == (400, "general_bad_request")
        assert front.bench.code.calls == []


async def test_a_multipart_body_is_taken_as_bytes(tmp_path: Path) -> None:
    raw = bytes(range(256)) + b"\r\n--not-the-boundary\r\n"
    async with a_front(tmp_path) as front:
        as_field = await front.send(files={"body": (None, raw), "path": (None, "/up")})
        as_file = await front.send(files={"body": ("body.bin", raw), "method": (None, "PUT")})
        calls = [invocation for _, invocation in front.bench.code.calls]
    assert (as_field.status_code, as_file.status_code) == (201, 201)
    assert [call.body for call in calls] == [raw, raw]
    assert (calls[0].target, calls[1].method) == ("/up", "PUT")


async def test_a_binary_response_needs_multipart_and_the_run_is_recorded_anyway(
    tmp_path: Path,
) -> None:
    raw = b"\xff\x00\r\n--x"
    async with a_front(tmp_path) as front:
        front.bench.code.run_next = answering(Outcome(status_code=200, body=raw))
        refused = await front.send(json={})
        assert (refused.status_code, refused.json()["type"]) == (400, "general_unknown")
        assert refused.json()["message"].startswith("Failed to parse response")
        listed = (await front.send("GET")).json()["executions"]
        assert [item["status"] for item in listed] == ["completed"]
        accept = {"accept": "multipart/form-data", "x-appwrite-response-format": "1.9.5"}
        reply = await front.send(json={}, headers=accept)
    assert reply.status_code == 201
    fields = parts_of(reply)
    assert fields["responseBody"].get_payload(decode=True) == raw
    assert text(fields["status"]) == "completed"
    assert text(fields["functionId"]) == FUNCTION
    assert (text(fields["scheduledAt"]), text(fields["cold"])) == ("", "0")
    assert fields["responseHeaders"].get_content_type() == "application/json"
    names = [item["name"] for item in json.loads(text(fields["responseHeaders"]))]
    assert names == ["x-appwrite-execution-id"]


def parts_of(reply: httpx.Response) -> dict[str, Message]:
    kind = reply.headers["content-type"]
    assert kind.startswith("multipart/form-data; boundary=-----------------------------")
    assert len(kind.partition("boundary=")[2]) == 29 + 13
    whole = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + reply.content)
    parts = whole.get_payload()
    assert isinstance(parts, list)
    found = {}
    for part in parts:
        assert isinstance(part, Message)
        name = part.get_param("name", header="content-disposition")
        found[str(name)] = part
    return found


def text(part: Message) -> str:
    raw = part.get_payload(decode=True)
    assert isinstance(raw, bytes)
    return raw.decode()


@pytest.mark.parametrize(
    ("accept", "is_multipart"),
    [
        ("application/json", False),
        ("*/*", False),
        ("", False),
        ("multipart/form-data", True),
        ("multipart/*", True),
        ("multipart/form-data, application/json", True),
        ("application/json, multipart/form-data", False),
        ("text/html, multipart/form-data", True),
        ("application/*", False),
    ],
)
async def test_the_first_known_accept_entry_chooses(
    tmp_path: Path, accept: str, is_multipart: bool
) -> None:
    async with a_front(tmp_path) as front:
        reply = await front.send(json={}, headers={"accept": accept})
    assert reply.headers["content-type"].startswith("multipart/") is is_multipart


async def test_reads_need_the_scope_that_guests_do_not_have(tmp_path: Path) -> None:
    async with a_front(tmp_path) as front:
        reply = await front.send("GET", caller="guest")
        assert (reply.status_code, reply.json()["type"]) == (401, "general_unauthorized_scope")


async def test_a_list_takes_queries_and_pages(tmp_path: Path) -> None:
    async with a_front(tmp_path) as front:
        made = [(await front.send(json={"path": f"/{n}"})).json()["$id"] for n in range(3)]

        async def listed(*queries: dict[str, Any], **extra: str) -> Any:
            params = [("queries[]", json.dumps(query)) for query in queries]
            return (await front.send("GET", params=[*params, *extra.items()])).json()

        after = {"method": "cursorAfter", "values": [made[0]]}
        assert [item["$id"] for item in (await listed(after))["executions"]] == made[1:]
        by_path = {"method": "equal", "attribute": "requestPath", "values": ["/1"]}
        page = await listed(by_path)
        assert (page["total"], page["executions"][0]["$id"]) == (1, made[1])
        newest = {"method": "orderDesc", "attribute": "$createdAt"}
        one = {"method": "limit", "values": [1]}
        assert [item["$id"] for item in (await listed(newest, one))["executions"]] == made[2:]
        assert (await listed(total="false"))["total"] == 0
        bad = await listed({"method": "equal", "attribute": "logs", "values": ["x"]})
        assert bad["type"] == "general_argument_invalid"
        lost = await listed({"method": "cursorAfter", "values": ["nowhere"]})
        assert lost["type"] == "general_cursor_not_found"


async def test_a_deletion_answers_204_with_a_content_type(tmp_path: Path) -> None:
    async with a_front(tmp_path) as front:
        made = (await front.send(json={})).json()["$id"]
        reply = await front.send("DELETE", f"{PATH}/{made}")
        assert (reply.status_code, reply.content) == (204, b"")
        assert "json" not in reply.headers["content-type"]
        again = await front.send("DELETE", f"{PATH}/{made}")
        assert (again.status_code, again.json()["type"]) == (404, "execution_not_found")


async def test_the_limit_of_a_synchronous_call_is_408_as_json(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait(invocation: object, sink: object) -> Outcome:
        await release.wait()
        return Outcome(status_code=200)

    async with a_front(tmp_path, sync_timeout_s=0.1) as front:
        front.bench.code.run_next = wait
        reply = await front.send(json={})
        release.set()
    assert (reply.status_code, reply.json()["type"]) == (408, "function_synchronous_timeout")


async def test_a_function_that_a_user_may_not_run_is_401(tmp_path: Path) -> None:
    async with a_front(tmp_path) as front:
        await front.bench.put(replace(a_function(), execute=("team:x",)))
        reply = await front.send(json={}, caller="session")
    assert (reply.status_code, reply.json()["type"]) == (401, "user_unauthorized")
