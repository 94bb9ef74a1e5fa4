"""Proving that the addresses of one's account are one's own."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from runwright.api.locales import letter_locale
from runwright.api.params import Bool, Id, Text
from runwright.api.redirects import Redirects
from runwright.api.routes.account_parts import (
    open_route,
    own_route,
    rules_of,
    token_answer,
    user_of,
)
from runwright.api.routing import Answer, Call, Limit, Nothing, Route
from runwright.identity.proofs import Purpose
from runwright.identity.verification import Verification
from runwright.values import dataclass


def _send_limit(kind: str) -> Limit:
    # Not by URL: an older address, or a code instead of a link, must not give ten more.
    return Limit(calls=10, keys=(f"verify-{kind},projectId:{{projectId}},userId:{{userId}}",))


def _confirm_limit(kind: str) -> Limit:
    key = f"confirm-{kind},projectId:{{projectId}},userId:{{param-userId}}"
    return Limit(calls=10, keys=(key,))


_LINK: Final = ("/verifications/email", "/verification")
_CODE: Final = ("/verifications/email/otp",)
_PHONE: Final = ("/verifications/phone", "/verification/phone")


@dataclass(frozen=True, kw_only=True)
class SendLink:
    url: Annotated[str, Text(2048)]


@dataclass(frozen=True, kw_only=True)
class SendCode:
    phrase: Annotated[bool, Bool()] = False


@dataclass(frozen=True, kw_only=True)
class Confirm:
    user_id: Annotated[str, Id()]
    secret: Annotated[str, Text(256)]


class VerificationHandlers:
    def __init__(self, verification: Verification, redirects: Redirects) -> None:
        self._verification = verification
        self._redirects = redirects

    async def send_link(self, call: Call, params: SendLink) -> Answer:
        user = user_of(call)
        url = await self._redirects.check(call, params.url)
        made = await self._verification.send_link(
            rules_of(call, user), user, url=url, locale=letter_locale(call)
        )
        return token_answer(call, made)

    async def send_code(self, call: Call, params: SendCode) -> Answer:
        user = user_of(call)
        made = await self._verification.send_code(
            rules_of(call, user), user, with_phrase=params.phrase, locale=letter_locale(call)
        )
        return token_answer(call, made)

    async def send_phone_code(self, call: Call, params: Nothing) -> Answer:
        user = user_of(call)
        made = await self._verification.send_phone_code(
            rules_of(call, user), user, locale=letter_locale(call)
        )
        return token_answer(call, made)

    async def confirm_by_link(self, call: Call, params: Confirm) -> Answer:
        return await self._confirm(call, params, Purpose.EMAIL_VERIFICATION)

    async def confirm_by_code(self, call: Call, params: Confirm) -> Answer:
        return await self._confirm(call, params, Purpose.EMAIL_VERIFICATION_CODE)

    async def confirm_phone(self, call: Call, params: Confirm) -> Answer:
        return await self._confirm(call, params, Purpose.PHONE_VERIFICATION)

    async def _confirm(self, call: Call, params: Confirm, purpose: Purpose) -> Answer:
        used = await self._verification.confirm(
            call.project_id, user_id=params.user_id, secret=params.secret, purpose=purpose
        )
        return token_answer(call, used)


def verification_routes(verification: Verification, redirects: Redirects) -> list[Route]:
    of = VerificationHandlers(verification, redirects)
    return [
        _send("createEmailVerification", _LINK, of.send_link, SendLink, "email"),
        _confirm("updateEmailVerification", _LINK, of.confirm_by_link, "email"),
        _send("createEmailVerificationOTP", _CODE, of.send_code, SendCode, "email"),
        _confirm("updateEmailVerificationOTP", _CODE, of.confirm_by_code, "email"),
        _send("createPhoneVerification", _PHONE, of.send_phone_code, Nothing, "phone"),
        _confirm("updatePhoneVerification", _PHONE, of.confirm_phone, "phone"),
    ]


def _send(
    name: str,
    paths: tuple[str, ...],
    handler: Callable[[Call, Any], Awaitable[Answer]],
    params: type[Any],
    kind: str,
) -> Route:
    return own_route(
        name,
        "POST",
        paths,
        handler,
        params,
        model="token",
        status=201,
        limit=_send_limit(kind),
    )


def _confirm(
    name: str,
    paths: tuple[str, ...],
    handler: Callable[[Call, Confirm], Awaitable[Answer]],
    kind: str,
) -> Route:
    return open_route(
        name,
        paths,
        handler,
        Confirm,
        "token",
        method="PUT",
        status=200,
        scope="public",
        limit=_confirm_limit(kind),
    )
