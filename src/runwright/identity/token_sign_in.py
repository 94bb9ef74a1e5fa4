"""Signing in without a password, by a secret that reached the user."""

from dataclasses import replace
from typing import Any, Final

from runwright.clock import Clock
from runwright.identity.accounts import Accounts
from runwright.identity.alerts import Alerts
from runwright.identity.errors import UserBlocked
from runwright.identity.letters import code_text, email_letter, link_values
from runwright.identity.links import with_query
from runwright.identity.mock_phones import mock_code
from runwright.identity.oauth.link import Link, attach, check_free
from runwright.identity.people import add_user, by_email, by_phone, save_user
from runwright.identity.phrases import new_phrase
from runwright.identity.policies import Policies, policies_of
from runwright.identity.proofs import NewToken, Proofs, Purpose, required
from runwright.identity.sessions import Device, Opened, open_session
from runwright.ids import resolve
from runwright.model.identity import CONSOLE, Project, Token, User
from runwright.ports.mailer import Mailer
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

# What a session says of how it was begun: (provider, factor).
WAYS: Final[dict[Purpose, tuple[str, str]]] = {
    Purpose.SERVER: ("token", "token"),
    Purpose.MAGIC_URL: ("magic-url", "email"),
    Purpose.EMAIL_CODE: ("token", "email"),
    Purpose.PHONE_CODE: ("phone", "phone"),
    Purpose.OAUTH2: ("oauth2", "email"),
    Purpose.PASSKEY: ("passkey", "passkey"),
}
# The device made sure of its user, so a passkey is two factors at once.
MORE_FACTORS: Final[dict[Purpose, tuple[str, ...]]] = {Purpose.PASSKEY: ("user-verification",)}
# Whoever shows one of these has a letter of ours open.
READ_JUST_NOW: Final = frozenset({Purpose.MAGIC_URL, Purpose.EMAIL_CODE})
# What has been proved on the way.
PROVES: Final[dict[Purpose, dict[str, Any]]] = {
    Purpose.MAGIC_URL: {"is_email_verified": True},
    Purpose.EMAIL_CODE: {"is_email_verified": True},
    Purpose.PHONE_CODE: {"is_phone_verified": True},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who wants to sign in, and how they are to be written to."""

    user_id: str  # of the new user, if nobody has the address yet
    locale: str = "en"
    with_phrase: bool = False
    ip: str = ""


class TokenSignIn:
    """`project` is None for the console project throughout.

    An address that nobody has makes a new user. What asks for a letter raises SmtpDisabled or
    PhoneDisabled before anything else, and then UserExists, UserCountExceeded,
    ConsoleSignupClosed, TooManyLetters, what `check_email` raises.
    """

    def __init__(
        self,
        storage: Storage,
        proofs: Proofs,
        mailer: Mailer,
        clock: Clock,
        accounts: Accounts,
        *,
        alerts: Alerts,
    ) -> None:
        self._storage = storage
        self._proofs = proofs
        self._mailer = mailer
        self._clock = clock
        self._accounts = accounts
        self._alerts = alerts

    async def send_link(
        self, project: Project | None, asked: Asked, *, email: str, url: str
    ) -> NewToken:
        """E-mail a link to `url`, with what `trade` takes in its query."""
        self._mailer.require(project, "email")

        def work(uow: UnitOfWork) -> NewToken:
            user = by_email(uow, _id(project), email) or self._sign_up(
                uow, project, asked, email=email
            )
            made = self._issue(uow, user, Purpose.MAGIC_URL, email, asked)
            link = with_query(url, **link_values(made), project=user.project_id)
            self._mailer.post(
                uow, project, email_letter("magicSession", user, made, asked.locale, url=link)
            )
            return made

        return await self._storage.write(work)

    async def send_email_code(
        self, project: Project | None, asked: Asked, *, email: str
    ) -> NewToken:
        self._mailer.require(project, "email")

        def work(uow: UnitOfWork) -> NewToken:
            user = by_email(uow, _id(project), email) or self._sign_up(
                uow, project, asked, email=email
            )
            made = self._issue(uow, user, Purpose.EMAIL_CODE, email, asked)
            self._mailer.post(
                uow, project, email_letter("otpSession", user, made, asked.locale, otp=made.secret)
            )
            return made

        return await self._storage.write(work)

    async def send_phone_code(
        self, project: Project | None, asked: Asked, *, phone: str
    ) -> NewToken:
        """To a mock phone nothing is sent, so it works without a provider of texts, too."""
        mock = mock_code(policies_of(project), phone)
        if not mock:
            self._mailer.require(project, "sms")

        def work(uow: UnitOfWork) -> NewToken:
            user = by_phone(uow, _id(project), phone) or self._sign_up(
                uow, project, asked, phone=phone
            )
            made = self._issue(uow, user, Purpose.PHONE_CODE, phone, asked, secret=mock)
            if not mock:
                self._mailer.post(uow, project, code_text("otpSession", user, made, asked.locale))
            return made

        return await self._storage.write(work)

    def _sign_up(
        self,
        uow: UnitOfWork,
        project: Project | None,
        asked: Asked,
        *,
        email: str | None = None,
        phone: str | None = None,
    ) -> User:
        self._accounts.admit(uow, project, email=email, ip=asked.ip)
        now = self._clock.now()
        user = User(
            id=resolve(asked.user_id),
            project_id=_id(project),
            created_at=now,
            updated_at=now,
            registration=now,
            email=email,
            phone=phone,
        )
        return add_user(uow, user)

    def _issue(
        self,
        uow: UnitOfWork,
        user: User,
        purpose: Purpose,
        sent_to: str,
        asked: Asked,
        secret: str = "",
    ) -> NewToken:
        made = self._proofs.issue(uow, user, purpose, sent_to=sent_to, secret=secret)
        return replace(made, phrase=new_phrase() if asked.with_phrase else "")

    async def trade(
        self, project: Project | None, *, user_id: str, secret: str, device: Device
    ) -> Opened:
        """Trade a token for a session; it is used up, and an identity that it carries becomes
        the user's. Raises InvalidToken, UserBlocked, and what `check_free` raises."""

        def work(uow: UnitOfWork) -> Opened | None:
            user = uow.users.get(_id(project), user_id)
            token = self._proofs.redeem(uow, user, secret, *WAYS) if user else None
            if user is None or token is None:
                return None
            if not user.is_active:
                raise UserBlocked()
            user = self._proved(uow, user, token, policies_of(project))
            return self._open(uow, project, user, Purpose(token.purpose), device)

        return required(await self._storage.write(work))

    def _proved(self, uow: UnitOfWork, user: User, token: Token, policies: Policies) -> User:
        """The user with what the token proves. Raises what `check_free` raises."""
        now, proved = self._clock.now(), PROVES.get(Purpose(token.purpose), {})
        if any(not getattr(user, name) for name in proved):
            user = save_user(uow, user, now, **proved)
        if token.link:
            link = Link.read(token.link)
            check_free(uow, user, link, policies)
            user = attach(uow, user, link, now)
        return user

    def _open(
        self,
        uow: UnitOfWork,
        project: Project | None,
        user: User,
        purpose: Purpose,
        device: Device,
    ) -> Opened:
        provider, factor = WAYS[purpose]
        opened = open_session(
            uow,
            user,
            policies_of(project),
            device,
            self._clock.now(),
            provider=provider,
            factor=factor,
            more_factors=MORE_FACTORS.get(purpose, ()),
        )
        if purpose not in READ_JUST_NOW:
            self._alerts.tell(uow, project, opened, device)
        return opened


def _id(project: Project | None) -> str:
    return project.id if project else CONSOLE
