"""What the routes below `/v1/account` have in common."""

from collections.abc import Awaitable, Callable
from typing import Any

from runwright.api.cookies import signed_in
from runwright.api.locales import letter_locale
from runwright.api.routing import Answer, Call, Group, Limit, Nothing, Route
from runwright.api.shapes import identity as shapes
from runwright.errors import UnauthorizedScope
from runwright.identity.oauth.grants import NOTHING, Grant
from runwright.identity.proofs import NewToken
from runwright.identity.sessions import Device, Opened
from runwright.model.identity import CONSOLE, Project, User
from runwright.user_agents import learn_user_agents


async def device(call: Call) -> Device:
    user_agent = call.headers.get("user-agent", "")
    await learn_user_agents([user_agent])
    return Device(call.client_ip, user_agent, letter_locale(call))


def user_of(call: Call) -> User:
    """The signed-in user. A key with the right scope is nobody, and is told so."""
    if call.principal.user is None:
        raise UnauthorizedScope("This endpoint is for signed-in users.")
    return call.principal.user


def rules_of(call: Call, user: User) -> Project | None:
    """Whose rules hold for the user: in admin mode the user is not one of the project's."""
    return None if user.project_id == CONSOLE else call.project


def current_id(call: Call) -> str:
    return call.principal.session.id if call.principal.session else ""


def opened_answer(call: Call, opened: Opened, *, grant: Grant = NOTHING) -> Answer:
    """The client finds the secret in its cookies; only servers read it from the body."""
    secret = opened.value if call.principal.is_trusted else ""
    content = shapes.session(
        opened.session, current_id=opened.session.id, secret=secret, grant=grant
    )
    return Answer(content=content, headers=signed_in(call, opened))


def token_answer(call: Call, made: NewToken) -> Answer:
    """The secret goes by mail or text; only servers read it from the body, and only those of
    their project's users: the account of an admin is the console's."""
    is_theirs = made.token.project_id == call.project_id
    shows_secret = call.principal.is_trusted and is_theirs
    return Answer(content=shapes.token(made, shows_secret=shows_secret))


_Handler = Callable[[Call, Any], Awaitable[Answer]]


def open_route(
    name: str,
    paths: tuple[str, ...],
    handler: _Handler,
    params: type[Any],
    model: str,
    *,
    limit: Limit,
    group: Group = "",
    auth_method: str = "",
    method: str = "POST",
    status: int = 201,
    scope: str = "sessions.write",
) -> Route:
    """A route for callers who need not be signed in."""
    return Route(
        name=f"account.{name}",
        method=method,
        paths=tuple(f"/v1/account{path}" for path in paths),
        scopes=(scope,),
        handler=handler,
        params=params,
        status=status,
        model=model,
        group=group,
        service="account",
        auth_method=auth_method,
        limit=limit,
    )


def own_route(
    name: str,
    method: str,
    paths: tuple[str, ...],
    handler: _Handler,
    params: type[Any] = Nothing,
    *,
    model: str = "account",
    status: int = 200,
    auth_method: str = "",
    limit: Limit | None = None,
    is_before_second_factor: bool = False,
) -> Route:
    """A route for signed-in callers."""
    return Route(
        name=f"account.{name}",
        method=method,
        paths=tuple(f"/v1/account{path}" for path in paths),
        scopes=("account",),
        handler=handler,
        params=params,
        status=status,
        model="" if status == 204 else model,
        service="account",
        auth_method=auth_method,
        limit=limit,
        is_before_second_factor=is_before_second_factor,
    )
