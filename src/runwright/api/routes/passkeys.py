"""Passkeys: people's own, signing in with one, and those of a project's users."""

from dataclasses import replace
from typing import Annotated, Any, Final

from runwright.api.lists import Listing, cursor_errors, listed
from runwright.api.params import CustomId, Id, Object, Text
from runwright.api.queries import Attributes
from runwright.api.routes.account_parts import open_route, own_route, rules_of, user_of
from runwright.api.routes.users import OneUser, user_route
from runwright.api.routing import Answer, Call, Limit, Nothing, Route, empty
from runwright.api.shapes import factors as shapes
from runwright.api.shapes import identity
from runwright.identity.passkey_registration import PasskeyRegistration
from runwright.identity.passkey_sign_in import PasskeySignIn
from runwright.identity.passkeys import Passkeys
from runwright.ids import UNIQUE
from runwright.values import dataclass

FILTERS: Final = Attributes("name accessedAt", dates=("accessedAt",))
MAX_CREDENTIAL_BYTES: Final = 16_384  # certificates of devices included

_PER_USER: Final = ("url:{url},projectId:{projectId},userId:{userId}",)
_SIXTY_EACH: Final = Limit(calls=60, keys=_PER_USER)
_SIXTY: Final = Limit(calls=60, keys=("url:{url},projectId:{projectId},ip:{ip}",))

_Name = Annotated[str, Text(128, least=0)]
_Credential = Annotated[dict[str, Any], Object(MAX_CREDENTIAL_BYTES)]


@dataclass(frozen=True, kw_only=True)
class CreatePasskey:
    passkey_id: Annotated[str, CustomId()] = UNIQUE
    name: _Name = ""


@dataclass(frozen=True, kw_only=True)
class OnePasskey:
    passkey_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class RenamePasskey(OnePasskey):
    name: _Name


@dataclass(frozen=True, kw_only=True)
class VerifyPasskey(OnePasskey):
    credential: _Credential


@dataclass(frozen=True, kw_only=True)
class CreateToken:
    challenge_id: Annotated[str, Id()]
    credential: _Credential


@dataclass(frozen=True, kw_only=True)
class ListOfUser(Listing):
    user_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class OneOfUser(OneUser):
    passkey_id: Annotated[str, Id()]


@dataclass(frozen=True, kw_only=True)
class RenameOfUser(OneOfUser):
    name: _Name


class OwnPasskeys:
    def __init__(self, passkeys: Passkeys, registration: PasskeyRegistration) -> None:
        self._passkeys = passkeys
        self._registration = registration

    async def list(self, call: Call, params: Listing) -> Answer:
        user = user_of(call)
        with cursor_errors("Passkey"):
            page = await self._passkeys.list(user.project_id, user.id, params.query(FILTERS))
        return listed("passkeyList", "passkeys", page, shapes.passkey)

    async def create(self, call: Call, params: CreatePasskey) -> Answer:
        user = user_of(call)
        begun = await self._registration.begin(
            rules_of(call, user),
            user,
            call.principal.session,
            passkey_id=params.passkey_id,
            name=params.name,
            origin=_origin(call),
        )
        return Answer(content=shapes.passkey_challenge(begun))

    async def verify(self, call: Call, params: VerifyPasskey) -> Answer:
        user = user_of(call)
        made = await self._registration.finish(
            rules_of(call, user),
            user,
            call.principal.session,
            params.passkey_id,
            params.credential,
        )
        return Answer(content=shapes.passkey(made))

    async def get(self, call: Call, params: OnePasskey) -> Answer:
        user = user_of(call)
        found = await self._passkeys.get(user.project_id, user.id, params.passkey_id)
        return Answer(content=shapes.passkey(found))

    async def rename(self, call: Call, params: RenamePasskey) -> Answer:
        user = user_of(call)
        changed = await self._passkeys.rename(
            user.project_id, user.id, params.passkey_id, params.name
        )
        return Answer(content=shapes.passkey(changed))

    async def delete(self, call: Call, params: OnePasskey) -> Answer:
        await self._passkeys.delete_own(user_of(call), call.principal.session, params.passkey_id)
        return empty()


