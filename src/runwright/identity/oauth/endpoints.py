"""A provider as one project uses it, and the addresses that this comes to."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from runwright.identity.oauth.documents import Documents
from runwright.identity.oauth.errors import ProviderFailed
from runwright.identity.oauth.provider import Provider
from runwright.identity.oauth.settings import ProviderSettings
from runwright.values import dataclass

_PLACE: Final = re.compile(r"\{(\w+)\}")
_WELL_KNOWN: Final = "wellKnownURL"
_POST: Final = "client_secret_post"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    provider: Provider
    client: str
    secret: str
    secrets: Mapping[str, str]
    values: Mapping[str, Any]
    prompts: tuple[str, ...]

    @classmethod
    def of(cls, settings: ProviderSettings, secrets: Mapping[str, str]) -> "Setup":
        return cls(
            provider=settings.provider,
            client=settings.client,
            secret=secrets.get(settings.provider.secret, ""),
            secrets=secrets,
            values=settings.values,
            prompts=tuple(settings.prompts),
        )

    @property
    def is_openid(self) -> bool:
        """Whether its ID tokens are looked at."""
        return bool(self.provider.issuer) or self.provider.is_discovered

    @property
    def max_age_s(self) -> float | None:
        value = self.values.get("maxAge")
        return None if value is None else float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    authorize: str
    token: str
    profile: str  # "" = the ID token says everything
    issuers: tuple[str, ...] = ()  # () = not known
    keys: str = ""  # "" = published nowhere
    is_basic: bool = False


async def endpoints_of(setup: Setup, documents: Documents) -> Endpoints:
    """Raises ProviderFailed."""
    provider = setup.provider
    if provider.is_discovered and setup.values.get(_WELL_KNOWN):
        return _discovered(setup, await documents.get(setup.values[_WELL_KNOWN]))
    return Endpoints(
        authorize=filled(setup, provider.authorize),
        token=filled(setup, provider.token),
        profile=filled(setup, provider.profile.address),
        issuers=issuers_of(provider),
        keys=provider.keys,
        is_basic=provider.is_basic,
    )


def issuers_of(provider: Provider) -> tuple[str, ...]:
    """Some write their own name without the scheme."""
    return (provider.issuer, provider.issuer.partition("://")[2]) if provider.issuer else ()


def _discovered(setup: Setup, document: Mapping[str, Any]) -> Endpoints:
    """What is set by hand wins over what the document says."""
    methods = document.get("token_endpoint_auth_methods_supported")
    issuer = document.get("issuer")
    if not isinstance(issuer, str) or not issuer:
        raise ProviderFailed("The provider's description names no issuer.")
    return Endpoints(
        authorize=_address(setup, document, "authorizationURL", "authorization_endpoint"),
        token=_address(setup, document, "tokenURL", "token_endpoint"),
        profile=_address(setup, document, "userInfoURL", "userinfo_endpoint", is_needed=False),
        issuers=(issuer,),
        keys=_address(setup, document, "", "jwks_uri"),
        is_basic=not (isinstance(methods, list) and _POST in methods),
    )


def _address(
    setup: Setup, document: Mapping[str, Any], setting: str, name: str, *, is_needed: bool = True
) -> str:
    value = setup.values.get(setting) or document.get(name)
    if isinstance(value, str) and urlsplit(value).scheme in ("http", "https"):
        return value
    if is_needed:
        raise ProviderFailed(f"The provider's description has no usable `{name}`.")
    return ""


def filled(setup: Setup, template: str, **more: str) -> str:
    """Put settings into an address. Hosts and whole addresses stand as they are, words are
    encoded."""
    if "{" not in template:
        return template
    kinds = {extra.name: extra for extra in setup.provider.extras}

    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name == "client":
            return quote(setup.client, safe="")
        if name in more:
            return quote(more[name], safe="")
        if name not in kinds:
            return found[0]  # known only when somebody has come back
        extra = kinds[name]
        text = str(setup.values.get(name) or extra.default)
        if extra.kind == "host":
            return text if "://" in text else f"https://{text}"
        return text if extra.kind == "address" else quote(text, safe="")

    return _PLACE.sub(value, template)
