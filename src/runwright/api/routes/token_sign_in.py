"""Signing in without a password: by a link, a code, or a token that a server made."""

from dataclasses import dataclass
from typing import Annotated, Final

from runwright.api.params import CustomId, Text
from runwright.api.routes.account_parts import device, open_route, opened_answer
from runwright.api.routing import Answer, Call, Limit, Route
from runwright.identity.token_sign_in import TokenSignIn

# Not by URL: three paths take the same secrets, and another path must not give more tries.
_PER_USER: Final = Limit(
    calls=10,
    keys=("trade,projectId:{projectId},ip:{ip},userId:{param-userId}",),
    resets_on=201,
)


@dataclass(frozen=True, kw_only=True)
class TradeToken:
    user_id: Annotated[str, CustomId()]
    secret: Annotated[str, Text(256)]


class TokenSignInHandlers:
    def __init__(self, sign_in: TokenSignIn) -> None:
        self._sign_in = sign_in

    async def trade(self, call: Call, params: TradeToken) -> Answer:
        opened = await self._sign_in.trade(
            call.project, user_id=params.user_id, secret=params.secret, device=device(call)
        )
        return opened_answer(call, opened)


def token_sign_in_routes(sign_in: TokenSignIn) -> list[Route]:
    of = TokenSignInHandlers(sign_in)
    return [
        _trade("createSession", "POST", "/sessions/token", of),
        _trade("updateMagicURLSession", "PUT", "/sessions/magic-url", of),
        _trade("updatePhoneSession", "PUT", "/sessions/phone", of),
    ]


def _trade(name: str, method: str, path: str, of: TokenSignInHandlers) -> Route:
    """The older two take every kind of token as well, as they always have."""
    return open_route(
        name,
        (path,),
        of.trade,
        TradeToken,
        "session",
        method=method,
        group="session",
        limit=_PER_USER,
    )
