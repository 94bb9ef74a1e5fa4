"""Who may call what: every route with too few rights, and projects that cannot see each other."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest

from runwright.api.routing import Route
from tests.acceptance.console import Console
from tests.acceptance.deploying import deploy
from tests.acceptance.routes import every_route
from tests.acceptance.running import Running

ALWAYS_HELD: Final = {"global", "public", "health.read", "graphql"}  # by every key
GUESTS: Final = {
    *("global", "public", "graphql", "sessions.write", "locale.read", "executions.write")
}
USERS: Final = GUESTS | {
    *("account", "teams.read", "teams.write", "projects.read", "executions.read", "rules.read"),
    "targets.write",
}
# A key may hold the scope, yet it is nobody who could have devices of its own.
NEEDS_USER: Final = {"account.deletePushTarget"}
# Signed-in users hold `rules.read`, yet a project's domains are not theirs to list.
# Senders of signed deliveries have no key, so `events.create` asks others for its scope itself.
ASKS_ITSELF: Final = {"events.create"}
REFUSED_LATER: Final = {"proxy.listRules", "proxy.getRule", *ASKS_ITSELF}
ECHO: Final = "export default ({ req, res }) => res.json(req.headers);"

ROUTES: Final = every_route()
CASES: Final = [
    pytest.param(route, path, id=f"{route.name} {path}")
    for route in ROUTES
    for path in route.paths
    if route.name != "project.delete"
]


@pytest.fixture(scope="module")
def console(server: Running) -> Iterator[Console]:
    console = Console(server)
    with contextlib.closing(console.api):
        yield console


@pytest.fixture(scope="module")
def anyone(server: Running) -> Iterator[httpx.Client]:
    """Sends no credentials of its own."""
    with httpx.Client(base_url=server.endpoint.removesuffix("/v1"), timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def all_scopes(console: Console) -> list[str]:
    known = console.api.get("/console/scopes/project").json()["scopes"]
    return [scope["$id"] for scope in known]


@pytest.fixture(scope="module")
def other_project(console: Console) -> str:
    """A project of its own for this file: its users and keys are used up here."""
    return console.new_project()


@pytest.fixture(scope="module")
def key(console: Console, other_project: str) -> Callable[[tuple[str, ...]], str]:
    made: dict[tuple[str, ...], str] = {}

    def of(scopes: tuple[str, ...]) -> str:
        if scopes not in made:
            made[scopes] = console.new_key(other_project, list(scopes))
        return made[scopes]

    return of


@pytest.fixture(scope="module")
def session(server: Running, console: Console, other_project: str) -> str:
    secret = console.new_key(other_project, ["users.write"])
    headers = {"x-appwrite-project": other_project, "x-appwrite-key": secret}
    with httpx.Client(base_url=server.endpoint, headers=headers, timeout=60) as api:
        api.post("/users", json={"userId": "ann"}).raise_for_status()
        return str(api.post("/users/ann/sessions").json()["secret"])


def called(anyone: httpx.Client, route: Route, path: str, project: str, **headers: str) -> bool:
    """Whether the caller got past the check of scopes, with ids that name nothing."""
    url = path.replace("{projectId}", project)
    url = re.sub(r"\{\w+\}", "nothing", url)
    answer = anyone.request(
        route.method,
        url,
        headers={"x-appwrite-project": project, **headers},
        json=None if route.method == "GET" else {},
    )
    anyone.cookies.clear()
    assert answer.status_code < 500 or answer.status_code in (501, 503), answer.text
    assert "content-type" in answer.headers
    is_refused = answer.status_code == 401 and answer.json()["type"] == "general_unauthorized_scope"
    return not is_refused


@pytest.mark.parametrize(("route", "path"), CASES)
def test_every_route_wants_one_of_its_scopes(
    anyone: httpx.Client,
    all_scopes: list[str],
    key: Callable[[tuple[str, ...]], str],
    other_project: str,
    route: Route,
    path: str,
) -> None:
    is_for_all = bool(ALWAYS_HELD & set(route.scopes))
    lacking = {"x-appwrite-key": key(tuple(sorted(set(all_scopes) - set(route.scopes))))}
    assert called(anyone, route, path, other_project, **lacking) is is_for_all
    if route.name in NEEDS_USER:
        return
    for scope in set(route.scopes) & set(all_scopes):
        held = {"x-appwrite-key": key((scope,))}
        assert called(anyone, route, path, other_project, **held), scope


@pytest.mark.parametrize(("route", "path"), CASES)
def test_guests_and_users_reach_what_their_role_says(
    anyone: httpx.Client, other_project: str, session: str, route: Route, path: str
) -> None:
    is_open = bool(GUESTS & set(route.scopes)) and route.name not in ASKS_ITSELF
    assert called(anyone, route, path, other_project) is is_open
    if route.name in REFUSED_LATER or route.name in (
        *("account.delete", "account.deleteSession", "account.deleteSessions"),
        "account.updateStatus",
    ):
        return  # would end the session that the other cases use
    signed_in = {"x-appwrite-session": session}
    reached = called(anyone, route, path, other_project, **signed_in)
    assert reached is bool(USERS & set(route.scopes))


def test_another_project_sees_nothing_of_a_function(
    server: Running, console: Console, all_scopes: list[str], other_project: str
) -> None:
    with server.client() as own:
        deploy(own, "unseen", "node", ECHO)
        own.post("/functions/unseen/executions", json={}).raise_for_status()
        execution = own.get("/functions/unseen/executions").json()["executions"][0]["$id"]
        deployment = own.get("/functions/unseen").json()["deploymentId"]
        rules = own.get("/proxy/rules").json()["rules"]
    secret = console.new_key(other_project, all_scopes)
    headers = {"x-appwrite-project": other_project, "x-appwrite-key": secret}
    one, none = "/functions/unseen", "/functions/never-made"
    calls: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("PUT", "", {"name": "taken"}),
        ("DELETE", "", None),
        ("GET", "/executions", None),
        ("POST", "/executions", {}),
        ("GET", f"/executions/{execution}", None),
        ("DELETE", f"/executions/{execution}", None),
        ("GET", "/deployments", None),
        ("GET", f"/deployments/{deployment}", None),
        ("GET", f"/deployments/{deployment}/download", None),
        ("PATCH", "/deployment", {"deploymentId": deployment}),
        ("GET", "/variables", None),
    ]
    with httpx.Client(base_url=server.endpoint, headers=headers, timeout=60) as other:
        for method, rest, body in calls:
            answers = [other.request(method, base + rest, json=body) for base in (one, none)]
            told = [answer.text.replace("unseen", "never-made") for answer in answers]
            assert [answer.status_code for answer in answers] == [404, 404], (method, rest)
            assert told[0] == told[1]  # so nobody can tell whether it exists elsewhere
        assert other.get("/functions").json() == {"total": 0, "functions": []}
        assert other.get("/proxy/rules").json()["total"] == 0
        for rule in rules:
            assert other.get(f"/proxy/rules/{rule['$id']}").status_code == 404
        made = {"functionId": "unseen", "name": "Mine", "runtime": "node-22"}
        assert other.post("/functions", json=made).status_code == 201  # ids belong to projects


def test_the_key_of_a_run_has_the_functions_scopes_in_its_own_project_alone(
    server: Running, other_project: str
) -> None:
    with server.client() as own:
        # The key outlives the run by the function's timeout, and is used below all the while.
        deploy(own, "scoped", "node", ECHO, scopes=["teams.read"], timeout=900)
        ran = own.post("/functions/scoped/executions", json={}).json()
    secret = httpx.Response(200, content=ran["responseBody"]).json()["x-appwrite-key"]
    assert secret.startswith("ephemeral_")

    def status(path: str, project: str) -> int:
        headers = {"x-appwrite-project": project, "x-appwrite-key": secret}
        return httpx.get(f"{server.endpoint}{path}", headers=headers, timeout=60).status_code

    assert status("/teams", server.project_id) == 200
    assert status("/health", server.project_id) == 200
    assert status("/users", server.project_id) == 401
    assert status("/functions", server.project_id) == 401
    assert status("/users", other_project) == 401
    assert status("/health", other_project) == 401
