"""What the settings say of mail."""

from pathlib import Path

from runwright.letters.ways import Sender, relay_from, sender_from
from runwright.outgoing.mail_folder import FOLDER
from runwright.ports.carrier import Relay
from runwright.settings import BadSetting, Settings


def relay(settings: Settings) -> Relay | None:
    if not settings.smtp_url:
        return None
    try:
        return relay_from(settings.smtp_url)
    except ValueError as exc:
        raise BadSetting(f"RUNWRIGHT_SMTP_URL: {exc}") from exc


def sender(settings: Settings) -> Sender:
    if not settings.mail_from:
        return Sender(email=f"no-reply@{settings.domain[0]}")
    try:
        return sender_from(settings.mail_from)
    except ValueError as exc:
        raise BadSetting(f"RUNWRIGHT_MAIL_FROM: {exc}") from exc


def where_mail_goes(settings: Settings) -> str:
    """For people: in one line. Raises BadSetting."""
    found = relay(settings)
    if found is not None:
        return f"to {found.host}:{found.port}"
    if settings.mail_folder == "on":
        return f"into the folder {Path(settings.data_dir) / FOLDER} (runwright mail list)"
    return "nowhere: no mail server is set and the mail folder is off"
