"""What was sent -> queries.

One query or a list of them; as JSON, as the text of a query (`application/graphql`), as
parameters of a GET, or as multipart with files. The SDKs send all of it as a parameter `query`.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar, Final

import msgspec

from runwright.api import forms
from runwright.api.routing import Call, Upload
from runwright.errors import BadArgument, RunwrightError
from runwright.values import dataclass

MAX_QUERIES: Final = 10
MAX_CHARS: Final = 100_000
GRAPHQL: Final = "application/graphql"
MAX_FILE_PLACES: Final = 64


class NoQuery(RunwrightError):
    type: ClassVar[str] = "graphql_no_query"
    status: ClassVar[int] = 400

    def __init__(self) -> None:
        super().__init__('Param "query" is not optional.')


class TooManyQueries(RunwrightError):
    type: ClassVar[str] = "graphql_too_many_queries"
    status: ClassVar[int] = 400

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} queries came at once; at most {MAX_QUERIES} may.")


class TooComplex(BadArgument):
    """A query that asks for too much."""


@dataclass(frozen=True, slots=True)
class Query:
    text: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None  # of the operation, where the text has several


@dataclass(frozen=True, slots=True)
class Queries:
    several: bool  # they came as a list, so their answers go as one
    items: tuple[Query, ...]


def queries(call: Call) -> Queries:
    """Raises NoQuery, TooManyQueries, BadArgument."""
    kind = forms.content_type(call.headers.get("content-type", "")) if call.method == "POST" else ""
    if kind == GRAPHQL:
        sent: Any = {"query": call.body.decode(errors="replace")}
    elif kind == forms.MULTIPART and "operations" in call.raw:
        sent = _with_files(call)
    else:
        sent = call.sent if isinstance(call.sent, list) else dict(call.raw)
    if isinstance(sent, dict) and isinstance(sent.get("query"), (dict, list)):
        sent = sent["query"]
    several = isinstance(sent, list)
    items = sent if isinstance(sent, list) else [sent]
    if not items:
        raise NoQuery
    if len(items) > MAX_QUERIES:
        raise TooManyQueries(len(items))
    return Queries(several, tuple(_query(item) for item in items))


def _query(item: Any) -> Query:
    text = item.get("query") if isinstance(item, dict) else None
    if not isinstance(text, str) or not text:
        raise NoQuery
    if len(text) > MAX_CHARS:
        raise TooComplex(f"The query has {len(text)} characters; at most {MAX_CHARS} are allowed.")
    variables, name = item.get("variables") or {}, item.get("operationName") or None
    if isinstance(variables, str):
        variables = _json("variables", variables)
    if not isinstance(variables, dict):
        raise BadArgument("Invalid `variables` param: Value must be a valid object")
    if name is not None and not isinstance(name, str):
        raise BadArgument("Invalid `operationName` param: Value must be a valid string")
    return Query(text, variables, name)


def _with_files(call: Call) -> Any:
    """`operations` with its nulls filled by the files that `map` sends to them."""
    operations = _json("operations", call.raw["operations"])
    places = _json("map", call.raw.get("map", "{}"))
    if not isinstance(places, dict):
        raise BadArgument("Invalid `map` param: Value must be a valid object")
    if sum(len(paths) if isinstance(paths, list) else 1 for paths in places.values()) > (
        MAX_FILE_PLACES
    ):
        raise BadArgument(f"Invalid `map` param: it names more than {MAX_FILE_PLACES} places")
    for part, paths in places.items():
        upload = call.uploads.get(part)
        if upload is None or not isinstance(paths, list):
            raise BadArgument(f"Invalid `map` param: the request has no file '{part[:64]}'")
        for path in paths:
            _place(operations, str(path), upload)
    return operations


def _place(operations: Any, path: str, upload: Upload) -> None:
    *way, last = path.split(".")
    holder: Any = operations
    try:
        for step in way:
            holder = holder[int(step)] if isinstance(holder, list) else holder[step]
        if isinstance(holder, list):
            holder[int(last)] = upload
        else:
            if "variables" not in way or last not in holder:
                raise KeyError(last)
            holder[last] = upload
    except (KeyError, IndexError, TypeError, ValueError) as exc:
        raise BadArgument(
            f"Invalid `map` param: '{path[:64]}' is no place of the operations"
        ) from exc


def _json(name: str, value: Any) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, TypeError) as exc:
        raise BadArgument(f"Invalid `{name}` param: Value must be valid JSON") from exc
