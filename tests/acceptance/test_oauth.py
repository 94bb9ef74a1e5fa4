"""People sign in with other providers: by hand, by SDK, in a browser."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from appwrite.client import Client
from appwrite.enums.o_auth_provider import OAuthProvider
from appwrite.services.account import Account
from appwrite.services.project import Project
from appwrite.services.users import Users

from tests.acceptance.pages import BROWSERS, run_node, serving
from tests.acceptance.providers import GitHub, github, openid_provider
from tests.acceptance.running import Running

APP: Final = "http://localhost:9/app"  # nobody listens there; browsers are stopped before
FAILED: Final = "http://localhost:9/failed"


@dataclass
class Scene:
    server: Running
    openid: str
    hub: GitHub

    def sdk(self) -> Client:
        made: Client = Client().set_endpoint(self.server.endpoint)
        made.set_project(self.server.project_id)
        return made

    def with_key(self) -> Client:
        made: Client = self.sdk().set_key(self.server.api_key)
        return made


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("oauth") / "data"
    with openid_provider() as openid, github() as hub:
        server = Running(
            folder, RUNWRIGHT_OAUTH_ALLOW_PRIVATE="on", RUNWRIGHT_GITHUB_URL=hub.url
        ).start()
        try:
            made = Scene(server, openid, hub)
            project = Project(made.with_key())
            project.update_o_auth2_oidc(
                client_id="client",
                client_secret="secret",
                well_known_url=f"{openid}/.well-known/openid-configuration",
                enabled=True,
            )
            project.update_o_auth2_git_hub("gh-client", "gh-secret", True)
            yield made
        finally:
            assert server.stop() == 0, server.tail()


def go(browser: httpx.Client, answer: httpx.Response) -> httpx.Response:
    """Follow redirects until they leave for the app."""
    for _ in range(10):
        location = answer.headers.get("location", "")
        if not location or location.startswith((APP, FAILED)):
            return answer
        answer = browser.get(str(answer.url.join(location)))
    raise AssertionError("too many redirects")


def known_at(scene: Scene, sub: str, **claims: Any) -> None:
    httpx.put(f"{scene.openid}/users/{sub}", json=claims, timeout=60).raise_for_status()


def begin(scene: Scene, browser: httpx.Client, path: str, **more: str) -> httpx.Response:
    params = {"project": scene.server.project_id, "success": APP, "failure": FAILED, **more}
    return browser.get(f"{scene.server.endpoint}{path}", params=params)


def through_openid(scene: Scene, browser: httpx.Client, sub: str, path: str) -> httpx.Response:
    form = go(browser, begin(scene, browser, path))
    assert form.status_code == 200, form.text
    assert "Authorize Client" in form.text
    return go(browser, browser.post(form.url, data={"sub": sub}))


def query_of(answer: httpx.Response) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def as_user(scene: Scene, browser: httpx.Client) -> httpx.Client:
    return httpx.Client(
        base_url=scene.server.endpoint,
        headers={"x-appwrite-project": scene.server.project_id},
        cookies=browser.cookies,
        timeout=60,
    )


def test_a_browser_signs_in_by_openid_connect_and_keeps_the_tokens_fresh(scene: Scene) -> None:
    known_at(scene, "ann", email="ann@example.com", email_verified=True, name="Ann")
    with httpx.Client(timeout=60) as browser:
        ended = through_openid(scene, browser, "ann", "/account/sessions/oauth2/oidc")
        assert ended.headers["location"] == APP
        with as_user(scene, browser) as user:
            account = user.get("/account").json()
            assert (account["email"], account["emailVerification"]) == ("ann@example.com", True)
            session = user.get("/account/sessions/current").json()
            assert (session["provider"], session["providerUid"]) == ("oidc", "ann")
            renewed = user.patch("/account/sessions/current")
            assert renewed.status_code == 200, renewed.text
            assert renewed.json()["providerAccessToken"] not in (
                "",
                session["providerAccessToken"],
            )
            (identity,) = user.get("/account/identities").json()["identities"]
            assert identity["providerEmail"] == "ann@example.com"
    kept = sqlite3.connect(scene.server.data_dir / "runwright.db")
    with kept:
        dump = "\n".join(kept.iterdump())
    kept.close()
    assert session["providerAccessToken"] not in dump
    assert session["providerAccessToken"] not in scene.server.log.read_text()


def test_who_denies_comes_back_with_nothing(scene: Scene) -> None:
    with httpx.Client(timeout=60) as browser:
        form = go(browser, begin(scene, browser, "/account/sessions/oauth2/oidc"))
        asked = dict(form.url.params)  # the provider at hand forgets the state when it denies
        denied = {"error": "access_denied", "state": asked["state"]}
        ended = go(browser, browser.get(asked["redirect_uri"], params=denied))
        assert ended.headers["location"].startswith(FAILED)
        error = json.loads(query_of(ended)["error"])
        assert (error["type"], error["code"]) == ("user_oauth2_provider_error", 424)
        assert "access_denied" in error["message"]
        assert not [name for name in browser.cookies if name.startswith("a_session")]


def test_a_link_that_was_begun_elsewhere_signs_nobody_in(scene: Scene) -> None:
    known_at(scene, "mallory", email="mallory@example.com", email_verified=True)
    with httpx.Client(timeout=60) as mallory, httpx.Client(timeout=60) as victim:
        form = go(mallory, begin(scene, mallory, "/account/sessions/oauth2/oidc"))
        callback = mallory.post(form.url, data={"sub": "mallory"}).headers["location"]
        ended = go(victim, victim.get(callback))
        assert json.loads(query_of(ended)["error"])["type"] == "user_oauth2_bad_request"
        assert not [name for name in victim.cookies if name.startswith("a_session")]


def test_the_python_sdk_signs_in_by_github_with_a_token(scene: Scene) -> None:
    address = Account(scene.with_key()).create_o_auth2_token(
        OAuthProvider.GITHUB, APP, FAILED, ["gist"], "kept by the app"
    )
    assert address.startswith(f"{scene.hub.url}/login/oauth/authorize?")
    assert dict(parse_qsl(urlsplit(address).query))["scope"] == "user:email gist"
    with httpx.Client(timeout=60) as browser:
        told = query_of(go(browser, browser.get(address)))
    assert told["state"] == "kept by the app"
    session = Account(scene.with_key()).create_session(told["userId"], told["secret"])
    assert session.provider == "oauth2"
    own = Account(scene.sdk().set_session(session.secret))
    user = own.get()
    assert (user.email, user.name, user.emailverification) == (
        "octocat@example.com",
        "Octo Cat",
        True,
    )
    (identity,) = own.list_identities().identities
    assert (identity.provider, identity.provideruid) == ("github", "583231")
    assert Users(scene.with_key()).list_identities(search="583231").total == 1
    own.delete_identity(identity.id)
    assert own.list_identities().total == 0
    assert Users(scene.with_key()).list_identities(search="583231").total == 0


def test_a_signed_in_user_adds_github_by_the_sdk(scene: Scene) -> None:
    users = Users(scene.with_key())
    users.create("grace", email="grace@example.com")
    own = Account(scene.sdk().set_session(users.create_session("grace").secret))
    scene.hub.user = {"id": 7, "login": "grace", "name": "Grace"}
    scene.hub.emails = [{"email": "grace@example.org", "primary": True, "verified": True}]
    address = own.create_o_auth2_token(OAuthProvider.GITHUB, APP, FAILED)
    with httpx.Client(timeout=60) as browser:
        told = query_of(go(browser, browser.get(address)))
    assert told["userId"] == "grace"
    Account(scene.sdk()).create_session(told["userId"], told["secret"])
    (identity,) = own.list_identities().identities
    assert identity.provideruid == "7"
    assert own.get().email == "grace@example.com"
    users.delete_identity(identity.id)
    assert own.list_identities().total == 0


def test_the_web_sdk_signs_in_in_a_real_browser(scene: Scene) -> None:
    known_at(scene, "eve", email="eve@example.com", email_verified=True, name="Eve")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert browser, "tools/test-packages.sh installs chromium"
    with serving() as port:
        seen = run_node(
            "oauth_in_browser.mjs",
            browser,
            f"http://127.0.0.1:{port}/listen.html",
            json.dumps(
                {
                    "endpoint": scene.server.endpoint,
                    "project": scene.server.project_id,
                    "sub": "eve",
                }
            ),
        )
    assert seen["errors"] == []
    assert (seen["account"]["email"], seen["account"]["name"]) == ("eve@example.com", "Eve")
    assert seen["session"] == "oidc"
    assert seen["page"] == "You are signed in"
    assert seen["app"].startswith(f"appwrite-callback-{scene.server.project_id}:///?")


def test_providers_on_private_addresses_are_left_alone_by_default(server: Running) -> None:
    with openid_provider() as openid, server.client() as api, httpx.Client(timeout=60) as browser:
        plain = {"wellKnownURL": f"{openid}/.well-known/openid-configuration"}
        refused = api.patch("/project/oauth2/oidc", json=plain)
        assert (refused.status_code, refused.json()["type"]) == (400, "general_argument_invalid")
        for host in ("127.0.0.1", "localhost", "[::1]", "2130706433", "169.254.169.254"):
            settings = {
                "clientId": "c",
                "clientSecret": "s",
                "wellKnownURL": f"https://{host}/.well-known/openid-configuration",
                "enabled": True,
            }
            assert api.patch("/project/oauth2/oidc", json=settings).status_code == 200
            answer = browser.get(
                f"{server.endpoint}/account/sessions/oauth2/oidc",
                params={"project": server.project_id, "failure": FAILED},
            )
            error = json.loads(query_of(answer)["error"])
            assert error["type"] == "user_oauth2_provider_error"
            assert "not public" in error["message"], host
        api.patch("/project/oauth2/oidc", json={"enabled": False})
