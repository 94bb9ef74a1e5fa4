"""Credentials -> project and principal.

What is read comes from the directory's cache. Failures come in two kinds: early ones are about
the credentials as sent, late ones about what they point at. An API answers some other refusals
(unknown origin, mismatched path) between the two, see `Resolved`.
"""

import asyncio
import contextlib
import logging
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from runwright.clock import Clock
from runwright.errors import RunwrightError
from runwright.identity import permissions, refusals, scopes
from runwright.identity.directory import Directory, KeyPass, Person, Tenant
from runwright.identity.errors import ProjectNotFound, TeamNotFound, UserBlocked
from runwright.identity.key_use import KeyUse
from runwright.identity.owner_keys import team_owner, user_owner
from runwright.identity.standing import Standing
from runwright.identity.tokens import (
    KEY_PREFIXES,
    Tokens,
    UserJwtInvalid,
    decode_session,
    hash_secret,
)
from runwright.model.identity import (
    CONSOLE,
    ApiKey,
    CallerKind,
    Platform,
    Principal,
    Project,
    Session,
)
from runwright.model.lineage import NO_LINEAGE, Lineage
from runwright.ports.signals import Signals
from runwright.ports.storage import Storage
from runwright.values import dataclass

log = logging.getLogger(__name__)

STOP_WITHIN_S: Final = 5.0
MAX_KEY_CHARS: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Impersonated:
    """The user that the caller wants to be; the first of these that is given counts."""

    user_id: str = ""
    email: str = ""  # lower case
    phone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a request says about who sends it and which project it is about."""

    project_id: str = ""  # "" = console
    header_project_id: str = ""  # X-Appwrite-Project as sent; project keys must name theirs
    is_admin: bool = False  # a console account acts on a project
    key: str = ""
    jwt: str = ""
    sessions: tuple[str, ...] = ()  # encoded values; the first that can be decoded counts
    user_header: str = ""
    organization_header: str = ""  # X-Appwrite-Organization as sent
    organization_id: str = ""  # the organization a console request is about
    console_project_id: str = ""  # the project a console request is about
    sdk: str = ""
    impersonated: Impersonated | None = None


@dataclass(frozen=True, slots=True)
class Identified:
    project: Project | None  # None = the console project
    principal: Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """As far as the credentials led. With a refusal set, the principal is a guest."""

    project: Project | None  # None = the console project, or one that does not exist
    platforms: tuple[Platform, ...]
    principal: Principal
    early: RunwrightError | None = None
    late: RunwrightError | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A stored key that was judged, and what the judgement rests on."""

    secret_hash: str
    held: KeyPass
    tenant: Tenant
    sdk: str


@dataclass(frozen=True, slots=True)
class _Acting:
    """The user behind a session or JWT."""

    person: Person
    session: Session | None = None
    secret: str = ""
    by_jwt: bool = False
    impersonator: Principal | None = None
    ends_at: datetime | None = None
    lineage: Lineage = NO_LINEAGE


@dataclass(frozen=True, slots=True)
class _Verdict:
    principal: Principal
    early: RunwrightError | None = None
    late: RunwrightError | None = None


