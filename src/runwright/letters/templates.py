"""The words that a project chooses for its letters, for each occasion and language.

They hold where the project itself answers for what is sent: at its own mail server, and in the
mail folder. Letters that leave by the installation's mail server have the installation's words.
"""

from dataclasses import fields, replace
from typing import Final

from runwright.clock import Clock
from runwright.errors import BadArgument
from runwright.letters.placeholders import PLACEHOLDER, page
from runwright.letters.words import WORDS
from runwright.model.mail import MailTemplate
from runwright.model.query import ListQuery, Page
from runwright.ports.mailer import Occasion
from runwright.ports.storage import Storage, UnitOfWork
from runwright.values import dataclass

DEFAULT_LOCALE: Final = "en"
OCCASIONS: Final[tuple[Occasion, ...]] = (
    "verification",
    "magicSession",
    "recovery",
    "invitation",
    "mfaChallenge",
    "sessionAlert",
    "otpSession",
    "otpVerification",
    "otpRecovery",
)
MAX_MESSAGE_CHARS: Final = 10 * 1024 * 1024
MAX_PROJECT_CHARS: Final = 4 * MAX_MESSAGE_CHARS  # of the messages of one project together
MAX_PLACEHOLDERS: Final = 1000  # in one message: a value takes more room than its placeholder


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateChange:
    """None leaves a part as it is, "" gives it its default."""

    subject: str | None = None
    message: str | None = None
    sender_name: str | None = None
    sender_email: str | None = None
    reply_to_name: str | None = None
    reply_to_email: str | None = None


class MailTemplates:
    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def get(self, project_id: str, occasion: Occasion, locale: str) -> MailTemplate:
        """With the default words where the project has none of its own."""

        def work(uow: UnitOfWork) -> MailTemplate | None:
            return uow.mail_templates.get(project_id, _id(occasion, locale))

        found = await self._storage.read(work)
        return with_defaults(found or self._new(project_id, occasion, locale))

    async def list(self, project_id: str, query: ListQuery) -> Page[MailTemplate]:
        """Those that the project has changed."""
        page = await self._storage.read(lambda uow: uow.mail_templates.page(project_id, query))
        return Page(tuple(with_defaults(item) for item in page.items), page.total)

    async def update(
        self, project_id: str, occasion: Occasion, locale: str, change: TemplateChange
    ) -> MailTemplate:
        """Raises BadArgument (too large)."""
        if len(PLACEHOLDER.findall(change.message or "")) > MAX_PLACEHOLDERS:
            raise BadArgument(f"A message may have at most {MAX_PLACEHOLDERS} placeholders.")

        def work(uow: UnitOfWork) -> MailTemplate:
            old = uow.mail_templates.get(project_id, _id(occasion, locale))
            new = _changed(old or self._new(project_id, occasion, locale), change)
            new = replace(new, updated_at=self._clock.now())
            _check_room(uow, new)
            if old is None:
                uow.mail_templates.add(new)
            else:
                uow.mail_templates.put(new)
            return new

        return with_defaults(await self._storage.write(work))

    async def reset(self, project_id: str, occasion: Occasion, locale: str) -> MailTemplate:
        """Back to the default words; nothing happens when they are that already."""

        def work(uow: UnitOfWork) -> None:
            if uow.mail_templates.get(project_id, _id(occasion, locale)) is not None:
                uow.mail_templates.remove(project_id, _id(occasion, locale))

        await self._storage.write(work)
        return with_defaults(self._new(project_id, occasion, locale))

    def _new(self, project_id: str, occasion: Occasion, locale: str) -> MailTemplate:
        now = self._clock.now()
        return MailTemplate(
            id=_id(occasion, locale),
            project_id=project_id,
            created_at=now,
            updated_at=now,
            occasion=occasion,
            locale=locale,
        )


def template_for(
    uow: UnitOfWork, project_id: str, occasion: Occasion, locale: str
) -> MailTemplate | None:
    """What the project has for a language, else for the one it is a form of, else in English."""
    for code in dict.fromkeys((locale, locale.partition("-")[0], DEFAULT_LOCALE)):
        found = uow.mail_templates.get(project_id, _id(occasion, code))
        if found is not None:
            return found
    return None


def with_defaults(template: MailTemplate) -> MailTemplate:
    """With the words that are used where the project has none."""
    words = next(WORDS[occasion] for occasion in OCCASIONS if occasion == template.occasion)
    return replace(
        template,
        subject=template.subject or words.subject,
        message=template.message or page(words.paragraphs),
    )


def _id(occasion: str, locale: str) -> str:
    return f"{occasion}-{locale}"


def _changed(template: MailTemplate, change: TemplateChange) -> MailTemplate:
    given = {
        item.name: value
        for item in fields(change)
        if (value := getattr(change, item.name)) is not None
    }
    return replace(template, **given)


def _check_room(uow: UnitOfWork, new: MailTemplate) -> None:
    others = uow.mail_templates.find(new.project_id)
    used = sum(len(item.message) for item in others if item.id != new.id)
    if used + len(new.message) > MAX_PROJECT_CHARS:
        raise BadArgument(
            f"The messages of all templates may have {MAX_PROJECT_CHARS} chars together. Give "
            "another template its default message by sending an empty one."
        )
