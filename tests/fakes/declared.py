"""Answers held against the models that their routes declare."""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final

import httpx

from runwright.api.matching import RouteTable
from runwright.api.models import MODELS, Field, Kind, Model
from runwright.api.refusals import known_handlers, refused
from runwright.api.routing import Route

_TYPES: Final[dict[Kind, tuple[type, ...]]] = {
    Kind.TEXT: (str,),
    Kind.MOMENT: (str,),
    Kind.WHOLE: (int,),
    Kind.NUMBER: (int, float),
    Kind.FLAG: (bool,),
    Kind.FREE: (dict,),
}


def as_declared(routes: Iterable[Route]) -> Callable[[httpx.Response], Awaitable[None]]:
    """A hook for a client: an answer that is not as its route says fails the test."""
    table = RouteTable(routes)

    async def check(response: httpx.Response) -> None:
        request = response.request
        found = table.match(request.method, request.url.path)
        if found is None or request.method == "HEAD":
            return
        if response.is_error:
            await _check_refusal(found.route, response)
            return
        if "x-appwrite-response-format" in request.headers:
            return
        route = found.route
        if not (route.model or route.media_types or route.status == 204):
            return  # one that a test made up
        assert response.status_code in (route.status, *route.other_statuses), route.name
        names = (route.model, *route.other_models)
        is_json = response.headers["content-type"].startswith("application/json")
        if any(name and name not in MODELS for name in names):
            return  # that one, too
        if not is_json or not names[0]:
            return
        value = json.loads(await response.aread())
        faults = [list(problems(MODELS[name], value)) for name in names]
        assert [] in faults, (route.name, faults)

    return check


async def _check_refusal(route: Route, response: httpx.Response) -> None:
    """`python -m tools.reference` reads from the code which errors a route can answer."""
    body = json.loads(await response.aread())
    if route.name in known_handlers():
        known = refused(route).get(response.status_code, ())
        assert body["type"] in known, (route.name, response.status_code, body["type"], known)


def problems(model: Model, value: Any, path: str = "") -> Iterator[str]:
    """What of a value is not as declared: missing, undeclared, in another order, of another
    type."""
    where = path or model.name
    if model.each is not None:
        for at, item in enumerate(value if isinstance(value, list) else [None]):
            yield from problems(model.each, item, f"{where}[{at}]")
        return
    if not isinstance(value, dict):
        yield f"{where} is no object"
        return
    if model.is_free:
        return
    if model.variants:
        yield from problems(model.variants[value[model.tag]], value, where)
        return
    names = [field.name for field in model.fields]
    if list(value) != names:
        missing, undeclared = set(names) - set(value), set(value) - set(names)
        yield f"{where}: missing {missing}, undeclared {undeclared}, order {list(value)}"
    for field in model.fields:
        if field.name in value:
            yield from _in_field(field, value[field.name], f"{where}.{field.name}")


def _in_field(field: Field, value: Any, where: str) -> Iterator[str]:
    if value is None:
        if not field.is_nullable:
            yield f"{where} is null"
        return
    if field.is_list and not isinstance(value, list):
        yield f"{where} is no list"
        return
    for at, item in enumerate(value if field.is_list else [value]):
        yield from _in_one(field, item, f"{where}[{at}]" if field.is_list else where)


def _in_one(field: Field, value: Any, where: str) -> Iterator[str]:
    if field.model is not None:
        if field.is_trimmed and isinstance(value, dict):
            known = {item.name for item in field.model.fields}
            wanted = {item for item in known if item.startswith("$")}
            if set(value) < known and set(value) >= wanted:
                return
        yield from problems(field.model, value, where)
    elif not isinstance(value, _TYPES[field.kind]) or (
        isinstance(value, bool) and field.kind is not Kind.FLAG
    ):
        yield f"{where} is {value!r}, no {field.kind}"
    elif field.words and value not in field.words:
        yield f"{where} is {value!r}, not one of {field.words}"
    elif field.kind is Kind.MOMENT and not (field.may_be_empty and value == ""):
        try:
            datetime.fromisoformat(str(value))
        except ValueError:
            yield f"{where} is {value!r}, no moment"
