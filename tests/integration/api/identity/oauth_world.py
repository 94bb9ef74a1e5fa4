"""What the tests of signing in with other providers share: a provider, a browser, the way."""

import json
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from runwright.model.identity import User
from runwright.ports.poster import Post, Posted
from tests.fakes.identity import PASSWORD, PROJECT_ID, START, Person, Reply, World
from tests.fakes.issuer import Issuer

ID: Final = "https://id.example"
WELL_KNOWN: Final = f"{ID}/.well-known/openid-configuration"
APP: Final = "http://localhost/app"
FAILED: Final = "http://localhost/failed"
EMAIL: Final = "ann@example.com"
CLIENT: Final = "client-1"
SESSION: Final = f"a_session_{PROJECT_ID}"
TOKENS: Final = {"access_token": "at-1", "refresh_token": "rt-1", "expires_in": 3600}


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


@dataclass
class Browser:
    """Keeps cookies, as far as these matter here."""

    world: World
    cookies: dict[str, str] = field(default_factory=dict)

    async def go(self, url: str, **more: str) -> Reply:
        split = urlsplit(url)
        person = Person(self.world.client, {"x-appwrite-project": PROJECT_ID})
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        path = split.path.removeprefix("/v1") + (f"?{split.query}" if split.query else "")
        reply = await person.call("GET", path, None, **({"cookie": jar} if jar else {}), **more)
        for line in reply.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies.pop(name, None)
            if value:
                self.cookies[name] = value
        return reply

    @property
    def is_signed_in(self) -> bool:
        return SESSION in self.cookies


@dataclass
class Provider:
    """An OpenID Connect provider that answers with what a test puts into it."""

    world: World
    issuer: Issuer
    claims: dict[str, Any] = field(default_factory=dict)  # of ID tokens
    info: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=lambda: dict(TOKENS))
    nonce: str = ""
    id_token: str | None = None  # instead of one that is right

    def serve(self) -> None:
        answers = self.world.bench.providers.answers
        answers[f"GET {WELL_KNOWN}"] = {
            "issuer": ID,
            "authorization_endpoint": f"{ID}/authorize",
            "token_endpoint": f"{ID}/token",
            "userinfo_endpoint": f"{ID}/userinfo",
            "jwks_uri": f"{ID}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
        answers[f"GET {ID}/keys"] = self.issuer.keys()
        answers[f"POST {ID}/token"] = self._trade
        answers[f"GET {ID}/userinfo"] = lambda post: _json(self.info)

    def _trade(self, post: Post) -> Posted:
        made = self.issuer.token(**{"nonce": self.nonce, "aud": CLIENT, **self.claims})
        return _json({**self.tokens, "id_token": self.id_token or made})

    @property
    def asked(self) -> dict[str, str]:
        return self.world.bench.providers.form(f"{ID}/token")


def _json(value: Any) -> Posted:
    return Posted(200, json.dumps(value).encode())


async def away(
    browser: Browser, provider: Provider, *, kind: str = "sessions", **more: Any
) -> dict[str, str]:
    """Begin; what the provider is asked."""
    params = {"success": APP, "failure": FAILED, **more}
    text = "&".join(f"{name}={value}" for name, value in params.items() if value)
    reply = await browser.go(f"/v1/account/{kind}/oauth2/oidc?{text}")
    assert reply.status == 301, reply.body
    asked = query_of(reply.headers["location"])
    provider.nonce = asked["nonce"]
    return asked


async def back(browser: Browser, state: str, **brought: str) -> Reply:
    """From the provider's page by its redirect, to wherever it ends."""
    query = "&".join(f"{k}={v}" for k, v in {"state": state, "code": "c-1", **brought}.items())
    hop = await browser.go(f"/v1/account/sessions/oauth2/callback/oidc/{PROJECT_ID}?{query}")
    assert hop.status == 301
    return await browser.go(hop.headers["location"])


async def signed_in(browser: Browser, provider: Provider, **more: Any) -> Reply:
    asked = await away(browser, provider, **more)
    return await back(browser, asked["state"])


def failure(reply: Reply) -> str:
    """The type of the error that the client was told."""
    location = reply.headers.get("location", "")
    assert location.startswith(FAILED), (reply.status, location, reply.body)
    told = json.loads(query_of(location)["error"])
    assert told["message"]
    return str(told["type"])


async def account(browser: Browser) -> Any:
    reply = await browser.go("/v1/account")
    assert reply.status == 200, reply.body
    return reply.body


async def identities(world: World) -> list[Any]:
    reply = await world.server.get("/users/identities")
    assert reply.body["total"] == len(reply.body["identities"])
    return list(reply.body["identities"])


async def made_user(world: World, **changes: Any) -> User:
    """Ann, who signed up by password and has proved nothing."""
    await world.guest.post(
        "/account", {"userId": "ann", "email": EMAIL, "password": PASSWORD, "name": "Ann"}
    )
    storage = world.bench.storage
    user = await storage.read(lambda uow: uow.users.get(PROJECT_ID, "ann"))
    assert user is not None
    changed = replace(user, **changes)
    await storage.write(lambda uow: uow.users.put(changed))
    return changed


async def ready_provider(world: World) -> Provider:
    made = Provider(world, Issuer(ID, START))
    made.info = {"sub": "u-1", "email": EMAIL, "email_verified": True, "name": "Ann"}
    made.serve()
    settings = {
        "clientId": CLIENT,
        "clientSecret": "hush",
        "wellKnownURL": WELL_KNOWN,
        "enabled": True,
    }
    assert (await world.server.patch("/project/oauth2/oidc", settings)).status == 200
    return made
