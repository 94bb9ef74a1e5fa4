"""Requests that no SDK would send: each is refused in the API's own words, none breaks it."""

import base64
import json
from typing import Any

import httpx
import pytest

from tests.acceptance.running import Running

DEEP = 1500  # levels; more than a recursive reader takes


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"]


def query(method: str, attribute: str, *values: Any) -> str:
    return json.dumps({"method": method, "attribute": attribute, "values": values})


@pytest.mark.parametrize("closing", ["", "]"], ids=["open", "closed"])
def test_deeply_nested_text_is_refused_wherever_text_is_read_as_json(
    server: Running, closing: str
) -> None:
    deep = "[" * DEEP + closing * DEEP
    listed = f'{{"method":"equal","attribute":"name","values":{deep}}}'
    with server.client() as api:
        answer = api.get("/functions", params={"queries[0]": listed})
        assert problem(answer) == (400, "general_argument_invalid")
        answer = api.post("/functions/any/executions", json={"headers": deep})
        assert problem(answer) == (400, "general_argument_invalid")
        answer = api.post("/functions", content=deep)
        assert problem(answer) == (400, "general_argument_invalid")


@pytest.mark.parametrize("header", ["cookie", "x-appwrite-session", "x-fallback-cookies"])
def test_a_session_that_is_nested_without_end_is_no_session(server: Running, header: str) -> None:
    deep = "[" * DEEP
    encoded = base64.b64encode(deep.encode()).decode()
    value = {
        "cookie": f"a_session_{server.project_id}={encoded}",
        "x-appwrite-session": encoded,
        "x-fallback-cookies": deep,
    }[header]
    headers = {"x-appwrite-project": server.project_id, header: value}
    answer = httpx.get(f"{server.endpoint}/account", headers=headers, timeout=60)
    assert problem(answer) == (401, "general_unauthorized_scope")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_moment_that_no_calendar_holds_is_refused(server: Running, moment: str) -> None:
    with server.client() as api:
        after = query("greaterThan", "$createdAt", moment)
        answer = api.get("/functions", params={"queries[0]": after})
        assert problem(answer) == (400, "general_argument_invalid")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("timeout", "soon"), ("timeout", 2**70), ("enabled", "yes"), ("name", 5), ("$id", True)],
)
def test_a_query_value_of_another_type_is_told_like_every_bad_query(
    server: Running, attribute: str, value: Any
) -> None:
    with server.client() as api:
        answer = api.get("/functions", params={"queries[0]": query("equal", attribute, value)})
        assert problem(answer) == (400, "general_argument_invalid")
        assert answer.json()["message"].startswith("Invalid `queries` param: Invalid query")


def test_preferences_cannot_be_nested_so_deeply_that_a_list_with_them_fails(
    server: Running,
) -> None:
    with server.client() as api:
        api.post("/users", json={"userId": "nested"}).raise_for_status()
        for levels, expected in ((200, 200), (400, 400), (900, 400)):
            prefs = '{"a":' * levels + "1" + "}" * levels
            answer = api.patch(
                "/users/nested/prefs",
                content=f'{{"prefs":{prefs}}}',
                headers={"content-type": "application/json"},
            )
            assert answer.status_code == expected, levels
            assert api.get("/users").status_code == 200
