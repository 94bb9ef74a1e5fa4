"""Queries -> answers: parsed, weighed, validated, run.

A query that is not one gets its errors in the answer, as GraphQL has it, with status 200. Each
error names a `type` and a `code` in its extensions: those that the API has for the operation, or
those of a bad argument.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import anyio.to_thread
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute,
    get_operation_ast,
    parse,
    validate,
)

from runwright.api import replies
from runwright.api.graphql.bounds import NOTHING, Weight, weight
from runwright.api.graphql.requests import Queries, Query, TooComplex
from runwright.api.graphql.schema import build
from runwright.api.routing import Answer, Call, Route, Upload
from runwright.errors import BadArgument, RunwrightError
from runwright.model.execution import Headers

log = logging.getLogger(__name__)

MAX_TOKENS: Final = 5000
MAX_ERRORS: Final = 20
AT_ONCE: Final = 8  # operations of one request
KEPT: Final = 8  # answers about the schema
_PASSED_ON: Final = frozenset({"set-cookie", "x-fallback-cookies"})

Json = dict[str, Any]


class Running:
    """The operations of one request. Headers of the answer are those that a sign-in sets."""

    def __init__(self, call: Call) -> None:
        self.headers: Headers = ()
        self.weight = NOTHING  # of what was asked for so far
        self._call = call
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def run(self, route: Route, given: Mapping[str, Any]) -> Any:
        """What a field resolves to. Raises the refusals of the operation."""
        assert self._call.perform is not None
        uploads = {name: value for name, value in given.items() if isinstance(value, Upload)}
        params = {name: value for name, value in given.items() if name not in uploads}
        async with self._turn:
            answer = await self._call.perform(route, params, uploads)
        self.headers += tuple(item for item in answer.headers if item[0] in _PASSED_ON)
        return {} if answer.content is None else answer.content


class Engine:
    """The schema of a table of routes, and what was answered about it lately."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._schema = build(routes)
        self._about_itself: OrderedDict[tuple[str, str | None], Json] = OrderedDict()

    @property
    def schema(self) -> GraphQLSchema:
        return self._schema

    async def answer(self, call: Call, asked: Queries) -> Answer:
        running = Running(call)
        results = [await self._one(running, query, call.method) for query in asked.items]
        content = results if asked.several else results[0]
        return Answer(content=content, headers=running.headers)

    async def _one(self, running: Running, query: Query, method: str) -> Json:
        try:
            document, running.weight, is_about_itself = await anyio.to_thread.run_sync(
                partial(self._checked, query, running.weight, is_reading=method == "GET")
            )
        except GraphQLError as error:
            return shown(ExecutionResult(None, [error]))
        except _Invalid as refusal:
            return shown(ExecutionResult(None, refusal.errors))
        except RunwrightError as error:
            return shown(ExecutionResult(None, [GraphQLError(str(error), original_error=error)]))
        if is_about_itself:
            return await anyio.to_thread.run_sync(self._of_schema, document, query)
        result = self._execute(document, query, running)
        return shown(result if isinstance(result, ExecutionResult) else await result)

    def _checked(
        self, query: Query, before: Weight, *, is_reading: bool
    ) -> tuple[DocumentNode, Weight, bool]:
        """The parsed query, the weight of the request with it, and whether it asks about the
        schema alone. Raises GraphQLError, _Invalid, BadArgument."""
        try:
            document = parse(query.text, max_tokens=MAX_TOKENS, allow_empty_selection_sets=False)
            weighed = weight(document, before)
        except RecursionError as exc:
            raise TooComplex("The query is nested too deeply. Ask for less.") from exc
        errors = validate(self._schema, document, max_errors=MAX_ERRORS)
        if errors:
            raise _Invalid(errors)
        operation = get_operation_ast(document, query.name)
        if is_reading and _changes_something(operation):
            raise BadArgument("A mutation is sent with POST.")
        is_query = operation is not None and operation.operation is OperationType.QUERY
        is_about_itself = weighed.units == before.units and is_query and not query.variables
        return document, weighed, is_about_itself

    def _of_schema(self, document: DocumentNode, query: Query) -> Json:
        """In a thread: it takes a while, and the answer is always the same."""
        key = query.text, query.name
        if key not in self._about_itself:
            result = self._execute(document, query, None)
            assert isinstance(result, ExecutionResult)  # nothing in it waits
            self._about_itself[key] = shown(result)
            while len(self._about_itself) > KEPT:
                self._about_itself.popitem(last=False)
        return self._about_itself[key]

    def _execute(self, document: DocumentNode, query: Query, running: Running | None) -> Any:
        return execute(
            self._schema,
            document,
            context_value=running,
            variable_values=dict(query.variables),
            operation_name=query.name,
        )


class _Invalid(Exception):
    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__("The query does not fit the schema.")
        self.errors = errors


def _changes_something(operation: OperationDefinitionNode | None) -> bool:
    return operation is not None and operation.operation is not OperationType.QUERY


def shown(result: ExecutionResult) -> Json:
    errors = [_error(error) for error in result.errors or ()]
    return ({"errors": errors} if errors else {}) | (
        {} if errors and result.data is None else {"data": result.data}
    )


def _error(error: GraphQLError) -> Json:
    content = _refusal(error)
    made: Json = {
        "message": content["message"],
        "extensions": {name: content[name] for name in ("type", "code", "version")},
    }
    if error.locations:
        made["locations"] = [place.formatted for place in error.locations]
    if error.path:
        made["path"] = error.path
    return made


def _refusal(error: GraphQLError) -> Json:
    """As the body of an answer would have it."""
    cause = error.original_error
    if cause is None or isinstance(cause, GraphQLError):
        cause = BadArgument(error.message)
    if isinstance(cause, RunwrightError) and cause.status in replies.PUBLIC_STATUSES:
        return dict(replies.refusal(cause).content)
    log.error("request failed", exc_info=cause, extra={"action": "request_failed"})
    known = replies.refusal(cause) if isinstance(cause, RunwrightError) else replies.crash()
    return dict(known.content)
