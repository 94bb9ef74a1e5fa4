"""Variables of functions and of whole projects, sealed at rest.

A secret one is never shown again, not even in the answer that created it; builds and runs
always get it in clear. A project's variables are kept under function id "".
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from runwright import ids
from runwright.clock import Clock
from runwright.errors import BadArgument
from runwright.functions.errors import (
    FunctionNotFound,
    VariableAlreadyExists,
    VariableCannotUnsetSecret,
    VariableNotFound,
)
from runwright.model.event import Event
from runwright.model.function import Variable
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import AlreadyStored, Storage, UnitOfWork
from runwright.sealing import Sealer
from runwright.values import dataclass

PROJECT: Final = ""  # the function id under which a project's own variables are kept

_MOST_NAMED: Final = 500  # more functions than this: databases bound what one statement names


@dataclass(frozen=True, slots=True)
class ShownVariable:
    """A variable as a client may see it."""

    variable: Variable
    value: str  # "" when secret


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVariable:
    id: str  # or `unique()`
    key: str
    value: str
    is_secret: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableChange:
    """None leaves a field as it is."""

    key: str | None = None
    value: str | None = None
    is_secret: bool | None = None
    description: str | None = None

    @property
    def is_empty(self) -> bool:
        return (self.key, self.value, self.is_secret, self.description) == (None,) * 4


class VariableSeal:
    """Seals values so that each opens only as the variable it belongs to."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, project_id: str, variable_id: str, value: str) -> bytes:
        return self._sealer.seal(value.encode(), f"{project_id}:{variable_id}")

    def open(self, variable: Variable) -> str:
        context = f"{variable.project_id}:{variable.id}"
        return self._sealer.open(variable.sealed_value, context).decode()

    def shown(self, variable: Variable) -> ShownVariable:
        return ShownVariable(variable, "" if variable.is_secret else self.open(variable))


class Variables:
    def __init__(self, storage: Storage, seal: VariableSeal, clock: Clock) -> None:
        self._storage = storage
        self._seal = seal
        self._clock = clock

    async def create(self, project_id: str, function_id: str, wanted: NewVariable) -> ShownVariable:
        """Raises FunctionNotFound, VariableAlreadyExists."""
        now = self._clock.now()
        variable_id = ids.resolve(wanted.id)
        variable = Variable(
            id=variable_id,
            project_id=project_id,
            created_at=now,
            updated_at=now,
            function_id=function_id,
            key=wanted.key,
            sealed_value=self._seal.seal(project_id, variable_id, wanted.value),
            is_secret=wanted.is_secret,
            description=wanted.description,
        )

        def add(uow: UnitOfWork) -> None:
            _require_function(uow, project_id, function_id)
            uow.variables.add(variable)
            self._changed(uow, variable, "create")

        try:
            await self._storage.write(add)
        except AlreadyStored as exc:
            raise VariableAlreadyExists from exc
        return self._seal.shown(variable)

    async def get(self, project_id: str, function_id: str, variable_id: str) -> ShownVariable:
        """Raises FunctionNotFound, VariableNotFound."""

        def load(uow: UnitOfWork) -> Variable:
            return _load(uow, project_id, function_id, variable_id)

        return self._seal.shown(await self._storage.read(load))

    async def list(
        self, project_id: str, function_id: str, query: ListQuery
    ) -> Page[ShownVariable]:
        """Raises FunctionNotFound, CursorMissing, CursorOrderNull."""

        def load(uow: UnitOfWork) -> Page[Variable]:
            _require_function(uow, project_id, function_id)
            return uow.variables.page(project_id, query, function_id=function_id)

        page = await self._storage.read(load)
        return Page(tuple(self._seal.shown(item) for item in page.items), page.total)

    async def update(
        self, project_id: str, function_id: str, variable_id: str, change: VariableChange
    ) -> ShownVariable:
        """Raises BadArgument, FunctionNotFound, VariableNotFound, VariableAlreadyExists,
        VariableCannotUnsetSecret."""

        def work(uow: UnitOfWork) -> Variable:
            stored = _load(uow, project_id, function_id, variable_id)
            if change.is_empty:
                raise BadArgument("Send at least one of `key`, `value`, `secret`, `description`.")
            changed = self._applied(stored, change)
            uow.variables.put(changed)
            self._changed(uow, changed, "update")
            return changed

        try:
            return self._seal.shown(await self._storage.write(work))
        except AlreadyStored as exc:
            raise VariableAlreadyExists from exc

    def _applied(self, stored: Variable, change: VariableChange) -> Variable:
        if stored.is_secret and change.is_secret is False:
            raise VariableCannotUnsetSecret(stored.id)
        sealed = stored.sealed_value
        if change.value is not None:
            sealed = self._seal.seal(stored.project_id, stored.id, change.value)
        return replace(
            stored,
            updated_at=self._clock.now(),
            # An empty key names nothing, so it counts as "not sent".
            key=change.key or stored.key,
            sealed_value=sealed,
            is_secret=stored.is_secret if change.is_secret is None else change.is_secret,
            description=stored.description if change.description is None else change.description,
        )

    async def delete(self, project_id: str, function_id: str, variable_id: str) -> None:
        """Raises FunctionNotFound, VariableNotFound."""

        def remove(uow: UnitOfWork) -> None:
            variable = _load(uow, project_id, function_id, variable_id)
            uow.variables.remove(project_id, variable_id)
            self._changed(uow, variable, "delete")

        await self._storage.write(remove)

    def _changed(self, uow: UnitOfWork, variable: Variable, action: str) -> None:
        # For a variable of the project this is "", which means every function of it.
        uow.touch("function", variable.project_id, variable.function_id)
        event = Event.of(action, "variables", variable.id)
        uow.emit(variable.project_id, event, self._seal.shown(variable))

    async def of_functions(
        self, project_id: str, function_ids: Collection[str]
    ) -> dict[str, tuple[ShownVariable, ...]]:
        """The variables of several functions, oldest first; functions without any too."""
        if not function_ids:
            return {}

        def load(uow: UnitOfWork) -> list[Variable]:
            if len(function_ids) > _MOST_NAMED:
                return uow.variables.find(project_id)
            return uow.variables.find(project_id, function_id=tuple(function_ids))

        found: dict[str, list[ShownVariable]] = {item: [] for item in function_ids}
        for variable in await self._storage.read(load):
            if variable.function_id in found:
                found[variable.function_id].append(self._seal.shown(variable))
        return {function_id: tuple(shown) for function_id, shown in found.items()}


def merged(seal: VariableSeal, variables: Iterable[Variable]) -> Mapping[str, str]:
    """What a run sees: the project's variables, overridden by the function's own.

    Any key may be stored, yet no environment can hold one with `=` or a null character; such
    variables are left out, so that they cannot break the runs and builds that never asked.
    """
    values: dict[str, str] = {}
    for variable in sorted(variables, key=lambda item: item.function_id != PROJECT):
        value = seal.open(variable)
        if "=" not in variable.key and "\0" not in variable.key + value:
            values[variable.key] = value
    return values


def _load(uow: UnitOfWork, project_id: str, function_id: str, variable_id: str) -> Variable:
    _require_function(uow, project_id, function_id)
    variable = uow.variables.get(project_id, variable_id)
    if variable is None or variable.function_id != function_id:
        raise VariableNotFound(variable_id)
    return variable


def _require_function(uow: UnitOfWork, project_id: str, function_id: str) -> None:
    if function_id != PROJECT and uow.functions.get(project_id, function_id) is None:
        raise FunctionNotFound(function_id)
