"""Method and path -> route. Fixed segments win over placeholders."""

from collections.abc import Iterable
from functools import cache
from typing import Final

from runwright.api.routing import Route
from runwright.values import dataclass

ROOT: Final = "/v1"


@dataclass(frozen=True, slots=True)
class Match:
    route: Route
    template: str  # the one of the route's paths that fits
    is_alias: bool  # not the first of them
    path_params: dict[str, str]
    project_id: str  # the one that `/v1/projects/<id>...` names, or ""


@dataclass(frozen=True, slots=True)
class _Entry:
    route: Route
    template: str
    is_alias: bool
    parts: tuple[str, ...]  # "" = placeholder
    names: tuple[str, ...]  # of the placeholders, in order

    @property
    def names_project(self) -> bool:
        return len(self.parts) > 2 and self.parts[:3] == ("v1", "projects", "")


@dataclass(frozen=True, slots=True)
class _Shape:
    """The paths of one method and length whose placeholders stand at the same places."""

    placeholders: tuple[int, ...]
    entries: dict[tuple[str, ...], _Entry]

    def find(self, segments: tuple[str, ...]) -> _Entry | None:
        parts = list(segments)
        for place in self.placeholders:
            parts[place] = ""
        return self.entries.get(tuple(parts))


def direct(route: Route, path_params: dict[str, str]) -> Match:
    """The match of a route that is not found by a path, but known."""
    template = _under_root(route.paths[0])
    names_project = template.startswith("/v1/projects/{projectId}")
    project_id = path_params["projectId"] if names_project else ""
    return Match(route, template, False, path_params, project_id)


class RouteTable:
    def __init__(self, routes: Iterable[Route]) -> None:
        self._shapes: dict[tuple[str, int], list[_Shape]] = {}
        for route in routes:
            for place, path in enumerate(route.paths):
                self._add(route, _under_root(path), is_alias=place > 0)
        for (_, length), shapes in self._shapes.items():
            shapes.sort(key=lambda shape: [at in shape.placeholders for at in range(length)])

    def _add(self, route: Route, template: str, *, is_alias: bool) -> None:
        parts, names, placeholders = _parts(template)
        entry = _Entry(route, template, is_alias, parts, names)
        shapes = self._shapes.setdefault((route.method, len(parts)), [])
        shape = next((item for item in shapes if item.placeholders == placeholders), None)
        if shape is None:
            shape = _Shape(placeholders, {})
            shapes.append(shape)
        clash = shape.entries.get(entry.parts)
        if clash is not None:
            raise ValueError(
                f"{route.method} {template} is both {clash.route.name} and {route.name}"
            )
        shape.entries[entry.parts] = entry

    def match(self, method: str, path: str) -> Match | None:
        """HEAD is served by GET; empty segments do not count."""
        segments = _split(path)
        wanted = "GET" if method == "HEAD" else method
        for shape in self._shapes.get((wanted, len(segments)), ()):
            entry = shape.find(segments)
            if entry is not None:
                found = [segments[place] for place in shape.placeholders]
                named = dict(zip(entry.names, found, strict=True))
                project_id = segments[2] if entry.names_project else ""
                return Match(entry.route, entry.template, entry.is_alias, named, project_id)
        return None


def _split(path: str) -> tuple[str, ...]:
    return tuple([segment for segment in path.split("/") if segment])


@cache
def _parts(template: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
    """Its segments, "" for placeholders; their names; their places."""
    segments = _split(template)
    parts = tuple(["" if segment.startswith("{") else segment for segment in segments])
    names = tuple([segment[1:-1] for segment in segments if segment.startswith("{")])
    return parts, names, tuple([at for at, part in enumerate(parts) if not part])


def _under_root(path: str) -> str:
    return path if path.startswith(f"{ROOT}/") else ROOT + path
