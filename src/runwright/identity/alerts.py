"""Telling people of new sign-ins to their accounts, where the project wants that.

Who has just read a letter of ours to sign in needs no other, and a first sign-in surprises
nobody. A letter that cannot be sent keeps nobody from signing in.
"""

import logging

from runwright.clock import iso_millis
from runwright.identity.errors import SmtpDisabled
from runwright.identity.policies import policies_of
from runwright.identity.sessions import Device, Opened
from runwright.model.identity import Project
from runwright.ports.mailer import Letter, Mailer, TooManyLetters
from runwright.ports.storage import UnitOfWork
from runwright.user_agents import parse_user_agent

log = logging.getLogger(__name__)


class Alerts:
    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    def tell(
        self, uow: UnitOfWork, project: Project | None, opened: Opened, device: Device
    ) -> None:
        """Part of the unit of work that has opened the session."""
        user = opened.user
        if not policies_of(project).alerts_sessions or not user.email:
            return
        if len(uow.sessions.find(user.project_id, user_id=user.id)) < 2:
            return
        seen = parse_user_agent(device.user_agent)
        letter = Letter(
            occasion="sessionAlert",
            kind="email",
            to=user.email,
            name=user.name,
            locale=device.locale,
            facts=(
                ("date", iso_millis(opened.session.created_at)),
                ("ipAddress", device.ip),
                ("agentDevice", " ".join(filter(None, (seen.device_brand, seen.device_name)))),
                ("agentClient", seen.client_name),
                ("agentOs", seen.os_name),
            ),
        )
        try:
            self._mailer.require(project, "email")
            self._mailer.post(uow, project, letter)
        except (SmtpDisabled, TooManyLetters) as exc:
            extra = {"project_id": user.project_id, "reason": exc.type}
            log.warning("a sign-in was not told of", extra=extra)
