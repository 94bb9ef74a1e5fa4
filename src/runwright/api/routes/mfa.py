"""Second factors: people's own, and those of a project's users."""

from typing import Annotated, Final

from runwright.api.locales import letter_locale
from runwright.api.params import Bool, Id, OneOf, Text
from runwright.api.routes.account_parts import own_route, rules_of, user_of
from runwright.api.routes.users import OneUser, user_route
from runwright.api.routing import Answer, Call, Limit, Nothing, Route, empty
from runwright.api.shapes import factors as shapes
from runwright.api.shapes import identity
from runwright.identity.challenges import Challenges
from runwright.identity.factors import FACTORS, TOTP
from runwright.identity.mfa import Mfa
from runwright.values import dataclass

# Against guessing: a few answers a challenge, a few challenges an hour, whatever the session.
# Not by URL: the older path must not give more tries.
_ASKED: Final = Limit(calls=10, keys=("challenge,projectId:{projectId},userId:{userId}",))
_ANSWERED: Final = Limit(
    calls=10, keys=("factor,projectId:{projectId},userId:{userId}",), resets_on=200
)

_CODES: Final = "mfaRecoveryCodes"

_Type = Annotated[str, OneOf((TOTP,))]


@dataclass(frozen=True, kw_only=True)
class Switch:
    mfa: Annotated[bool, Bool()]


@dataclass(frozen=True, kw_only=True)
class OneAuthenticator:
    type: _Type


@dataclass(frozen=True, kw_only=True)
class VerifyAuthenticator(OneAuthenticator):
    otp: Annotated[str, Text(256)]


@dataclass(frozen=True, kw_only=True)
class CreateChallenge:
    factor: Annotated[str, OneOf(FACTORS, is_strict=False)]


@dataclass(frozen=True, kw_only=True)
class CompleteChallenge:
    challenge_id: Annotated[str, Id()]
    otp: Annotated[str, Text(256)]


@dataclass(frozen=True, kw_only=True)
class SwitchUser(OneUser):
    mfa: Annotated[bool, Bool()]


@dataclass(frozen=True, kw_only=True)
class UserAuthenticator(OneUser):
    type: _Type


@dataclass(frozen=True, kw_only=True)
class UserChallenge(OneUser):
    challenge_id: Annotated[str, Id()]


class OwnFactors:
    def __init__(self, mfa: Mfa, challenges: Challenges) -> None:
        self._mfa = mfa
        self._challenges = challenges

    async def switch(self, call: Call, params: Switch) -> Answer:
        user = user_of(call)
        changed = await self._mfa.switch(
            rules_of(call, user), user, call.principal.session, is_on=params.mfa
        )
        return Answer(content=identity.account(changed))

    async def list(self, call: Call, params: Nothing) -> Answer:
        user = user_of(call)
        found = await self._mfa.available(rules_of(call, user), user.project_id, user.id)
        return Answer(content=shapes.available(found))

    async def add_authenticator(self, call: Call, params: OneAuthenticator) -> Answer:
        user = user_of(call)
        made = await self._mfa.add_authenticator(rules_of(call, user), user)
        return Answer(content=shapes.new_authenticator(made))

    async def verify_authenticator(self, call: Call, params: VerifyAuthenticator) -> Answer:
        changed = await self._mfa.verify_authenticator(
            user_of(call), call.principal.session, params.otp
        )
        return Answer(content=identity.account(changed))

    async def delete_authenticator(self, call: Call, params: OneAuthenticator) -> Answer:
        await self._mfa.remove_authenticator(user_of(call), call.principal.session)
        return empty()

    async def create_challenge(self, call: Call, params: CreateChallenge) -> Answer:
        user = user_of(call)
        made = await self._challenges.create(
            rules_of(call, user),
            user,
            call.principal.session,
            params.factor,
            locale=letter_locale(call),
        )
        return Answer(content=shapes.challenge(made))

    async def complete_challenge(self, call: Call, params: CompleteChallenge) -> Answer:
        user = user_of(call)
        passed = await self._challenges.complete(
            rules_of(call, user), user, call.principal.session, params.challenge_id, params.otp
        )
        return Answer(content=identity.session(passed, current_id=passed.id))

    async def get_recovery_codes(self, call: Call, params: Nothing) -> Answer:
        user = user_of(call)
        return _codes(await self._mfa.recovery_codes(user, call.principal.session))

    async def create_recovery_codes(self, call: Call, params: Nothing) -> Answer:
        user = user_of(call)
        return _codes(await self._mfa.make_recovery_codes(user.project_id, user.id))

    async def update_recovery_codes(self, call: Call, params: Nothing) -> Answer:
        user = user_of(call)
        return _codes(await self._mfa.renew_recovery_codes(user, call.principal.session))


