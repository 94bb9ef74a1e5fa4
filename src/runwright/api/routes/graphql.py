"""GraphQL: one address for all operations. `/v1/graphql/mutation` is the same by another name."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import anyio.to_thread

from runwright.api import forms
from runwright.api.graphql.requests import GRAPHQL, MAX_CHARS, MAX_QUERIES, queries
from runwright.api.params import SCHEMA, Text
from runwright.api.routing import Answer, Call, Limit, Route
from runwright.values import dataclass

if TYPE_CHECKING:
    from runwright.api.graphql.running import Engine

_LIMIT: Final = Limit(calls=60, window_s=60)


@dataclass(frozen=True, slots=True)
class Several:
    """A text, an object, or a list of them. The handler knows what they have to hold."""

    may_be_list: bool = False

    def parse(self, value: Any) -> Any:
        return value

    def schema(self) -> SCHEMA:
        item: SCHEMA = {"anyOf": [{"type": "string"}, {"type": "object"}]}
        several = {"type": "array", "maxItems": MAX_QUERIES, "items": {"type": "object"}}
        return {"anyOf": [*item["anyOf"], several]} if self.may_be_list else item


@dataclass(frozen=True, kw_only=True)
class Asked:
    query: Annotated[str, Text(MAX_CHARS)]
    operation_name: Annotated[str, Text(256, least=0)] = ""
    variables: Annotated[str, Text(MAX_CHARS, least=0)] = ""


@dataclass(frozen=True, kw_only=True)
class Sent:
    query: Annotated[Any, Several(may_be_list=True)] = None
    operation_name: Annotated[str | None, Text(256, least=0)] = None
    variables: Annotated[Any, Several()] = None


class GraphQLHandlers:
    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self._engine: Engine | None = None
        self._making = asyncio.Lock()

    async def answer(self, call: Call, params: Any) -> Answer:
        """Raises NoQuery, TooManyQueries, BadArgument."""
        asked = queries(call)
        engine = self._engine or await self._made()
        return await engine.answer(call, asked)

    async def _made(self) -> "Engine":
        async with self._making:
            if self._engine is None:
                self._engine = await anyio.to_thread.run_sync(_engine, self._routes)
            return self._engine


def _engine(routes: Sequence[Route]) -> "Engine":
    # Half a second and some megabytes that only those spend who use it.
    from runwright.api.graphql.running import Engine

    return Engine(routes)


def graphql_routes(others: Sequence[Route]) -> list[Route]:
    """`others` is the whole table; what is added to it before the first query counts, too."""
    answer = GraphQLHandlers(others).answer

    def route(name: str, method: str, path: str, params: type[Any]) -> Route:
        is_post = method == "POST"
        return Route(
            name=f"graphql.{name}",
            method=method,
            paths=(f"/v1/graphql{path}",),
            scopes=("graphql",),
            handler=answer,
            params=params,
            model="graphql",
            other_models=("graphqlList",) if is_post else (),
            service="graphql",
            protocol="graphql",
            limit=_LIMIT,
            is_before_second_factor=True,  # its operations are asked for theirs
            body_types=(forms.JSON, GRAPHQL, forms.MULTIPART) if is_post else (),
        )

    return [
        route("get", "GET", "", Asked),
        route("query", "POST", "", Sent),
        route("mutation", "POST", "/mutation", Sent),
    ]
