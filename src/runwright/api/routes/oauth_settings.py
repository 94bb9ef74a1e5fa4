"""The providers of a project. One route for each row of the table of providers."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final

import msgspec

from runwright.api.lists import Listing
from runwright.api.params import Bool, Checked, ListOf, Named, OneOf, OrEmpty, Range, Text
from runwright.api.queries import Attributes
from runwright.api.routing import Answer, Call, Route
from runwright.api.shapes import oauth as oauth_shapes
from runwright.api.shapes import projects as shapes
from runwright.errors import BadArgument
from runwright.identity.oauth.provider import Extra, Provider
from runwright.identity.oauth.providers import PROVIDERS
from runwright.identity.oauth.settings import OAuthSettings, every_setting, settings_of
from runwright.identity.projects import Projects
from runwright.model.address import WebAddress
from runwright.values import dataclass

MODEL: Final = "oAuth2Provider"
_NONE: Final = Attributes("")
_MAX_AGE_S: Final = 10 * 365 * 86400
_Id = Annotated[str, Named("providerId"), OneOf(PROVIDERS)]


def _host(text: str) -> str:
    """A host name with or without a scheme, and nothing behind it but a path."""
    base = text if "://" in text else f"https://{text}"
    if "?" in base or "#" in base:
        raise ValueError("Value must be a host name or an address without a query")
    WebAddress.parse(base)
    return text.rstrip("/")


def _address(text: str) -> str:
    WebAddress.parse(text)
    return text


def _plain(text: str) -> str:
    """A word that becomes a part of an address."""
    if any(char in text for char in "/\\?#@ ") or text in (".", ".."):
        raise ValueError("Value must not contain spaces or any of / \\ ? # @")
    return text


def _alone(prompts: tuple[str, ...]) -> list[str]:
    if "none" in prompts and len(prompts) > 1:
        raise ValueError("Value `none` must be the only one")
    return list(dict.fromkeys(prompts))


_VALIDATORS: Final[Mapping[str, Any]] = {
    "text": Checked(Text(4096, least=0), _plain),
    "address": OrEmpty(Checked(Text(2048), _address)),
    "host": OrEmpty(Checked(Text(2048), _host)),
    "list": Checked(ListOf(Text(256)), list),
    "bool": Bool(),
    "seconds": Range(0, _MAX_AGE_S),
}


@cache
def _params(provider: Provider) -> type[Any]:
    """The parameters of the route that sets this provider."""
    validators: dict[str, Any] = {
        provider.client: Text(1024, least=0),
        provider.secret: Text(8192, least=0),
    }
    if provider.prompts:
        validators["prompt"] = Checked(ListOf(OneOf(provider.prompts)), _alone)
    validators |= {extra.name: _VALIDATORS[extra.kind] for extra in provider.extras}
    validators["enabled"] = Bool()
    fields = {
        f"given_{place}": Annotated[Any, Named(name), validator]
        for place, (name, validator) in enumerate(validators.items())
    }
    body = {"__annotations__": fields, "__module__": __name__, **dict.fromkeys(fields)}
    return dataclass(frozen=True, kw_only=True)(type(f"Set{provider.title}", (), body))


def _given(provider: Provider, params: Any) -> dict[str, Any]:
    """What was sent, by its name on the wire."""
    names = (provider.client, provider.secret, *(["prompt"] if provider.prompts else ()))
    wire = (*names, *(extra.name for extra in provider.extras), "enabled")
    found = {name: getattr(params, f"given_{place}") for place, name in enumerate(wire)}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class OneProvider:
    provider_id: _Id


@dataclass(frozen=True, kw_only=True)
class SetOlder:
    """The older path; what a provider needs besides the id comes as JSON in `secret`."""

    provider: Annotated[str, OneOf(PROVIDERS)]
    app_id: Annotated[str | None, Text(1024, least=0)] = None
    secret: Annotated[str | None, Text(8192, least=0)] = None
    enabled: Annotated[bool | None, Bool()] = None


class OAuthSettingsHandlers:
    def __init__(self, settings: OAuthSettings, projects: Projects) -> None:
        self._settings = settings
        self._projects = projects

    async def list(self, call: Call, params: Listing) -> Answer:
        """Only `limit` and `offset` have a meaning here."""
        query = params.query(_NONE, default_limit=len(PROVIDERS))
        if query.filters or query.orders or query.cursor or query.is_random:
            raise BadArgument("Invalid `queries` param: Invalid query: use limit and offset only.")
        shown = [
            oauth_shapes.provider(item)
            for item in every_setting(await self._projects.get(call.project_id))
        ]
        page = shown[query.offset : query.offset + query.limit]
        return Answer(content={"total": len(shown) if query.with_total else 0, "providers": page})

    async def get(self, call: Call, params: OneProvider) -> Answer:
        project = await self._projects.get(call.project_id)
        settings = settings_of(project, PROVIDERS[params.provider_id])
        return Answer(content=oauth_shapes.provider(settings))

    async def set_older(self, call: Call, params: SetOlder) -> Answer:
        provider = PROVIDERS[params.provider]
        changes = {} if params.secret is None else _older_secret(provider, params.secret)
        if params.app_id is not None:
            changes[provider.client] = params.app_id
        changed = await self._settings.update(
            call.project_id, provider, changes, is_enabled=params.enabled
        )
        return Answer(content=shapes.project(changed))


class _Setter:
    """Sets one provider."""

    def __init__(self, settings: OAuthSettings, provider: Provider) -> None:
        self._settings = settings
        self._provider = provider

    async def __call__(self, call: Call, params: Any) -> Answer:
        given = _given(self._provider, params)
        is_enabled = given.pop("enabled", None)
        changed = await self._settings.update(
            call.project_id, self._provider, given, is_enabled=is_enabled
        )
        return Answer(content=oauth_shapes.provider(settings_of(changed, self._provider)))


def _older_secret(provider: Provider, text: str) -> dict[str, Any]:
    """Raises BadArgument for JSON that is none of the provider's."""
    if not any(extra.old for extra in provider.extras) or not text.startswith("{"):
        return {provider.secret: text}
    try:
        known = msgspec.json.decode(text, type=dict[str, str | None])
    except msgspec.DecodeError as exc:
        raise BadArgument("`secret` must be a JSON object of texts for this provider.") from exc
    changes: dict[str, Any] = {}
    secret = known.get("clientSecret") or known.get("p8")
    if secret is not None:
        changes[provider.secret] = secret
    for extra in provider.extras:
        value = known.get(extra.old) if extra.old else None
        if value is not None:
            changes[extra.name] = _checked(extra, value)
    return changes


