"""Users brought along from other systems, with their password hashes."""

from typing import Annotated

from runwright.api.params import CustomId, Email, OneOf, Password, Range, Text
from runwright.api.routes.users import project_of, user_route
from runwright.api.routing import Answer, Call, Route
from runwright.api.shapes import identity as shapes
from runwright.errors import InvalidParam
from runwright.identity import hashes
from runwright.identity.hashes import Hash
from runwright.identity.schemes import SHA_VERSIONS, BadCost
from runwright.identity.scrypts import MAX_BLOCKS, MAX_BYTES, MIN_BYTES
from runwright.identity.users import Users
from runwright.values import dataclass

_Salt = Annotated[str, Text(128)]


@dataclass(frozen=True, kw_only=True)
class BringUser:
    """`password` is the hash; its length is that of any other password."""

    user_id: Annotated[str, CustomId()]
    email: Annotated[str, Email()]
    password: Annotated[str, Password()]
    name: Annotated[str, Text(128)] = ""


@dataclass(frozen=True, kw_only=True)
class BringSha(BringUser):
    # As long as nobody said otherwise, the version that the API had at first.
    password_version: Annotated[str, OneOf(tuple(SHA_VERSIONS), is_strict=False)] = "sha3-512"


@dataclass(frozen=True, kw_only=True)
class BringScrypt(BringUser):
    password_salt: _Salt
    password_cpu: Annotated[int, Range(2, MAX_BLOCKS)]
    password_memory: Annotated[int, Range(1, MAX_BLOCKS)]
    password_parallel: Annotated[int, Range(1, MAX_BLOCKS)]
    password_length: Annotated[int, Range(MIN_BYTES, MAX_BYTES)]


@dataclass(frozen=True, kw_only=True)
class BringScryptModified(BringUser):
    password_salt: _Salt
    password_salt_separator: _Salt
    password_signer_key: _Salt


class ImportHandlers:
    def __init__(self, users: Users) -> None:
        self._users = users

    async def argon2(self, call: Call, params: BringUser) -> Answer:
        return await self._bring(call, params, hashes.argon2(params.password))

    async def bcrypt(self, call: Call, params: BringUser) -> Answer:
        return await self._bring(call, params, hashes.bcrypt(params.password))

    async def md5(self, call: Call, params: BringUser) -> Answer:
        return await self._bring(call, params, hashes.md5(params.password))

    async def phpass(self, call: Call, params: BringUser) -> Answer:
        return await self._bring(call, params, hashes.phpass(params.password))

    async def sha(self, call: Call, params: BringSha) -> Answer:
        given = hashes.sha(params.password, params.password_version)
        return await self._bring(call, params, given)

    async def scrypt(self, call: Call, params: BringScrypt) -> Answer:
        given = hashes.scrypt(
            params.password,
            salt=params.password_salt,
            cpu=params.password_cpu,
            memory=params.password_memory,
            parallel=params.password_parallel,
            length=params.password_length,
        )
        return await self._bring(call, params, given, costs="passwordCpu")

    async def scrypt_modified(self, call: Call, params: BringScryptModified) -> Answer:
        given = hashes.scrypt_modified(
            params.password,
            salt=params.password_salt,
            separator=params.password_salt_separator,
            signer_key=params.password_signer_key,
        )
        return await self._bring(call, params, given)

    async def _bring(
        self, call: Call, params: BringUser, given: Hash, *, costs: str = "password"
    ) -> Answer:
        """`costs` names the parameter that says how dear the hash is."""
        try:
            made = await self._users.bring(
                project_of(call),
                user_id=params.user_id,
                email=params.email,
                password=given,
                name=params.name,
            )
        except BadCost as exc:
            raise InvalidParam(costs, str(exc)) from exc
        return Answer(content=shapes.user(made))


def import_routes(users: Users) -> list[Route]:
    of = ImportHandlers(users)
    return [
        user_route("createArgon2User", "POST", "/argon2", of.argon2, BringUser),
        user_route("createBcryptUser", "POST", "/bcrypt", of.bcrypt, BringUser),
        user_route("createMD5User", "POST", "/md5", of.md5, BringUser),
        user_route("createPHPassUser", "POST", "/phpass", of.phpass, BringUser),
        user_route("createSHAUser", "POST", "/sha", of.sha, BringSha),
        user_route("createScryptUser", "POST", "/scrypt", of.scrypt, BringScrypt),
        user_route(
            "createScryptModifiedUser",
            "POST",
            "/scrypt-modified",
            of.scrypt_modified,
            BringScryptModified,
        ),
    ]
