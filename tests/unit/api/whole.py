"""Every route of the API over one database in memory, with its events read back."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from obstore.store import MemoryStore

from runwright.api.app import ApiOptions, build_app
from runwright.api.limits import Limiter
from runwright.api.redirects import Redirects
from runwright.api.routes.dead_letters import dead_letter_routes
from runwright.api.routes.deployments import deployment_routes
from runwright.api.routes.executions import ExecutionRoutes
from runwright.api.routes.functions import function_routes
from runwright.api.routes.identity import identity_routes
from runwright.api.routes.proxy import proxy_routes
from runwright.api.routes.variables import variable_routes
from runwright.api.routing import Route
from runwright.functions.catalog import FunctionCatalog
from runwright.functions.deployments import Deployments
from runwright.functions.domains import Domains
from runwright.functions.downloads import DownloadTokens
from runwright.functions.folders import Folders
from runwright.functions.hostnames import Zones
from runwright.functions.settings import FunctionLimits
from runwright.functions.uploads import Uploads
from runwright.functions.variables import Variables, VariableSeal
from runwright.functions.verification import DnsTargets, DomainVerification
from runwright.identity.factors import FactorSeal
from runwright.identity.scopes import KEY_SCOPES
from runwright.identity.services import Identity
from runwright.identity.tokens import hash_secret
from runwright.model.identity import ApiKey
from runwright.model.outbox import Announcement
from runwright.sealing import Sealer
from runwright.storage.blobs import StoreBlobs
from tests.fakes.announced import Announced, listening
from tests.fakes.declared import as_declared
from tests.fakes.identity import cheap_passwords
from tests.fakes.mailer import KeptLetters
from tests.fakes.oauth import FakePoster, oauth_parts, oauth_table
from tests.fakes.origins import clients_of
from tests.unit.executions.bench import NOW, PROJECT, Bench, a_bench, replays_of
from tests.unit.functions.desk import ZoneFile

KEY: Final = "standard_" + "k" * 64
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


@dataclass
class Whole:
    bench: Bench
    client: httpx.AsyncClient
    routes: Mapping[str, Route]
    announced: Announced
    resolver: ZoneFile
    letters: KeptLetters
    providers: FakePoster
    cookies: dict[str, str] = field(default_factory=dict)  # by the name of a caller

    async def call(
        self,
        route: str,
        params: Mapping[str, Any] | None = None,
        *,
        caller: str = "key",
        files: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """Call a route by its name. `caller`: key, guest, or a name that signed in before;
        whoever is signed in by this call is known as `caller` from then on."""
        known, rest = self.routes[route], dict(params or {})
        path = _PLACEHOLDER.sub(lambda found: str(rest.pop(found[1])), known.paths[0])
        headers = {"x-appwrite-project": PROJECT}
        if caller == "key":
            headers["x-appwrite-key"] = KEY
        elif caller in self.cookies:
            headers["cookie"] = self.cookies[caller]
        content: dict[str, Any] = {"data": rest, "files": files} if files else {"json": rest}
        answer = await self.client.request(known.method, path, headers=headers, **content)
        self.client.cookies.clear()
        signed_in = [
            line.partition(";")[0]
            for line in answer.headers.get_list("set-cookie")
            if line.startswith(f"a_session_{PROJECT}=ey")
        ]
        if signed_in:
            self.cookies[caller] = signed_in[0]
        return answer

    async def done(self, route: str, params: Mapping[str, Any] | None = None, **how: Any) -> Any:
        """The body of a call that succeeds."""
        answer = await self.call(route, params, **how)
        assert answer.is_success, (route, answer.status_code, answer.text)
        return json.loads(answer.content) if answer.content else None

    async def heard(self) -> list[Announcement]:
        return await self.announced.take()


@asynccontextmanager
async def open_whole(folder: Path) -> AsyncIterator[Whole]:
    """One project with a function `hello` that is ready, and a key that may do everything."""
    async with a_bench() as bench:
        clock, storage, resolver = bench.clock, bench.storage, ZoneFile()
        letters = KeptLetters()
        seal = VariableSeal(Sealer(b"k" * 32))
        variables = Variables(storage, seal, clock)
        zones = Zones(functions_domain="functions.localhost", api_hosts=("localhost",))
        folders, blobs = Folders(folder / "data"), StoreBlobs(MemoryStore())
        deployments = Deployments(
            storage,
            blobs,
            bench.code,
            clock,
            folders=folders,
            uploads=Uploads(folders),
            source_bytes=30_000_000,
        )
        catalog = FunctionCatalog(
            storage,
            bench.signals,
            clock,
            seal=seal,
            variables=variables,
            zones=zones,
            limits=FunctionLimits(timeout_s=900, scopes=KEY_SCOPES),
            executor=bench.code,
            discard=deployments.discard,
        )
        verification = DomainVerification(zones, DnsTargets(cname="in.example.com"), resolver, None)
        domains = Domains(storage, bench.signals, clock, zones=zones, verification=verification)
        providers = FakePoster()
        identity = Identity.over(
            storage,
            passwords=cheap_passwords(),
            tokens=bench.tokens,
            clock=clock,
            mailer=letters,
            factor_seal=FactorSeal(b"f" * 32),
            oauth=oauth_parts(storage, clock, bench.tokens, providers, letters),
        )
        redirects = Redirects(clients_of(bench.authenticator))
        routes = [
            *identity_routes(identity, redirects),
            *oauth_table(storage, clock, identity, redirects),
            *function_routes(catalog),
            *variable_routes(variables),
            *deployment_routes(deployments, DownloadTokens(b"d" * 32, clock, build_timeout_s=900)),
            *ExecutionRoutes(bench.executions, bench.cancelling(), bench.tails()).routes(),
            *dead_letter_routes(replays_of(bench, catalog)),
            *proxy_routes(domains),
        ]
        key = ApiKey(
            id="k",
            project_id=PROJECT,
            created_at=NOW,
            updated_at=NOW,
            name="k",
            scopes=tuple(sorted(KEY_SCOPES)),
            secret_hash=hash_secret(KEY),
            accessed_at=datetime.now(UTC),
        )
        await storage.write(lambda uow: uow.keys.add(key))
        async with listening(storage, clock) as announced:
            app = build_app(
                routes,
                bench.authenticator,
                Limiter(clock, is_on=False),
                ApiOptions(upload_dir=str(folder)),
            )
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport,
                base_url="http://localhost",
                event_hooks={"response": [as_declared(routes)]},
            ) as client:
                by_name = {route.name: route for route in routes}
                yield Whole(bench, client, by_name, announced, resolver, letters, providers)
