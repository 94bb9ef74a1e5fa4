"""Open connections that hear of events."""

from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl

from runwright.api.auth import arrive, credentials
from runwright.api.cors import Origins, RuleProject, UnknownOrigin
from runwright.api.forms import MAX_PAIRS
from runwright.api.limits import Limiter
from runwright.api.routing import Limit
from runwright.api.shapes import identity as shapes
from runwright.errors import RateLimited
from runwright.identity.people import person
from runwright.model.identity import Platform, User
from runwright.proxies import Proxies
from runwright.realtime.admission import Admission, OriginRefusal, Visitor
from runwright.realtime.errors import TooMuch
from runwright.realtime.hub import Hub, Interest
from runwright.realtime.socket import Realtime
from runwright.realtime.ticks import Ticks
from runwright.settings import Settings
from runwright.values import dataclass
from runwright.wiring.core import Core

CONNECTIONS: Final = Limit(calls=128, window_s=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    hub: Hub
    sockets: Realtime


async def start_realtime(
    settings: Settings,
    core: Core,
    interest: Interest,
    rule_project: RuleProject,
    stack: AsyncExitStack,
) -> Listening:
    async def team_of(project_id: str) -> str:
        project = await core.authenticator.project(project_id)
        return project.team_id if project is not None else ""

    async def account(user: User) -> dict[str, Any]:
        return shapes.account(await core.storage.read(lambda uow: person(uow, user)))

    hub = Hub(interest, team_of)
    admission = Admission(core.authenticator, _origin_refusal(settings, rule_project))
    ticks = Ticks(hub, core.clock, team_of)
    for part in (hub, ticks):
        part.start()
        stack.push_async_callback(part.stop)
    has_limits = settings.rate_limits == "on"
    limiter = Limiter(core.clock, is_on=has_limits)
    proxies = Proxies(settings.trusted_proxies)

    def count(visitor: Visitor) -> None:
        facts = {"ip": visitor.client_ip, "url": visitor.host}
        try:
            limiter.count(CONNECTIONS, facts, is_exempt=False)
        except RateLimited as exc:
            raise TooMuch("Too many requests") from exc

    sockets = Realtime(
        hub=hub,
        standing=core.authenticator.standing,
        admission=admission,
        clock=core.clock,
        visit=lambda scope: visitor_of(scope, proxies),
        count=count,
        account=account,
        has_limits=has_limits,
    )
    return Listening(hub=hub, sockets=sockets)


def visitor_of(scope: MutableMapping[str, Any], proxies: Proxies) -> Visitor:
    """Raises BadRequest when the query string has too many parameters."""
    arrival = arrive({**scope, "method": "GET"}, proxies)
    sent = credentials(arrival, None, arrival.query)
    text: Mapping[str, Any] = {
        name: value for name, value in arrival.query.items() if isinstance(value, str)
    }
    # Browsers can set no headers on a web socket, so a token may come in the address.
    sent = replace(sent, jwt=sent.jwt or text.get("jwt", ""))
    query = scope.get("query_string", b"").decode("latin-1")
    return Visitor(
        credentials=sent,
        origin=arrival.headers.get("origin", ""),
        client_ip=arrival.client_ip,
        host=arrival.host,
        asked=parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PAIRS),
    )


def _origin_refusal(settings: Settings, rule_project: RuleProject) -> OriginRefusal:
    origins = Origins(settings.domain, rule_project)

    async def refusal(visitor: Visitor, platforms: Sequence[Platform]) -> str:
        if visitor.credentials.is_admin:
            # Clients of a project must not act with their visitor's console session.
            is_allowed = origins.is_own(visitor.origin)
        else:
            is_allowed = await origins.allows(visitor.origin, visitor.project_id, platforms)
        return "" if is_allowed else str(UnknownOrigin(visitor.origin))

    return refusal
