"""Routes of dead letters and of replays."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from runwright.api.lists import Listing, listed
from runwright.api.params import Id
from runwright.api.queries import Attributes
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import executions as shapes
from runwright.errors import BadArgument
from runwright.executions.replays import Replays
from runwright.model.query import Page
from runwright.values import dataclass

FILTERS: Final = Attributes("functionId")
_READ: Final = ("executions.read", "execution.read")
_WRITE: Final = ("executions.write", "execution.write")


@dataclass(frozen=True, kw_only=True)
class ListDeadLetters(Listing):
    function_id: Annotated[str, Id()] = ""


@dataclass(frozen=True, kw_only=True)
class OfFunction:
    function_id: Annotated[str, Id()] = ""


@dataclass(frozen=True, kw_only=True)
class OneDeadLetter:
    execution_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class OneExecution:
    function_id: Annotated[str, Id()]
    execution_id: Annotated[str, Id()]


class DeadLetterHandlers:
    def __init__(self, replays: Replays) -> None:
        self._replays = replays

    async def list(self, call: Call, params: ListDeadLetters) -> Answer:
        query = params.query(FILTERS)
        function_id = params.function_id
        for item in query.filters:
            if item.method != "equal" or item.attribute != "functionId" or len(item.values) != 1:
                raise _other_query()
            function_id = str(item.values[0])
        if query.orders or query.cursor or query.is_random or query.select:
            raise _other_query()
        found, total = await self._replays.dead_letters(
            call.principal, function_id=function_id, limit=query.limit, offset=query.offset
        )
        page = Page(tuple(found), total if query.with_total else 0)
        return listed("deadLetterList", "deadLetters", page, shapes.dead_letter)

    async def redrive(self, call: Call, params: OneDeadLetter) -> Answer:
        made = await self._replays.redrive(call.principal, params.execution_id)
        return Answer(content=shapes.execution(made, shows_logs=True))

    async def redrive_all(self, call: Call, params: OfFunction) -> Answer:
        done = await self._replays.redrive_all(call.principal, function_id=params.function_id)
        return Answer(content=shapes.redriven(done))

    async def drop(self, call: Call, params: OneDeadLetter) -> Answer:
        await self._replays.drop(call.principal, params.execution_id)
        return empty()

    async def replay(self, call: Call, params: OneExecution) -> Answer:
        made = await self._replays.replay(call.principal, params.function_id, params.execution_id)
        return Answer(content=shapes.execution(made, shows_logs=True))


def dead_letter_routes(replays: Replays) -> list[Route]:
    handlers = DeadLetterHandlers(replays)
    many = "/v1/dead-letters"
    one = f"{many}/{{executionId}}"
    again = "/v1/functions/{functionId}/executions/{executionId}/replay"
    return [
        _route("listDeadLetters", "GET", many, handlers.list, ListDeadLetters, "deadLetterList"),
        _route(
            "redriveDeadLetters",
            "POST",
            f"{many}/redrive",
            handlers.redrive_all,
            OfFunction,
            "redrivenDeadLetters",
        ),
        _route(
            "redriveDeadLetter",
            "POST",
            f"{one}/redrive",
            handlers.redrive,
            OneDeadLetter,
            "execution",
            202,
        ),
        _route("deleteDeadLetter", "DELETE", one, handlers.drop, OneDeadLetter, status=204),
        _route("replayExecution", "POST", again, handlers.replay, OneExecution, "execution", 202),
    ]


def _route(
    name: str,
    method: str,
    path: str,
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any],
    model: str = "",
    status: int = 200,
) -> Route:
    return Route(
        name=f"functions.{name}",
        method=method,
        paths=(path,),
        scopes=_READ if method == "GET" else _WRITE,
        handler=handler,
        params=params,
        status=status,
        model=model,
        group="functions",
        service="functions",
    )


def _other_query() -> BadArgument:
    return BadArgument(
        "Invalid `queries` param: dead letters come in the order in which they are dropped; this "
        "list takes `equal` on functionId, `limit` and `offset` only."
    )
