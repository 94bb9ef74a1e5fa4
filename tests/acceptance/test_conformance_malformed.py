"""Every parameter of every route with values it cannot take: refused, never a server error."""

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from runwright.api.params import declared
from runwright.api.routing import Route
from tests.acceptance.console import Console
from tests.acceptance.routes import every_route
from tests.acceptance.running import Running

ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    10**30,
    1.5,
    "",
    "\0",
    "\ud7ff\U0001f389" * 40,
    "a" * 20_000,
    "0001-01-01T00:00:00+23:59",
    [],
    {},
    [None, [], {}],
    ["x"] * 5000,
    {"a": {"b": [{}]}},
    ["[" * 1500],
    ['{"method":"equal","attribute":"$id","values":[{}]}', '{"method":"limit","values":[1e99]}'],
)
GOOD: Final[dict[str, Any]] = {
    **{f"{noun}Id": "unique()" for noun in ("function", "user", "team", "key", "variable")},
    **{f"{noun}Id": "unique()" for noun in ("project", "platform", "target")},
    **{"name": "Name", "key": "KEY", "value": "value", "runtime": "node-22", "roles": ["owner"]},
    **{"scopes": ["users.read"], "duration": 60, "hostname": "a.example.org", "labels": ["one"]},
    **{"activate": True, "status": True, "prefs": {}, "resourceType": "function"},
    **{"url": "https://example.org", "statusCode": "301", "resourceId": "nothing"},
    **{"domain": "b.example.org", "type": "source", "total": 5},
}
IDS: Final = ("nothing", "%00", "..%2F..%2Fetc", "%F0%9F%8E%89", "a" * 37, "unique()")
BODIES: Final = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'{"name":"\xff"}',
    b'{"name":"\\ud800"}',
    b"[" * 100_000,
    b'{"name":' + b"9" * 5000 + b"}",
)
TELLS_TOO_MUCH: Final = re.compile(r'Traceback|File "/|site-packages|sqlalchemy|runwright/')
ROUTES: Final = [route for route in every_route() if route.name != "project.delete"]


@pytest.fixture(scope="module")
def owner(server: Running) -> Iterator[httpx.Client]:
    """Everything is allowed, in a project that nobody else uses."""
    console = Console(server)
    with contextlib.closing(console.api):
        project_id = console.new_project()
        scopes = [
            item["$id"] for item in console.api.get("/console/scopes/project").json()["scopes"]
        ]
        headers = {
            "x-appwrite-project": project_id,
            "x-appwrite-key": console.new_key(project_id, scopes),
        }
        base = server.endpoint.removesuffix("/v1")
        with httpx.Client(base_url=base, headers=headers, timeout=60) as client:
            yield client


def checked(answer: httpx.Response, what: object) -> None:
    assert answer.status_code < 500 or answer.status_code in (501, 503), (what, answer.text)
    assert answer.headers["content-type"], what
    assert not TELLS_TOO_MUCH.search(answer.text), (what, answer.text)
    if answer.status_code >= 400:
        body = answer.json()
        assert set(body) == {"message", "code", "type", "version"}, what
        assert body["code"] == answer.status_code, what


def flat(values: dict[str, Any]) -> list[tuple[str, str]]:
    """As a query string or a form writes them."""
    pairs = []
    for name, value in values.items():
        items = value if isinstance(value, list) else [value]
        key = f"{name}[]" if isinstance(value, list) else name
        pairs += [(key, item if isinstance(item, str) else json.dumps(item)) for item in items[:20]]
    return [(key, text[:2000]) for key, text in pairs]


@pytest.mark.parametrize("route", ROUTES, ids=[route.name for route in ROUTES])
def test_odd_values_are_refused_in_the_apis_words(owner: httpx.Client, route: Route) -> None:
    wanted = declared(route.params) if route.params else ()
    good = {item.name: GOOD[item.name] for item in wanted if item.name in GOOD}
    rounds: list[dict[str, Any]] = [good]
    for at, item in enumerate(wanted):  # one odd value at a time, lest the first hide the rest
        rounds += [{**good, item.name: ODD[(at * 5 + step) % len(ODD)]} for step in range(5)]
    for turn, values in enumerate(rounds):
        path = re.sub(r"\{\w+\}", IDS[turn % len(IDS)], route.paths[turn % len(route.paths)])
        sent: dict[str, Any]
        if route.method == "GET":
            sent = {"params": flat(values)}
        elif turn % 4 == 3:
            sent = {"data": dict(flat(values))}
        else:
            content = json.dumps(values).encode()
            sent = {"content": content, "headers": {"content-type": "application/json"}}
        checked(owner.request(route.method, path, **sent), (path, values))


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=B"],
)
def test_bodies_that_are_not_what_they_claim_name_the_missing_parameter(
    owner: httpx.Client, body: bytes, kind: str
) -> None:
    for path in ("/v1/users", "/v1/functions"):
        answer = owner.post(path, content=body, headers={"content-type": kind})
        checked(answer, (path, kind, body[:40]))
        assert answer.status_code == 400
        assert answer.json()["type"] == "general_argument_invalid"
        assert answer.json()["message"].endswith("is not optional.")
