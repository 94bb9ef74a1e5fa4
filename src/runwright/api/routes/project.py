"""One project from inside: its own data and what is switched on in it."""

from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Annotated, Any, Final

from runwright.api.params import Bool, Label, ListOf, OneOf, Text
from runwright.api.routing import Answer, Call, Nothing, Route, empty
from runwright.api.shapes import projects as shapes
from runwright.errors import MissingParam
from runwright.identity.projects import AUTH_METHODS, PROTOCOLS, SERVICES, Projects
from runwright.model.identity import Project
from runwright.values import dataclass

MAX_LABELS: Final = 1000

_Service = Annotated[str, OneOf(SERVICES, is_strict=False)]
_Protocol = Annotated[str, OneOf(PROTOCOLS, is_strict=False)]
_Switch = Annotated[bool, Bool()]


@dataclass(frozen=True, kw_only=True)
class UpdateProject:
    name: Annotated[str, Text(128)]
    description: Annotated[str | None, Text(256, least=0)] = None
    logo: Annotated[str | None, Text(1024, least=0)] = None
    url: Annotated[str | None, Text(2048, least=0)] = None


@dataclass(frozen=True, kw_only=True)
class SetLabels:
    labels: Annotated[tuple[str, ...], ListOf(Label(), MAX_LABELS)]


@dataclass(frozen=True, kw_only=True)
class SwitchService:
    """The older path names the service in the body."""

    enabled: _Switch
    service_id: _Service = ""
    service: _Service = ""


@dataclass(frozen=True, kw_only=True)
class SwitchProtocol:
    """The older path names the protocol in the body."""

    enabled: _Switch
    protocol_id: _Protocol = ""
    api: _Protocol = ""


@dataclass(frozen=True, kw_only=True)
class SwitchAuthMethod:
    method_id: Annotated[str, OneOf(AUTH_METHODS, is_strict=False)]
    enabled: _Switch


class ProjectHandlers:
    def __init__(self, projects: Projects) -> None:
        self._projects = projects

    async def get(self, call: Call, params: Nothing) -> Answer:
        return _shown(await self._projects.get(call.project_id))

    async def update(self, call: Call, params: UpdateProject) -> Answer:
        given = {item.name: getattr(params, item.name) for item in fields(params)}
        changes = {name: value for name, value in given.items() if value is not None}
        return _shown(await self._projects.update(call.project_id, **changes))

    async def delete(self, call: Call, params: Nothing) -> Answer:
        await self._projects.delete(call.project_id)
        return empty()

    async def set_labels(self, call: Call, params: SetLabels) -> Answer:
        return _shown(await self._projects.set_labels(call.project_id, params.labels))

    async def switch_service(self, call: Call, params: SwitchService) -> Answer:
        name = params.service_id or params.service
        return await self._switch(call, "disabled_services", name, params.enabled)

    async def switch_protocol(self, call: Call, params: SwitchProtocol) -> Answer:
        name = params.protocol_id or params.api
        return await self._switch(call, "disabled_protocols", name, params.enabled)

    async def switch_auth_method(self, call: Call, params: SwitchAuthMethod) -> Answer:
        return await self._switch(call, "disabled_auth_methods", params.method_id, params.enabled)

    async def _switch(self, call: Call, field: str, name: str, is_on: bool) -> Answer:
        if not name:
            raise MissingParam({"disabled_services": "service"}.get(field, "api"))
        return _shown(await self._projects.switch(call.project_id, field, name, is_on=is_on))


def _shown(project: Project) -> Answer:
    return Answer(content=shapes.project(project))


def project_routes(projects: Projects) -> list[Route]:
    of = ProjectHandlers(projects)
    one = ("/project", "/projects/{projectId}")
    return [
        _route("get", "GET", one, of.get),
        _route("update", "PATCH", one, of.update, UpdateProject),
        _route("delete", "DELETE", one, of.delete),
        _route(
            "updateLabels",
            "PUT",
            ("/project/labels", "/projects/{projectId}/labels"),
            of.set_labels,
            SetLabels,
        ),
        _route(
            "updateService",
            "PATCH",
            ("/project/services/{serviceId}", "/projects/{projectId}/service"),
            of.switch_service,
            SwitchService,
        ),
        _route(
            "updateProtocol",
            "PATCH",
            ("/project/protocols/{protocolId}", "/projects/{projectId}/api"),
            of.switch_protocol,
            SwitchProtocol,
        ),
        _route(
            "updateAuthMethod",
            "PATCH",
            ("/project/auth-methods/{methodId}", "/projects/{projectId}/auth/{methodId}"),
            of.switch_auth_method,
            SwitchAuthMethod,
        ),
    ]


def _route(
    name: str,
    method: str,
    paths: tuple[str, ...],
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any] = Nothing,
) -> Route:
    is_delete = method == "DELETE"
    return Route(
        name=f"project.{name}",
        method=method,
        paths=tuple(f"/v1{path}" for path in paths),
        scopes=("project.read" if method == "GET" else "project.write",),
        handler=handler,
        params=params,
        status=204 if is_delete else 200,
        model="" if is_delete else "project",
        group="project",
        service="project",
    )
