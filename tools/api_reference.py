"""The table of routes -> the reference page of the API."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from runwright.api.params import Declared, Id, declared
from runwright.api.routing import Nothing, Route
from runwright.settings import Settings
from runwright.wiring.application import routes
from tools.refusals import shown as shown_refusals

HEAD: Final = """\
# API

Every route of the management API. The addresses are those of the Appwrite API, so its SDKs and
its documentation fit; [what is not there yet](compatibility.md) has a page of its own. A server
describes itself to programs at `/v1/openapi.json` (OpenAPI 3.1), open to everybody.

- **Scopes**: an API key needs one of those in the row. `public` asks for nothing; `account` is
  held by signed-in users; signed-in users also hold some of the others for what is theirs.
- **Parameters** come in the path, in the query (`GET`) or in a body of JSON, form or multipart
  type. `!` marks those that must be sent; the others show their default when they have one. An
  id has at most 36 characters of a-z, A-Z, 0-9, `.`, `-` and `_`, the first a letter or digit.
- **Answer**: the status of success and the model in the body, if there is one. What a refusal
  looks like is on the page of [error types](errors.md); a row names those of its own, beside
  what every route can answer: bad credentials, a missing scope, a parameter that is not allowed.
- **Also at** names older addresses of the same route.
"""
MOST_WORDS: Final = 12  # of an enumeration; longer ones are shown in part


class _Unused:
    """Stands for services: the table holds their methods, and nobody sends it a request."""

    token_key = bytes(32)

    def __getattr__(self, name: str) -> "_Unused":
        return self

    def __call__(self, *args: object, **kwargs: object) -> "_Unused":
        return self


def table() -> Sequence[Route]:
    """The rows that a server with default settings serves."""
    unused: Any = _Unused()
    return routes(Settings(), Path(), unused, unused, unused, unused, unused)


def api_page() -> str:
    def area(route: Route) -> str:
        return route.name.partition(".")[0]

    ordered = sorted(table(), key=area)  # stable: within an area as the server has them
    parts = [HEAD]
    for name, found in groupby(ordered, area):
        parts.append(f"\n## {name}\n")
        parts += [_section(route) for route in found]
    return "".join(parts)


def _section(route: Route) -> str:
    path, *others = route.paths
    statuses = " or ".join(str(status) for status in (route.status, *route.other_statuses))
    answer = statuses + (f" `{route.model}`" if route.model else "")
    lines = [
        f"\n### `{route.name}`\n",
        f"`{route.method} {path}`\n",
        f"Scopes: {_words(route.scopes)}. Answer: {answer}.",
    ]
    refused = shown_refusals(route)
    if refused:
        lines.append(f"Refused with {_words(refused)}.")
    if others:
        lines.append(f"Also at {_words(others)}.")
    if route.body_bytes:
        lines.append(
            "Parameters come in the query; the body has a form of its own, see "
            "[Run functions on events](../how-to/events.md)."
        )
    rows = [
        _row(item, is_required=is_required)
        for is_required in (True, False)
        for item in declared(route.params or Nothing)
        if is_required == (item.is_required or f"{{{item.name}}}" in path)
    ]
    if rows:
        lines += ["", "| parameter | type |", "|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _row(item: Declared, *, is_required: bool) -> str:
    kind = shown(item.validator.schema())
    default = "" if is_required or item.default in (None, "", ()) else _literal(item.default)
    tail = f"; default `{default}`" if default else ""
    return f"| `{item.name}`{'!' if is_required else ''} | {kind}{tail} |"


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def shown(schema: Mapping[str, Any]) -> str:
    """A JSON schema in words."""
    return "".join(_said(schema)).replace("|", "\\|")


def _said(schema: Mapping[str, Any]) -> Iterator[str]:
    if "anyOf" in schema:
        yield " or ".join(_alternative(one) for one in schema["anyOf"])
    elif schema["type"] == "array":
        yield f"list of at most {schema['maxItems']}: {shown(schema['items'])}"
    elif schema == Id().schema():
        yield "id"
    elif "enum" in schema:
        yield _enumeration(schema["enum"])
    else:
        yield schema.get("format", schema["type"])
        yield _bounds(schema)
        if "description" in schema:  # says what a pattern says, in words
            yield f": {schema['description']}"
        elif "pattern" in schema:
            yield f" `{schema['pattern']}`"


def _alternative(schema: Mapping[str, Any]) -> str:
    return "empty" if schema.get("maxLength") == 0 else shown(schema)


def _enumeration(words: Sequence[str]) -> str:
    known = [word for word in words if word]
    more = len(known) - MOST_WORDS
    return _words(known[:MOST_WORDS]) + (f" and {more} more" if more > 0 else "")


def _bounds(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema:
        return f" {schema['minimum']} to {schema['maximum']}"
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if high is not None:
        return f", {low} to {high} characters" if low else f", up to {high} characters"
    return f", at least {low} characters" if low else ""


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
