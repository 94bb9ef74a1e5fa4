"""Platforms of a project: its client applications."""

from functools import partial
from typing import Annotated, Any, Final

from runwright.api.lists import Listing, cursor_errors, listed
from runwright.api.params import Checked, CustomId, Id, ListOf, Text
from runwright.api.queries import Attributes
from runwright.api.routes.project_parts import project_route
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import projects as shapes
from runwright.errors import InvalidParam
from runwright.identity import platforms as kinds
from runwright.identity.platforms import PlatformFields, Platforms, check_hostname
from runwright.values import dataclass

FILTERS: Final = Attributes(
    "type name hostname bundleIdentifier applicationId packageIdentifierName packageName"
)
MAX_FINGERPRINTS: Final = 100


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("Value must not be blank")
    return text


_Name = Annotated[str, Checked(Text(128), _not_blank)]
_Identifier = Annotated[str, Checked(Text(256), _not_blank)]
_Hostname = Annotated[str, Checked(Text(253), check_hostname)]
_Fingerprints = Annotated[tuple[str, ...], ListOf(Text(256), MAX_FINGERPRINTS)]


@dataclass(frozen=True, kw_only=True)
class _Create:
    platform_id: Annotated[str, CustomId()]


@dataclass(frozen=True, kw_only=True)
class OnePlatform:
    platform_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class _Web:
    name: _Name
    hostname: _Hostname

    def fields(self) -> PlatformFields:
        return PlatformFields(type=kinds.WEB, name=self.name, identifier=self.hostname)


@dataclass(frozen=True, kw_only=True)
class _Android:
    name: _Name
    application_id: _Identifier
    fingerprints: _Fingerprints = ()

    def fields(self) -> PlatformFields:
        return PlatformFields(
            type=kinds.ANDROID,
            name=self.name,
            identifier=self.application_id,
            fingerprints=self.fingerprints,
        )


@dataclass(frozen=True, kw_only=True)
class _Apple:
    name: _Name
    bundle_identifier: _Identifier

    def fields(self) -> PlatformFields:
        return PlatformFields(type=kinds.APPLE, name=self.name, identifier=self.bundle_identifier)


@dataclass(frozen=True, kw_only=True)
class _Windows:
    name: _Name
    package_identifier_name: _Identifier

    def fields(self) -> PlatformFields:
        return PlatformFields(
            type=kinds.WINDOWS, name=self.name, identifier=self.package_identifier_name
        )


@dataclass(frozen=True, kw_only=True)
class _Linux:
    name: _Name
    package_name: _Identifier

    def fields(self) -> PlatformFields:
        return PlatformFields(type=kinds.LINUX, name=self.name, identifier=self.package_name)


@dataclass(frozen=True, kw_only=True)
class CreateWeb(_Web, _Create):
    """The older path made platforms of every type."""

    type: Annotated[str, Text(64)] = kinds.WEB


@dataclass(frozen=True, kw_only=True)
class UpdateWeb(_Web, OnePlatform):
    pass


@dataclass(frozen=True, kw_only=True)
class CreateAndroid(_Android, _Create):
    pass


@dataclass(frozen=True, kw_only=True)
class UpdateAndroid(_Android, OnePlatform):
    pass


@dataclass(frozen=True, kw_only=True)
class CreateApple(_Apple, _Create):
    pass


@dataclass(frozen=True, kw_only=True)
class UpdateApple(_Apple, OnePlatform):
    pass


@dataclass(frozen=True, kw_only=True)
class CreateWindows(_Windows, _Create):
    pass


@dataclass(frozen=True, kw_only=True)
class UpdateWindows(_Windows, OnePlatform):
    pass


@dataclass(frozen=True, kw_only=True)
class CreateLinux(_Linux, _Create):
    pass


@dataclass(frozen=True, kw_only=True)
class UpdateLinux(_Linux, OnePlatform):
    pass


class PlatformHandlers:
    def __init__(self, platforms: Platforms) -> None:
        self._platforms = platforms

    async def create_web(self, call: Call, params: CreateWeb) -> Answer:
        if not params.type.endswith("web"):
            raise InvalidParam("type", "Make platforms of other types at /v1/project/platforms/.")
        return await self.create(call, params)

    async def create(
        self,
        call: Call,
        params: CreateWeb | CreateAndroid | CreateApple | CreateWindows | CreateLinux,
    ) -> Answer:
        made = await self._platforms.create(call.project_id, params.platform_id, params.fields())
        return Answer(content=shapes.platform(made))

    async def update(
        self,
        call: Call,
        params: UpdateWeb | UpdateAndroid | UpdateApple | UpdateWindows | UpdateLinux,
    ) -> Answer:
        changed = await self._platforms.update(call.project_id, params.platform_id, params.fields())
        return Answer(content=shapes.platform(changed))

    async def list(self, call: Call, params: Listing) -> Answer:
        with cursor_errors("Platform"):
            page = await self._platforms.list(call.project_id, params.query(FILTERS))
        return listed("platformList", "platforms", page, shapes.platform)

    async def get(self, call: Call, params: OnePlatform) -> Answer:
        found = await self._platforms.get(call.project_id, params.platform_id)
        return Answer(content=shapes.platform(found))

    async def delete(self, call: Call, params: OnePlatform) -> Answer:
        await self._platforms.delete(call.project_id, params.platform_id)
        return empty()


_route = partial(project_route, scope="platforms", model="platform")


def platform_routes(platforms: Platforms) -> list[Route]:
    of = PlatformHandlers(platforms)
    native: tuple[tuple[str, type[Any], type[Any]], ...] = (
        (kinds.ANDROID, CreateAndroid, UpdateAndroid),
        (kinds.APPLE, CreateApple, UpdateApple),
        (kinds.WINDOWS, CreateWindows, UpdateWindows),
        (kinds.LINUX, CreateLinux, UpdateLinux),
    )
    path, older = "/project/platforms", "/projects/{projectId}/platforms"
    one = (f"{path}/{{platformId}}", f"{older}/{{platformId}}")
    routes = [
        _route("createWebPlatform", "POST", (f"{path}/web", older), of.create_web, CreateWeb),
        _route("updateWebPlatform", "PUT", (f"{path}/web/{{platformId}}",), of.update, UpdateWeb),
        _route("listPlatforms", "GET", (path, older), of.list, Listing, model="platformList"),
        _route("getPlatform", "GET", one, of.get, OnePlatform),
        _route("deletePlatform", "DELETE", one, of.delete, OnePlatform, model=""),
    ]
    for kind, create, update in native:
        name = kind.capitalize()
        routes += [
            _route(f"create{name}Platform", "POST", (f"{path}/{kind}",), of.create, create),
            _route(
                f"update{name}Platform",
                "PUT",
                (f"{path}/{kind}/{{platformId}}",),
                of.update,
                update,
            ),
        ]
    return routes
