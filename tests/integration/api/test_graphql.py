"""GraphQL runs the operations of the API, through every check that a request of its own meets."""

import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any

import anyio
import httpx
import pytest

from runwright.api.limits import Limiter
from runwright.api.params import Id, Object, Range, Text
from runwright.api.routes.graphql import graphql_routes
from runwright.api.routes.locale import locale_routes
from runwright.api.routing import Answer, Call, Limit, Route, empty
from runwright.errors import NotFound, RunwrightError
from runwright.model.identity import CONSOLE
from tests.unit.api.world import (
    KEY,
    PROJECT,
    World,
    a_key,
    a_membership,
    a_project,
    a_session,
    a_user,
    about,
    as_admin,
    cookie,
    problem,
)

pytestmark = pytest.mark.anyio

TEAM = {
    "$id": "t",
    "$createdAt": "2026-01-01T00:00:00.000+00:00",
    "$updatedAt": "2026-01-01T00:00:00.000+00:00",
    "name": "Team",
    "total": 1,
    "prefs": {"a": [1]},
}


@dataclass(frozen=True, kw_only=True)
class GetThing:
    thing_id: Annotated[str, Id()]
    size: Annotated[int, Range(1, 9)] = 5


@dataclass(frozen=True, kw_only=True)
class CreateThing:
    name: Annotated[str, Text(5)]
    prefs: Annotated[dict[str, Any], Object()]


GET = '{ thingsGet(thingId: "t") { _id name } }'


