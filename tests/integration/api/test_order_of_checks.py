"""Each step of a request hides the later ones: of two faults, the earlier one is told."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any

import httpx
import pytest

from runwright.api.limits import Limiter
from runwright.api.params import Text
from runwright.api.routing import Limit, Route
from runwright.model.identity import CONSOLE
from tests.unit.api.world import (
    KEY,
    OTHER_PROJECT,
    PROJECT,
    START,
    TEAM,
    World,
    a_key,
    a_membership,
    a_project,
    a_route,
    a_session,
    a_user,
    about,
    as_admin,
    cookie,
    problem,
    session_value,
)

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, kw_only=True)
class Wanted:
    name: Annotated[str, Text(10)]


@dataclass
class Fault:
    """One thing wrong with a request, and the answer it leads to."""

    status: int
    type: str
    headers: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    route: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[World], Awaitable[None]] | None = None


async def _block(world: World) -> None:
    await world.put(a_user("ann", is_active=False), a_session("ann"))


async def _reset(world: World) -> None:
    await world.put(a_user("ann", needs_reset=True), a_session("ann"))


async def _mfa(world: World) -> None:
    await world.put(a_user("ann", is_mfa=True, is_email_verified=True), a_session("ann"))


async def _disable_service(world: World) -> None:
    await world.put(a_project(PROJECT, disabled_services=("things",)))


# One after the other in the promised order; every pair is checked below.
FAULTS = [
    Fault(401, "user_jwt_invalid", headers={"x-appwrite-jwt": "not.a.jwt"}),
    Fault(403, "general_unknown_origin", headers={"origin": "https://evil.example"}),
    Fault(403, "general_service_disabled", prepare=_disable_service),
    Fault(401, "general_unauthorized_scope", route={"scopes": ("users.write",)}),
    Fault(403, "user_blocked", headers=cookie("ann"), prepare=_block),
    Fault(429, "general_rate_limit_exceeded", route={"limit": Limit(calls=1)}),
    Fault(401, "general_access_forbidden", route={"group": "projects"}),
    Fault(400, "general_argument_invalid", params={"name": "much too long"}),
]
# A JWT beside a session is a fault of its own, so these two cannot stand together.
APART = {"user_jwt_invalid", "user_blocked"}
PAIRS = [
    (first, then)
    for at, first in enumerate(FAULTS)
    for then in FAULTS[at + 1 :]
    if {first.type, then.type} != APART
]


def _named(fault: Fault) -> str:
    return fault.type


async def _answer(world: World, *faults: Fault) -> httpx.Response:
    headers, params = about(), {"name": "fine"}
    changes: dict[str, Any] = {"params": Wanted, "service": "things"}
    for fault in faults:
        headers |= fault.headers
        params |= fault.params
        changes |= fault.route
        if fault.prepare is not None:
            await fault.prepare(world)
    route = a_route(world.seen, **changes)
    limiter = Limiter(world.clock)
    if route.limit is not None:
        facts = {"url": f"{route.method} {route.paths[0]}", "ip": "203.0.113.9"}
        limiter.count(route.limit, facts, is_exempt=False)
    async with world.client(route, limiter=limiter) as client:
        return await client.get("/v1/things", headers=headers, params=params)


@pytest.mark.parametrize("fault", FAULTS, ids=_named)
async def test_each_fault_alone_ends_the_request(world: World, fault: Fault) -> None:
    response = await _answer(world, fault)
    assert problem(response) == (fault.status, fault.type)
    assert not world.seen.calls


@pytest.mark.parametrize(("first", "then"), PAIRS, ids=_named)
async def test_of_two_faults_the_earlier_one_is_told(
    world: World, first: Fault, then: Fault
) -> None:
    response = await _answer(world, first, then)
    assert problem(response) == (first.status, first.type)


async def test_a_request_without_faults_reaches_its_handler(world: World) -> None:
    response = await _answer(world)
    assert response.status_code == 200
    assert world.seen.params == [Wanted(name="fine")]


async def test_a_flagged_user_must_set_a_password_before_anything_else(world: World) -> None:
    await _reset(world)
    async with world.client() as client:
        response = await client.get("/v1/things", headers=about() | cookie("ann"))
    assert problem(response) == (412, "user_password_reset_required")


async def test_a_user_with_two_factors_needs_both(world: World) -> None:
    await _mfa(world)
    async with world.client() as client:
        response = await client.get("/v1/things", headers=about() | cookie("ann"))
        assert problem(response) == (401, "user_more_factors_required")
        await world.put(a_session("ann", factors=("password", "totp")))
        again = await client.get("/v1/things", headers=about() | cookie("ann"))
    assert again.status_code == 200


async def test_an_unknown_project_is_told_before_anything_about_the_route(world: World) -> None:
    route = a_route(world.seen, scopes=("users.write",))
    async with world.client(route) as client:
        response = await client.get("/v1/things", headers=about("nowhere"))
    assert problem(response) == (404, "project_not_found")


async def test_an_unknown_origin_is_told_before_an_unknown_project(world: World) -> None:
    async with world.client() as client:
        headers = about("nowhere", origin="https://evil.example")
        response = await client.get("/v1/things", headers=headers)
    assert problem(response) == (403, "general_unknown_origin")


async def test_an_unknown_origin_does_not_matter_where_a_key_is_sent(world: World) -> None:
    await world.put(a_key())
    async with world.client() as client:
        headers = about(x_appwrite_key=KEY, origin="https://evil.example")
        response = await client.get("/v1/things", headers=headers)
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


async def test_a_route_may_be_open_to_every_origin(world: World) -> None:
    route = a_route(world.seen, is_open_origin=True)
    async with world.client(route) as client:
        response = await client.get("/v1/things", headers=about(origin="https://evil.example"))
    assert response.status_code == 200


async def test_a_disabled_rest_api_still_serves_keys(world: World) -> None:
    await world.put(a_project(PROJECT, disabled_protocols=("rest",)), a_key())
    async with world.client() as client:
        as_guest = await client.get("/v1/things", headers=about())
        as_key = await client.get("/v1/things", headers=about(x_appwrite_key=KEY))
    assert problem(as_guest) == (403, "general_api_disabled")
    assert as_key.status_code == 200


async def test_a_disabled_service_still_serves_keys_and_admins(world: World) -> None:
    await _disable_service(world)
    await world.put(
        a_key(),
        a_user("olivia", CONSOLE),
        a_session("olivia", CONSOLE),
        a_membership("olivia", CONSOLE, TEAM, "owner"),
    )
    async with world.client(a_route(world.seen, service="things")) as client:
        as_guest = await client.get("/v1/things", headers=about())
        as_key = await client.get("/v1/things", headers=about(x_appwrite_key=KEY))
        as_owner = await client.get("/v1/things", headers=as_admin("olivia"))
    assert problem(as_guest) == (403, "general_service_disabled")
    assert (as_key.status_code, as_owner.status_code) == (200, 200)


async def test_an_unknown_route_is_told_only_to_callers_that_may_come_so_far(
    world: World,
) -> None:
    await world.put(a_key(expires_at=START - timedelta(seconds=1)))
    async with world.client() as client:
        plain = await client.get("/v1/nothing", headers=about())
        bad_jwt = await client.get("/v1/nothing", headers=about(x_appwrite_jwt="x.y.z"))
        no_project = await client.get("/v1/nothing", headers=about("nowhere"))
        old_key = await client.get("/v1/nothing", headers=about(x_appwrite_key=KEY))
        await _block(world)
        blocked = await client.get("/v1/nothing", headers=about() | cookie("ann"))
    assert problem(plain) == (404, "general_route_not_found")
    assert problem(bad_jwt) == (401, "user_jwt_invalid")
    assert problem(no_project) == (404, "project_not_found")
    assert problem(old_key) == (401, "project_key_expired")
    assert problem(blocked) == (403, "user_blocked")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_wrong_method_is_an_unknown_route(world: World, method: str) -> None:
    async with world.client() as client:
        response = await client.request(method, "/v1/things", headers=about())
    assert problem(response) == (404, "general_route_not_found")


async def test_admin_mode_on_the_console_project_is_refused_first(world: World) -> None:
    async with world.client() as client:
        headers = about(CONSOLE, x_appwrite_mode="admin", x_appwrite_jwt="x.y.z")
        response = await client.get("/v1/things", headers=headers)
    assert problem(response) == (400, "general_bad_request")


async def test_the_project_in_the_path_must_be_the_one_in_the_header(world: World) -> None:
    route = a_route(world.seen, paths=("/v1/project/things", "/v1/projects/{projectId}/things"))
    async with world.client(route) as client:
        other = await client.get(f"/v1/projects/{PROJECT}/things", headers=about(OTHER_PROJECT))
        same = await client.get(f"/v1/projects/{PROJECT}/things", headers=about(PROJECT))
        none = await client.get(f"/v1/projects/{PROJECT}/things")
    assert problem(other) == (401, "user_unauthorized")
    assert (same.status_code, none.status_code) == (200, 200)
    assert [call.project_id for call in world.seen.calls] == [PROJECT, PROJECT]


@pytest.mark.parametrize(
    ("group", "project_id", "expected"),
    [
        ("functions", CONSOLE, (401, "general_access_forbidden")),
        ("project", CONSOLE, (401, "general_access_forbidden")),
        ("projects", PROJECT, (401, "general_access_forbidden")),
        ("console", PROJECT, (401, "general_access_forbidden")),
        ("functions", PROJECT, None),
        ("project", PROJECT, None),
        ("projects", CONSOLE, None),
        ("console", CONSOLE, None),
    ],
)
async def test_groups_want_the_console_or_a_project(
    world: World, group: str, project_id: str, expected: tuple[int, str] | None
) -> None:
    route = a_route(world.seen, group=group)
    async with world.client(route) as client:
        response = await client.get("/v1/things", headers=about(project_id))
        without_header = await client.get("/v1/things")
    assert (problem(response) if expected else None) == expected
    if project_id == CONSOLE:
        assert without_header.status_code == response.status_code


async def test_functions_refuse_the_console_only_after_the_scope_check(world: World) -> None:
    route = a_route(world.seen, group="functions", scopes=("functions.read",))
    async with world.client(route) as client:
        response = await client.get("/v1/things", headers=about(CONSOLE))
    assert problem(response) == (401, "general_unauthorized_scope")


async def test_a_switched_off_sign_in_method_is_told_before_a_running_session(
    world: World,
) -> None:
    await world.put(
        a_project(PROJECT, disabled_auth_methods=("anonymous",)), a_user("ann"), a_session("ann")
    )
    route = a_route(world.seen, group="session", auth_method="anonymous")
    free = a_route(world.seen, "/v1/free", name="things.free", group="session")
    async with world.client(route, free) as client:
        as_user = await client.get("/v1/things", headers=about() | cookie("ann"))
        second = await client.get("/v1/free", headers=about() | cookie("ann"))
        as_guest = await client.get("/v1/free", headers=about())
    assert problem(as_user) == (501, "user_auth_method_unsupported")
    assert problem(second) == (401, "user_session_already_exists")
    assert as_guest.status_code == 200


async def test_a_body_too_large_is_refused_with_a_hint(world: World) -> None:
    route = a_route(world.seen, method="POST")
    async with world.client(route, most_body_bytes=1024 * 1024) as client:
        body = b'{"name":"' + b"x" * (1024 * 1024) + b'"}'
        declared = await client.post(
            "/v1/things", content=body, headers=about(content_type="application/json")
        )

        async def parts() -> Any:
            for start in range(0, len(body), 65536):
                yield body[start : start + 65536]

        streamed = await client.post(
            "/v1/things", content=parts(), headers=about(content_type="application/json")
        )
    for response in (declared, streamed):
        assert problem(response) == (400, "general_bad_request")
        assert "1 MiB" in response.json()["message"]
        assert "chunks" in response.json()["message"]
    assert not world.seen.calls


async def test_files_of_strangers_are_not_read(world: World) -> None:
    """A multipart body is only read for callers that may use the route."""
    route: Route = a_route(world.seen, method="POST", scopes=("functions.write",))
    read: list[int] = []

    async def parts() -> Any:
        read.append(1)
        yield b"--b\r\n"

    async with world.client(route) as client:
        headers = about(content_type="multipart/form-data; boundary=b")
        response = await client.post("/v1/things", content=parts(), headers=headers)
    assert problem(response) == (401, "general_unauthorized_scope")
    assert read == []


async def test_a_session_value_may_come_in_three_ways(world: World) -> None:
    await world.put(a_user("ann"), a_session("ann"))
    value = session_value("ann")
    ways = [
        cookie("ann"),
        {"cookie": f"a_session_{PROJECT}_legacy={value}"},
        {"x-appwrite-session": value},
        {"x-fallback-cookies": f'{{"a_session_{PROJECT}":"{value}"}}'},
        {"cookie": f"a_session_{PROJECT}={value.replace('=', '%3D').replace('+', '%2B')}"},
    ]
    async with world.client() as client:
        for way in ways:
            await client.get("/v1/things", headers=about() | way)
    assert [call.principal.user_id for call in world.seen.calls] == ["ann"] * len(ways)
