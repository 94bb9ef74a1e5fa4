"""Letters to people: e-mails and text messages."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from runwright.model.identity import Project
from runwright.ports.storage import UnitOfWork

Occasion = Literal[
    "verification",
    "magicSession",
    "recovery",
    "invitation",
    "mfaChallenge",
    "sessionAlert",
    "otpSession",
]  # the e-mail templates that a project may change


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is to be told to whom; the project's template of the occasion gives the words."""

    occasion: Occasion
    kind: Literal["email", "sms"]
    to: str  # an e-mail address, or a phone number in E.164
    name: str = ""  # of the person
    locale: str = "en"
    facts: tuple[tuple[str, Any], ...] = ()  # what templates may show: url, otp, phrase, team, ...


class Mailer(Protocol):
    def require(self, project: Project | None, kind: Literal["email", "sms"]) -> None:
        """Raises SmtpDisabled or PhoneDisabled when nothing could be sent; asked before anything
        else is looked at. `project` is None for the console project."""

    def post(self, uow: UnitOfWork, project: Project | None, letter: Letter) -> None:
        """Hand a letter over within a transaction: it is sent after the commit, or never."""