class Front:
    """Two operations, `thingsGet` and `thingsCreate`, by GraphQL and by themselves."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.world = world
        self.client = client

    async def ask(self, query: Any, headers: Mapping[str, str] | None = None, **more: Any) -> Any:
        answer = await self.client.post(
            "/v1/graphql", json={"query": query, **more}, headers=about() | dict(headers or {})
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, query: str, headers: Mapping[str, str] | None = None) -> Any:
        [error] = (await self.ask(query, headers))["errors"]
        return error["extensions"]["code"], error["extensions"]["type"]


@asynccontextmanager
async def a_front(world: World, *, limits: bool = False, **changes: Any) -> AsyncIterator[Front]:
    world.seen.answer = lambda: Answer(content=TEAM)
    thing = Route(
        name="things.get",
        method="GET",
        paths=("/v1/things/{thingId}",),
        scopes=("account",),
        handler=world.seen.handler,
        params=GetThing,
        model="team",
        service="teams",
    )
    table = [replace(thing, **changes)]
    table.append(
        Route(
            name="things.create",
            method="POST",
            paths=("/v1/things",),
            scopes=("public",),
            handler=world.seen.handler,
            params=CreateThing,
            status=201,
            model="team",
        )
    )
    table += graphql_routes(table)
    async with world.client(*table, limiter=Limiter(world.clock, is_on=limits)) as client:
        yield Front(world, client)


@pytest.fixture
async def front(world: World) -> AsyncIterator[Front]:
    await world.put(a_user("ann"), a_session("ann"), a_key("account"))
    async with a_front(world) as made:
        yield made


ANN = cookie("ann")


async def test_a_field_runs_its_operation(front: Front) -> None:
    answer = await front.ask(
        "query one($id: String!) { thing: thingsGet(thingId: $id, size: 7) "
        "{ _id name total prefs { data } } }",
        ANN,
        variables={"id": "t1"},
    )
    assert answer == {
        "data": {"thing": {"_id": "t", "name": "Team", "total": 1, "prefs": {"data": '{"a":[1]}'}}}
    }
    assert front.world.seen.params == [GetThing(thing_id="t1", size=7)]
    call = front.world.seen.last
    assert (call.method, call.url_path, call.path_params) == (
        "GET",
        "/v1/things/t1",
        {"thingId": "t1"},
    )
    assert call.principal.user_id == "ann"


async def test_an_object_is_given_as_a_literal_a_text_or_a_variable(front: Front) -> None:
    for written in ('{a: 1, b: ["x"]}', r'"{\"a\": 1, \"b\": [\"x\"]}"'):
        done = await front.ask(
            f'mutation {{ thingsCreate(name: "n", prefs: {written}) {{ _id }} }}', ANN
        )
        assert done == {"data": {"thingsCreate": {"_id": "t"}}}, done
    text = 'mutation m($p: Assoc!) { thingsCreate(name: "n", prefs: $p) { _id } }'
    await front.ask(text, ANN, variables={"p": {"a": 1, "b": ["x"]}})
    expected = CreateThing(name="n", prefs={"a": 1, "b": ["x"]})
    assert front.world.seen.params == [expected] * 3


async def test_a_null_counts_as_not_sent(front: Front) -> None:
    await front.ask('{ thingsGet(thingId: "t", size: null) { _id } }', ANN)
    assert front.world.seen.params == [GetThing(thing_id="t")]


# Checks


async def _both(front: Front, headers: Mapping[str, str], thing: str = "t") -> Any:
    """What the operation is refused with, alone and in a query."""
    alone = await front.client.get(f"/v1/things/{thing}", headers=about() | dict(headers))
    query = json.dumps(thing)
    inside = await front.refused(f"{{ thingsGet(thingId: {query}) {{ _id }} }}", headers)
    assert problem(alone) == inside
    return inside


async def test_a_guest_without_the_scope_is_refused_before_the_parameters(front: Front) -> None:
    assert await _both(front, {}, "bad id") == (401, "general_unauthorized_scope")


async def test_a_parameter_is_checked_as_ever(front: Front) -> None:
    assert await _both(front, ANN, "bad id") == (400, "general_argument_invalid")
    [error] = (await front.ask('{ thingsGet(thingId: "t", size: 10) { _id } }', ANN))["errors"]
    assert error["message"].startswith("Invalid `size` param")
    assert error["path"] == ["thingsGet"]
    assert not front.world.seen.calls


async def test_a_service_that_is_off_is_off_here(front: Front) -> None:
    await front.world.put(a_project(PROJECT, disabled_services=("teams",)))
    assert await _both(front, ANN) == (403, "general_service_disabled")


async def test_the_group_of_an_operation_counts(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann"))
    async with a_front(world, group="projects") as front:
        assert await _both(front, ANN) == (401, "general_access_forbidden")


async def test_a_sign_in_method_that_is_off_is_off_here(world: World) -> None:
    off = a_project(PROJECT, disabled_auth_methods=("jwt",))
    await world.put(a_user("ann"), a_session("ann"), off)
    async with a_front(world, auth_method="jwt") as front:
        assert await _both(front, ANN) == (501, "user_auth_method_unsupported")


async def test_what_a_handler_refuses_is_told(front: Front) -> None:
    class ThingNotFound(NotFound):
        type = "thing_not_found"

    def missing() -> Answer:
        raise ThingNotFound("t")

    front.world.seen.answer = missing
    assert await _both(front, ANN) == (404, "thing_not_found")


async def test_calls_are_counted_together_with_those_that_come_alone(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann"))
    async with a_front(world, limits=True, limit=Limit(calls=3)) as front:
        assert (await front.client.get("/v1/things/t", headers=about() | ANN)).is_success
        many = " ".join(f'a{at}: thingsGet(thingId: "t") {{ _id }}' for at in range(5))
        answer = await front.ask("{" + many + "}", ANN)
        assert [name for name, value in answer["data"].items() if value] == ["a0", "a1"]
        codes = [error["extensions"]["type"] for error in answer["errors"]]
        assert codes == ["general_rate_limit_exceeded"] * 3


async def test_queries_themselves_are_counted(world: World) -> None:
    async with a_front(world, limits=True) as front:
        for _ in range(60):
            await front.ask("{ __typename }")
        last = await front.client.post(
            "/v1/graphql", json={"query": "{ __typename }"}, headers=about()
        )
        assert problem(last) == (429, "general_rate_limit_exceeded")


async def test_who_is_blocked_is_told_by_the_request_itself(front: Front) -> None:
    await front.world.put(a_user("ann", is_active=False))
    answer = await front.client.post("/v1/graphql", json={"query": GET}, headers=about() | ANN)
    assert problem(answer) == (403, "user_blocked")


async def test_a_second_factor_is_asked_for_by_the_operation_not_by_the_query(
    world: World,
) -> None:
    ann = a_user("ann", is_mfa=True, is_email_verified=True)
    await world.put(ann, a_session("ann", factors=("password",)))
    async with a_front(world) as front:
        assert await _both(front, ANN) == (401, "user_more_factors_required")
    async with a_front(world, is_before_second_factor=True) as front:
        assert "errors" not in await front.ask(GET, ANN)


async def test_the_protocol_can_be_switched_off_alone(front: Front) -> None:
    async def status(path: str, headers: Mapping[str, str]) -> Any:
        sent = {"query": GET} if path == "/v1/graphql" else None
        answer = await front.client.request(
            "POST" if sent else "GET", path, headers=about() | dict(headers), json=sent
        )
        return 200 if answer.is_success else problem(answer)

    off = (403, "general_api_disabled")
    await front.world.put(a_project(PROJECT, disabled_protocols=("graphql",)))
    assert await status("/v1/graphql", ANN) == off
    assert await status("/v1/things/t", ANN) == 200
    assert await status("/v1/graphql", {"x-appwrite-key": KEY}) == 200
    await front.world.put(a_project(PROJECT, disabled_protocols=("rest",)))
    assert await status("/v1/graphql", ANN) == 200
    assert "errors" not in await front.ask(GET, ANN)
    assert await status("/v1/things/t", ANN) == off
    await front.world.put(a_project(PROJECT, disabled_services=("graphql",)))
    assert await status("/v1/graphql", ANN) == (403, "general_service_disabled")


async def test_an_admin_acts_by_graphql_as_well(world: World) -> None:
    await world.put(
        a_user("boss", CONSOLE),
        a_session("boss", CONSOLE),
        a_membership("boss", CONSOLE, "org", "owner"),
    )
    async with a_front(world, scopes=("functions.read",)) as front:
        assert "errors" not in await front.ask(GET, as_admin("boss"))
        assert await front.refused(GET) == (401, "general_unauthorized_scope")


async def test_the_project_may_be_named_in_the_body(front: Front) -> None:
    answer = await front.client.post(
        "/v1/graphql", json={"query": GET, "project": PROJECT}, headers=ANN
    )
    assert answer.json()["data"]["thingsGet"]["_id"] == "t"
    assert front.world.seen.last.project_id == PROJECT


async def test_a_fault_of_ours_is_told_without_details_and_logged_once(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Answer:
        raise ZeroDivisionError("secret detail")

    front.world.seen.answer = broken
    answer = await front.ask(GET, ANN)
    [error] = answer["errors"]
    assert error["message"] == "Server Error"
    assert (error["extensions"]["code"], error["extensions"]["type"]) == (500, "general_unknown")
    assert answer["data"] == {"thingsGet": None}
    assert "secret" not in json.dumps(answer)
    assert len([item for item in caplog.records if item.levelno == logging.ERROR]) == 1


async def test_a_status_that_is_not_public_keeps_its_type_alone(front: Front) -> None:
    class ProviderFailed(RunwrightError):
        type, status = "provider_failed", 424

    def failing() -> Answer:
        raise ProviderFailed("the password of the provider is hunter2")

    front.world.seen.answer = failing
    [error] = (await front.ask(GET, ANN))["errors"]
    assert error["message"] == "Server Error"
    assert (error["extensions"]["code"], error["extensions"]["type"]) == (500, "provider_failed")


async def test_one_field_that_fails_leaves_the_others(front: Front) -> None:
    answer = await front.ask(
        '{ good: thingsGet(thingId: "t") { _id } bad: thingsGet(thingId: "-") { _id } }', ANN
    )
    assert answer["data"] == {"good": {"_id": "t"}, "bad": None}
    assert [error["path"] for error in answer["errors"]] == [["bad"]]


async def test_mutations_run_one_after_the_other(front: Front) -> None:
    many = " ".join(f'm{at}: thingsCreate(name: "n{at}", prefs: {{}}) {{ _id }}' for at in range(5))
    await front.ask(f"mutation {{ {many} }}", ANN)
    assert [item.name for item in front.world.seen.params] == [f"n{at}" for at in range(5)]


async def test_an_answer_without_a_body_has_a_status(world: World) -> None:
    async with a_front(world, model="", status=204, scopes=("public",)) as front:
        world.seen.answer = empty
        answer = await front.ask('{ thingsGet(thingId: "t") { status } }')
        assert answer == {"data": {"thingsGet": {"status": "OK"}}}


async def test_cookies_of_an_operation_are_set_on_the_answer(front: Front) -> None:
    headers = (("set-cookie", "a=1"), ("x-fallback-cookies", "{}"), ("cache-control", "no-store"))
    front.world.seen.answer = lambda: Answer(content=TEAM, headers=headers)
    answer = await front.client.post("/v1/graphql", json={"query": GET}, headers=about() | ANN)
    assert answer.headers.get_list("set-cookie") == ["a=1"]
    assert answer.headers["x-fallback-cookies"] == "{}"
    assert "cache-control" not in answer.headers


async def test_older_formats_make_no_difference_inside(front: Front) -> None:
    old = {"x-appwrite-response-format": "1.4.0", "accept": "multipart/form-data"}
    assert "errors" not in await front.ask(GET, ANN | old)
    assert front.world.seen.last.response_format is None
    assert "accept" not in front.world.seen.last.headers


# How it may be sent


async def test_the_sdks_send_everything_as_a_parameter(front: Front) -> None:
    for path in ("/v1/graphql", "/v1/graphql/mutation"):
        answer = await front.client.post(
            path,
            json={"query": {"query": GET, "variables": {}, "operationName": None}},
            headers=about() | ANN | {"x-sdk-graphql": "true"},
        )
        assert answer.json() == {"data": {"thingsGet": {"_id": "t", "name": "Team"}}}


async def test_several_queries_have_several_answers(front: Front) -> None:
    for body in ([{"query": GET}] * 2, {"query": [{"query": GET}] * 2}):
        answer = await front.client.post("/v1/graphql", json=body, headers=about() | ANN)
        assert answer.json() == [{"data": {"thingsGet": {"_id": "t", "name": "Team"}}}] * 2


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        ([], "graphql_no_query"),
        ({}, "graphql_no_query"),
        ({"query": ""}, "graphql_no_query"),
        ({"query": [{"query": ""}]}, "graphql_no_query"),
        ([1], "graphql_no_query"),
        ([{"query": "{ __typename }"}] * 11, "graphql_too_many_queries"),
        ({"query": "{ __typename }", "variables": [1]}, "general_argument_invalid"),
        ({"query": "{ __typename }", "variables": "{"}, "general_argument_invalid"),
        ([{"query": "{ __typename }", "operationName": 5}], "general_argument_invalid"),
        ({"query": "#" * 100_001}, "general_argument_invalid"),
    ],
)
async def test_what_is_no_query_is_refused(front: Front, body: Any, type_: str) -> None:
    answer = await front.client.post("/v1/graphql", json=body, headers=about())
    assert problem(answer) == (400, type_)


async def test_a_query_may_come_as_its_text(front: Front) -> None:
    answer = await front.client.post(
        "/v1/graphql",
        content=GET,
        headers=about() | ANN | {"content-type": "application/graphql"},
    )
    assert answer.json()["data"]["thingsGet"]["_id"] == "t"


async def test_get_reads_and_changes_nothing(front: Front) -> None:
    text = "query one($id: String!) { thingsGet(thingId: $id) { _id } }"
    params = {"query": text, "variables": '{"id": "t9"}', "operationName": "one"}
    answer = await front.client.get("/v1/graphql", params=params, headers=about() | ANN)
    assert answer.json()["data"]["thingsGet"]["_id"] == "t"
    assert front.world.seen.params == [GetThing(thing_id="t9")]
    mutation = {"query": 'mutation { thingsCreate(name: "n", prefs: {}) { _id } }'}
    refused = await front.client.get("/v1/graphql", params=mutation, headers=about() | ANN)
    [error] = refused.json()["errors"]
    assert error["message"] == "A mutation is sent with POST."
    assert len(front.world.seen.params) == 1


async def test_the_operation_of_several_is_chosen_by_its_name(front: Front) -> None:
    text = (
        'query a { x: thingsGet(thingId: "a") { _id } } query b { thingsGet(thingId: "b") { _id } }'
    )
    answer = await front.ask(text, ANN, operationName="b")
    assert list(answer["data"]) == ["thingsGet"]
    unnamed = await front.ask(text, ANN)
    assert unnamed["errors"][0]["extensions"]["code"] == 400


async def test_what_is_not_graphql_or_not_in_the_schema_is_told(front: Front) -> None:
    for text in ("{", "{ nothing }", "{ thingsGet { _id } }", "{ thingsGet(thingId: 5) { _id } }"):
        answer = await front.ask(text, ANN)
        assert "data" not in answer
        for error in answer["errors"]:
            assert error["extensions"]["type"] == "general_argument_invalid"
            assert error["locations"]
    assert not front.world.seen.calls


async def test_too_much_is_refused_before_anything_runs(front: Front) -> None:
    many = " ".join(f'a{at}: thingsGet(thingId: "t") {{ _id }}' for at in range(126))
    deep = "{ a " * 400 + "}" * 400
    long = "{" + "a " * 6000 + "}"
    for text in ("{" + many + "}", deep, long):
        [error] = (await front.ask(text, ANN))["errors"]
        assert error["extensions"]["code"] == 400
    assert not front.world.seen.calls


async def test_what_is_too_much_at_once_is_too_much_in_parts(front: Front) -> None:
    many = " ".join(f'a{at}: thingsGet(thingId: "t") {{ _id }}' for at in range(50))
    first, second, third = await front.ask([{"query": "{" + many + "}"}] * 3, ANN)
    assert len(first["data"]) == len(second["data"]) == 50
    [error] = third["errors"]
    assert error["extensions"]["type"] == "general_argument_invalid"
    assert len(front.world.seen.calls) == 100


async def test_the_schema_can_be_asked_for(front: Front) -> None:
    answer = await front.ask("{ __schema { queryType { name } mutationType { name } } }")
    again = await front.ask("{ __schema { queryType { name } mutationType { name } } }")
    assert answer == again
    assert answer["data"]["__schema"]["queryType"] == {"name": "Query"}
    assert (await front.ask("{ __typename }"))["data"] == {"__typename": "Query"}


# Files


def _upload_routes(seen: Any) -> list[Route]:
    @dataclass(frozen=True, kw_only=True)
    class Upload:
        name: Annotated[str, Text(9)]

    async def keep(call: Call, params: Upload) -> Answer:
        file = call.uploads["code"]
        seen.append((params.name, file.name, await anyio.Path(file.path).read_bytes()))
        return Answer(content=TEAM)

    route = Route(
        name="things.upload",
        method="POST",
        paths=("/v1/uploads",),
        scopes=("public",),
        handler=keep,
        params=Upload,
        model="team",
        status=200,
        files=("code",),
    )
    table = [route, *locale_routes()]  # a schema without queries is none
    return [*table, *graphql_routes(table)]


UPLOAD = 'mutation up($code: InputFile!) { thingsUpload(name: "n", code: $code) { _id } }'


async def test_a_file_comes_as_a_part_and_goes_to_its_variable(world: World) -> None:
    seen: list[Any] = []
    async with world.client(*_upload_routes(seen)) as client:
        one = {"query": UPLOAD, "variables": {"code": None}}
        for operations, place in ((one, "variables.code"), ([one], "0.variables.code")):
            answer = await client.post(
                "/v1/graphql",
                data={"operations": json.dumps(operations), "map": json.dumps({"0": [place]})},
                files={"0": ("code.tar.gz", b"\x1f\x8bcode")},
                headers=about(),
            )
            expected = {"data": {"thingsUpload": {"_id": "t"}}}
            assert answer.json() == ([expected] if isinstance(operations, list) else expected)
    assert seen == [("n", "code.tar.gz", b"\x1f\x8bcode")] * 2


@pytest.mark.parametrize(
    "places",
    [
        {"1": ["variables.code"]},
        {"0": "variables.code"},
        {"0": ["variables.other"]},
        {"0": ["query"]},
        {"0": ["variables"]},
        {"0": [""]},
        {"0": ["variables.code"] * 65},
        [],
    ],
)
async def test_a_map_that_leads_nowhere_is_refused(world: World, places: Any) -> None:
    seen: list[Any] = []
    async with world.client(*_upload_routes(seen)) as client:
        answer = await client.post(
            "/v1/graphql",
            data={
                "operations": json.dumps({"query": UPLOAD, "variables": {"code": None}}),
                "map": json.dumps(places),
            },
            files={"0": ("code.tar.gz", b"code")},
            headers=about(),
        )
    assert problem(answer) == (400, "general_argument_invalid")
    assert not seen


async def test_a_text_is_no_file(world: World) -> None:
    async with world.client(*_upload_routes([])) as client:
        for query, variables in (
            (UPLOAD, {"code": "/etc/passwd"}),
            ('mutation { thingsUpload(name: "n", code: "/etc/passwd") { _id } }', {}),
        ):
            answer = await client.post(
                "/v1/graphql", json={"query": query, "variables": variables}, headers=about()
            )
            assert answer.json()["errors"][0]["extensions"]["code"] == 400


@pytest.mark.parametrize("place", ["variables.prefs", "variables.prefs.a", "variables.prefs.b.0"])
async def test_a_file_inside_an_object_is_refused(front: Front, place: str) -> None:
    """It would be stored with the place at which this server keeps it."""
    query = 'mutation m($prefs: Assoc!) { thingsCreate(name: "n", prefs: $prefs) { _id } }'
    operations = {"query": query, "variables": {"prefs": {"a": None, "b": [None]}}}
    answer = await front.client.post(
        "/v1/graphql",
        data={"operations": json.dumps(operations), "map": json.dumps({"0": [place]})},
        files={"0": ("a.txt", b"text")},
        headers=about(),
    )
    [error] = answer.json()["errors"]
    assert error["extensions"]["type"] == "general_argument_invalid"
    assert not front.world.seen.calls