class PasskeyTokens:
    def __init__(self, sign_in: PasskeySignIn) -> None:
        self._sign_in = sign_in

    async def create(self, call: Call, params: Nothing) -> Answer:
        begun = await self._sign_in.begin(call.project, origin=_origin(call))
        return Answer(content=shapes.passkey_challenge(begun))

    async def update(self, call: Call, params: CreateToken) -> Answer:
        made = await self._sign_in.finish(call.project, params.challenge_id, params.credential)
        return Answer(content=identity.token(made, shows_secret=True))


class PasskeysOfUsers:
    def __init__(self, passkeys: Passkeys) -> None:
        self._passkeys = passkeys

    async def list(self, call: Call, params: ListOfUser) -> Answer:
        with cursor_errors("Passkey"):
            page = await self._passkeys.list(call.project_id, params.user_id, params.query(FILTERS))
        return listed("passkeyList", "passkeys", page, shapes.passkey)

    async def get(self, call: Call, params: OneOfUser) -> Answer:
        found = await self._passkeys.get(call.project_id, params.user_id, params.passkey_id)
        return Answer(content=shapes.passkey(found))

    async def rename(self, call: Call, params: RenameOfUser) -> Answer:
        changed = await self._passkeys.rename(
            call.project_id, params.user_id, params.passkey_id, params.name
        )
        return Answer(content=shapes.passkey(changed))

    async def delete(self, call: Call, params: OneOfUser) -> Answer:
        await self._passkeys.delete(call.project_id, params.user_id, params.passkey_id)
        return empty()


def _origin(call: Call) -> str:
    return call.headers.get("origin", "")


def passkey_routes(
    passkeys: Passkeys, registration: PasskeyRegistration, sign_in: PasskeySignIn
) -> list[Route]:
    return [
        *_own_routes(OwnPasskeys(passkeys, registration)),
        *_token_routes(PasskeyTokens(sign_in)),
        *_user_routes(PasskeysOfUsers(passkeys)),
    ]


def _own_routes(of: OwnPasskeys) -> list[Route]:
    every, one = ("/passkeys",), ("/passkeys/{passkeyId}",)
    return [
        own_route("listPasskeys", "GET", every, of.list, Listing, model="passkeyList"),
        own_route(
            "createPasskey",
            "POST",
            every,
            of.create,
            CreatePasskey,
            model="passkeyChallenge",
            status=201,
            auth_method="passkey",
            limit=_SIXTY_EACH,
        ),
        own_route(
            "updatePasskeyVerification",
            "PUT",
            ("/passkeys/{passkeyId}/verification",),
            of.verify,
            VerifyPasskey,
            model="passkey",
            auth_method="passkey",
            limit=_SIXTY_EACH,
        ),
        own_route("getPasskey", "GET", one, of.get, OnePasskey, model="passkey"),
        own_route("updatePasskey", "PATCH", one, of.rename, RenamePasskey, model="passkey"),
        own_route("deletePasskey", "DELETE", one, of.delete, OnePasskey, status=204),
    ]


def _token_routes(of: PasskeyTokens) -> list[Route]:
    create = open_route(
        "createPasskeyToken",
        ("/tokens/passkey",),
        of.create,
        Nothing,
        "passkeyChallenge",
        auth_method="passkey",
        limit=_SIXTY,
    )
    update = replace(
        create,
        name="account.updatePasskeyToken",
        method="PUT",
        handler=of.update,
        params=CreateToken,
        model="tokenSecret",
        status=200,
    )
    return [create, update]


def _user_routes(of: PasskeysOfUsers) -> list[Route]:
    every = "/{userId}/passkeys"
    one = f"{every}/{{passkeyId}}"
    return [
        user_route("listPasskeys", "GET", every, of.list, ListOfUser, "passkeyList"),
        user_route("getPasskey", "GET", one, of.get, OneOfUser, "passkey"),
        user_route("updatePasskey", "PATCH", one, of.rename, RenameOfUser, "passkey"),
        user_route("deletePasskey", "DELETE", one, of.delete, OneOfUser, ""),
    ]
