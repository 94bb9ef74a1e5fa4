"""Every way of calling a function and every form of role, at a started server.

The whole table is made by tests/integration/api/test_who_may_call.py; here each way of calling
tries one role after another in turn, so that each of both has been tried for real.
"""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
from websockets.sync.client import ClientConnection

from tests.acceptance.console import Console
from tests.acceptance.deploying import create, on_domain, upload, wait_built
from tests.acceptance.running import Running
from tests.acceptance.sockets import connect
from tests.access import AUDIENCE, EXPECTED, READ_BY, REFUSALS, ROLES, RUNS, TOLD

CODE: Final = "export default ({ req, res }) => res.json(req.headers);"
PEOPLE: Final = ("bob", "mia", "pam", "ivy", "tom", "rob", "oli", "liz", "max", "eva")
PASSWORD: Final = "correct horse"
HEAR_S: Final = 60.0
TRIED: Final = 3  # roles that each way of calling tries


@dataclass
class Town:
    """A project of its own, with everybody of the table in it."""

    server: Running
    project: str
    key: httpx.Client
    anyone: httpx.Client
    console: Console
    sessions: dict[str, str] = field(default_factory=dict)  # by user
    functions: dict[str, str] = field(default_factory=dict)  # role -> domain
    ways: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def done(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        answer = self.key.request(method, path, json=body, **how)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def ask(self, way: str, role: str) -> tuple[str, dict[str, str]]:
        """The letter of what came of a call, and the headers that the function got."""
        host, headers = self.functions[role], dict(self.ways[way])
        if way.startswith("domain"):
            with on_domain(self.server, host) as web:
                answer = web.get("/", headers={"accept": "application/json", **headers})
            seen = answer.json()
        else:
            path = f"/functions/{host.partition('.')[0]}/executions"
            headers = {"x-appwrite-project": self.project, **headers}
            answer = self.anyone.post(path, headers=headers, json={})
            self.anyone.cookies.clear()
            seen = json.loads(answer.json()["responseBody"]) if answer.is_success else answer.json()
        if answer.is_success:
            return RUNS, seen
        refusal = (answer.status_code, seen["type"])
        return next(letter for letter, known in REFUSALS.items() if known == refusal), {}


@pytest.fixture(scope="module")
def town(server: Running) -> Iterator[Town]:
    console = Console(server)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(console.api))
        project = console.new_project()
        known = console.api.get("/console/scopes/project").json()["scopes"]
        secret = console.new_key(project, [scope["$id"] for scope in known])
        headers = {"x-appwrite-project": project, "x-appwrite-key": secret}
        key = stack.enter_context(
            httpx.Client(base_url=server.endpoint, headers=headers, timeout=60)
        )
        anyone = stack.enter_context(httpx.Client(base_url=server.endpoint, timeout=60))
        made = Town(server, project, key, anyone, console)
        people(made)
        functions(made)
        made.ways = ways(made)
        yield made


def people(town: Town) -> None:
    for name in PEOPLE:
        body = {"userId": name, "email": f"{name}@example.com", "password": PASSWORD}
        town.done("POST", "/users", body)
        town.sessions[name] = town.done("POST", f"/users/{name}/sessions")["secret"]
    town.done("PATCH", "/users/mia/verification", {"emailVerification": True})
    town.done("PATCH", "/users/pam/phone", {"number": "+14155550100"})
    town.done("PATCH", "/users/pam/verification/phone", {"phoneVerification": True})
    town.done("PUT", "/users/liz/labels", {"labels": ["vip"]})
    town.done("PATCH", "/users/max/status", {"status": False})
    for team in ("crew", "club"):
        town.done("POST", "/teams", {"teamId": team, "name": team})
    for name, team, roles in (
        ("tom", "crew", []),
        ("rob", "crew", ["boss", "owner"]),
        ("oli", "club", []),
    ):
        town.done("POST", f"/teams/{team}/memberships", {"userId": name, "roles": roles})
    invited = town.anyone.post(
        "/teams/crew/memberships",
        json={"email": "ivy@example.com", "roles": ["boss"], "url": "http://localhost/join"},
        headers={
            "x-appwrite-project": town.project,
            "x-appwrite-session": town.sessions["rob"],
        },
    )
    assert (invited.status_code, invited.json()["confirm"]) == (201, False), invited.text


