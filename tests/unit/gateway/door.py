"""A server's front door in memory: domains, the API behind them, and a caller of both."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from runwright.api.cors import Origins
from runwright.clock import SystemClock
from runwright.functions.domains import Domains
from runwright.functions.hostnames import Zones
from runwright.functions.verification import DnsTargets, DomainVerification
from runwright.gateway.asgi import App, DomainFirst, Message, Receive, Scope, Send
from runwright.gateway.domain import Gateway
from runwright.gateway.hosts import Hosts
from runwright.gateway.plain import WarmRoad
from runwright.gateway.protocol import Door as QuickDoor
from runwright.gateway.router import Router
from runwright.identity.authentication import Credentials
from runwright.model.function import Rule, RuleStatus, RuleType
from runwright.proxies import Proxies
from tests.unit.executions.bench import FUNCTION, NOW, PROJECT, Bench, a_bench

HOST = "hello.functions.localhost"
Pairs = Iterable[tuple[str, str]]


def a_rule(domain: str = HOST, **changes: Any) -> Rule:
    values: dict[str, Any] = {
        "id": domain,
        "project_id": PROJECT,
        "created_at": NOW,
        "updated_at": NOW,
        "domain": domain,
        "type": RuleType.DEPLOYMENT,
        "resource_type": "function",
        "resource_id": FUNCTION,
        "status": RuleStatus.VERIFIED,
    }
    return Rule(**{**values, **changes})


class NoNames:
    """A resolver that knows no name."""

    async def records(self, name: str, kind: str) -> list[str]:
        return []


@dataclass
class Reply:
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    is_whole: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def text(self) -> str:
        return self.body.decode()

    def __getitem__(self, name: str) -> str:
        """The only value of a header; "" when there is none."""
        found = self.all(name)
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else ""

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.headers if key == name.encode()]


@dataclass
class Door:
    bench: Bench
    app: DomainFirst
    domains: Domains
    api_calls: list[Scope]
    quick: QuickDoor
    hosts: Hosts

    async def call(
        self,
        method: str = "GET",
        target: str = "/",
        *,
        host: str | None = HOST,
        headers: Pairs | list[tuple[bytes, bytes]] = (),
        body: bytes | list[bytes] = b"",
        is_chunked: bool = False,
        scheme: str = "http",
        peer: str = "198.51.100.7",
        kind: str = "http",
        gone_after_parts: int | None = None,
    ) -> Reply:
        raw: list[tuple[bytes, bytes]] = [] if host is None else [(b"host", host.encode())]
        for name, value in headers:
            raw.append((_raw(name).lower(), _raw(value)))
        parts = [body] if isinstance(body, bytes) else body
        if is_chunked:
            raw.append((b"transfer-encoding", b"chunked"))
        elif any(parts) and not any(name == b"content-length" for name, _ in raw):
            raw.append((b"content-length", str(sum(map(len, parts))).encode()))
        path, _, query = target.partition("?")
        scope = {
            "type": kind,
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": raw,
            "scheme": scheme,
            "client": (peer, 4711),
        }
        reply = Reply()
        gone = asyncio.Event()
        incoming = list(parts)

        async def receive() -> Message:
            if kind == "websocket":
                return {"type": "websocket.connect"}
            if incoming:
                part = incoming.pop(0)
                return {"type": "http.request", "body": part, "more_body": bool(incoming)}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"].removeprefix("websocket.") == "http.response.start":
                assert reply.status == 0, "two heads"
                reply.status, reply.headers = message["status"], list(message["headers"])
                return
            assert reply.status, "a body before its head"
            assert not reply.is_whole, "a part after the end"
            if message.get("body"):
                reply.parts.append(message["body"])
            reply.is_whole = not message.get("more_body")
            if gone_after_parts is not None and len(reply.parts) >= gone_after_parts:
                gone.set()

        await self.app(scope, receive, send)
        return reply


def _raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


@asynccontextmanager
async def a_door(
    *,
    forces_https: bool = False,
    is_protected: bool = False,
    trusted: tuple[str, ...] = (),
    sync_timeout_s: float = 30.0,
) -> AsyncIterator[Door]:
    """One function on a domain, and an API that only counts."""
    async with a_bench(sync_timeout_s=sync_timeout_s) as bench:
        api_calls: list[Scope] = []

        async def api(scope: Scope, receive: Receive, send: Send) -> None:
            api_calls.append(scope)
            if scope["type"] == "http":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"api"})

        door = door_to(
            bench, api, forces_https=forces_https, is_protected=is_protected, trusted=trusted
        )
        door.api_calls = api_calls
        await bench.put(a_rule())
        yield door


def door_to(
    bench: Bench,
    api: App,
    *,
    forces_https: bool = False,
    is_protected: bool = False,
    trusted: tuple[str, ...] = (),
) -> Door:
    """The domains of a bench, and an API behind them."""
    zones = Zones(functions_domain="functions.localhost", api_hosts=("localhost",))
    domains = Domains(
        bench.storage,
        bench.signals,
        SystemClock(),
        zones=zones,
        verification=DomainVerification(zones, DnsTargets(), NoNames()),
    )
    router = Router(
        api_hosts=("localhost",),
        functions_domain="functions.localhost",
        is_protected=is_protected,
    )
    origins = Origins(("localhost",))

    async def allows_origin(project_id: str, origin: str) -> bool:
        found = await bench.authenticator.resolve(Credentials(project_id=project_id))
        return await origins.allows(origin, project_id, found.platforms)

    proxies = Proxies(trusted)
    gateway = Gateway(
        executions=bench.executions,
        authenticator=bench.authenticator,
        tokens=bench.tokens,
        allows_origin=allows_origin,
        proxies=proxies,
        forces_https=forces_https,
    )
    hosts = Hosts(router, domains, bench.signals)
    warm = WarmRoad(gateway, bench.executions, hosts, SystemClock(), proxies)
    app = DomainFirst(api, gateway=gateway, hosts=hosts, domains=domains, proxies=proxies)
    return Door(bench, app, domains, [], QuickDoor(api, gateway, hosts, proxies, warm), hosts)
