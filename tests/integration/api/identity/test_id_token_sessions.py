"""Sessions for ID tokens that apps got from Google or Apple themselves."""

import hashlib
from typing import Any, Final

import pytest

from runwright.identity.oauth.providers import PROVIDERS
from tests.fakes.identity import START, World
from tests.fakes.issuer import Issuer, a_key

pytestmark = pytest.mark.anyio

EMAIL: Final = "ann@example.com"
PATH: Final = "/account/sessions/id-token"
APPLE: Final = PROVIDERS["apple"]
GOOGLE: Final = PROVIDERS["google"]


@pytest.fixture
async def google(world: World) -> Issuer:
    issuer = Issuer(GOOGLE.issuer, START, claims={"aud": "app", "email": EMAIL, "name": "Ann"})
    issuer.claims["email_verified"] = True
    world.bench.providers.answers[f"GET {GOOGLE.keys}"] = issuer.keys()
    settings = {"nativeEnabled": True, "nativeClientIds": ["app"]}
    assert (await world.server.patch("/project/oauth2/google", settings)).status == 200
    return issuer


@pytest.fixture
async def apple(world: World) -> Issuer:
    issuer = Issuer(APPLE.issuer, START, claims={"aud": "com.example.app", "email": EMAIL})
    world.bench.providers.answers[f"GET {APPLE.keys}"] = issuer.keys()
    settings = {"nativeEnabled": True, "nativeClientIds": ["com.example.app"]}
    assert (await world.server.patch("/project/oauth2/apple", settings)).status == 200
    return issuer


async def test_a_token_of_an_app_opens_a_session(world: World, google: Issuer) -> None:
    params = {"accessToken": "at", "accessTokenExpiry": 60, "name": "Someone"}
    reply = await world.server.post(
        PATH, {"provider": "google", "idToken": google.token(), **params}
    )
    assert reply.status == 201, reply.body
    assert (reply.body["provider"], reply.body["providerUid"]) == ("google", "u-1")
    assert reply.body["providerAccessToken"] == "at"
    assert reply.body["providerAccessTokenExpiry"] == "2026-08-21T13:43:57.000+00:00"
    seen = await world.guest.get("/account", x_appwrite_session=reply.body["secret"])
    assert (seen.body["email"], seen.body["name"]) == (EMAIL, "Ann")
    assert seen.body["emailVerification"] is True
    listed = await world.server.get("/users/identities")
    assert listed.body["identities"][0]["providerIdToken"] == google.token()


async def test_a_signed_in_user_gets_the_identity(world: World, google: Issuer) -> None:
    ben = await world.user("ben")
    reply = await ben.post(PATH, {"provider": "google", "idToken": google.token()})
    assert (reply.status, reply.body["userId"]) == (201, "ben")
    assert (await ben.get("/account")).status == 401  # the new session took its place


async def test_apple_tells_a_name_once_and_the_app_hands_it_on(world: World, apple: Issuer) -> None:
    nonce = hashlib.sha256(b"raw").hexdigest()
    params = {"provider": "apple", "idToken": apple.token(nonce=nonce), "nonce": "raw"}
    reply = await world.guest.post(PATH, params | {"name": "Ann Lee"})
    assert reply.status == 201, reply.body
    user = await world.server.get(f"/users/{reply.body['userId']}")
    assert user.body["name"] == "Ann Lee"


@pytest.mark.parametrize(
    ("claim", "sent"),
    [(None, "raw"), ("raw", ""), ("other", "raw"), (None, ""), ("", ""), (1, "1")],
)
async def test_apple_wants_a_nonce_on_both_sides(
    world: World, apple: Issuer, claim: Any, sent: str
) -> None:
    token = apple.token(nonce=claim)
    reply = await world.guest.post(PATH, {"provider": "apple", "idToken": token, "nonce": sent})
    assert (reply.status, reply.type) == (401, "user_invalid_token")


@pytest.mark.parametrize(
    ("claim", "sent", "is_good"),
    [(None, "", True), (None, "raw", True), ("raw", "raw", True), ("raw", "", False)],
)
async def test_google_compares_a_nonce_where_there_is_one(
    world: World, google: Issuer, claim: str | None, sent: str, is_good: bool
) -> None:
    token = google.token(nonce=claim)
    reply = await world.guest.post(PATH, {"provider": "google", "idToken": token, "nonce": sent})
    assert (reply.status == 201) is is_good


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another app"},
        {"aud": ""},
        {"iss": "https://evil.example"},
        {"exp": int(START.timestamp()) - 61},
        {"signed_by": "mallory"},
    ],
)
async def test_a_token_that_is_wrong_opens_nothing(
    world: World, google: Issuer, claims: dict[str, Any]
) -> None:
    reply = await world.guest.post(PATH, {"provider": "google", "idToken": google.token(**claims)})
    assert (reply.status, reply.type) == (401, "user_invalid_token")


@pytest.mark.parametrize("text", ["x", "a.b.c", "e30.e30.", "\u00e9.a.b"])
async def test_what_is_no_token_opens_nothing(world: World, google: Issuer, text: str) -> None:
    reply = await world.guest.post(PATH, {"provider": "google", "idToken": text})
    assert (reply.status, reply.type) == (401, "user_invalid_token")


async def test_the_switch_of_browsers_is_not_the_one_of_apps(world: World) -> None:
    await world.server.patch(
        "/project/oauth2/google", {"clientId": "app", "clientSecret": "s", "enabled": True}
    )
    token = Issuer(GOOGLE.issuer, START, claims={"aud": "app"}).token()
    reply = await world.guest.post(PATH, {"provider": "google", "idToken": token})
    assert (reply.status, reply.type) == (412, "project_provider_disabled")


async def test_a_new_key_of_the_issuer_is_looked_for(world: World, google: Issuer) -> None:
    await world.guest.post(PATH, {"provider": "google", "idToken": google.token()})
    google.kid = "second"
    assert a_key("second") is not a_key("first")
    world.bench.providers.answers[f"GET {GOOGLE.keys}"] = google.keys()
    params = {"provider": "google", "idToken": google.token()}
    too_soon = await world.guest.post(PATH, params)
    assert too_soon.type == "user_invalid_token"
    world.clock.move(61)
    assert (await world.guest.post(PATH, params)).status == 201


async def test_other_providers_have_no_such_tokens(world: World) -> None:
    reply = await world.guest.post(PATH, {"provider": "github", "idToken": "x"})
    assert (reply.status, reply.type) == (400, "general_argument_invalid")
