"""Variables of functions and of projects: the same five calls at two places."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal

from runwright.api.lists import Listing, cursor_errors, listed
from runwright.api.params import Bool, CustomId, Id, Text
from runwright.api.queries import Attributes
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import functions as shapes
from runwright.functions.variables import PROJECT, NewVariable, VariableChange, Variables
from runwright.values import dataclass

FILTERS: Final = Attributes("key resourceType resourceId secret")

_Key = Annotated[str, Text(255)]
_Value = Annotated[str, Text(8192, least=0)]
_Description = Annotated[str, Text(2048, least=0)]


@dataclass(frozen=True, kw_only=True)
class OfFunction:
    """Declared so that the id in the path is checked; `_function_id` is what counts."""

    function_id: Annotated[str, Id()] = PROJECT


def _function_id(call: Call) -> str:
    """From the path alone: a body must not lead a call about project variables elsewhere."""
    return call.path_params.get("functionId", PROJECT)


@dataclass(frozen=True, kw_only=True)
class CreateVariable(OfFunction):
    variable_id: Annotated[str, CustomId()]
    key: _Key
    value: _Value
    secret: Annotated[bool, Bool()] = True
    description: _Description = ""


@dataclass(frozen=True, kw_only=True)
class ListVariables(Listing, OfFunction):
    pass


@dataclass(frozen=True, kw_only=True)
class OneVariable(OfFunction):
    variable_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class UpdateVariable(OneVariable):
    key: Annotated[str | None, Text(255, least=0)] = None
    value: Annotated[str | None, Text(8192, least=0)] = None
    secret: Annotated[bool | None, Bool()] = None
    description: Annotated[str | None, Text(2048, least=0)] = None


class VariableHandlers:
    def __init__(self, variables: Variables) -> None:
        self._variables = variables

    async def create(self, call: Call, params: CreateVariable) -> Answer:
        wanted = NewVariable(
            id=params.variable_id,
            key=params.key,
            value=params.value,
            is_secret=params.secret,
            description=params.description,
        )
        shown = await self._variables.create(call.project_id, _function_id(call), wanted)
        return Answer(content=shapes.variable(shown))

    async def list(self, call: Call, params: ListVariables) -> Answer:
        query = params.query(FILTERS)
        with cursor_errors("Variable"):
            page = await self._variables.list(call.project_id, _function_id(call), query)
        return listed("variableList", "variables", page, shapes.variable)

    async def get(self, call: Call, params: OneVariable) -> Answer:
        shown = await self._variables.get(call.project_id, _function_id(call), params.variable_id)
        return Answer(content=shapes.variable(shown))

    async def update(self, call: Call, params: UpdateVariable) -> Answer:
        change = VariableChange(
            key=params.key,
            value=params.value,
            is_secret=params.secret,
            description=params.description,
        )
        shown = await self._variables.update(
            call.project_id, _function_id(call), params.variable_id, change
        )
        return Answer(content=shapes.variable(shown))

    async def delete(self, call: Call, params: OneVariable) -> Answer:
        await self._variables.delete(call.project_id, _function_id(call), params.variable_id)
        return empty()


def variable_routes(variables: Variables) -> list[Route]:
    handlers = VariableHandlers(variables)
    return [
        *_routes("functions", "/functions/{functionId}/variables", handlers),
        *_routes("project", "/project/variables", handlers),
    ]


def _routes(
    area: Literal["functions", "project"], all_of_them: str, handlers: VariableHandlers
) -> list[Route]:
    one = f"{all_of_them}/{{variableId}}"

    def route(
        name: str,
        method: str,
        path: str,
        handler: Callable[[Call, Any], Awaitable[Answer]],
        params: type[Any],
        model: str = "",
        status: int = 200,
    ) -> Route:
        return Route(
            name=f"{area}.{name}",
            method=method,
            paths=(f"/v1{path}",),
            scopes=(f"{area}.{'read' if method == 'GET' else 'write'}",),
            handler=handler,
            params=params,
            status=status,
            model=model,
            group=area,
            service=area,
        )

    return [
        route(
            "createVariable", "POST", all_of_them, handlers.create, CreateVariable, "variable", 201
        ),
        route("listVariables", "GET", all_of_them, handlers.list, ListVariables, "variableList"),
        route("getVariable", "GET", one, handlers.get, OneVariable, "variable"),
        route("updateVariable", "PUT", one, handlers.update, UpdateVariable, "variable"),
        route("deleteVariable", "DELETE", one, handlers.delete, OneVariable, status=204),
    ]
