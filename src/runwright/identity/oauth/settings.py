"""Which providers a project lets people sign in with, and as which client.

Stored in the project, by the provider's id. Secrets are sealed for their project and provider and
are never shown. Nothing is called when settings are stored: whether a provider takes the client
is seen at the first sign-in.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from runwright.clock import Clock
from runwright.errors import BadArgument
from runwright.identity.oauth.provider import Extra, Provider
from runwright.identity.oauth.providers import PROVIDERS
from runwright.identity.projects import required_project, touch_project
from runwright.model.identity import Project
from runwright.ports.storage import Storage, UnitOfWork
from runwright.sealing import Sealer
from runwright.values import dataclass

_WELL_KNOWN: Final = "wellKnownURL"
_BY_HAND: Final = ("authorizationURL", "tokenURL", "userInfoURL")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    provider: Provider
    is_enabled: bool = False
    client: str = ""
    values: Mapping[str, Any]  # extras and prompts that are no secrets
    sealed: bytes = b""  # the secrets as a JSON object; b"" = none

    def value(self, extra: Extra) -> Any:
        """As it is shown: secrets are not."""
        empty: Any = {"list": [], "bool": False, "seconds": None}.get(extra.kind, "")
        return empty if extra.is_secret else self.values.get(extra.name, empty)

    @property
    def prompts(self) -> list[str]:
        return list(self.values.get("prompt", ()))

    @property
    def is_native_enabled(self) -> bool:
        return bool(self.values.get("nativeEnabled"))

    @property
    def native_clients(self) -> list[str]:
        return list(self.values.get("nativeClientIds", ()))


class _Stored(msgspec.Struct):
    enabled: bool = False
    client: str = ""
    values: dict[str, Any] = {}
    sealed: str = ""


def settings_of(project: Project, provider: Provider) -> ProviderSettings:
    stored = msgspec.convert(project.oauth.get(provider.id, {}), _Stored)
    return ProviderSettings(
        provider=provider,
        is_enabled=stored.enabled,
        client=stored.client,
        values=stored.values,
        sealed=base64.b64decode(stored.sealed),
    )


def every_setting(project: Project) -> Iterator[ProviderSettings]:
    return (settings_of(project, provider) for provider in PROVIDERS.values())


class ProviderSecrets:
    """Opens and closes what is sealed in the settings."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def of(self, project_id: str, settings: ProviderSettings) -> dict[str, str]:
        """By the names on the wire."""
        if not settings.sealed:
            return {}
        plain = self._sealer.open(settings.sealed, _place(project_id, settings.provider))
        return msgspec.json.decode(plain, type=dict[str, str])

    def seal(self, project_id: str, provider: Provider, secrets: Mapping[str, str]) -> bytes:
        if not secrets:
            return b""
        return self._sealer.seal(msgspec.json.encode(secrets), _place(project_id, provider))


def _place(project_id: str, provider: Provider) -> str:
    return f"oauth:{project_id}:{provider.id}"


class OAuthSettings:
    def __init__(
        self, storage: Storage, clock: Clock, secrets: ProviderSecrets, *, allows_plain: bool
    ) -> None:
        """`allows_plain`: addresses of providers may begin with http://."""
        self._storage = storage
        self._clock = clock
        self._secrets = secrets
        self._allows_plain = allows_plain

    async def update(
        self,
        project_id: str,
        provider: Provider,
        changes: Mapping[str, Any],
        *,
        is_enabled: bool | None,
    ) -> Project:
        """Set some of the provider's fields, by their names on the wire; the others stay, and
        what is empty is cleared.

        Raises ProjectNotFound, BadArgument (an address without https, or enabled without what
        signing in needs).
        """
        for name, value in changes.items():
            self._check_address(provider, name, value)

        def work(uow: UnitOfWork) -> Project:
            project = required_project(uow, project_id)
            settings = self._changed(project, settings_of(project, provider), changes, is_enabled)
            changed = replace(
                project,
                updated_at=self._clock.now(),
                oauth={**project.oauth, provider.id: _stored(settings)},
            )
            uow.projects.put(changed)
            touch_project(uow, project_id)
            return changed

        return await self._storage.write(work)

    def _check_address(self, provider: Provider, name: str, value: Any) -> None:
        kinds = {extra.name: extra.kind for extra in provider.extras}
        is_plain = str(value).lower().startswith("http:")
        if is_plain and kinds.get(name) in ("address", "host") and not self._allows_plain:
            raise BadArgument(f"`{name}` must be an https address.")

    def _changed(
        self,
        project: Project,
        settings: ProviderSettings,
        changes: Mapping[str, Any],
        is_enabled: bool | None,
    ) -> ProviderSettings:
        provider = settings.provider
        names = {provider.secret, *(extra.name for extra in provider.extras if extra.is_secret)}
        secrets = self._secrets.of(project.id, settings)
        secrets |= {name: value for name, value in changes.items() if name in names}
        secrets = {name: value for name, value in secrets.items() if value}
        open_names = set(changes) - names - {provider.client}
        changed = replace(
            settings,
            is_enabled=settings.is_enabled if is_enabled is None else is_enabled,
            client=changes.get(provider.client, settings.client),
            values={**settings.values, **{name: changes[name] for name in open_names}},
            sealed=self._secrets.seal(project.id, provider, secrets),
        )
        _check_complete(changed, secrets)
        return changed


def _stored(settings: ProviderSettings) -> dict[str, Any]:
    return {
        "enabled": settings.is_enabled,
        "client": settings.client,
        "values": dict(settings.values),
        "sealed": base64.b64encode(settings.sealed).decode(),
    }


def _check_complete(settings: ProviderSettings, secrets: Mapping[str, str]) -> None:
    """Raises BadArgument when a way to sign in is on that could not work."""
    missing = _missing(settings, secrets) if settings.is_enabled else []
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        raise BadArgument(
            f"{settings.provider.title} can be enabled only with {names}. Send what is missing "
            "along, or send `enabled` as false."
        )
    if settings.is_native_enabled and not (settings.client or settings.native_clients):
        raise BadArgument(
            "Native sign-in needs a client to compare tokens with. Send "
            f"`{settings.provider.client}` or `nativeClientIds` along."
        )


def _missing(settings: ProviderSettings, secrets: Mapping[str, str]) -> list[str]:
    provider = settings.provider
    known = {**settings.values, **secrets, provider.client: settings.client}
    needed = [provider.client, provider.secret]
    needed += [extra.name for extra in provider.extras if extra.is_needed]
    if provider.is_discovered and not known.get(_WELL_KNOWN):
        needed += _BY_HAND
    missing = [name for name in needed if not known.get(name)]
    return [_WELL_KNOWN, *missing] if set(_BY_HAND) & set(missing) else missing
