"""Telling the owners of a project that one of its webhooks was switched off."""

import logging

from runwright.identity.errors import SmtpDisabled
from runwright.identity.teams import OWNER
from runwright.model.identity import CONSOLE, User
from runwright.model.webhook import Webhook
from runwright.ports.mailer import Letter, Mailer, TooManyLetters
from runwright.ports.storage import UnitOfWork

log = logging.getLogger(__name__)


def tell_owners(uow: UnitOfWork, mailer: Mailer, webhook: Webhook) -> None:
    """Part of the unit of work that switches it off. Without mail the log is all there is.

    The letters are the installation's, not the project's: they go to console accounts.
    """
    project = uow.projects.get(CONSOLE, webhook.project_id)
    if project is None:
        return
    facts = (
        ("project", project.name),
        ("webhook", webhook.name),
        ("url", webhook.url),
        ("attempts", webhook.attempts),
    )
    try:
        mailer.require(None, "email")
        for owner in _owners(uow, project.team_id):
            if owner.email:
                letter = Letter(
                    occasion="webhookOff",
                    kind="email",
                    to=owner.email,
                    name=owner.name,
                    facts=facts,
                )
                mailer.post(uow, None, letter)
    except (SmtpDisabled, TooManyLetters) as exc:
        extra = {"webhook_id": webhook.id, "reason": exc.type}
        log.warning("owners were not told of a webhook that was switched off", extra=extra)


def _owners(uow: UnitOfWork, team_id: str) -> list[User]:
    members = uow.memberships.find(CONSOLE, team_id=team_id, is_confirmed=True)
    ids = [item.user_id for item in members if OWNER in item.roles]
    return list(uow.users.find(CONSOLE, id=ids)) if ids else []
