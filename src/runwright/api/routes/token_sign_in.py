"""Signing in without a password: by a link, a code, or a token that a server made."""

from typing import Annotated, Final

from runwright.api.locales import letter_locale
from runwright.api.params import Bool, CustomId, Email, Phone, Text
from runwright.api.redirects import Redirects
from runwright.api.routes.account_parts import device, open_route, opened_answer, token_answer
from runwright.api.routes.sign_in_page import sign_in_page, sign_in_page_route
from runwright.api.routing import Answer, Call, Limit, Route
from runwright.identity.token_sign_in import Asked, TokenSignIn
from runwright.values import dataclass

# Not by URL: three paths take the same secrets, and another path must not give more tries.
_PER_USER: Final = Limit(
    calls=10,
    keys=("trade,projectId:{projectId},ip:{ip},userId:{param-userId}",),
    resets_on=201,
)


def _letters(calls: int, address: str) -> Limit:
    """So many to an address, and so many asked for from one place. Not by URL either."""
    of_address = f"tokens{calls},projectId:{{projectId}},{address}:{{param-{address}}}"
    return Limit(calls=calls, keys=(of_address, f"tokens{calls},{address},ip:{{ip}}"))


@dataclass(frozen=True, kw_only=True)
class TradeToken:
    user_id: Annotated[str, CustomId()]
    secret: Annotated[str, Text(256)]


@dataclass(frozen=True, kw_only=True)
class SendLink:
    user_id: Annotated[str, CustomId()]
    email: Annotated[str, Email()]
    url: Annotated[str, Text(2048, least=0)] = ""
    phrase: Annotated[bool, Bool()] = False


@dataclass(frozen=True, kw_only=True)
class SendEmailCode:
    user_id: Annotated[str, CustomId()]
    email: Annotated[str, Email()]
    phrase: Annotated[bool, Bool()] = False


@dataclass(frozen=True, kw_only=True)
class SendPhoneCode:
    user_id: Annotated[str, CustomId()]
    phone: Annotated[str, Phone()]


class TokenSignInHandlers:
    def __init__(self, sign_in: TokenSignIn, redirects: Redirects) -> None:
        self._sign_in = sign_in
        self._redirects = redirects

    async def send_link(self, call: Call, params: SendLink) -> Answer:
        # Our own page is checked as well: the name of the host is what the caller says it is.
        url = await self._redirects.check(call, params.url or sign_in_page(call))
        asked = _asked(call, params.user_id, with_phrase=params.phrase)
        made = await self._sign_in.send_link(call.project, asked, email=params.email, url=url)
        return token_answer(call, made)

    async def send_email_code(self, call: Call, params: SendEmailCode) -> Answer:
        asked = _asked(call, params.user_id, with_phrase=params.phrase)
        made = await self._sign_in.send_email_code(call.project, asked, email=params.email)
        return token_answer(call, made)

    async def send_phone_code(self, call: Call, params: SendPhoneCode) -> Answer:
        asked = _asked(call, params.user_id)
        made = await self._sign_in.send_phone_code(call.project, asked, phone=params.phone)
        return token_answer(call, made)

    async def trade(self, call: Call, params: TradeToken) -> Answer:
        opened = await self._sign_in.trade(
            call.project, user_id=params.user_id, secret=params.secret, device=await device(call)
        )
        return opened_answer(call, opened)


def _asked(call: Call, user_id: str, *, with_phrase: bool = False) -> Asked:
    return Asked(
        user_id=user_id,
        locale=letter_locale(call),
        with_phrase=with_phrase,
        ip=call.client_ip,
    )


def token_sign_in_routes(sign_in: TokenSignIn, redirects: Redirects) -> list[Route]:
    of = TokenSignInHandlers(sign_in, redirects)
    return [
        open_route(
            "createMagicURLToken",
            ("/tokens/magic-url", "/sessions/magic-url"),
            of.send_link,
            SendLink,
            "token",
            auth_method="magic-url",
            limit=_letters(60, "email"),
        ),
        open_route(
            "createEmailToken",
            ("/tokens/email",),
            of.send_email_code,
            SendEmailCode,
            "token",
            auth_method="email-otp",
            limit=_letters(10, "email"),
        ),
        open_route(
            "createPhoneToken",
            ("/tokens/phone", "/sessions/phone"),
            of.send_phone_code,
            SendPhoneCode,
            "token",
            auth_method="phone",
            limit=_letters(10, "phone"),
        ),
        sign_in_page_route(),
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
