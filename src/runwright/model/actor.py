"""Who acts right now. Events name the actor, and runs that they start continue the lineage.

The value belongs to the present task (a context variable), so that every change which a
request makes is attributed to its caller without each method handing the caller on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Self

from runwright.model.identity import CallerKind, Principal
from runwright.model.lineage import NO_LINEAGE, Lineage
from runwright.values import dataclass

_KINDS: Final = {
    CallerKind.GUEST: "user",  # who signs up or in is nobody yet
    CallerKind.USER: "user",
    CallerKind.KEY: "keyProject",
    CallerKind.ADMIN: "admin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    user_id: str = ""  # "" = a key, a guest or the platform
    session_id: str = ""  # of that user in this project
    lineage: Lineage = NO_LINEAGE
    is_trusted: bool = True  # keys, admins and the platform see what users do not
    kind: str = "platform"
    ip: str = ""
    user_agent: str = ""

    @classmethod
    def of(cls, principal: Principal, *, ip: str = "", user_agent: str = "") -> Self:
        is_admin = principal.kind is CallerKind.ADMIN
        has_session = principal.session is not None and not is_admin
        return cls(
            user_id=principal.user_id,
            session_id=principal.session.id if has_session and principal.session else "",
            lineage=principal.lineage,
            is_trusted=principal.is_trusted,
            kind="impersonator" if principal.impersonator else _KINDS[principal.kind],
            ip=ip,
            user_agent=user_agent,
        )


PLATFORM: Final = Actor()
_ACTOR: Final[ContextVar[Actor]] = ContextVar("actor", default=PLATFORM)


def acting() -> Actor:
    return _ACTOR.get()


def act_as(actor: Actor) -> None:
    """For the rest of the present task."""
    _ACTOR.set(actor)


@contextmanager
def acts(actor: Actor) -> Iterator[None]:
    token = _ACTOR.set(actor)
    try:
        yield
    finally:
        _ACTOR.reset(token)
