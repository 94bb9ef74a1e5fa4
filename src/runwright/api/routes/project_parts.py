"""What the routes of a project's own settings have in common."""

from collections.abc import Awaitable, Callable
from typing import Any

from runwright.api.routing import USUAL_STATUS, Answer, Call, Route


def project_route(
    name: str,
    method: str,
    paths: tuple[str, ...],
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any],
    *,
    scope: str,
    model: str,
) -> Route:
    """`paths` go on behind `/v1`, `scope` with `.read` or `.write`."""
    return Route(
        name=f"project.{name}",
        method=method,
        paths=tuple(f"/v1{path}" for path in paths),
        scopes=(f"{scope}.{'read' if method == 'GET' else 'write'}",),
        handler=handler,
        params=params,
        status=USUAL_STATUS[method],
        model=model,
        group="project",
        service="project",
    )
