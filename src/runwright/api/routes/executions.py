"""Routes of executions."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

import anyio
import msgspec

from runwright.api import forms, multipart, server_sent
from runwright.api.formats import adapt_answer
from runwright.api.lists import Listing, cursor_errors, listed
from runwright.api.params import SCHEMA, Bool, Id, Object, OneOf, Text
from runwright.api.queries import Attributes
from runwright.api.routing import Answer, Call, Route, Upload, empty
from runwright.api.shapes import executions as shapes
from runwright.errors import InvalidParam, RunwrightError
from runwright.executions.cancelling import Cancelling
from runwright.executions.repeats import checked_key
from runwright.executions.service import Executions
from runwright.executions.tails import Place, Tails
from runwright.ids import new_id
from runwright.model.execution import Headers
from runwright.values import dataclass

MODEL: Final = "execution"
ACCEPTED: Final = 202
REPEATED: Final[Headers] = (("x-runwright-idempotent-replay", "true"),)
MAX_BODY: Final = 10_485_760
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")
LISTED: Final = Attributes(
    "trigger status responseStatusCode duration requestMethod requestPath deploymentId"
)


class ResponseNotText(RunwrightError):
    type: ClassVar[str] = "general_unknown"
    status: ClassVar[int] = 400

    def __init__(self, execution_id: str) -> None:
        super().__init__(
            "Failed to parse response: its body is not UTF-8 text, so it cannot stand in JSON. "
            "Send `Accept: multipart/form-data` to get the bytes. The function has run; see "
            f"execution '{execution_id}'."
        )


@dataclass(frozen=True, slots=True)
class Body:
    """Text, or the bytes of a multipart part."""

    def parse(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            raw = value
        elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
            raw = str(value).encode()
        else:
            raise ValueError("Value must be a valid string")
        if len(raw) > MAX_BODY and (isinstance(value, bytes) or len(str(value)) > MAX_BODY):
            raise ValueError(f"Value must be no longer than {MAX_BODY} chars")
        return raw

    def schema(self) -> SCHEMA:
        return {"type": "string", "maxLength": MAX_BODY}


@dataclass(frozen=True, slots=True)
class HeaderObject:
    """An object, or the text of one."""

    def parse(self, value: Any) -> dict[str, Any]:
        if isinstance(value, str):
            try:
                value = msgspec.json.decode(value)
            except (msgspec.DecodeError, RecursionError) as exc:
                raise ValueError("Value must be a valid JSON object") from exc
        parsed: dict[str, Any] = Object().parse(value)
        return parsed

    def schema(self) -> SCHEMA:
        return Object().schema()


@dataclass(frozen=True, kw_only=True)
class CreateExecution:
    function_id: Annotated[str, Id()]
    body: Annotated[bytes, Body()] = b""
    async_: Annotated[bool, Bool(is_loose=True)] = False
    path: Annotated[str, Text(2048)] = "/"
    method: Annotated[str, OneOf(METHODS)] = "POST"
    headers: Annotated[dict[str, Any] | None, HeaderObject()] = None
    scheduled_at: Annotated[str | None, Text(100)] = None


@dataclass(frozen=True, kw_only=True)
class ListExecutions(Listing):
    function_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class OneExecution:
    function_id: Annotated[str, Id()]
    execution_id: Annotated[str, Id()]


@dataclass(frozen=True, slots=True)
class Flag:
    """A loose boolean that a bare name switches on: `?follow`."""

    def parse(self, value: Any) -> bool:
        return value == "" or Bool(is_loose=True).parse(value)

    def schema(self) -> SCHEMA:
        return Bool().schema()


@dataclass(frozen=True, kw_only=True)
class ReadLogs:
    function_id: Annotated[str, Id()]
    execution_id: Annotated[str, Id()]
    follow: Annotated[bool, Flag()] = False


class ExecutionRoutes:
    def __init__(self, executions: Executions, cancelling: Cancelling, tails: Tails) -> None:
        self._executions = executions
        self._cancelling = cancelling
        self._tails = tails

    def routes(self) -> list[Route]:
        many = "/v1/functions/{functionId}/executions"
        one = f"{many}/{{executionId}}"
        reads = ("executions.read", "execution.read")
        writes = ("executions.write", "execution.write")
        return [
            replace(
                _route(
                    "createExecution", "POST", many, writes, self.create, CreateExecution, MODEL
                ),
                status=201,
                other_statuses=(ACCEPTED,),
                media_types=(forms.MULTIPART,),
                files=("body",),
                headers=("Idempotency-Key",),
                is_busy=True,
            ),
            _route("listExecutions", "GET", many, reads, self.list, ListExecutions, f"{MODEL}List"),
            _route("getExecution", "GET", one, reads, self.get, OneExecution, MODEL),
            _route("deleteExecution", "DELETE", one, writes, self.delete, OneExecution, "", 204),
            _route(
                "cancelExecution",
                "POST",
                f"{one}/cancel",
                writes,
                self.cancel,
                OneExecution,
                MODEL,
            ),
            replace(
                _route("getExecutionLogs", "GET", f"{one}/logs", reads, self.logs, ReadLogs),
                media_types=(server_sent.MEDIA_TYPE,),
                headers=("Last-Event-ID",),
            ),
        ]

    async def create(self, call: Call, params: CreateExecution) -> Answer:
        principal = call.principal
        body = params.body
        if "body" in call.uploads:  # some clients send the body as a file
            body = await _uploaded(call.uploads["body"])
        request: dict[str, Any] = {
            "body": body,
            "path": params.path,
            "method": params.method,
            "headers": params.headers,
            "scheduled_at": params.scheduled_at,
            "client_ip": call.client_ip,
            "host": call.headers.get("host", ""),
            "user_jwt": call.headers.get("x-appwrite-jwt", "") if principal.by_jwt else "",
            "execution_id": new_id(),
        }
        key = call.headers.get("idempotency-key")
        if key is not None:
            request["idempotency_key"] = checked_key(key)
        if params.async_:
            queued = await self._executions.accept(principal, params.function_id, **request)
            shape = shapes.execution(queued, shows_logs=principal.is_trusted)
            headers = () if queued.id == request["execution_id"] else REPEATED
            if multipart.is_wanted(call.headers.get("accept", "")):
                return _in_parts(shape, call, ACCEPTED, headers)
            return Answer(content=shape, model=MODEL, status=ACCEPTED, headers=headers)
        done = await self._executions.create(principal, params.function_id, **request)
        shape = shapes.finished(done, shows_logs=principal.is_trusted)
        headers = () if done.execution.id == request["execution_id"] else REPEATED
        if multipart.is_wanted(call.headers.get("accept", "")):
            return _in_parts(shape, call, headers=headers)
        try:
            shape["responseBody"] = done.outcome.body.decode()
        except UnicodeDecodeError as exc:
            raise ResponseNotText(done.execution.id) from exc
        return Answer(content=shape, model=MODEL, headers=headers)

    async def list(self, call: Call, params: ListExecutions) -> Answer:
        query = params.query(LISTED)
        with cursor_errors("Execution"):
            page = await self._executions.history.list(call.principal, params.function_id, query)
        shows_logs = call.principal.is_trusted
        return listed(
            "executionList",
            "executions",
            page,
            lambda item: shapes.execution(item, shows_logs=shows_logs),
        )

    async def get(self, call: Call, params: OneExecution) -> Answer:
        found = await self._executions.history.get(
            call.principal, params.function_id, params.execution_id
        )
        shape = shapes.execution(found, shows_logs=call.principal.is_trusted)
        return Answer(content=shape, model=MODEL)

    async def delete(self, call: Call, params: OneExecution) -> Answer:
        await self._executions.history.delete(
            call.principal, params.function_id, params.execution_id
        )
        return empty()

    async def cancel(self, call: Call, params: OneExecution) -> Answer:
        ended = await self._cancelling.cancel(
            call.principal, params.function_id, params.execution_id
        )
        shape = shapes.execution(ended, shows_logs=call.principal.is_trusted)
        return Answer(content=shape, model=MODEL)

    async def logs(self, call: Call, params: ReadLogs) -> Answer:
        news = await self._tails.follow(
            call.principal,
            params.function_id,
            params.execution_id,
            after=Place.parse(call.headers.get("last-event-id", "")),
            to_its_end=params.follow,
        )
        return Answer(
            parts=server_sent.log_events(news),
            media_type=server_sent.MEDIA_TYPE,
            headers=server_sent.HEADERS,
        )


def _route(
    name: str,
    method: str,
    path: str,
    scopes: tuple[str, ...],
    handler: Any,
    params: type[Any],
    model: str = "",
    status: int = 200,
) -> Route:
    return Route(
        name=f"functions.{name}",
        method=method,
        paths=(path,),
        scopes=scopes,
        handler=handler,
        params=params,
        status=status,
        model=model,
        group="functions",
        service="functions",
    )


def _in_parts(shape: dict[str, Any], call: Call, status: int = 0, headers: Headers = ()) -> Answer:
    adapted = adapt_answer(MODEL, shape, call.response_format)
    media_type, content = multipart.encode(adapted)
    # Passes every filter.
    return Answer(content=content, media_type=media_type, status=status, headers=headers)


async def _uploaded(upload: Upload) -> bytes:
    if upload.size > MAX_BODY:
        raise InvalidParam("body", f"Value must be no longer than {MAX_BODY} chars")
    return await anyio.Path(upload.path).read_bytes()
