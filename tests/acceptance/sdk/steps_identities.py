"""Who people are at the providers that they sign in with."""

import warnings
from urllib.parse import parse_qs, urlsplit

import httpx
from oidc_provider_mock import run_server_in_thread

from tests.acceptance.sdk.world import Caller, World

IN, OUT = "http://localhost/in", "http://localhost/out"


def identities_of_people(world: World) -> None:
    with warnings.catch_warnings(), run_server_in_thread() as provider:
        # The provider answers in this process, and its libraries warn of their own future.
        warnings.simplefilter("ignore", DeprecationWarning)
        issuer = f"http://localhost:{provider.server_port}"
        world.key(
            "project.updateOAuth2Oidc",
            clientId="shop",
            clientSecret="secret",
            wellKnownURL=f"{issuer}/.well-known/openid-configuration",
            enabled=True,
        )
        ann = _signed_in(world)
        (own,) = ann("account.listIdentities")["identities"]
        assert (own["provider"], own["providerUid"]) == ("oidc", "ann")
        ann("account.deleteIdentity", identityId=own["$id"])
        assert ann("account.listIdentities")["total"] == 0
        _signed_in(world)
        (found,) = world.key("users.listIdentities")["identities"]
        world.key("users.deleteIdentity", identityId=found["$id"])
        again = {"identityId": found["$id"]}
        world.key.refused("users.deleteIdentity", 404, "user_identity_not_found", **again)


def _signed_in(world: World) -> Caller:
    """What a browser does between the two calls of a server."""
    way = {"provider": "oidc", "success": IN, "failure": OUT}
    address = world.guest("account.createOAuth2Token", **way)
    with httpx.Client(timeout=60) as browser:
        answer = browser.post(address, data={"sub": "ann"})
        while (onward := answer.next_request) and not str(onward.url).startswith((IN, OUT)):
            answer = browser.send(onward)
    came_back = answer.headers.get("location", answer.text)
    assert came_back.startswith(IN), came_back
    told = {name: values[0] for name, values in parse_qs(urlsplit(came_back).query).items()}
    given = {"userId": told["userId"], "secret": told["secret"]}
    return world.by_session(world.key("account.createSession", **given)["secret"])


def id_tokens_without_a_provider(world: World) -> None:
    """Google and Apple alone sign such tokens, so here nothing more than this can be seen."""
    if world.has("account.createIdTokenSession"):
        world.guest.refused(
            "account.createIdTokenSession",
            412,
            "project_provider_disabled",
            provider="google",
            idToken="a.b.c",
        )
