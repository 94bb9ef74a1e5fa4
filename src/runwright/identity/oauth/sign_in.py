"""Signing in with another provider: away, and back.

Nothing of the network happens inside a transaction. What comes back is believed only when its
state is one that was given out here, to this browser, and for the first time.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

from runwright.clock import Clock
from runwright.identity.alerts import Alerts
from runwright.identity.oauth.client import Arrived, ProviderClient, printable
from runwright.identity.oauth.documents import Documents
from runwright.identity.oauth.endpoints import Setup, issuers_of
from runwright.identity.oauth.errors import (
    BadReturn,
    InvalidIdToken,
    ProviderDisabled,
    ProviderFailed,
    ProviderUnsupported,
)
from runwright.identity.oauth.facts import Facts, read_facts
from runwright.identity.oauth.grants import Grant, GrantSeal
from runwright.identity.oauth.id_tokens import Expected, IdTokens
from runwright.identity.oauth.link import Link, attach, check_free, user_of
from runwright.identity.oauth.provider import Provider
from runwright.identity.oauth.providers import GONE, PROVIDERS
from runwright.identity.oauth.settings import ProviderSecrets, ProviderSettings, settings_of
from runwright.identity.oauth.state import Departure, States
from runwright.identity.people import remove_session, required_user
from runwright.identity.policies import policies_of
from runwright.identity.proofs import NewToken, Proofs, Purpose
from runwright.identity.sessions import Device, Opened, open_session
from runwright.identity.tokens import Tokens
from runwright.model.event import Event
from runwright.model.identity import Project, Session, User
from runwright.ports.mailer import Mailer
from runwright.ports.poster import Poster
from runwright.ports.storage import Storage, UnitOfWork
from runwright.sealing import Sealer
from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """What somebody brings back from a provider, as it came."""

    code: str = ""
    error: str = ""
    error_description: str = ""
    issuer: str = ""
    name: str = ""  # which one provider tells in the browser, the first time only
    cookie: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeToken:
    """What an app got from a provider without a browser."""

    provider: str
    id_token: str
    nonce: str = ""
    access_token: str = ""
    name: str = ""
    lifetime_s: int = 0  # of the access token; 0 = not known


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthParts:
    """What the services of signing in share."""

    storage: Storage
    clock: Clock
    providers: Mapping[str, Provider]
    secrets: ProviderSecrets
    grants: GrantSeal
    client: ProviderClient
    tokens: IdTokens
    states: States
    proofs: Proofs
    alerts: Alerts

    @classmethod
    def over(
        cls,
        storage: Storage,
        clock: Clock,
        *,
        tokens: Tokens,
        sealer: Sealer,
        poster: Poster,
        mailer: Mailer,
        providers: Mapping[str, Provider] = PROVIDERS,
    ) -> Self:
        documents = Documents(poster, clock)
        id_tokens = IdTokens(documents, clock)
        return cls(
            storage=storage,
            clock=clock,
            providers=providers,
            secrets=ProviderSecrets(sealer),
            grants=GrantSeal(sealer),
            client=ProviderClient(poster, documents, id_tokens, clock),
            tokens=id_tokens,
            states=States(storage, clock, sealer),
            proofs=Proofs(tokens, clock),
            alerts=Alerts(mailer),
        )

    def provider(self, provider_id: str) -> Provider:
        """Raises ProviderUnsupported."""
        if provider_id in GONE:
            raise ProviderUnsupported(provider_id, "it has ended its service")
        provider = self.providers[provider_id]
        if not provider.can_sign_in:
            raise ProviderUnsupported(provider.title, provider.why_not)
        return provider

    def setup(self, project: Project, settings: ProviderSettings) -> Setup:
        return Setup.of(settings, self.secrets.of(project.id, settings))

    def enabled(self, project: Project | None, provider_id: str) -> Setup:
        """Raises ProviderUnsupported, ProviderDisabled."""
        provider = self.provider(provider_id)
        settings = settings_of(project, provider) if project else None
        if project is None or settings is None or not settings.is_enabled:
            raise ProviderDisabled(provider.title)
        return self.setup(project, settings)

    def link(self, project_id: str, provider: Provider, facts: Facts, grant: Grant) -> Link:
        return Link(
            provider=provider.id,
            uid=facts.uid,
            email=facts.email,
            name=facts.name,
            is_verified=facts.is_verified,
            sealed_grant=self.grants.seal(project_id, provider.id, facts.uid, grant),
            grant_expires_at=grant.expires_at,
        )


def open_for(
    uow: UnitOfWork, project: Project, user: User, link: Link, device: Device, parts: OAuthParts
) -> Opened:
    opened = open_session(
        uow,
        user,
        policies_of(project),
        device,
        parts.clock.now(),
        provider=link.provider,
        factor="email",
        link=link,
    )
    parts.alerts.tell(uow, project, opened, device)
    return opened


class OAuthSignIn:
    def __init__(self, parts: OAuthParts) -> None:
        self._parts = parts

    def depart(
        self, project: Project | None, provider_id: str, *, is_bound: bool, **known: Any
    ) -> tuple[Departure, str]:
        """Somebody who sets out, and what their browser has to keep ("" when the sign-in is
        bound to none). `known` are the rest of the fields of Departure.

        Raises ProviderUnsupported, ProviderDisabled.
        """
        self._parts.enabled(project, provider_id)
        assert project is not None  # else the provider is not enabled
        return self._parts.states.depart(
            is_bound=is_bound, project_id=project.id, provider=provider_id, **known
        )

    async def address(
        self, project: Project | None, departure: Departure, scopes: tuple[str, ...]
    ) -> str:
        """Where to send them. Raises ProviderFailed."""
        setup = self._parts.enabled(project, departure.provider)
        state = self._parts.states.seal(departure)
        return await self._parts.client.address(setup, departure, state, scopes)

    def recognise(self, project_id: str, provider_id: str, state: str) -> Departure:
        """Raises BadReturn."""
        return self._parts.states.open(project_id, provider_id, state)

    async def finish(
        self, project: Project | None, departure: Departure, back: Return, device: Device
    ) -> Opened | NewToken:
        """A session, or the token for one. Raises BadReturn, ProviderFailed and its like, and
        what `user_of` and `check_free` raise."""
        if not departure.is_of_browser(back.cookie):
            raise BadReturn("Signing in was begun in another browser.")
        await self._parts.states.use(departure)
        setup = self._parts.enabled(project, departure.provider)
        assert project is not None
        if back.error or not back.code:
            said = ": ".join(part for part in (back.error, back.error_description) if part)
            raise ProviderFailed(f"The provider gave no code. It said: {printable(said)}")
        await self._parts.client.check_issuer(setup, back.issuer)
        arrived = await self._parts.client.arrive(setup, departure, back.code)
        link = self._link(project, setup.provider, arrived, back.name)

        def work(uow: UnitOfWork) -> Opened | NewToken:
            if departure.wants_token:
                return self._token(uow, project, departure, link)
            return self._session(uow, project, departure, link, device)

        return await self._parts.storage.write(work)

    def _link(self, project: Project, provider: Provider, arrived: Arrived, name: str) -> Link:
        facts = arrived.facts
        if not facts.name and name:
            facts = replace(facts, name=name)
        return self._parts.link(project.id, provider, facts, arrived.grant)

    def _session(
        self, uow: UnitOfWork, project: Project, departure: Departure, link: Link, device: Device
    ) -> Opened:
        user = self._user(uow, project, departure, link)
        replaced = uow.sessions.get(project.id, departure.session_id)
        if replaced is not None:
            remove_session(uow, replaced)  # the new one takes its place
        return open_for(uow, project, user, link, device, self._parts)

    def _token(
        self, uow: UnitOfWork, project: Project, departure: Departure, link: Link
    ) -> NewToken:
        is_deferred = bool(departure.user_id) and not departure.browser
        if is_deferred:
            user = _signed_in(uow, project, departure)
            check_free(uow, user, link, policies_of(project))
        else:
            user = self._user(uow, project, departure, link)
        made = self._parts.proofs.issue(uow, user, Purpose.OAUTH2)
        if is_deferred:
            made = replace(made, token=replace(made.token, link=link.stored()))
            uow.tokens.put(made.token)
        uow.emit(project.id, Event.of("create", "users", user.id, "tokens", made.token.id), made)
        return made

    def _user(self, uow: UnitOfWork, project: Project, departure: Departure, link: Link) -> User:
        now = self._parts.clock.now()
        if not departure.user_id:
            return user_of(uow, project.id, link, policies_of(project), now)
        user = _signed_in(uow, project, departure)
        check_free(uow, user, link, policies_of(project))
        return attach(uow, user, link, now)


def _signed_in(uow: UnitOfWork, project: Project, departure: Departure) -> User:
    """Who began, if they still are who they were. Raises BadReturn."""
    session = uow.sessions.get(project.id, departure.session_id)
    if session is None or session.user_id != departure.user_id:
        raise BadReturn("You were signed out meanwhile.")
    return required_user(uow, project.id, departure.user_id)


def _as_sent(nonce: str) -> tuple[str, ...]:
    """Apps hand the provider a nonce as it is, or (always to Apple) its digest."""
    return (nonce, hashlib.sha256(nonce.encode()).hexdigest()) if nonce else ()


class NativeSignIn:
    """Sessions for ID tokens that apps got from a provider themselves."""

    def __init__(self, parts: OAuthParts) -> None:
        self._parts = parts

    async def sign_in(
        self,
        project: Project | None,
        given: NativeToken,
        *,
        user: User | None,
        session: Session | None,
        device: Device,
    ) -> Opened:
        """Raises ProviderUnsupported, ProviderDisabled, InvalidIdToken, ProviderFailed, and what
        `user_of` and `check_free` raise."""
        provider = self._parts.provider(given.provider)
        settings = settings_of(project, provider) if project else None
        if project is None or settings is None or not settings.is_native_enabled:
            raise ProviderDisabled(provider.title)
        link = await self._link(project, settings, given)

        def work(uow: UnitOfWork) -> Opened:
            now = self._parts.clock.now()
            if user is None:
                found = user_of(uow, project.id, link, policies_of(project), now)
            else:
                found = required_user(uow, project.id, user.id)
                check_free(uow, found, link, policies_of(project))
                found = attach(uow, found, link, now)
            if session is not None:
                remove_session(uow, session)  # the new one takes its place
            return open_for(uow, project, found, link, device, self._parts)

        return await self._parts.storage.write(work)

    async def _link(self, project: Project, settings: ProviderSettings, given: NativeToken) -> Link:
        provider = settings.provider
        expected = Expected(
            audiences={settings.client, *settings.native_clients} - {""},
            issuers=issuers_of(provider),
            nonces=_as_sent(given.nonce),
            is_nonce_needed=provider.needs_nonce,
        )
        if provider.needs_nonce and not given.nonce:
            raise InvalidIdToken("its nonce has to be sent along")
        claims = await self._parts.tokens.verify(given.id_token, provider.keys, expected)
        facts = read_facts(provider.profile, claims)
        if not facts.name and given.name:
            facts = replace(facts, name=given.name)
        return self._parts.link(project.id, provider, facts, self._grant(given))

    def _grant(self, given: NativeToken) -> Grant:
        lifetime = timedelta(seconds=given.lifetime_s)
        return Grant(
            access_token=given.access_token,
            id_token=given.id_token,
            expires_at=self._parts.clock.now() + lifetime if lifetime else None,
        )
