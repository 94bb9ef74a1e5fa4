"""Which errors a route can answer, by status.

Those of the checks before a handler follow from the row of the route. Those of the handler, and of
credentials, are read from the code by `tools/refusals.py` and kept in `refusals.json`, one row per
route; the tests hold every refusal they see against both.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from runwright import errors
from runwright.api.cors import UnknownOrigin
from runwright.api.guessing import GUESSABLE
from runwright.api.params import declared
from runwright.api.replies import PUBLIC_STATUSES
from runwright.api.routing import Nothing, Route
from runwright.identity import refusals
from runwright.identity.errors import UserBlocked

FILE: Final = "refusals.json"
CALLERS: Final = "*"  # the row of what credentials are refused with, at every route
CRASH: Final = "general_unknown"  # of what nobody foresaw

Kind = type[errors.RunwrightError]
_ALWAYS: Final[tuple[Kind, ...]] = (
    errors.BadRequest,  # too large, too many parameters
    refusals.OtherProject,
    refusals.MoreFactorsRequired,
    refusals.ApiDisabled,
    refusals.PasswordResetRequired,
    UserBlocked,
    errors.RunwrightError,
    errors.ServiceUnavailable,
)
_FOR_EVERYBODY: Final = frozenset({"public", "global"})


def refused(route: Route) -> Mapping[int, tuple[str, ...]]:
    """Error types by status, both in order."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for kind in _before(route):
        found[shown_status(kind.status)].add(kind.type)
    known = known_handlers()
    for line in (*known[CALLERS], *known.get(route.name, ())):
        status, _, name = line.partition(" ")
        found[int(status)].add(name)
    if route.method != "GET":
        found[408].add(errors.BadRequest.type)  # a body that takes too long
    found[500].add(CRASH)
    return {status: tuple(sorted(found[status])) for status in sorted(found)}


def shown_status(status: int) -> int:
    return status if status in PUBLIC_STATUSES else 500


def _before(route: Route) -> Iterator[Kind]:
    """Those of the checks that `api/app.py` makes before it calls the handler."""
    yield from _ALWAYS
    if declared(route.params or Nothing):
        yield errors.BadArgument
    if route.scopes and _FOR_EVERYBODY.isdisjoint(route.scopes):
        yield errors.UnauthorizedScope
    if not route.is_open_origin:
        yield UnknownOrigin
    if "{" in route.paths[0]:
        yield errors.RouteNotFound  # a value with a slash makes another path
    if route.service:
        yield refusals.ServiceDisabled
    if route.group in ("functions", "project", "projects", "console"):
        yield errors.AccessForbidden
    if route.group == "session":
        yield refusals.SignedInAlready
    if route.auth_method:
        yield refusals.AuthMethodDisabled
    if route.limit is not None or route.name in GUESSABLE:
        yield errors.RateLimited


@cache
def known_handlers() -> Mapping[str, list[str]]:
    """Lines of status and type by the name of a route, and those of `CALLERS`."""
    text = (resources.files("runwright.api") / FILE).read_bytes()
    return msgspec.json.decode(text, type=dict[str, list[str]])
