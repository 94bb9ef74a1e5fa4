"""Signing in without a password, by a secret that reached the user."""

from typing import Any, Final

from runwright.clock import Clock
from runwright.identity.errors import UserBlocked
from runwright.identity.people import save_user
from runwright.identity.policies import policies_of
from runwright.identity.proofs import Proofs, Purpose, required
from runwright.identity.sessions import Device, Opened, open_session
from runwright.model.identity import CONSOLE, Project
from runwright.ports.storage import Storage, UnitOfWork

# What a session says of how it was begun: (provider, factor).
WAYS: Final[dict[Purpose, tuple[str, str]]] = {
    Purpose.SERVER: ("token", "token"),
    Purpose.MAGIC_URL: ("magic-url", "email"),
    Purpose.EMAIL_CODE: ("token", "email"),
    Purpose.PHONE_CODE: ("phone", "phone"),
    Purpose.OAUTH2: ("oauth2", "email"),
}
# What has been proved on the way.
PROVES: Final[dict[Purpose, dict[str, Any]]] = {
    Purpose.MAGIC_URL: {"is_email_verified": True},
    Purpose.EMAIL_CODE: {"is_email_verified": True},
    Purpose.PHONE_CODE: {"is_phone_verified": True},
}


class TokenSignIn:
    """`project` is None for the console project throughout."""

    def __init__(self, storage: Storage, proofs: Proofs, clock: Clock) -> None:
        self._storage = storage
        self._proofs = proofs
        self._clock = clock

    async def trade(
        self, project: Project | None, *, user_id: str, secret: str, device: Device
    ) -> Opened:
        """Trade a token for a session; it is used up. Raises InvalidToken, UserBlocked."""
        project_id = project.id if project else CONSOLE
        policies = policies_of(project)

        def work(uow: UnitOfWork) -> Opened | None:
            user = uow.users.get(project_id, user_id)
            token = self._proofs.redeem(uow, user, secret, *WAYS) if user else None
            if user is None or token is None:
                return None
            if not user.is_active:
                raise UserBlocked()
            now, purpose = self._clock.now(), Purpose(token.purpose)
            proved = PROVES.get(purpose, {})
            if any(not getattr(user, name) for name in proved):
                user = save_user(uow, user, now, **proved)
            provider, factor = WAYS[purpose]
            return open_session(uow, user, policies, device, now, provider=provider, factor=factor)

        return required(await self._storage.write(work))
