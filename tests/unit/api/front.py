"""The management API over a desk, spoken to as HTTP clients do but without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from runwright.api.app import ApiOptions, build_app
from runwright.api.limits import Limiter
from runwright.api.routes.functions import CREATIONS_PER_DAY, function_routes
from runwright.api.routes.proxy import proxy_routes
from runwright.api.routes.schedules import schedule_routes
from runwright.api.routes.variables import variable_routes
from runwright.functions.timers import Schedules
from runwright.identity.authentication import Authenticator
from runwright.identity.scopes import KEY_SCOPES
from runwright.identity.tokens import Tokens, hash_secret
from runwright.model.identity import ApiKey, User
from runwright.ports.storage import UnitOfWork
from runwright.signals.local import LocalSignals
from tests.fakes.declared import as_declared
from tests.unit.functions.desk import PROJECT, START, Desk, open_desk

SECRET = "standard_" + "a" * 64
LIMITED = "standard_" + "b" * 64  # a key that may only read functions


@dataclass
class Front:
    desk: Desk
    client: httpx.AsyncClient
    tokens: Tokens

    async def send(self, method: str, path: str, *, auth: str = "key", **body: Any) -> Any:
        """`auth`: key, limited, user or guest. Returns the response."""
        headers = {"x-appwrite-project": PROJECT}
        match auth:
            case "key":
                headers["x-appwrite-key"] = SECRET
            case "limited":
                headers["x-appwrite-key"] = LIMITED
            case "user":
                headers["x-appwrite-jwt"] = self.tokens.user_jwt("u1", "", 900, project_id=PROJECT)
        return await self.client.request(method, f"/v1{path}", headers=headers, **body)


@asynccontextmanager
async def open_front(folder: Path, per_day: int = CREATIONS_PER_DAY) -> AsyncIterator[Front]:
    async with open_desk() as desk:
        signals = LocalSignals()
        desk.database.listen(signals.announce)
        tokens = Tokens(b"t" * 32, desk.clock)
        await desk.database.write(_add_people)
        async with Authenticator(desk.database, signals, tokens, desk.clock) as authenticator:
            routes = [
                *function_routes(desk.catalog, per_day),
                *schedule_routes(Schedules(desk.database, desk.clock)),
                *variable_routes(desk.variables),
                *proxy_routes(desk.domains),
            ]
            app = build_app(
                routes, authenticator, Limiter(desk.clock), ApiOptions(upload_dir=str(folder))
            )
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport,
                base_url="http://localhost",
                event_hooks={"response": [as_declared(routes)]},
            ) as client:
                yield Front(desk, client, tokens)


def _add_people(uow: UnitOfWork) -> None:
    for key_id, secret, scopes in (
        ("full", SECRET, tuple(sorted(KEY_SCOPES))),
        ("limited", LIMITED, ("functions.read",)),
    ):
        uow.keys.add(
            ApiKey(
                id=key_id,
                project_id=PROJECT,
                created_at=START,
                updated_at=START,
                name=key_id,
                scopes=scopes,
                secret_hash=hash_secret(secret),
            )
        )
    uow.users.add(User(id="u1", project_id=PROJECT, created_at=START, updated_at=START))
