"""The OpenAPI document against the table that it is made from."""

import json
import re
from dataclasses import dataclass, replace
from typing import Annotated, Any

import pytest

from runwright.api.openapi.document import document
from runwright.api.openapi.operations import operation, operation_id
from runwright.api.params import Id, ListOf, OneOf, Range, Text, declared
from runwright.api.refusals import refused
from runwright.api.routing import Answer, Call, Limit, Nothing, Route
from tools.api_reference import table

DOCUMENT: dict[str, Any] = json.loads(document(table()))


@dataclass(frozen=True, kw_only=True)
class Params:
    thing_id: Annotated[str, Id()]
    words: Annotated[tuple[str, ...], ListOf(OneOf(("a", "b")))]
    size: Annotated[int, Range(1, 9)] = 5
    note: Annotated[str | None, Text(10)] = None


async def _handler(call: Call, params: Params) -> Answer:
    return Answer()


ROUTE = Route(
    name="things.listAll",
    method="GET",
    paths=("/v1/things/{thingId}", "/v1/old/{thingId}"),
    scopes=("account",),
    handler=_handler,
    params=Params,
    model="team",
)


def test_each_route_is_one_operation_at_its_canonical_path() -> None:
    for route in table():
        found = DOCUMENT["paths"][route.paths[0]][route.method.lower()]
        assert found["operationId"] == operation_id(route)
        assert found["summary"]
        assert found["tags"] == [route.name.partition(".")[0]]
    assert sum(len(item) for item in DOCUMENT["paths"].values()) == len(table())


def test_each_parameter_of_a_path_is_declared_and_checked() -> None:
    for route in table():
        names = {item.name for item in declared(route.params or Nothing)}
        assert set(re.findall(r"\{(\w+)\}", route.paths[0])) <= names, route.name


def test_every_reference_leads_somewhere() -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [item for inner in value.values() for item in references(inner)]
        return (
            [item for inner in value for item in references(inner)]
            if value and isinstance(value, list)
            else []
        )

    for reference in set(references(DOCUMENT)):
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_parameters_stand_where_they_are_read() -> None:
    made = operation(ROUTE)
    places = {item["name"]: item for item in made["parameters"]}
    assert places["thingId"]["in"] == "path"
    assert places["words[]"] == {
        "name": "words[]",
        "in": "query",
        "required": True,
        "schema": {
            "type": "array",
            "maxItems": 100,
            "items": {"type": "string", "enum": ["a", "b"]},
        },
        "style": "form",
        "explode": True,
    }
    assert places["size"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "default": 5,
    }
    assert "requestBody" not in made
    assert made["x-aliases"] == ["/v1/old/{thingId}"]


def test_a_body_says_what_must_be_in_it_and_that_null_is_nothing() -> None:
    body = operation(replace(ROUTE, method="POST"))["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert body["required"]
    assert schema["required"] == ["words"]
    assert schema["properties"]["note"]["type"] == ["string", "null"]
    assert "thingId" not in schema["properties"]


def test_a_file_makes_the_body_multipart() -> None:
    body = operation(replace(ROUTE, method="POST", files=("code",)))["requestBody"]
    assert list(body["content"]) == ["multipart/form-data"]
    schema = body["content"]["multipart/form-data"]["schema"]
    assert schema["required"] == ["words", "code"]


@pytest.mark.parametrize(
    ("scope", "schemes"),
    [
        ("public", {"", "Key", "Session", "JWT", "Cookie"}),
        ("account", {"Session", "JWT", "Cookie"}),
        ("users.read", {"Key", "Session", "JWT", "Cookie"}),
        ("health.read", {"Key", "Session", "JWT", "Cookie"}),
    ],
)
def test_who_may_call_follows_from_the_scopes(scope: str, schemes: set[str]) -> None:
    security = operation(replace(ROUTE, scopes=(scope,)))["security"]
    assert {"".join(name for name in item if name != "Project") for item in security} == schemes
    assert all("Project" in item for item in security)


def test_refusals_before_the_handler_follow_from_the_row() -> None:
    usual = refused(ROUTE)
    assert "general_argument_invalid" in usual[400]
    assert "general_unauthorized_scope" in usual[401]
    assert "general_unauthorized_scope" not in refused(replace(ROUTE, scopes=("public",)))[401]
    assert 429 not in usual
    assert refused(replace(ROUTE, limit=Limit(calls=1)))[429] == ("general_rate_limit_exceeded",)
    assert refused(replace(ROUTE, auth_method="jwt"))[501] == ("user_auth_method_unsupported",)
    session = refused(replace(ROUTE, group="session"))[401]
    assert "user_session_already_exists" in session
    assert (408 in usual, 408 in refused(replace(ROUTE, method="PUT"))) == (False, True)


def test_refusals_of_a_handler_are_read_from_its_code() -> None:
    routes = {route.name: route for route in table()}
    found = refused(routes["users.createTarget"])
    assert "user_target_already_exists" in found[409]
    assert {"user_not_found", "provider_not_found"} <= set(found[404])
    assert "storage_invalid_range" in refused(routes["functions.getDeploymentDownload"])[416]
    assert "function_synchronous_timeout" in refused(routes["functions.createExecution"])[408]


def test_two_routes_of_one_name_or_place_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="name"):
        document([ROUTE, replace(ROUTE, paths=("/v1/other/{thingId}",))])
    with pytest.raises(ValueError, match="answer GET"):
        document([ROUTE, replace(ROUTE, name="things.other")])
