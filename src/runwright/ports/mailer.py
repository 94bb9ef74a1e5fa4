"""Letters to people: e-mails and text messages."""

from typing import Any, Literal, Protocol

from runwright.errors import RateLimited
from runwright.model.identity import Project
from runwright.ports.storage import UnitOfWork
from runwright.values import dataclass

Occasion = Literal[
    "verification",
    "magicSession",
    "recovery",
    "invitation",
    "mfaChallenge",
    "sessionAlert",
    "otpSession",
    "otpVerification",
    "otpRecovery",
    "smtpTest",
    "webhookOff",
]  # a project may change the words for all but the last two


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is to be told to whom; the project's template of the occasion gives the words."""

    occasion: Occasion
    kind: Literal["email", "sms"]
    to: str  # an e-mail address, or a phone number in E.164
    name: str = ""  # of the person
    locale: str = "en"
    # What templates may show: url (the link, secret included), otp, phrase, team, owner, ...
    facts: tuple[tuple[str, Any], ...] = ()


class TooManyLetters(RateLimited):
    def __init__(self) -> None:
        super().__init__(
            "Too many letters of this project wait to be sent. Try again in a few minutes."
        )


class Mailer(Protocol):
    def require(self, project: Project | None, kind: Literal["email", "sms"]) -> None:
        """Raises SmtpDisabled or PhoneDisabled when nothing could be sent; asked before anything
        else is looked at. `project` is None for the console project."""

    def post(self, uow: UnitOfWork, project: Project | None, letter: Letter) -> None:
        """Hand a letter over within a transaction: it is sent after the commit, or never.

        Raises TooManyLetters when too many of the project wait already.
        """
