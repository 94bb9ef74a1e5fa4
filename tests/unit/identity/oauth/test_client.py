"""Talking to providers, each in its own way, without a network."""

import base64
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from runwright.identity.oauth.client import ProviderClient
from runwright.identity.oauth.documents import FRESH_S, MOST, Documents
from runwright.identity.oauth.endpoints import Setup
from runwright.identity.oauth.errors import ProviderFailed, ProviderRefused
from runwright.identity.oauth.grants import Grant
from runwright.identity.oauth.id_tokens import IdTokens
from runwright.identity.oauth.providers import PROVIDERS
from runwright.identity.oauth.state import Departure
from runwright.ports.poster import Posted
from tests.fakes.identity import START, HandClock
from tests.fakes.oauth import FakePoster

pytestmark = pytest.mark.anyio

GONE = Departure(
    id="d",
    project_id="p",
    provider="x",
    wants_token=False,
    success="",
    failure="",
    echo="",
    redirect="https://here.example/callback",
    verifier="v" * 43,
    nonce="n",
    browser="",
    user_id="",
    session_id="",
    expires_at=START + timedelta(minutes=5),
)


@dataclass
class Bench:
    poster: FakePoster
    clock: HandClock
    documents: Documents
    client: ProviderClient


@pytest.fixture
def bench() -> Bench:
    poster, clock = FakePoster(), HandClock()
    documents = Documents(poster, clock)
    client = ProviderClient(poster, documents, IdTokens(documents, clock), clock)
    return Bench(poster, clock, documents, client)


def a_setup(name: str, **values: Any) -> Setup:
    provider = PROVIDERS[name]
    return Setup(
        provider=provider,
        client="c 1",
        secret="s&1",
        secrets={provider.secret: "s&1"},
        values=values,
        prompts=tuple(values.get("prompt", ())),
    )


async def asked(bench: Bench, setup: Setup, *scopes: str) -> tuple[str, dict[str, str]]:
    address = await bench.client.address(setup, GONE, "state", scopes)
    split = urlsplit(address)
    return f"{split.scheme}://{split.netloc}{split.path}", dict(parse_qsl(split.query))


async def test_settings_become_parts_of_addresses(bench: Bench) -> None:
    setup = a_setup("keycloak", endpoint="id.example:8443", realmName="a b")
    base, _ = await asked(bench, setup)
    assert base == "https://id.example:8443/realms/a%20b/protocol/openid-connect/auth"
    base, query = await asked(bench, a_setup("gitlab"))
    assert base == "https://gitlab.com/oauth/authorize"
    assert query["scope"] == "read_user"


async def test_providers_are_asked_in_their_own_words(bench: Bench) -> None:
    _, tiktok = await asked(bench, a_setup("tiktok"), "video.list")
    assert (tiktok["client_key"], tiktok["scope"]) == ("c 1", "user.info.basic,video.list")
    assert "client_id" not in tiktok
    _, google = await asked(bench, a_setup("google", prompt=["consent", "select_account"]))
    assert google["prompt"] == "consent select_account"
    assert (google["access_type"], google["nonce"]) == ("offline", "n")
    _, apple = await asked(bench, a_setup("apple"))
    assert apple["response_mode"] == "form_post"
    assert "code_challenge" not in apple


async def test_github_says_who_somebody_is_in_two_answers(bench: Bench) -> None:
    answers = bench.poster.answers
    answers["POST https://github.com/login/oauth/access_token"] = {"access_token": "gho"}
    answers["GET https://api.github.com/user"] = {"id": 1, "login": "octo", "email": None}
    answers["GET https://api.github.com/user/emails"] = [
        {"email": "o@example.com", "primary": True, "verified": True}
    ]
    arrived = await bench.client.arrive(a_setup("github"), GONE, "code")
    assert (arrived.facts.uid, arrived.facts.email) == ("1", "o@example.com")
    assert arrived.facts.is_verified
    assert dict(bench.poster.asked[-1].headers)["Authorization"] == "Bearer gho"
    assert bench.poster.asked[-1].is_tls_verified


async def test_github_refuses_with_the_status_of_success(bench: Bench) -> None:
    bench.poster.answers["POST https://github.com/login/oauth/access_token"] = {
        "error": "bad_verification_code",
        "error_description": "It has\x1b[31m expired",
    }
    with pytest.raises(ProviderRefused, match=r"bad_verification_code, It has\[31m expired"):
        await bench.client.arrive(a_setup("github"), GONE, "code")


async def test_addresses_that_may_not_be_read_are_done_without(bench: Bench) -> None:
    answers = bench.poster.answers
    answers["POST https://github.com/login/oauth/access_token"] = b"access_token=gho&scope="
    answers["GET https://api.github.com/user"] = {"id": 1, "login": "octo"}
    answers["GET https://api.github.com/user/emails"] = lambda post: Posted(403, b"{}")
    arrived = await bench.client.arrive(a_setup("github"), GONE, "code")
    assert (arrived.facts.uid, arrived.facts.email, arrived.facts.name) == ("1", "", "octo")