def functions(town: Town) -> None:
    members = town.done("GET", "/teams/crew/memberships")["memberships"]
    toms = next(item["$id"] for item in members if item["userId"] == "tom")
    for number, (role, execute) in enumerate(ROLES.items()):
        name = f"role{number}-{town.project}"
        roles = [f"member:{toms}" if one == "member:tom" else one for one in execute]
        create(town.key, name, "node", execute=roles, scopes=["executions.write"])
        made = upload(town.key, name, {"main.mjs": CODE})
        town.functions[role] = f"{name}.functions.localhost"
        if number == len(ROLES) - 1:
            wait_built(town.key, name, made["$id"])
    for host in town.functions.values():
        wait_live(town, host.partition(".")[0])


def wait_live(town: Town, function_id: str) -> None:
    deadline = time.monotonic() + 60
    while not town.done("GET", f"/functions/{function_id}")["deploymentId"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ways(town: Town) -> dict[str, Mapping[str, str]]:
    cookie = f"a_session_{town.project}"

    def session(name: str, suffix: str = "") -> Mapping[str, str]:
        return {"cookie": f"{cookie}{suffix}={quote(town.sessions[name], safe='')}"}

    def jwt(name: str, session_id: str = "none") -> str:
        body = {"sessionId": session_id}
        return str(town.done("POST", f"/users/{name}/jwts", body)["jwt"])

    def key(secret: str) -> Mapping[str, str]:
        return {"x-appwrite-key": secret}

    def ephemeral(scope: str, duration: int = 600) -> str:
        body = {"scopes": [scope], "duration": duration}
        return str(town.done("POST", "/project/keys/ephemeral", body)["secret"])

    short, born = ephemeral("executions.write", 1), time.monotonic()
    bound, of_eva, of_max = jwt("bob", "recent"), jwt("eva", "recent"), jwt("max")
    town.done("DELETE", "/users/eva/sessions")
    console = {"cookie": town.console.api.headers["cookie"]}
    standard = {
        scope: town.console.new_key(town.project, [scope])
        for scope in ("executions.write", "execution.write", "users.read")
    }
    town.ways = {"key": key(standard["executions.write"])}
    inner = town.ask("key", "any")[1]["x-appwrite-key"]
    of_project = {"x-appwrite-project": town.project}
    by_api = {
        "guest": {},
        "session, cookie": session("bob"),
        "session, older cookie": session("bob", "_legacy"),
        "session, X-Appwrite-Session": {"x-appwrite-session": town.sessions["bob"]},
        "session, fallback cookie": {
            "x-fallback-cookies": json.dumps({cookie: town.sessions["bob"]})
        },
        "JWT of a session": {"x-appwrite-jwt": bound},
        "JWT without a session": {"x-appwrite-jwt": jwt("bob")},
        "session that has ended": session("eva"),
        "JWT of a session that has ended": {"x-appwrite-jwt": of_eva},
        "JWT that is no JWT": {"x-appwrite-jwt": bound[:-4] + "AAAA"},
        "verified by e-mail": session("mia"),
        "verified by phone": session("pam"),
        "invited, not confirmed": session("ivy"),
        "member of the team": session("tom"),
        "member with the role": session("rob"),
        "member of another team": session("oli"),
        "holder of the label": session("liz"),
        "blocked, session": session("max"),
        "blocked, JWT": {"x-appwrite-jwt": of_max},
        "key with executions.write": key(standard["executions.write"]),
        "key with execution.write": key(standard["execution.write"]),
        "key without the scope": key(standard["users.read"]),
        "key beside a session": {**key(standard["executions.write"]), **session("bob")},
        "ephemeral key": key(ephemeral("executions.write")),
        "ephemeral key without the scope": key(ephemeral("users.read")),
        "ephemeral key that is over": key(short),
        "key of a running function": key(inner),
        "console account, admin mode": {"x-appwrite-mode": "admin", **console},
        "console account, no admin mode": console,
    }
    on_domain = {
        "domain": {},
        "domain, JWT of a session": {"x-appwrite-user-jwt": bound},
        "domain, JWT without a session": {"x-appwrite-user-jwt": jwt("bob")},
        "domain, JWT, verified": {"x-appwrite-user-jwt": jwt("mia")},
        "domain, JWT, member": {"x-appwrite-user-jwt": jwt("tom")},
        "domain, JWT, member with the role": {"x-appwrite-user-jwt": jwt("rob")},
        "domain, JWT, label": {"x-appwrite-user-jwt": jwt("liz")},
        "domain, JWT, blocked": {"x-appwrite-user-jwt": of_max},
        "domain, JWT of an ended session": {"x-appwrite-user-jwt": of_eva},
        "domain, JWT that is no JWT": {"x-appwrite-user-jwt": bound[:-4] + "AAAA"},
        "domain, session cookie": session("bob"),
        "domain, X-Appwrite-Session": {"x-appwrite-session": town.sessions["bob"]},
        "domain, X-Appwrite-JWT": {"x-appwrite-jwt": bound},
        "domain, key": {**key(standard["executions.write"]), **of_project},
        "domain, key of a running function": {**key(inner), **of_project},
    }
    time.sleep(max(0.0, born + 1.1 - time.monotonic()))  # the short key has a second to live
    return {**by_api, **on_domain}


def test_every_way_of_the_table_is_tried(town: Town) -> None:
    assert list(town.ways) == list(EXPECTED)


@pytest.mark.parametrize(("number", "way"), list(enumerate(EXPECTED)), ids=list(EXPECTED))
def test_who_may_call(town: Town, number: int, way: str) -> None:
    roles = list(ROLES)
    runs = [role for role, letter in EXPECTED[way].items() if letter == RUNS]
    tried = [roles[(number * TRIED + step) % len(roles)] for step in range(TRIED)] + runs[-1:]
    found = {role: town.ask(way, role) for role in tried}
    assert {role: letter for role, (letter, _) in found.items()} == {
        role: EXPECTED[way][role] for role in tried
    }
    for letter, seen in found.values():
        if letter == RUNS:
            console_user = way.startswith("console") and TOLD[way]
            told = seen["x-appwrite-user-id"]
            assert bool(told) if console_user else told == TOLD[way]


def readers(town: Town) -> dict[str, Mapping[str, str]]:
    return {
        "guest": {},
        "bob": town.ways["session, cookie"],
        "another user": town.ways["verified by e-mail"],
        "key": {"x-appwrite-key": town.key.headers["x-appwrite-key"]},
        "console account": town.ways["console account, admin mode"],
    }


def test_who_reads_a_run_afterwards(town: Town) -> None:
    for started, expected in READ_BY.items():
        seen = town.ask(started, "any")[1]
        function_id = town.functions["any"].partition(".")[0]
        path = f"/functions/{function_id}/executions/{seen['x-appwrite-execution-id']}"
        found = {}
        for reader in AUDIENCE:
            headers = {"x-appwrite-project": town.project, **readers(town)[reader]}
            found[reader] = town.anyone.get(path, headers=headers).is_success
        assert found == expected, started


def test_who_hears_of_a_run(town: Town) -> None:
    address = town.server.endpoint.replace("http", "ws", 1)
    with contextlib.ExitStack() as stack:
        sockets: dict[str, ClientConnection] = {}
        for reader, headers in readers(town).items():
            is_console = reader == "console account"
            project = "console" if is_console else town.project
            channel = f"projects.{town.project}" if is_console else "executions"
            opened = connect(
                f"{address}/realtime?project={project}&channels[]={channel}",
                additional_headers={"x-appwrite-project": project, **plain(headers)},
            )
            sockets[reader] = stack.enter_context(opened)
            assert json.loads(opened.recv(HEAR_S))["type"] == "connected", reader
        for started, expected in READ_BY.items():
            run = town.ask(started, "any")[1]["x-appwrite-execution-id"]
            is_on_domain = started.startswith("domain")
            # What comes behind it is heard by those who may, after all that came before.
            sentinel = town.ask("key with executions.write", "any")[1]["x-appwrite-execution-id"]
            found = {}
            for reader in ("key", "console account", "bob", "guest", "another user"):
                is_trusted = reader in ("key", "console account")
                told = heard_until(sockets[reader], sentinel if is_trusted else "")
                assert sentinel not in told or is_trusted
                found[reader] = run in told
            assert found == {
                reader: is_read and not is_on_domain for reader, is_read in expected.items()
            }, started


def plain(headers: Mapping[str, str]) -> dict[str, str]:
    """Console accounts listen on the console, so not as admins of a project."""
    return {name: value for name, value in headers.items() if name != "x-appwrite-mode"}


def heard_until(socket: ClientConnection, last: str) -> set[str]:
    """The runs that a listener is told of, up to one; without a last one, those so far."""
    if not last:
        socket.send('{"type":"ping"}')
    found: set[str] = set()
    while not (last and last in found):
        message = json.loads(socket.recv(HEAR_S))
        if message["type"] == "pong":
            break
        found.add(message["data"]["payload"]["$id"])
    return found
