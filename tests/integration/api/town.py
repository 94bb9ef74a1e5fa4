"""A project with all kinds of people and one function per form of role, spoken to as HTTP
clients do, by the API and on domains, but without a socket."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from runwright.api.app import ApiOptions, build_app
from runwright.api.limits import Limiter
from runwright.api.routes.executions import ExecutionRoutes
from runwright.clock import SystemClock
from runwright.identity.tokens import encode_session, hash_secret
from runwright.model.identity import CONSOLE, ApiKey, Project
from runwright.ports.storage import UnitOfWork
from tests.access import REFUSALS, ROLES, RUNS
from tests.unit.executions.bench import (
    NOW,
    PROJECT,
    Bench,
    a_bench,
    a_deployment,
    a_function,
    a_member,
    a_project,
    a_session,
    a_user,
)
from tests.unit.gateway.door import Door, a_rule, door_to

SECRET: Final = "s3cret"
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "standard_new": ("executions.write",),
    "standard_old": ("execution.write",),
    "standard_none": ("executions.read", "users.write"),
}


@dataclass(frozen=True)
class Way:
    """How somebody calls: with which headers, and where."""

    headers: Mapping[str, str] = field(default_factory=dict)
    is_on_domain: bool = False


def id_of(role: str) -> str:
    """The function that lets in one form of role."""
    return f"f{list(ROLES).index(role)}"


@dataclass
class Town:
    bench: Bench
    door: Door
    client: httpx.AsyncClient
    ways: dict[str, Way] = field(default_factory=dict)

    async def ask(self, way: Way, function_id: str, **params: Any) -> str:
        """Call a function; the letter of what came of it."""
        before = len(self.bench.code.calls)
        answer = await self._send(way, function_id, params)
        self.client.cookies.clear()
        if answer.is_success:
            is_queued = params.get("async", False)
            assert len(self.bench.code.calls) == before + (not is_queued)
            return RUNS
        assert len(self.bench.code.calls) == before, "refused, but it ran"
        assert "access-control-allow-origin" not in answer.headers
        refusal = (answer.status_code, json.loads(answer.content)["type"])
        return next(letter for letter, known in REFUSALS.items() if known == refusal)

    async def _send(self, way: Way, function_id: str, params: dict[str, Any]) -> httpx.Response:
        if way.is_on_domain:
            url = f"http://{function_id}.functions.localhost/"
            return await self.client.get(url, headers={"accept": "application/json", **way.headers})
        path = f"/v1/functions/{function_id}/executions"
        headers = {"x-appwrite-project": PROJECT, **way.headers}
        return await self.client.post(path, json=params, headers=headers)

    async def reads(self, reader: str, function_id: str, execution_id: str) -> bool:
        """Whether somebody of the audience gets to see an execution."""
        headers = {
            "guest": {},
            "bob": cookie("bob"),
            "another user": cookie("mia"),
            "key": {"x-appwrite-key": "standard_none"},
            "console account": self.ways["console account, admin mode"].headers,
        }[reader]
        path = f"/v1/functions/{function_id}/executions"
        sent = {"x-appwrite-project": PROJECT, **headers}
        one = await self.client.get(f"{path}/{execution_id}", headers=sent)
        newest = {"queries[0]": '{"method":"limit","values":[5000]}'}
        many = await self.client.get(path, headers=sent, params=newest)
        self.client.cookies.clear()
        listed = [item["$id"] for item in many.json().get("executions", [])]
        assert one.is_success == (execution_id in listed)
        if not one.is_success:
            refusal = (one.status_code, one.json()["type"])
            is_guest = reader == "guest"
            assert refusal == (
                (401, "general_unauthorized_scope") if is_guest else (404, "execution_not_found")
            )
        return one.is_success


@asynccontextmanager
async def a_town(folder: Path) -> AsyncIterator[Town]:
    async with a_bench() as bench:
        routes = ExecutionRoutes(bench.executions, bench.cancelling(), bench.tails()).routes()
        limiter = Limiter(SystemClock(), is_on=False)
        options = ApiOptions(upload_dir=str(folder))
        api = build_app(routes, bench.authenticator, limiter, options)
        door = door_to(bench, api)
        transport = httpx.ASGITransport(door.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            town = Town(bench, door, client)
            await _settle(bench)
            town.ways = await _ways(town)
            yield town


async def _settle(bench: Bench) -> None:
    for role, execute in ROLES.items():
        name = id_of(role)
        function = replace(a_function(name, execute=execute), deployment_id=f"d-{name}")
        function = replace(function, scopes=("executions.write",))
        await bench.put(function, replace(a_deployment(), id=f"d-{name}", function_id=name))
        await bench.put(a_rule(f"{name}.functions.localhost", resource_id=name))
    await bench.put(
        a_user("bob"),
        replace(a_user("mia"), is_email_verified=True),
        replace(a_user("pam"), is_phone_verified=True),
        *map(a_user, ("ivy", "tom", "rob", "oli", "eva")),
        replace(a_user("liz"), labels=("vip",)),
        replace(a_user("max"), is_active=False),
        replace(a_user("ann"), project_id=CONSOLE),
    )
    yesterday = datetime.now(UTC) - timedelta(days=1)
    await bench.put(
        *map(a_session, ("bob", "mia", "pam", "ivy", "tom", "rob", "oli", "liz", "max")),
        replace(a_session("eva"), expires_at=yesterday),
        replace(a_session("ann"), project_id=CONSOLE),
        a_member("ivy", "crew", "boss", is_confirmed=False),
        replace(a_member("tom", "crew"), id="tom"),
        a_member("rob", "crew", "boss"),
        a_member("oli", "club", "boss"),
        replace(a_member("ann", "t", "owner"), project_id=CONSOLE),
    )

    def add_keys(uow: UnitOfWork) -> None:
        for secret, scopes in KEYS.items():
            key = ApiKey(
                id=secret.replace("_", "-"),
                project_id=PROJECT,
                created_at=NOW,
                updated_at=NOW,
                name=secret,
                scopes=scopes,
                secret_hash=hash_secret(secret),
            )
            uow.keys.add(key)

    await bench.storage.write(add_keys)


def cookie(user_id: str, suffix: str = "", project: str = PROJECT) -> Mapping[str, str]:
    value = quote(encode_session(user_id, SECRET), safe="")
    return {"cookie": f"a_session_{project}{suffix}={value}"}


async def _ways(town: Town) -> dict[str, Way]:
    tokens, bench = town.bench.tokens, town.bench

    def jwt(user_id: str, session: str = "") -> str:
        return tokens.user_jwt(user_id, session, 60, project_id=PROJECT)

    bound, of_eva = jwt("bob", "session-bob"), jwt("eva", "session-eva")
    bobs = encode_session("bob", SECRET)
    kept = json.dumps({f"a_session_{PROJECT}": bobs})
    await town.ask(Way({"x-appwrite-key": "standard_new"}), id_of("any"))
    inner = bench.code.seen["x-appwrite-key"]
    ephemeral = tokens.execution_key(PROJECT, ("executions.write",), 60)
    signed = {"X-Appwrite-Session": {"x-appwrite-session": bobs}}
    by_api: dict[str, Mapping[str, str]] = {
        "guest": {},
        "session, cookie": cookie("bob"),
        "session, older cookie": cookie("bob", "_legacy"),
        "session, X-Appwrite-Session": signed["X-Appwrite-Session"],
        "session, fallback cookie": {"x-fallback-cookies": kept},
        "JWT of a session": {"x-appwrite-jwt": bound},
        "JWT without a session": {"x-appwrite-jwt": jwt("bob")},
        "session that has ended": cookie("eva"),
        "JWT of a session that has ended": {"x-appwrite-jwt": of_eva},
        "JWT that is no JWT": {"x-appwrite-jwt": f"{bound[:-4]}AAAA"},
        "verified by e-mail": cookie("mia"),
        "verified by phone": cookie("pam"),
        "invited, not confirmed": cookie("ivy"),
        "member of the team": cookie("tom"),
        "member with the role": cookie("rob"),
        "member of another team": cookie("oli"),
        "holder of the label": cookie("liz"),
        "blocked, session": cookie("max"),
        "blocked, JWT": {"x-appwrite-jwt": jwt("max")},
        "key with executions.write": {"x-appwrite-key": "standard_new"},
        "key with execution.write": {"x-appwrite-key": "standard_old"},
        "key without the scope": {"x-appwrite-key": "standard_none"},
        "key beside a session": {"x-appwrite-key": "standard_new", **cookie("bob")},
        "ephemeral key": {"x-appwrite-key": ephemeral},
        "ephemeral key without the scope": {
            "x-appwrite-key": tokens.execution_key(PROJECT, ("users.read",), 60)
        },
        "ephemeral key that is over": {
            "x-appwrite-key": tokens.execution_key(PROJECT, ("executions.write",), -1)
        },
        "key of a running function": {"x-appwrite-key": inner},
        "console account, admin mode": {
            "x-appwrite-mode": "admin",
            **cookie("ann", project=CONSOLE),
        },
        "console account, no admin mode": cookie("ann", project=CONSOLE),
    }
    on_domain: dict[str, Mapping[str, str]] = {
        "domain": {},
        "domain, JWT of a session": {"x-appwrite-user-jwt": bound},
        "domain, JWT without a session": {"x-appwrite-user-jwt": jwt("bob")},
        "domain, JWT, verified": {"x-appwrite-user-jwt": jwt("mia")},
        "domain, JWT, member": {"x-appwrite-user-jwt": jwt("tom")},
        "domain, JWT, member with the role": {"x-appwrite-user-jwt": jwt("rob")},
        "domain, JWT, label": {"x-appwrite-user-jwt": jwt("liz")},
        "domain, JWT, blocked": {"x-appwrite-user-jwt": jwt("max")},
        "domain, JWT of an ended session": {"x-appwrite-user-jwt": of_eva},
        "domain, JWT that is no JWT": {"x-appwrite-user-jwt": f"{bound[:-4]}AAAA"},
        "domain, session cookie": cookie("bob"),
        "domain, X-Appwrite-Session": signed["X-Appwrite-Session"],
        "domain, X-Appwrite-JWT": {"x-appwrite-jwt": bound},
        "domain, key": {"x-appwrite-key": "standard_new", "x-appwrite-project": PROJECT},
        "domain, key of a running function": {"x-appwrite-key": inner},
    }
    found = {name: Way(headers) for name, headers in by_api.items()}
    return found | {name: Way(headers, is_on_domain=True) for name, headers in on_domain.items()}


async def switch(town: Town, what: str, *, is_on: bool) -> None:
    """Switch the function for `any`, a service or a protocol of the project."""
    project: Project = a_project()
    if what == "function":
        name = id_of("any")
        function = replace(a_function(name), deployment_id=f"d-{name}", is_enabled=is_on)
        await town.bench.put(function)
    elif what == "rest":
        await town.bench.put(replace(project, disabled_protocols=() if is_on else (what,)))
    else:
        await town.bench.put(replace(project, disabled_services=() if is_on else (what,)))
