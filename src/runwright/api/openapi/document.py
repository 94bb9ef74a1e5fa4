"""The whole document: routes, models, and what is said once for all of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from runwright import API_VERSION
from runwright.api.openapi.operations import (
    COOKIE,
    KEY,
    LIMIT_HEADERS,
    PROJECT,
    SESSION,
    TOKEN,
    operation,
)
from runwright.api.openapi.schemas import components
from runwright.api.routing import Route

Json = dict[str, Any]

_ABOUT: Final = (
    "The management API of Runwright. It speaks the Appwrite API, so its SDKs fit. Name the "
    "project in X-Appwrite-Project, and who you are in one of the other headers. A body may also "
    "be a form or multipart; numbers may come as text. X-Appwrite-Response-Format asks for the "
    "shapes of an older version."
)


def _header(name: str, about: str) -> Json:
    return {"type": "apiKey", "in": "header", "name": name, "description": about}


_SCHEMES: Final[Json] = {
    PROJECT: _header("X-Appwrite-Project", "The project that the request is about."),
    KEY: _header("X-Appwrite-Key", "An API key of that project."),
    SESSION: _header("X-Appwrite-Session", "A session of a user."),
    TOKEN: _header("X-Appwrite-JWT", "A JWT of a user."),
    COOKIE: {
        "type": "apiKey",
        "in": "cookie",
        "name": "a_session_console",
        "description": "What a sign-in leaves in a browser: `a_session_` and the project's id.",
    },
}
_SECONDS: Final = {"schema": {"type": "integer", "minimum": 0}}
_HEADERS: Final[Json] = {
    "X-Request-Id": {
        "description": "The request's name in the server's log.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait.", **_SECONDS},
    **{
        name: {"description": about, **_SECONDS}
        for name, about in zip(
            LIMIT_HEADERS,
            (
                "Calls in one window.",
                "Calls left in this one.",
                "When it ends, in seconds since 1970.",
            ),
            strict=True,
        )
    },
}


def document(routes: Sequence[Route]) -> bytes:
    """Raises ValueError when two routes would have one name or one place."""
    _require_unique(route.name for route in routes)
    paths: dict[str, Json] = {}
    for route in sorted(routes, key=lambda route: (route.paths[0], route.method)):
        operations = paths.setdefault(route.paths[0], {})
        if operations.setdefault(route.method.lower(), made := operation(route)) is not made:
            raise ValueError(f"Two routes answer {route.method} {route.paths[0]}")
    names = {name for route in routes for name in (route.model, *route.other_models) if name}
    content = {
        "openapi": "3.1.0",
        "info": {
            "title": "Runwright",
            "version": API_VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": name} for name in sorted({route.name.partition(".")[0] for route in routes})
        ],
        "paths": paths,
        "components": {
            "securitySchemes": _SCHEMES,
            "headers": _HEADERS,
            **_shared(paths),
            "schemas": components(names),
        },
    }
    return msgspec.json.encode(content)


def _require_unique(names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"Two routes have the name {twice[0]}")


def _shared(paths: dict[str, Json]) -> Json:
    """Refusals that are the same at several routes are written once."""
    responses: dict[str, Json] = {}
    names: dict[bytes, str] = {}
    count: Counter[str] = Counter()
    for made in (made for operations in paths.values() for made in operations.values()):
        for status, answer in made["responses"].items():
            if int(status) < 400:
                continue
            text = msgspec.json.encode(answer)
            if text not in names:
                count[status] += 1
                names[text] = f"refused{status}n{count[status]}"
                responses[names[text]] = answer
            made["responses"][status] = {"$ref": f"#/components/responses/{names[text]}"}
    return {"responses": responses}