async def test_some_want_the_clients_secret_in_a_header(bench: Bench) -> None:
    answers = bench.poster.answers
    answers["POST https://api.notion.com/v1/oauth/token"] = {"access_token": "n"}
    owner = {"user": {"id": "u", "name": "Ann", "person": {"email": "a@x.org"}}}
    answers["GET https://api.notion.com/v1/users/me"] = {"bot": {"owner": owner}}
    arrived = await bench.client.arrive(a_setup("notion"), GONE, "code")
    assert arrived.facts.email == "a@x.org"
    sent = bench.poster.asked[0]
    pair = base64.b64encode(b"c%201:s%261").decode()
    assert dict(sent.headers)["Authorization"] == f"Basic {pair}"
    assert json.loads(sent.body)["code"] == "code"
    assert b"s&1" not in sent.body


async def test_disqus_wants_everything_in_the_address(bench: Bench) -> None:
    answers = bench.poster.answers
    answers["POST https://disqus.com/api/oauth/2.0/access_token/"] = {"access_token": "d/1"}
    address = "https://disqus.com/api/3.0/users/details.json"
    place = f"{address}?access_token=d%2F1&api_key=c%201&api_secret=s%261"
    answers[f"GET {place}"] = {"response": {"id": "9", "email": "a@x.org", "name": "Ann"}}
    arrived = await bench.client.arrive(a_setup("disqus"), GONE, "code")
    assert (arrived.facts.uid, arrived.facts.is_verified) == ("9", False)


async def test_apple_gets_a_secret_that_is_signed_for_minutes(bench: Bench) -> None:
    key = generate_private_key(SECP256R1())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    setup = Setup(
        provider=PROVIDERS["apple"],
        client="com.example.web",
        secret=text,
        secrets={"teamId": "TEAM", "keyId": "KEY"},
        values={},
        prompts=(),
    )
    with pytest.raises(ProviderFailed):  # nobody answers
        await bench.client.arrive(setup, GONE, "code")
    form = parse_qs(bench.poster.asked[0].body.decode())
    (secret,) = form["client_secret"]
    claims = jwt.decode(
        secret,
        key.public_key(),
        algorithms=["ES256"],
        audience="https://appleid.apple.com",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert (claims["iss"], claims["sub"], claims["exp"] - claims["iat"]) == (
        "TEAM",
        "com.example.web",
        300,
    )
    assert jwt.get_unverified_header(secret)["kid"] == "KEY"


async def test_a_refresh_token_stays_good_when_no_new_one_comes(bench: Bench) -> None:
    place = "POST https://api.login.yahoo.com/oauth2/get_token"
    bench.poster.answers[place] = {"access_token": "b", "expires_in": "60"}
    renewed = await bench.client.refresh(
        a_setup("yahoo"), Grant(access_token="a", refresh_token="r")
    )
    assert (renewed.access_token, renewed.refresh_token) == ("b", "r")
    assert renewed.expires_at == START + timedelta(seconds=60)


@pytest.mark.parametrize("lifetime", [None, True, -1, "soon", 10**12, {}])
async def test_a_lifetime_that_is_none_is_not_believed(bench: Bench, lifetime: Any) -> None:
    place = "POST https://api.login.yahoo.com/oauth2/get_token"
    bench.poster.answers[place] = {"access_token": "b", "expires_in": lifetime}
    renewed = await bench.client.refresh(a_setup("yahoo"), Grant(refresh_token="r"))
    assert renewed.expires_at is None


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
        {"jwks_uri": 5},
    ],
)
async def test_a_description_that_lacks_something_is_no_use(
    bench: Bench, change: dict[str, Any]
) -> None:
    bench.poster.answers["GET https://id.example/well"] = {
        "issuer": "https://id.example",
        "authorization_endpoint": "https://id.example/a",
        "token_endpoint": "https://id.example/t",
        "jwks_uri": "https://id.example/k",
        **change,
    }
    with pytest.raises(ProviderFailed):
        await asked(bench, a_setup("oidc", wellKnownURL="https://id.example/well"))


async def test_a_description_is_fetched_once_for_some_minutes(bench: Bench) -> None:
    bench.poster.answers["GET https://id.example/well"] = {"a": 1}
    for _ in range(3):
        await bench.documents.get("https://id.example/well")
    assert len(bench.poster.asked) == 1
    bench.clock.move(FRESH_S)
    await bench.documents.get("https://id.example/well")
    assert len(bench.poster.asked) == 2


async def test_no_more_descriptions_are_remembered_than_there_is_room_for(bench: Bench) -> None:
    for at in range(MOST + 1):
        bench.poster.answers[f"GET https://id.example/{at}"] = {"a": at}
        await bench.documents.get(f"https://id.example/{at}")
    await bench.documents.get("https://id.example/0")  # the first one was forgotten
    assert len(bench.poster.asked) == MOST + 2
    await bench.documents.get(f"https://id.example/{MOST}")
    assert len(bench.poster.asked) == MOST + 2