def _checked(extra: Extra, value: str) -> Any:
    try:
        return _VALIDATORS[extra.kind].parse(value)
    except ValueError as exc:
        raise BadArgument(f"Invalid `{extra.old}` in `secret`: {exc}") from exc


def oauth_settings_routes(settings: OAuthSettings, projects: Projects) -> list[Route]:
    of = OAuthSettingsHandlers(settings, projects)
    read, write = ("project.oauth2.read",), ("project.oauth2.write",)
    return [
        Route(
            name="project.listOAuth2Providers",
            method="GET",
            paths=("/v1/project/oauth2",),
            scopes=read,
            handler=of.list,
            params=Listing,
            model=f"{MODEL}List",
            group="project",
            service="project",
        ),
        Route(
            name="project.getOAuth2Provider",
            method="GET",
            paths=("/v1/project/oauth2/{providerId}",),
            scopes=read,
            handler=of.get,
            params=OneProvider,
            model=MODEL,
            group="project",
            service="project",
        ),
        *(
            Route(
                name=f"project.updateOAuth2{provider.title}",
                method="PATCH",
                paths=(f"/v1/project/oauth2/{provider.id}",),
                scopes=write,
                handler=_Setter(settings, provider),
                params=_params(provider),
                model=MODEL,
                group="project",
                service="project",
            )
            for provider in PROVIDERS.values()
        ),
        # An alias by its path alone: it takes other parameters than the routes above.
        Route(
            name="projects.updateOAuth2",
            method="PATCH",
            paths=("/v1/project/oauth2", "/v1/projects/{projectId}/oauth2"),
            scopes=write,
            handler=of.set_older,
            params=SetOlder,
            model="project",
            group="project",
            service="project",
        ),
    ]
