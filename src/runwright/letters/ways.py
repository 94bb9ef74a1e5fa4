"""Where a letter goes: the project's own mail server, that of the installation, or the folder.

Text messages go to the folder, as there is nobody who would send them.
"""

from email.headerregistry import Address
from email.utils import parseaddr
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from runwright.identity.errors import PhoneDisabled, SmtpDisabled
from runwright.identity.mail import MailServer, mail_of
from runwright.model.identity import Project
from runwright.ports.carrier import Relay, Security
from runwright.sealing import CannotOpen, Sealer
from runwright.values import dataclass

Kind = Literal["email", "sms"]

_SECURITY: Final[dict[str, Security]] = {"smtp": "any", "smtps": "tls", "starttls": "starttls"}
_PORTS: Final = {"smtp": 25, "smtps": 465, "starttls": 587}
_OF_PROJECTS: Final[dict[str, Security]] = {"": "any", "tls": "starttls", "ssl": "tls"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who a letter comes from, and who is answered."""

    email: str
    name: str = ""
    reply_to_email: str = ""
    reply_to_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    sender: Sender
    relay: Relay | None = None  # None = the folder
    is_own: bool = False  # the project's own mail server


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What the operator has set up."""

    sender: Sender
    relay: Relay | None = None
    has_folder: bool = True
    # Hosts that a project may name though they are in a private network.
    hosts: frozenset[str] = frozenset()
    sealer: Sealer

    def require(self, project: Project | None, kind: Kind) -> None:
        """Raises SmtpDisabled, PhoneDisabled."""
        if self.has_folder:
            return
        if kind == "sms":
            raise PhoneDisabled()
        if self.relay is None and not (project is not None and mail_of(project).is_enabled):
            raise SmtpDisabled()

    def of(self, project: Project | None, kind: Kind) -> Way | None:
        """The way of a letter now; None when there is none."""
        if kind == "email":
            server = mail_of(project) if project is not None else MailServer()
            if project is not None and server.is_enabled:
                return Way(
                    sender=_sender_of(server),
                    relay=self.relay_of(project, server),
                    is_own=True,
                )
            if self.relay is not None:
                return Way(sender=self._named(project), relay=self.relay)
        return Way(sender=self._named(project)) if self.has_folder else None

    def relay_of(self, project: Project, server: MailServer, password: str | None = None) -> Relay:
        """The mail server of a project. `password`: instead of the one that is stored."""
        if password is None:
            password = self._password(project)
        return Relay(
            host=server.host,
            port=server.port,
            username=server.username,
            password=password,
            security=_OF_PROJECTS[server.secure],
            is_trusted=server.host.lower() in self.hosts,
        )

    def _password(self, project: Project) -> str:
        if not project.sealed_mail_password:
            return ""
        try:
            return self.sealer.open(project.sealed_mail_password, f"mail:{project.id}").decode()
        except CannotOpen:  # the installation's key was changed: the server will say what follows
            return ""

    def _named(self, project: Project | None) -> Sender:
        if self.sender.name or project is None:
            return self.sender
        return Sender(email=self.sender.email, name=project.name)


def _sender_of(server: MailServer) -> Sender:
    return Sender(
        email=server.sender_email,
        name=server.sender_name,
        reply_to_email=server.reply_to_email,
        reply_to_name=server.reply_to_name,
    )


def relay_from(url: str) -> Relay:
    """A mail server as a setting names it: `smtps://user:password@mail.example.com`.

    Raises ValueError with what is wrong; the text repeats nothing of the URL.
    """
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError as exc:
        raise ValueError("it is no URL") from exc
    if split.scheme not in _SECURITY:
        raise ValueError(f"its scheme must be one of {', '.join(_SECURITY)}")
    if not split.hostname or split.path not in ("", "/") or split.query or split.fragment:
        raise ValueError("it must be scheme://user:password@host:port and nothing more")
    return Relay(
        host=split.hostname,
        port=port or _PORTS[split.scheme],
        username=unquote(split.username or ""),
        password=unquote(split.password or ""),
        security=_SECURITY[split.scheme],
        is_trusted=True,
    )


def sender_from(text: str) -> Sender:
    """`Name <address>` or an address. Raises ValueError."""
    name, email = parseaddr(text)
    try:
        Address(addr_spec=email)
    except Exception as exc:  # what the parser raises has no common class
        raise ValueError("it must be an address or `Name <address>`") from exc
    if "@" not in email or "\n" in text or "\r" in text:
        raise ValueError("it must be an address or `Name <address>`")
    return Sender(email=email, name=name)
