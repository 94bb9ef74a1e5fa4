"""A new password for who has forgotten the old one."""

from typing import Annotated, Final

from runwright.api.locales import letter_locale
from runwright.api.params import Bool, Email, Id, Password, Text
from runwright.api.redirects import Redirects
from runwright.api.routes.account_parts import open_route, token_answer
from runwright.api.routing import Answer, Call, Limit, Route
from runwright.identity.proofs import Purpose
from runwright.identity.recovery import Recovery
from runwright.values import dataclass

# Not by URL: each kind of letter fills the same mailbox, and links and codes open the same door.
_SEND: Final = Limit(
    calls=10,
    keys=("recovery,projectId:{projectId},email:{param-email}", "recovery,ip:{ip}"),
)
_COMPLETE: Final = Limit(calls=10, keys=("recovery,projectId:{projectId},userId:{param-userId}",))


@dataclass(frozen=True, kw_only=True)
class SendLink:
    email: Annotated[str, Email()]
    url: Annotated[str, Text(2048)]


@dataclass(frozen=True, kw_only=True)
class SendCode:
    email: Annotated[str, Email()]
    phrase: Annotated[bool, Bool()] = False


@dataclass(frozen=True, kw_only=True)
class Complete:
    user_id: Annotated[str, Id()]
    secret: Annotated[str, Text(256)]
    password: Annotated[str, Password()]


class RecoveryHandlers:
    def __init__(self, recovery: Recovery, redirects: Redirects) -> None:
        self._recovery = recovery
        self._redirects = redirects

    async def send_link(self, call: Call, params: SendLink) -> Answer:
        url = await self._redirects.check(call, params.url)
        made = await self._recovery.send_link(
            call.project, email=params.email, url=url, locale=letter_locale(call)
        )
        return token_answer(call, made)

    async def send_code(self, call: Call, params: SendCode) -> Answer:
        made = await self._recovery.send_code(
            call.project,
            email=params.email,
            with_phrase=params.phrase,
            locale=letter_locale(call),
        )
        return token_answer(call, made)

    async def complete_by_link(self, call: Call, params: Complete) -> Answer:
        return await self._complete(call, params, Purpose.RECOVERY)

    async def complete_by_code(self, call: Call, params: Complete) -> Answer:
        return await self._complete(call, params, Purpose.RECOVERY_CODE)

    async def _complete(self, call: Call, params: Complete, by: Purpose) -> Answer:
        used = await self._recovery.complete(
            call.project,
            user_id=params.user_id,
            secret=params.secret,
            password=params.password,
            by=by,
        )
        return token_answer(call, used)


def recovery_routes(recovery: Recovery, redirects: Redirects) -> list[Route]:
    of = RecoveryHandlers(recovery, redirects)
    link, code = ("/recovery",), ("/recovery/otp",)
    return [
        open_route("createRecovery", link, of.send_link, SendLink, "token", limit=_SEND),
        open_route(
            "updateRecovery",
            link,
            of.complete_by_link,
            Complete,
            "token",
            method="PUT",
            status=200,
            limit=_COMPLETE,
        ),
        open_route("createRecoveryOTP", code, of.send_code, SendCode, "token", limit=_SEND),
        open_route(
            "updateRecoveryOTP",
            code,
            of.complete_by_code,
            Complete,
            "token",
            method="PUT",
            status=200,
            limit=_COMPLETE,
        ),
    ]
