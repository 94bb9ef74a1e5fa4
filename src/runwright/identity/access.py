"""Whether an identified caller may go on: service switches, scopes, state of the user.

The order in which a request is put to these is part of the API, see `api/checks.py`.
"""

from collections.abc import Collection

import msgspec

from runwright.errors import UnauthorizedScope
from runwright.identity import refusals
from runwright.identity.errors import UserBlocked
from runwright.model.identity import CallerKind, Principal, Project

_PROTOCOLS = {"rest": "REST", "graphql": "GraphQL"}
_ADMIN_ROLES = ("owner", "admin", "developer")


def require_service(
    principal: Principal, project: Project | None, service: str, protocol: str = "rest"
) -> None:
    """Keys and admins are exempt. Raises ServiceDisabled, ApiDisabled."""
    if project is None or principal.is_trusted:
        return
    if service and service in project.disabled_services:
        raise refusals.ServiceDisabled(service)
    if protocol in project.disabled_protocols:
        raise refusals.ApiDisabled(_PROTOCOLS[protocol])


def require_scope(principal: Principal, wanted: Collection[str], host: str) -> None:
    """One of `wanted` is enough; none wanted, none needed. Raises UnauthorizedScope."""
    if wanted and principal.scopes.isdisjoint(wanted):
        missing = msgspec.json.encode(list(wanted)).decode()
        raise UnauthorizedScope(f"{_called(principal, host)} missing scopes ({missing})")


def require_good_standing(principal: Principal) -> None:
    """Judges the signed-in user, and whoever impersonates it; a key stands for itself.

    Raises UserBlocked, PasswordResetRequired.
    """
    user = principal.user
    if user is None or principal.kind is CallerKind.KEY:
        return
    if principal.impersonator is not None:
        require_good_standing(principal.impersonator)
    if not user.is_active:
        raise UserBlocked
    if user.needs_reset:
        raise refusals.PasswordResetRequired


def require_factors(principal: Principal, *, is_way_to_give_it: bool = False) -> None:
    """A session that still owes its second factor opens nothing but the way to give it.

    Holds for JWTs bound to such a session too, and for whoever would act as another user with
    it; a key stands for itself. Raises MoreFactorsRequired.
    """
    if principal.kind is CallerKind.KEY:
        return
    if principal.impersonator is not None:
        require_factors(principal.impersonator)
    if principal.lacks_factor and not is_way_to_give_it:
        raise refusals.MoreFactorsRequired


def _called(principal: Principal, host: str) -> str:
    match principal.kind:
        case CallerKind.KEY:
            return f"app.{principal.project_id}@service.{host} (role: applications)"
        case CallerKind.GUEST:
            return "User (role: guests)"
        case CallerKind.USER:
            return f"{_email(principal)} (role: users)"
    role = next((role for role in _ADMIN_ROLES if role in principal.roles), "users")
    return f"{_email(principal)} (role: {role})"


def _email(principal: Principal) -> str:
    return (principal.user.email if principal.user else None) or "User"
