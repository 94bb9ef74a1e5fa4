"""A route -> an operation: parameters by their place, answers by their status, who may call."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from runwright.api import forms
from runwright.api.openapi.schemas import ERROR, Schema, or_null, reference
from runwright.api.params import Declared, declared
from runwright.api.refusals import refused
from runwright.api.routing import Nothing, Route
from runwright.identity.scopes import (
    ALWAYS_FOR_KEYS,
    GUEST_SCOPES,
    KEY_SCOPES,
    OWNER_SCOPES,
    USER_SCOPES,
)

Json = dict[str, Any]

PROJECT, KEY, SESSION, TOKEN, COOKIE = "Project", "Key", "Session", "JWT", "Cookie"
LIMIT_HEADERS: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
_WITHOUT_PROJECT: Final = ("projects", "console")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_ABOUT_STATUS: Final[Mapping[int, str]] = {
    200: "Done.",
    201: "Created.",
    202: "Accepted; it goes on.",
    204: "Done; there is nothing to say.",
    206: "The part that was asked for.",
    301: "The header `Location` says where to go on.",
    304: "It has not changed.",
    400: "Something in the request is not as it must be.",
    401: "The caller may not do this.",
    403: "The caller may not do this.",
    404: "There is no such thing, or it is not the caller's.",
    408: "It took too long.",
    409: "It clashes with what is there.",
    412: "The user must set a new password first.",
    416: "There is no such part.",
    429: "Too often; `Retry-After` says when to come again.",
    500: "A fault of the server; its log has more.",
    501: "It is switched off.",
    503: "Not at present; try again.",
}


def operation_id(route: Route) -> str:
    """`functions.createExecution` -> `functionsCreateExecution`, as SDK generators have it."""
    service, _, method = route.name.partition(".")
    return service + method[:1].upper() + method[1:]


def summary(route: Route) -> str:
    """`createExecution` -> `Create execution`."""
    found = _WORD.findall(route.name.partition(".")[2])
    words = [word if word.isupper() else word.lower() for word in found]
    return " ".join([words[0].capitalize(), *words[1:]])


def operation(route: Route) -> Json:
    made: Json = {
        "operationId": operation_id(route),
        "summary": summary(route),
        "tags": [route.name.partition(".")[0]],
        "security": list(_security(route)),
        "parameters": list(_parameters(route)),
    }
    body = _body(route)
    if body:
        made["requestBody"] = body
    made["responses"] = dict(_answers(route))
    if len(route.paths) > 1:
        made["x-aliases"] = list(route.paths[1:])
    return made


def _security(route: Route) -> Iterator[Json]:
    scopes = frozenset(route.scopes)
    base: Json = {} if route.group in _WITHOUT_PROJECT else {PROJECT: []}
    if not scopes or scopes & GUEST_SCOPES:
        yield base
    if scopes & (KEY_SCOPES | ALWAYS_FOR_KEYS):
        yield {PROJECT: [], KEY: []}
    if scopes & (USER_SCOPES | OWNER_SCOPES):
        yield from (base | {scheme: []} for scheme in (SESSION, TOKEN, COOKIE))


def _parameters(route: Route) -> Iterator[Json]:
    in_path = set(re.findall(r"\{(\w+)\}", route.paths[0]))
    for item in declared(route.params or Nothing):
        if item.name in in_path:
            yield {"name": item.name, "in": "path", "required": True, "schema": _schema(item)}
        elif _is_in_query(route):
            yield _in_query(item)
    for header in route.headers:
        yield {"name": header, "in": "header", "schema": {"type": "string"}}


def _is_in_query(route: Route) -> bool:
    return route.method == "GET" or route.body_bytes > 0


def _in_query(item: Declared) -> Json:
    schema = _schema(item)
    is_list = schema.get("type") == "array"
    made: Json = {
        "name": f"{item.name}[]" if is_list else item.name,  # of equal names the last counts
        "in": "query",
        "required": item.is_required,
        "schema": _with_default(item, schema),
    }
    return made | {"style": "form", "explode": True} if is_list else made


def _schema(item: Declared) -> Schema:
    return dict(item.validator.schema())


def _with_default(item: Declared, schema: Schema) -> Schema:
    """Defaults that JSON can say; None stands for "not sent"."""
    value = list(item.default) if isinstance(item.default, tuple) else item.default
    if item.is_required or not isinstance(value, (str, int, float, bool, list, dict)):
        return schema
    return schema | {"default": value}


def _body(route: Route) -> Json:
    if route.body_types:
        kinds: Json = {kind: {"schema": {}} for kind in route.body_types}
        return {"required": True, "content": kinds}
    if _is_in_query(route):
        return {}
    items = [
        item
        for item in declared(route.params or Nothing)
        if f"{{{item.name}}}" not in route.paths[0]
    ]
    if not items and not route.files:
        return {}
    needed = [item.name for item in items if item.is_required]
    properties = {item.name: _in_body(item) for item in items}
    plain = {"type": "object", "properties": properties}
    content: Json = {forms.JSON: {"schema": plain | _required(needed)}}
    if route.files:
        binary = {"type": "string", "contentMediaType": "application/octet-stream"}
        with_files = {
            "type": "object",
            "properties": properties | dict.fromkeys(route.files, binary),
        }
        must_be_sent = [name for name in route.files if name not in properties]
        content[forms.MULTIPART] = {"schema": with_files | _required([*needed, *must_be_sent])}
        if must_be_sent:
            del content[forms.JSON]
    return {"required": bool(needed), "content": content}


def _required(names: list[str]) -> Json:
    return {"required": names} if names else {}


def _in_body(item: Declared) -> Schema:
    """A null counts as not sent."""
    schema = _with_default(item, _schema(item))
    return schema if item.is_required else or_null(schema)


def _answers(route: Route) -> Iterator[tuple[str, Json]]:
    for status in (route.status, *route.other_statuses):
        yield str(status), _success(route, status)
    for status, types in refused(route).items():
        yield str(status), _refusal(status, types)


def _success(route: Route, status: int) -> Json:
    headers = ["X-Request-Id", *(LIMIT_HEADERS if route.limit is not None else ())]
    made: Json = {
        "description": _ABOUT_STATUS[status],
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
    }
    content: Json = {}
    models = [name for name in (route.model, *route.other_models) if name]
    if models:
        schemas = [reference(name) for name in models]
        content[forms.JSON] = {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
    content |= {kind.partition(";")[0]: {"schema": {}} for kind in route.media_types}
    return made | ({"content": content} if content and status not in (204, 304) else {})


def _refusal(status: int, types: tuple[str, ...]) -> Json:
    named = {"properties": {"code": {"const": status}, "type": {"enum": list(types)}}}
    headers = ["X-Request-Id", *(("Retry-After", *LIMIT_HEADERS) if status == 429 else ())]
    return {
        "description": _ABOUT_STATUS[status],
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {forms.JSON: {"schema": {"allOf": [reference(ERROR), named]}}},
    }