class Authenticator:
    """Enter it (`async with`) for the time requests are served: it owns the tasks that store
    when keys were used, and that judge again who is `standing`."""

    def __init__(self, storage: Storage, signals: Signals, tokens: Tokens, clock: Clock) -> None:
        # What is judged again has to find that the directory has forgotten already.
        self._directory = Directory(storage, signals)
        self.standing = Standing(signals, clock)
        self._tokens = tokens
        self._clock = clock
        self._key_use = KeyUse(storage, clock)
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._key_use.run(), name="key-use")
        self.standing.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.standing.stop()
        if self._writer is not None:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer
            async with asyncio.timeout(STOP_WITHIN_S):
                await self.flush()

    async def flush(self) -> None:
        """Store at once what was noted of the use of keys."""
        await self._key_use.flush()

    async def identify(self, credentials: Credentials) -> Identified:
        """Project and principal. Raises the API's refusal of bad credentials.

        Blocked users and missing scopes are judged by `identity/access.py`.
        """
        found = await self.resolve(credentials)
        refusal = found.early or found.late
        if refusal is not None:
            raise refusal
        return Identified(found.project, found.principal)

    async def user_for_jwt(self, project_id: str, jwt: str) -> Principal:
        """The user that a JWT stands for, and no one else.

        Unlike `identify`, a token whose session or user is gone is refused, not treated as a
        guest: the caller meant to be somebody. Raises UserJwtInvalid, UserBlocked,
        MoreFactorsRequired.
        """
        acting = await self._by_jwt(project_id, jwt)
        if acting is None:
            raise UserJwtInvalid("Session or user gone")
        if not acting.person.user.is_active:
            raise UserBlocked
        principal = self._user_principal(acting, project_id)
        if principal.lacks_factor:
            raise refusals.MoreFactorsRequired
        return principal

    async def project(self, project_id: str) -> Project | None:
        tenant = await self._directory.tenant(project_id)
        return tenant.project if tenant else None

    def known_project(self, project_id: str) -> Project | None:
        """The same where it is at hand."""
        tenant = self._directory.known_tenant(project_id)
        return tenant.project if tenant else None

    def ticket(self, sent: Credentials) -> Ticket | None:
        """For who sends nothing but the key of a project, which has just been judged."""
        project_id = sent.project_id
        alone = Credentials(
            project_id=project_id, header_project_id=project_id, key=sent.key, sdk=sent.sdk
        )
        kind, underscore, _ = sent.key.partition("_")
        if sent != alone or not sent.key or (underscore and kind != "standard"):
            return None
        secret_hash = hash_secret(sent.key)
        tenant = self._directory.known_tenant(project_id)
        held = self._directory.known_key(project_id, secret_hash)
        return Ticket(secret_hash, held, tenant, sent.sdk) if held and tenant else None

    def admits(self, ticket: Ticket) -> bool:
        """Whether `resolve` would find the same again, as of now; notes that the key was used.

        False also when the facts are not at hand.
        """
        tenant, held = ticket.tenant, ticket.held
        project_id = tenant.project.id
        if (
            self._directory.known_key(project_id, ticket.secret_hash) is not held
            or self._directory.known_tenant(project_id) is not tenant
            or self._has_ended(held.key)
        ):
            return False
        self._key_use.note(held.key, ticket.sdk)
        return True

    async def resolve(self, sent: Credentials) -> Resolved:
        project_id = sent.project_id or CONSOLE
        tenant = None if project_id == CONSOLE else await self._directory.tenant(project_id)
        if project_id != CONSOLE and tenant is None:
            verdict = _Verdict(_guest(project_id), late=ProjectNotFound(project_id))
        else:
            try:
                verdict = await self._judge(sent, project_id, tenant)
            except RunwrightError as refusal:
                verdict = _Verdict(_guest(project_id), early=refusal)
        return Resolved(
            project=tenant.project if tenant else None,
            platforms=tenant.platforms if tenant else (),
            principal=verdict.principal,
            early=verdict.early,
            late=verdict.late,
        )

    async def _judge(self, sent: Credentials, project_id: str, tenant: Tenant | None) -> _Verdict:
        """Raises early refusals."""
        if sent.is_admin and tenant is None:
            raise refusals.AdminOnConsole
        users_of = CONSOLE if sent.is_admin else project_id
        acting = await self._by_session(users_of, sent.sessions)
        if sent.jwt:
            if acting is not None:
                raise refusals.JwtAndSession
            acting = await self._by_jwt(users_of, sent.jwt)
        if acting is not None and sent.impersonated is not None:
            acting = await self._impersonating(users_of, acting, sent.impersonated)
        if sent.key:
            return await self._by_key(sent, project_id, acting)
        if acting is None:
            return _Verdict(_guest(project_id))
        team_id = tenant.project.team_id if tenant else await self._organization(sent)
        if not team_id or (tenant is not None and not sent.is_admin):
            return _Verdict(self._user_principal(acting, project_id))
        return await self._as_admin(sent, project_id, team_id, acting)

    async def _as_admin(
        self, sent: Credentials, project_id: str, team_id: str, acting: _Acting
    ) -> _Verdict:
        is_console = project_id == CONSOLE
        subject = sent.console_project_id if is_console else project_id
        roles = permissions.admin_roles(acting.person.memberships, team_id, subject)
        if roles is None:
            is_missing = is_console and not await self._directory.has_team(team_id)
            refusal = TeamNotFound(team_id) if is_missing else refusals.NotAMember()
            return _Verdict(_guest(project_id), late=refusal)
        if not is_console and not permissions.may_read_project(roles):
            return _Verdict(_guest(project_id), late=ProjectNotFound(project_id))
        base = self._user_principal(acting, project_id)
        principal = replace(
            base,
            kind=CallerKind.ADMIN,
            scopes=scopes.admin_scopes(roles),
            roles=base.roles | frozenset(roles),
        )
        return _Verdict(principal)

    async def _organization(self, sent: Credentials) -> str:
        """The organization that a console request is about, or ""."""
        if sent.console_project_id:
            tenant = await self._directory.tenant(sent.console_project_id)
            return tenant.project.team_id if tenant else ""
        return sent.organization_id

    async def _by_key(self, sent: Credentials, project_id: str, acting: _Acting | None) -> _Verdict:
        kind, underscore, _ = sent.key.partition("_")
        if len(sent.key) > MAX_KEY_CHARS:
            return _Verdict(_guest(project_id))
        if kind == "account" and underscore:
            return await self._by_account_key(sent, project_id, acting)
        if kind == "organization" and underscore:
            return await self._by_organization_key(sent, project_id)
        if underscore and kind != "standard" and f"{kind}_" not in KEY_PREFIXES:
            return _Verdict(_guest(project_id))
        if sent.header_project_id != project_id:
            raise refusals.ProjectIdMissing(project_id)
        if not underscore or kind == "standard":
            return await self._by_stored_key(sent, project_id, acting)
        return self._by_execution_key(sent.key, project_id, acting)

    async def _by_account_key(
        self, sent: Credentials, project_id: str, acting: _Acting | None
    ) -> _Verdict:
        """The owner, with the scopes of the key."""
        if not sent.user_header:
            raise refusals.UserIdMissing
        if acting is not None:
            raise refusals.KeyAndSession
        held = await self._owned_key(sent, project_id)
        if isinstance(held, RunwrightError):
            return _Verdict(_guest(project_id), late=held)
        if held.key.owner != user_owner(sent.user_header):
            raise refusals.UserIdMissing
        if self._has_ended(held.key):
            raise refusals.AccountKeyExpired
        person = await self._directory.person(CONSOLE, sent.user_header)
        if person is None:
            return _Verdict(_guest(project_id), late=refusals.UnknownKey())
        self._key_use.note(held.key, sent.sdk)
        acting = _Acting(person, ends_at=held.key.expires_at)
        owner = self._user_principal(acting, project_id)
        narrow = scopes.key_scopes(held.key.scopes) & owner.scopes
        return _Verdict(replace(owner, scopes=narrow, key_id=held.key.id))

    async def _by_organization_key(self, sent: Credentials, project_id: str) -> _Verdict:
        if not sent.organization_header:
            raise refusals.OrganizationIdMissing
        held = await self._owned_key(sent, project_id)
        if isinstance(held, RunwrightError):
            return _Verdict(_guest(project_id), late=held)
        if held.key.owner != team_owner(sent.organization_header):
            raise refusals.OrganizationIdMissing
        if self._has_ended(held.key):
            return _Verdict(_guest(project_id), late=refusals.OrganizationKeyExpired())
        self._key_use.note(held.key, sent.sdk)
        return _Verdict(held.principal)

    async def _owned_key(self, sent: Credentials, project_id: str) -> KeyPass | RunwrightError:
        """A key of an account or organization; these are rows of the console."""
        if project_id != CONSOLE:
            return refusals.ForeignKey()
        return await self._directory.key(CONSOLE, hash_secret(sent.key)) or refusals.UnknownKey()

    def _has_ended(self, key: ApiKey) -> bool:
        return key.expires_at is not None and key.expires_at <= self._clock.now()

    async def _by_stored_key(
        self, sent: Credentials, project_id: str, acting: _Acting | None
    ) -> _Verdict:
        held = await self._directory.key(project_id, hash_secret(sent.key))
        if held is None:
            return _Verdict(_guest(project_id), late=refusals.UnknownKey())
        if self._has_ended(held.key):
            return _Verdict(_guest(project_id), late=refusals.ProjectKeyExpired())
        self._key_use.note(held.key, sent.sdk)
        return _Verdict(_with_user(held.principal, acting))

    def _by_execution_key(self, key: str, project_id: str, acting: _Acting | None) -> _Verdict:
        claims = self._tokens.read_execution_key(key, project_id)
        if claims is None:
            return _Verdict(_guest(project_id))
        principal = Principal(
            kind=CallerKind.KEY,
            project_id=project_id,
            scopes=scopes.key_scopes(claims.scopes),
            roles=permissions.key_roles(),
            ends_at=_moment(claims.expires_at),
            lineage=claims.lineage,
        )
        return _Verdict(_with_user(principal, acting))

    async def _by_session(self, users_of: str, sessions: tuple[str, ...]) -> _Acting | None:
        value = next((found for text in sessions if (found := decode_session(text))), None)
        if value is None:
            return None
        person = await self._directory.person(users_of, value.user_id)
        session = person.sessions.get(hash_secret(value.secret)) if person else None
        if person is None or session is None or session.expires_at < self._clock.now():
            return None
        return _Acting(person, session, value.secret, ends_at=session.expires_at)

    async def _by_jwt(self, users_of: str, jwt: str) -> _Acting | None:
        """None when the user or the bound session is gone. Raises UserJwtInvalid."""
        claims = self._tokens.read_user_jwt(jwt)
        if claims.project_id != users_of:
            raise UserJwtInvalid("Made for another project")
        person = await self._directory.person(users_of, claims.user_id)
        ends_at = _moment(claims.expires_at)
        if person is None:
            return None
        if not claims.session_id:
            return _Acting(person, by_jwt=True, ends_at=ends_at, lineage=claims.lineage)
        bound = next(
            (item for item in person.sessions.values() if item.id == claims.session_id), None
        )
        if bound is None or bound.expires_at < self._clock.now():
            return None
        ends_at = min(ends_at, bound.expires_at)
        return _Acting(person, bound, by_jwt=True, ends_at=ends_at, lineage=claims.lineage)

    async def _impersonating(self, users_of: str, acting: _Acting, wanted: Impersonated) -> _Acting:
        """Whoever may not impersonate, or names nobody, stays who they are. The other user has
        no session in this request: nothing may be bound to one that is not theirs."""
        if not acting.person.user.is_impersonator:
            return acting
        user_id = wanted.user_id or await self._directory.user_id(
            users_of, email=wanted.email, phone=wanted.phone
        )
        person = await self._directory.person(users_of, user_id)
        if person is None or person.user.id == acting.person.user.id:
            return acting
        log.info(
            "user impersonated",
            extra={
                "action": "user_impersonated",
                "project_id": users_of,
                "user_id": person.user.id,
                "impersonator_user_id": acting.person.user.id,
            },
        )
        return _Acting(
            person,
            by_jwt=acting.by_jwt,
            impersonator=self._user_principal(acting, users_of),
            ends_at=acting.ends_at,
            lineage=acting.lineage,
        )

    def _user_principal(self, acting: _Acting, project_id: str) -> Principal:
        return Principal(
            kind=CallerKind.USER,
            project_id=project_id,
            scopes=scopes.USER_SCOPES,
            roles=acting.person.roles,
            user=acting.person.user,
            session=acting.session,
            session_secret=acting.secret,
            by_jwt=acting.by_jwt,
            impersonator=acting.impersonator,
            ends_at=acting.ends_at,
            lacks_factor=_lacks_factor(acting),
            lineage=acting.lineage,
        )


def _lacks_factor(acting: _Acting) -> bool:
    """A JWT without a session was made by a server, which answers for it."""
    session = acting.session
    return session is not None and len(session.factors) < acting.person.wanted_factors


def _guest(project_id: str) -> Principal:
    return Principal(
        kind=CallerKind.GUEST,
        project_id=project_id,
        scopes=scopes.GUEST_SCOPES,
        roles=permissions.guest_roles(),
    )


def _moment(unix_s: float) -> datetime:
    """The latest that there is for an end beyond it: whoever holds the signing key chose it."""
    try:
        return datetime.fromtimestamp(unix_s, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def _with_user(principal: Principal, acting: _Acting | None) -> Principal:
    """A key decides rights; a session or JWT beside it still says who the current user is."""
    if acting is None:
        return principal
    return replace(
        principal,
        user=acting.person.user,
        session=acting.session,
        session_secret=acting.secret,
        by_jwt=acting.by_jwt,
        impersonator=acting.impersonator,
        lineage=max(principal.lineage, acting.lineage, key=lambda item: len(item.functions)),
    )
