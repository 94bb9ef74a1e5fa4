"""`GET /v1/openapi.json`: the API described by its own table of routes."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from runwright.api.openapi.document import document
from runwright.api.routing import JSON_TYPE, Answer, Call, Route


class Description:
    """Made when it is first asked for, and kept: the table does not change while it is served."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes

    @cached_property
    def _content(self) -> bytes:
        return document(self._routes)

    @cached_property
    def _etag(self) -> str:
        return f'"{hashlib.sha256(self._content).hexdigest()[:32]}"'

    async def get(self, call: Call, params: Any) -> Answer:
        headers = (("etag", self._etag), ("cache-control", "no-cache"))
        known = call.headers.get("if-none-match", "")
        if self._etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Answer(status=304, headers=headers)
        return Answer(content=self._content, headers=headers, media_type=JSON_TYPE)


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
