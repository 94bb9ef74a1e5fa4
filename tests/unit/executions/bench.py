"""The parts that a run needs, over a database in memory and user code of the test's choice."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runwright.clock import Clock, SystemClock
from runwright.executions.acceptance import Acceptance
from runwright.executions.cancelling import Cancelling, Carrier
from runwright.executions.dispatcher import Dispatcher
from runwright.executions.records import Recorder
from runwright.executions.repeats import Repeats
from runwright.executions.replays import Replays
from runwright.executions.service import Executions
from runwright.executions.tails import Tails
from runwright.executions.upkeep import QueueUpkeep
from runwright.functions.catalog import FunctionCatalog
from runwright.functions.hostnames import Zones
from runwright.functions.settings import FunctionLimits
from runwright.functions.variables import Variables, VariableSeal
from runwright.identity.authentication import Authenticator
from runwright.identity.permissions import guest_roles, key_roles, user_roles
from runwright.identity.tokens import Tokens, hash_secret
from runwright.model.function import Deployment, DeploymentStatus, Function, Rule
from runwright.model.identity import CallerKind, Membership, Principal, Project, Session, User
from runwright.model.lineage import Lineage
from runwright.ports.storage import UnitOfWork
from runwright.queue.rows import RowQueue
from runwright.sealing import Sealer
from runwright.signals.local import LocalSignals
from runwright.storage.database import Database, open_memory
from runwright.vault import Vault
from tests.fakes.user_code import UserCode

PROJECT = "shop"
FUNCTION = "hello"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def a_project(project_id: str = PROJECT) -> Project:
    return Project(id=project_id, created_at=NOW, updated_at=NOW, name=project_id, team_id="t")


def a_function(function_id: str = FUNCTION, *, execute: tuple[str, ...] = ("any",)) -> Function:
    return Function(
        id=function_id,
        project_id=PROJECT,
        created_at=NOW,
        updated_at=NOW,
        name="Hello",
        runtime="node-22",
        execute=execute,
        entrypoint="main.js",
        deployment_id="d1",
        scopes=("users.read",),
    )


def a_deployment(status: DeploymentStatus = DeploymentStatus.READY) -> Deployment:
    return Deployment(
        id="d1",
        project_id=PROJECT,
        created_at=NOW,
        updated_at=NOW,
        function_id=FUNCTION,
        entrypoint="main.js",
        status=status,
    )


def a_user(user_id: str = "ada") -> User:
    return User(id=user_id, project_id=PROJECT, created_at=NOW, updated_at=NOW, name=user_id)


def a_session(user_id: str = "ada", secret: str = "s3cret") -> Session:
    return Session(
        id=f"session-{user_id}",
        project_id=PROJECT,
        created_at=NOW,
        updated_at=NOW,
        user_id=user_id,
        secret_hash=hash_secret(secret),
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )


def a_member(user_id: str, team_id: str, *roles: str, is_confirmed: bool = True) -> Membership:
    return Membership(
        id=f"{team_id}-{user_id}",
        project_id=PROJECT,
        created_at=NOW,
        updated_at=NOW,
        team_id=team_id,
        user_id=user_id,
        roles=roles,
        invited_at=NOW,
        joined_at=NOW,
        is_confirmed=is_confirmed,
    )


def a_guest() -> Principal:
    return _principal(CallerKind.GUEST, guest_roles())


def a_key(*, lineage: tuple[str, ...] = ()) -> Principal:
    return replace(_principal(CallerKind.KEY, key_roles()), lineage=Lineage(lineage))


def an_admin(user: User) -> Principal:
    return replace(_principal(CallerKind.ADMIN, frozenset({"any", "users"})), user=user)


def signed_in(
    user: User, *memberships: Membership, session: Session | None = None, by_jwt: bool = False
) -> Principal:
    principal = _principal(CallerKind.USER, user_roles(user, memberships))
    return replace(principal, user=user, session=session, by_jwt=by_jwt)


def _principal(kind: CallerKind, roles: frozenset[str]) -> Principal:
    return Principal(kind=kind, project_id=PROJECT, scopes=frozenset(), roles=roles)


@dataclass(kw_only=True)
class Bench:
    storage: Database
    signals: LocalSignals
    tokens: Tokens
    authenticator: Authenticator
    catalog: FunctionCatalog
    code: UserCode
    recorder: Recorder
    executions: Executions
    queue: RowQueue
    vault: Vault
    upkeep: QueueUpkeep
    acceptance: Acceptance
    clock: Clock
    keys: Path

    def dispatcher(
        self, *, workers: int = 8, lease_s: float = 12.0, is_alone: bool = False
    ) -> Dispatcher:
        """Another one over the same queue; not started."""
        return Dispatcher(
            storage=self.storage,
            signals=self.signals,
            clock=self.clock,
            queue=self.queue,
            vault=self.vault,
            executor=self.code,
            executions=self.executions,
            acceptance=self.acceptance,
            workers=workers,
            is_alone=is_alone,
            lease_s=lease_s,
            poll_s=0.01,
        )

    def cancelling(self, *carriers: Carrier, wait_s: float = 2.0) -> Cancelling:
        return Cancelling(
            storage=self.storage,
            clock=self.clock,
            queue=self.queue,
            history=self.executions.history,
            recorder=self.recorder,
            acceptance=self.acceptance,
            carriers=(*carriers, self.executions.runs),
            wait_s=wait_s,
        )

    def tails(self, *, most: int = 10, idle_s: float = 15.0, longest_s: float = 60.0) -> Tails:
        return Tails(
            self.executions.history,
            self.code,
            self.clock,
            most=most,
            idle_s=idle_s,
            longest_s=longest_s,
        )

    async def put(self, *items: object) -> None:
        """Store or replace rows, as the services that own them would."""

        def work(uow: UnitOfWork) -> None:
            for item in items:
                _put(uow, item)

        await self.storage.write(work)


_KINDS: dict[type, tuple[str, str]] = {
    Project: ("projects", "project"),
    Function: ("functions", "function"),
    Deployment: ("deployments", "function"),
    Rule: ("rules", "rule"),
    User: ("users", "user"),
    Session: ("sessions", "user"),
    Membership: ("memberships", "user"),
}


def _put(uow: UnitOfWork, item: object) -> None:
    name, kind = _KINDS[type(item)]
    repository = getattr(uow, name)
    if repository.get(item.project_id, item.id) is None:  # type: ignore[attr-defined]
        repository.add(item)
    else:
        repository.put(item)
    touched = getattr(item, "function_id", "") if kind == "function" else ""
    item_id = touched or getattr(item, "user_id", "") or item.id  # type: ignore[attr-defined]
    uow.touch(kind, item.project_id, item_id)  # type: ignore[attr-defined]


@asynccontextmanager
async def a_bench(
    *,
    sync_timeout_s: float = 30.0,
    shown_after_s: float = 1.0,
    clock: Clock | None = None,
    queue_jobs: int = 1000,
) -> AsyncIterator[Bench]:
    """A project with one ready function that anyone may run."""
    clock = clock or SystemClock()
    signals, code = LocalSignals(), UserCode()
    tokens = Tokens(os.urandom(32), clock)
    seal = VariableSeal(Sealer(os.urandom(32)))
    with tempfile.TemporaryDirectory() as folder:
        async with open_memory() as storage:
            storage.listen(signals.announce)
            authenticator = Authenticator(storage, signals, tokens, clock)
            catalog = FunctionCatalog(
                storage,
                signals,
                clock,
                seal=seal,
                variables=Variables(storage, seal, clock),
                zones=Zones(functions_domain="functions.localhost", api_hosts=("localhost",)),
                limits=FunctionLimits(timeout_s=900, scopes=("users.read",)),
                executor=code,
            )
            recorder = Recorder(storage)
            queue, vault = RowQueue(), Vault(Path(folder) / "keys", clock)
            acceptance = Acceptance(storage, queue, vault, queue_jobs=queue_jobs)
            upkeep = QueueUpkeep(storage, clock, queue, vault, acceptance, every_s=3600)
            executions = Executions(
                storage=storage,
                signals=signals,
                clock=clock,
                projects=authenticator.project,
                known_project=authenticator.known_project,
                catalog=catalog,
                tokens=tokens,
                executor=code,
                recorder=recorder,
                acceptance=acceptance,
                repeats=Repeats(storage, clock, os.urandom(32)),
                artifact_path=lambda deployment: f"/artifacts/{deployment.id}",
                endpoint="http://localhost/v1",
                sync_timeout_s=sync_timeout_s,
                shown_after_s=shown_after_s,
            )
            bench = Bench(
                storage=storage,
                signals=signals,
                tokens=tokens,
                authenticator=authenticator,
                catalog=catalog,
                code=code,
                recorder=recorder,
                executions=executions,
                queue=queue,
                vault=vault,
                upkeep=upkeep,
                acceptance=acceptance,
                clock=clock,
                keys=Path(folder) / "keys" / "runs",
            )
            await bench.put(a_project(), a_function(), a_deployment())
            await vault.start()
            recorder.start()
            await executions.start()
            authenticator.standing.start()
            try:
                yield bench
            finally:
                await authenticator.standing.stop()
                await executions.stop(5.0)
                await recorder.stop()
                await acceptance.close()


def replays_of(bench: Bench, catalog: FunctionCatalog | None = None) -> Replays:
    return Replays(
        storage=bench.storage,
        clock=bench.clock,
        vault=bench.vault,
        acceptance=bench.acceptance,
        catalog=catalog or bench.catalog,
    )


async def until(holds: Callable[[], bool | Awaitable[bool]], wait_s: float = 60.0) -> None:
    """Wait for something to become true; fails when it does not."""
    async with asyncio.timeout(wait_s):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.001)
