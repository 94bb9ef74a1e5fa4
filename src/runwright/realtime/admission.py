"""Who may hold a connection, judged when it opens and again whenever that may have changed."""

from collections.abc import Awaitable, Callable, Sequence

from runwright.identity import access, refusals
from runwright.identity.authentication import Authenticator, Credentials
from runwright.identity.errors import ProjectNotFound
from runwright.model.identity import CONSOLE, Platform, Principal
from runwright.realtime.errors import AgainstPolicy
from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """A client that asks for a connection, as its request says."""

    credentials: Credentials
    origin: str = ""
    client_ip: str = ""
    host: str = ""
    asked: Sequence[tuple[str, str]] = ()  # pairs of the query string

    @property
    def project_id(self) -> str:
        return self.credentials.project_id or CONSOLE


# Why a browser's page may not connect, "" when it may.
OriginRefusal = Callable[[Visitor, Sequence[Platform]], Awaitable[str]]


class Admission:
    def __init__(self, authenticator: Authenticator, origin_refusal: OriginRefusal) -> None:
        self._authenticator = authenticator
        self._origin_refusal = origin_refusal

    async def judge(self, visitor: Visitor) -> Principal:
        """Who it is. Raises AgainstPolicy, or what the API refuses such a caller with."""
        sent = visitor.credentials
        found = await self._authenticator.resolve(sent)
        if isinstance(found.late, ProjectNotFound):
            raise AgainstPolicy("Missing or unknown project ID")
        if found.early is not None:
            raise found.early
        if visitor.origin and not sent.key:
            refusal = await self._origin_refusal(visitor, found.platforms)
            if refusal:
                raise AgainstPolicy(refusal)
        if found.late is not None:
            raise found.late
        principal, project = found.principal, found.project
        is_off = project is not None and "websocket" in project.disabled_protocols
        if is_off and not principal.is_trusted:
            raise refusals.ApiDisabled("Realtime")
        access.require_good_standing(principal)
        access.require_factors(principal)
        return principal