class FactorsOfUsers:
    def __init__(self, mfa: Mfa, challenges: Challenges) -> None:
        self._mfa = mfa
        self._challenges = challenges

    async def switch(self, call: Call, params: SwitchUser) -> Answer:
        changed = await self._mfa.switch_for(call.project_id, params.user_id, is_on=params.mfa)
        return Answer(content=identity.user(changed))

    async def list(self, call: Call, params: OneUser) -> Answer:
        found = await self._mfa.available(call.project, call.project_id, params.user_id)
        return Answer(content=shapes.available(found))

    async def delete_authenticator(self, call: Call, params: UserAuthenticator) -> Answer:
        await self._mfa.remove_authenticator_of(call.project_id, params.user_id)
        return empty()

    async def get_challenge(self, call: Call, params: UserChallenge) -> Answer:
        found, code = await self._challenges.code_of(
            call.project_id, params.user_id, params.challenge_id
        )
        return Answer(content=shapes.challenge_secret(found, code))

    async def get_recovery_codes(self, call: Call, params: OneUser) -> Answer:
        return _codes(await self._mfa.recovery_codes_of(call.project_id, params.user_id))

    async def create_recovery_codes(self, call: Call, params: OneUser) -> Answer:
        return _codes(await self._mfa.make_recovery_codes(call.project_id, params.user_id))

    async def update_recovery_codes(self, call: Call, params: OneUser) -> Answer:
        return _codes(await self._mfa.renew_recovery_codes_of(call.project_id, params.user_id))


def _codes(codes: tuple[str, ...]) -> Answer:
    return Answer(content=shapes.recovery_codes(codes))


def mfa_routes(mfa: Mfa, challenges: Challenges) -> list[Route]:
    own, of_users = OwnFactors(mfa, challenges), FactorsOfUsers(mfa, challenges)
    return [*_own_routes(own), *_challenge_routes(own), *_user_routes(of_users)]


def _own_routes(of: OwnFactors) -> list[Route]:
    app, codes = ("/mfa/authenticators/{type}",), ("/mfa/recovery-codes",)
    return [
        own_route("updateMFA", "PATCH", ("/mfa",), of.switch, Switch),
        own_route(
            "createMFAAuthenticator",
            "POST",
            app,
            of.add_authenticator,
            OneAuthenticator,
            model="mfaType",
        ),
        own_route(
            "updateMFAAuthenticator", "PUT", app, of.verify_authenticator, VerifyAuthenticator
        ),
        own_route(
            "deleteMFAAuthenticator",
            "DELETE",
            app,
            of.delete_authenticator,
            OneAuthenticator,
            status=204,
        ),
        own_route("getMFARecoveryCodes", "GET", codes, of.get_recovery_codes, model=_CODES),
        own_route(
            "createMFARecoveryCodes",
            "POST",
            codes,
            of.create_recovery_codes,
            model=_CODES,
            status=201,
        ),
        own_route("updateMFARecoveryCodes", "PATCH", codes, of.update_recovery_codes, model=_CODES),
    ]


def _challenge_routes(of: OwnFactors) -> list[Route]:
    """What a session needs that owes its second factor."""
    paths = ("/mfa/challenges", "/mfa/challenge")  # older clients call the second
    return [
        own_route(
            "listMFAFactors",
            "GET",
            ("/mfa/factors",),
            of.list,
            model="mfaFactors",
            is_before_second_factor=True,
        ),
        own_route(
            "createMFAChallenge",
            "POST",
            paths,
            of.create_challenge,
            CreateChallenge,
            model="mfaChallenge",
            status=201,
            limit=_ASKED,
            is_before_second_factor=True,
        ),
        own_route(
            "updateMFAChallenge",
            "PUT",
            paths,
            of.complete_challenge,
            CompleteChallenge,
            model="session",
            limit=_ANSWERED,
            is_before_second_factor=True,
        ),
    ]


def _user_routes(of: FactorsOfUsers) -> list[Route]:
    """The verbs of recovery codes are the wrong way round: so clients have them."""
    mfa = "/{userId}/mfa"
    codes = f"{mfa}/recovery-codes"
    return [
        user_route("updateMFA", "PATCH", mfa, of.switch, SwitchUser),
        user_route("listMFAFactors", "GET", f"{mfa}/factors", of.list, OneUser, "mfaFactors"),
        user_route(
            "deleteMFAAuthenticator",
            "DELETE",
            f"{mfa}/authenticators/{{type}}",
            of.delete_authenticator,
            UserAuthenticator,
            "",
        ),
        user_route(
            "getMFAChallenge",
            "GET",
            f"{mfa}/challenges/{{challengeId}}",
            of.get_challenge,
            UserChallenge,
            "mfaChallengeSecret",
        ),
        user_route("getMFARecoveryCodes", "GET", codes, of.get_recovery_codes, OneUser, _CODES),
        user_route(
            "createMFARecoveryCodes", "PATCH", codes, of.create_recovery_codes, OneUser, _CODES
        ),
        user_route(
            "updateMFARecoveryCodes", "PUT", codes, of.update_recovery_codes, OneUser, _CODES
        ),
    ]
