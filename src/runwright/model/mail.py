"""The words of a project for one occasion and one language."""

from datetime import datetime

from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MailTemplate:
    """ "" leaves a part as it is by default."""

    id: str  # `<occasion>-<locale>`
    project_id: str
    created_at: datetime
    updated_at: datetime
    occasion: str
    locale: str
    subject: str = ""
    message: str = ""  # plain or HTML, with placeholders
    sender_name: str = ""
    sender_email: str = ""
    reply_to_name: str = ""
    reply_to_email: str = ""
