"""Functions: created, listed, replaced, deleted, and as they run right now."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from runwright import ids
from runwright.cache import Cache
from runwright.clock import Clock
from runwright.functions.activation import activate
from runwright.functions.domains import add_generated
from runwright.functions.errors import (
    BuildNotReady,
    DeploymentNotFound,
    FunctionAlreadyExists,
    FunctionNotFound,
    RuntimeUnsupported,
)
from runwright.functions.hostnames import Zones
from runwright.functions.settings import FunctionLimits, FunctionSettings
from runwright.functions.timers import drop_timer, keep_timer
from runwright.functions.variables import (
    PROJECT,
    ShownVariable,
    Variables,
    VariableSeal,
    merged,
)
from runwright.model.event import Event
from runwright.model.function import (
    Deployment,
    DeploymentStatus,
    Function,
    LiveFunction,
    Variable,
)
from runwright.model.job import OF_FUNCTIONS
from runwright.model.query import ListQuery, Page
from runwright.ports.executor import Executor
from runwright.ports.signals import Signals
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.values import dataclass

Discard = Callable[[Sequence[Deployment]], Awaitable[None]]

_CACHED: Final = 16_384
# Executions removed in one transaction. More would keep every other writer waiting.
_EXECUTIONS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class ShownFunction:
    """A function as a client may see it."""

    function: Function
    variables: tuple[ShownVariable, ...] = ()


class FunctionCatalog:
    """`discard` removes what is stored outside the database for deleted deployments."""

    def __init__(
        self,
        storage: Storage,
        signals: Signals,
        clock: Clock,
        *,
        seal: VariableSeal,
        variables: Variables,
        zones: Zones,
        limits: FunctionLimits,
        executor: Executor,
        discard: Discard | None = None,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._seal = seal
        self._variables = variables
        self._zones = zones
        self._limits = limits
        self._executor = executor
        self._discard = discard
        self._live: Cache[tuple[str, str], LiveFunction] = Cache(_CACHED)
        signals.on("function", self._forget)

    @property
    def limits(self) -> FunctionLimits:
        return self._limits

    def installed(self) -> frozenset[str]:
        """Ids of the runtimes that can run here now."""
        return frozenset(item.id for item in self._executor.runtimes())

    def _forget(self, project_id: str, function_id: str) -> None:
        if function_id:
            self._live.forget((project_id, function_id))
        else:
            self._live.forget_if(lambda key, _: key[0] == project_id)

    async def live(self, project_id: str, function_id: str) -> LiveFunction | None:
        """The function as a run that starts now sees it; from memory when warm."""
        key = (project_id, function_id)
        known = self._live.peek(key)
        if known is not None:
            return known

        def load(uow: UnitOfWork) -> _Loaded | None:
            function = uow.functions.get(project_id, function_id)
            if function is None:
                return None
            deployment = None
            if function.deployment_id:
                deployment = uow.deployments.get(project_id, function.deployment_id)
            variables = uow.variables.find(project_id, function_id=(PROJECT, function_id))
            return _Loaded(function, deployment, tuple(variables))

        async def build() -> LiveFunction | None:
            loaded = await self._storage.read(load)
            return None if loaded is None else self._live_from(loaded)

        return await self._live.get(key, build)

    def known(self, project_id: str, function_id: str) -> LiveFunction | None:
        """The same where it is at hand."""
        return self._live.peek((project_id, function_id))

    def _live_from(self, loaded: "_Loaded") -> LiveFunction:
        values = merged(self._seal, loaded.variables)
        function = loaded.function
        visible = (
            function.name,
            function.runtime,
            function.runtime_specification,
            function.network.value,
            function.deployment_id,
            sorted(values.items()),
        )
        deployment = loaded.deployment
        return LiveFunction(
            function=function,
            # Its log may have a megabyte, and thousands of these are kept in memory.
            deployment=replace(deployment, build_logs="") if deployment else None,
            variables=values,
            version=hashlib.blake2b(msgspec.json.encode(visible), digest_size=16).hexdigest(),
        )

    async def create(
        self, project_id: str, function_id: str, settings: FunctionSettings
    ) -> ShownFunction:
        """Also gives the function a domain. `function_id` may be `unique()`.

        Raises RuntimeUnsupported, FunctionAlreadyExists, and what FunctionSettings' checks do.
        """
        now = self._clock.now()
        settings.check(self._limits, now)
        if settings.runtime not in self.installed():
            raise RuntimeUnsupported(settings.runtime)
        settings.check_connection()
        function = settings.created(ids.resolve(function_id), project_id, now, self._limits)

        def add(uow: UnitOfWork) -> None:
            if uow.functions.get(project_id, function.id) is not None:
                raise FunctionAlreadyExists
            uow.functions.add(function)
            add_generated(uow, self._zones, function, now)
            uow.touch("function", project_id, function.id)
            event = Event.of("create", "functions", function.id)
            uow.emit(project_id, event, ShownFunction(function))

        try:
            await self._storage.write(add)
        except AlreadyStored as exc:
            raise FunctionAlreadyExists from exc
        return ShownFunction(function)

    async def get(self, project_id: str, function_id: str) -> ShownFunction:
        """Raises FunctionNotFound."""
        return await self._storage.read(
            lambda uow: self._shown(uow, _load(uow, project_id, function_id))
        )

    async def list(self, project_id: str, query: ListQuery) -> Page[ShownFunction]:
        """Raises CursorMissing, CursorOrderNull."""
        page = await self._storage.read(lambda uow: uow.functions.page(project_id, query))
        variables = await self._variables.of_functions(
            project_id, [function.id for function in page.items]
        )
        shown = (ShownFunction(function, variables[function.id]) for function in page.items)
        return Page(tuple(shown), page.total)

    def _shown(self, uow: UnitOfWork, function: Function) -> ShownFunction:
        variables = uow.variables.find(function.project_id, function_id=function.id)
        return ShownFunction(function, tuple(self._seal.shown(item) for item in variables))

    async def update(
        self, project_id: str, function_id: str, settings: FunctionSettings
    ) -> ShownFunction:
        """Replace the settings. New runs see them at once; a runtime that is not installed is
        taken, so that a function can be moved before its interpreter is.

        Raises FunctionNotFound, and what FunctionSettings' checks do.
        """
        now = self._clock.now()
        settings.check(self._limits, now)

        def put(uow: UnitOfWork) -> ShownFunction:
            stored = _load(uow, project_id, function_id)
            settings.check_connection()
            changed = settings.applied_to(stored, now)
            uow.functions.put(changed)
            keep_timer(uow, changed, now)
            uow.touch("function", project_id, function_id)
            shown = self._shown(uow, changed)
            uow.emit(project_id, Event.of("update", "functions", function_id), shown)
            return shown

        return await self._storage.write(put)

    async def activate(
        self, project_id: str, function_id: str, deployment_id: str
    ) -> ShownFunction:
        """Let another deployment of the function run; its event tells of the function.

        Raises FunctionNotFound, DeploymentNotFound, BuildNotReady.
        """
        now = self._clock.now()

        def switch(uow: UnitOfWork) -> ShownFunction:
            function = _load(uow, project_id, function_id)
            deployment = uow.deployments.get(project_id, deployment_id)
            if deployment is None or deployment.function_id != function_id:
                raise DeploymentNotFound(deployment_id)
            if deployment.status is not DeploymentStatus.READY:
                raise BuildNotReady(deployment_id, deployment.status)
            active = activate(uow, function, deployment, now, is_built=False)
            shown = self._shown(uow, active)
            path = ("functions", function_id, "deployments", deployment_id)
            uow.emit(project_id, Event.of("update", *path), shown)
            return shown

        return await self._storage.write(switch)

    async def delete(self, project_id: str, function_id: str) -> None:
        """Remove the function with its deployments, variables, domains and executions.

        A long history of executions goes first, in parts; all else in one transaction.
        Raises FunctionNotFound.
        """
        await self._storage.read(lambda uow: _load(uow, project_id, function_id))
        while await self._storage.write(lambda uow: _trim_executions(uow, project_id, function_id)):
            pass

        def remove(uow: UnitOfWork) -> list[Deployment]:
            shown = self._shown(uow, _load(uow, project_id, function_id))
            deployments = uow.deployments.find(project_id, function_id=function_id)
            uow.functions.remove(project_id, function_id)
            drop_timer(uow, project_id, function_id)
            uow.deployments.remove_where(project_id, function_id=function_id)
            uow.variables.remove_where(project_id, function_id=function_id)
            uow.executions.remove_where(project_id, function_id=function_id)
            uow.jobs.remove_where(project_id, function_id=function_id, kind=OF_FUNCTIONS)
            for rule in uow.rules.find(project_id, resource_id=function_id):
                uow.rules.remove(project_id, rule.id)
                uow.touch("rule", project_id, rule.id)
            for deployment in deployments:
                uow.touch("deployment", project_id, deployment.id)
            uow.touch("function", project_id, function_id)
            uow.emit(project_id, Event.of("delete", "functions", function_id), shown)
            return deployments

        deployments = await self._storage.write(remove)
        for deployment in deployments:
            self._executor.retire(deployment.id)
        if self._discard is not None:
            await self._discard(deployments)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What storage holds about one function, as of one moment."""

    function: Function
    deployment: Deployment | None
    variables: tuple[Variable, ...]


def _load(uow: UnitOfWork, project_id: str, function_id: str) -> Function:
    function = uow.functions.get(project_id, function_id)
    if function is None:
        raise FunctionNotFound(function_id)
    return function


def _trim_executions(uow: UnitOfWork, project_id: str, function_id: str) -> bool:
    """Remove some executions when there are many; False when few are left."""
    query = ListQuery(limit=_EXECUTIONS_AT_ONCE, with_total=False)
    page = uow.executions.page(project_id, query, function_id=function_id)
    if len(page.items) < _EXECUTIONS_AT_ONCE:
        return False
    chosen = [execution.id for execution in page.items]
    uow.executions.remove_where(project_id, id=chosen)
    return True
