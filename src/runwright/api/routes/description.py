"""`GET /v1/openapi.json`: the API described by its own table of routes."""

import hashlib
from collections.abc import Sequence
from typing import Any

import anyio.to_thread

from runwright.api.openapi.document import document
from runwright.api.routing import Answer, Call, Route
from runwright.values import dataclass


@dataclass(frozen=True, slots=True)
class _Made:
    content: bytes
    etag: str


class Description:
    """Made when it is first asked for, and kept: the table does not change while it is served."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self._made: _Made | None = None

    async def get(self, call: Call, params: Any) -> Answer:
        if self._made is None:  # in a thread: it takes a few tenths of a second
            self._made = await anyio.to_thread.run_sync(_make, self._routes)
        made = self._made
        headers = (("etag", made.etag), ("cache-control", "no-cache"))
        known = call.headers.get("if-none-match", "")
        if made.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Answer(status=304, headers=headers)
        return Answer(content=made.content, headers=headers)


def _make(routes: Sequence[Route]) -> _Made:
    content = document(routes)
    return _Made(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def description_routes(others: Sequence[Route]) -> list[Route]:
    """`others` is the whole table; what is added to it before the first request counts, too."""
    return [
        Route(
            name="openapi.get",
            method="GET",
            paths=("/v1/openapi.json",),
            scopes=("public",),
            handler=Description(others).get,
            other_statuses=(304,),
            model="openapi",
            headers=("If-None-Match",),
            is_open_origin=True,
        )
    ]
