"""A letter as it is sent: the words filled in, the headers, the two forms of the body."""

from collections.abc import Mapping
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final

from runwright.letters.placeholders import (
    Values,
    as_html,
    as_line,
    as_text,
    is_html,
    needs,
    page,
    text_of,
)
from runwright.letters.ways import Sender, Way
from runwright.letters.words import WORDS, Words
from runwright.model.identity import Project
from runwright.model.job import Job
from runwright.model.mail import MailTemplate
from runwright.ports.carrier import Parcel
from runwright.ports.mailer import Letter

# For who looks into the folder.
_PROJECT: Final = "X-Runwright-Project"
_KIND: Final = "X-Runwright-Kind"
_OCCASION: Final = "X-Runwright-Occasion"
_PHONE: Final = "X-Runwright-Phone"
_NAME_CHARS: Final = 128
_READABLE_CHARS: Final = 65_536


class CannotWrite(Exception):
    """The letter cannot be expressed as mail; the text says why and repeats no address."""


def write(
    letter: Letter,
    way: Way,
    job: Job,
    project: Project | None,
    template: MailTemplate | None = None,
) -> Parcel:
    """Raises CannotWrite."""
    values = _values(letter, project)
    words = WORDS[letter.occasion]
    message = EmailMessage(policy=SMTP)
    try:
        if letter.kind == "sms":
            message[_PHONE] = as_line(letter.to, {})
            _set_text(message, as_line(words.sms or words.subject, values))
        else:
            _address(message, letter, _sender(way.sender, template))
            _fill(message, words, template, values)
            if message.is_multipart():  # the same at each try, and nothing that can be in a part
                message.set_boundary(f"=_{job.id}")
        _mark(message, letter, way, job, project)
        return Parcel(
            id=job.id,
            sender=way.sender.email,
            recipient=letter.to,
            message=message.as_bytes(),
        )
    except (ValueError, MessageError, IndexError) as exc:  # what the library raises for addresses
        raise CannotWrite("an address or a header cannot be written as mail") from exc


def _values(letter: Letter, project: Project | None) -> Values:
    facts: Mapping[str, Any] = dict(letter.facts)
    values = {name: _plain(value) for name, value in facts.items()}
    name = as_line(letter.name, {})[:_NAME_CHARS]
    values["user"] = values["name"] = name
    values["hello"] = f"Hello {name}," if name else "Hello,"
    values.setdefault("project", project.name if project is not None else "Runwright")
    values.setdefault("redirect", values.get("url", ""))
    return values


def _plain(value: Any) -> str:
    return "" if value is None else as_line(str(value), {})


def _sender(sender: Sender, template: MailTemplate | None) -> Sender:
    if template is None:
        return sender
    return Sender(
        email=template.sender_email or sender.email,
        name=template.sender_name or sender.name,
        reply_to_email=template.reply_to_email or sender.reply_to_email,
        reply_to_name=template.reply_to_name or sender.reply_to_name,
    )


def _address(message: EmailMessage, letter: Letter, sender: Sender) -> None:
    message["From"] = _named(sender.name, sender.email)
    message["To"] = _named(letter.name, letter.to)
    if sender.reply_to_email:
        message["Reply-To"] = _named(sender.reply_to_name, sender.reply_to_email)


def _named(name: str, email: str) -> Address:
    return Address(display_name=as_line(name, {})[:_NAME_CHARS], addr_spec=email)


def _fill(
    message: EmailMessage, words: Words, template: MailTemplate | None, values: Values
) -> None:
    subject, body = words.subject, ""
    if template is not None:
        subject, body = template.subject or subject, template.message
    message["Subject"] = as_line(subject, values)
    values = {**values, "subject": message["Subject"]}
    if not body:
        paragraphs = tuple(
            text for text in words.paragraphs if all(values.get(name) for name in needs(text))
        )
        _set_text(message, as_text("\n\n".join(paragraphs) + "\n", values))
        _add_html(message, as_html(page(paragraphs), values))
    elif is_html(body):
        shown = as_html(body, values)
        _set_text(message, text_of(shown) + "\n")
        _add_html(message, shown)
    else:
        _set_text(message, as_text(body, values))


def _set_text(message: EmailMessage, text: str) -> None:
    message.set_content(text, cte=_encoding(text))


def _add_html(message: EmailMessage, text: str) -> None:
    message.add_alternative(text, subtype="html", cte=_encoding(text))


def _encoding(text: str) -> str:
    """Readable where that does not take long: the library needs seconds for megabytes."""
    return "quoted-printable" if len(text) <= _READABLE_CHARS else "base64"


def _mark(
    message: EmailMessage, letter: Letter, way: Way, job: Job, project: Project | None
) -> None:
    domain = way.sender.email.rpartition("@")[2]
    message["Date"] = format_datetime(job.created_at)
    message["Message-ID"] = f"<{job.id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    if way.relay is None:
        message[_PROJECT] = job.project_id
        message[_KIND] = letter.kind
        message[_OCCASION] = letter.occasion
