"""A server that logs all it can tells no secret, and keeps none in the clear.

One started at log level `debug` is taken through everything that has a secret in it, calls that
fail included, with texts planted that are found nowhere else. Then all that it has written is
searched for them.
"""

import base64
import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pyotp
import pytest

from runwright.api.routing import Route
from tests.acceptance.console import Console
from tests.acceptance.deploying import deploy, execute, on_domain
from tests.acceptance.mailbox import Mailbox
from tests.acceptance.receiving import receiving
from tests.acceptance.routes import every_route
from tests.acceptance.running import Running
from tests.acceptance.sockets import connect
from tests.marker import Marker

CODE: Final = """
export default async ({ req, res, log }) => {
  if (req.path.startsWith("/fail")) throw new Error(req.bodyText);
  if (req.path.startsWith("/print")) { log(req.bodyText); console.log(req.bodyText); }
  return res.text(req.bodyText, 200, { "x-secret": req.bodyText });
};
"""
PAGE: Final = "http://localhost/back"


@dataclass
class Planted:
    """Texts that must not be found, by what they are."""

    markers: dict[str, Marker] = field(default_factory=dict)

    def new(self, what: str) -> str:
        """A text to send as that."""
        marker = self.markers[what] = Marker()
        return marker.text

    def got(self, what: str, secret: Any) -> str:
        """A secret that the server has made."""
        assert isinstance(secret, str)
        assert len(secret) >= 6, what
        self.markers[what] = Marker(secret)
        return secret

    def found_below(self, folder: Path) -> dict[str, list[str]]:
        found = {
            what: [str(path.relative_to(folder)) for path in marker.found_below(folder)]
            for what, marker in self.markers.items()
        }
        return {what: paths for what, paths in found.items() if paths}


@pytest.fixture
def talkative(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    settings = {
        "RUNWRIGHT_LOG_LEVEL": "debug",
        "RUNWRIGHT_LOG_FORMAT": request.param,
        "RUNWRIGHT_WEBHOOKS_ALLOW_PRIVATE": "on",
    }
    (tmp_path / "server").mkdir()
    server = Running(tmp_path / "server" / "data", **settings).start()
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def logged(server: Running, planted: Planted) -> list[str]:
    """Which of the texts the server has printed."""
    lines = server.log.read_bytes()
    folder = server.log.parent / "printed"
    folder.mkdir(exist_ok=True)
    (folder / "log").write_bytes(lines)
    return sorted(planted.found_below(folder))


def client(server: Running, **headers: str) -> httpx.Client:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent.setdefault("x-appwrite-project", server.project_id)
    return httpx.Client(base_url=server.endpoint, headers=sent, timeout=60)


@pytest.mark.parametrize("talkative", ["json"], indirect=True)
def test_nothing_secret_is_printed_or_kept_in_the_clear(talkative: Running) -> None:
    server, planted = talkative, Planted()
    mailbox = Mailbox(server.data_dir, server.project_id)
    with server.client() as api, client(server) as guest:
        deploy(api, "quiet", "node", CODE, execute=["any"], events=["users.*", "teams.*"])
        with receiving() as receiver:
            settings(api, receiver.url("/in"), planted)
            server_side(api, planted)
            account(server, api, guest, mailbox, planted)
            keys(server, api, planted)
            runs(server, api, planted)
            sockets(server, planted)
            # Secrets of sessions and tokens are in what receivers are told, and are under way.
            receiver.wait("/in", lambda item: "secret" in item.payload, 2)
    assert server.stop() == 0
    assert logged(server, planted) == []
    del planted.markers["hash that is none"]  # hashes are kept as they are given
    kept = planted.found_below(server.data_dir)
    shown = {
        what: [path for path in paths if not path.startswith("mail/")]
        for what, paths in kept.items()
    }
    assert {what: paths for what, paths in shown.items() if paths} == {}


def server_side(api: httpx.Client, planted: Planted) -> None:
    """Users as servers make them."""
    password = planted.new("password of a new user")
    body = {"userId": "ann", "email": "ann@example.com", "password": password, "name": "Ann"}
    api.post("/users", json=body).raise_for_status()
    assert api.post("/users", json=body).status_code == 409
    change = {"password": planted.new("password that a server sets")}
    api.patch("/users/ann/password", json=change).raise_for_status()
    session = api.post("/users/ann/sessions").raise_for_status().json()
    planted.got("session that a server makes", session["secret"])
    token = api.post("/users/ann/tokens", json={"length": 64}).raise_for_status().json()
    planted.got("token that a server makes", token["secret"])
    jwt = api.post("/users/ann/jwts").raise_for_status().json()
    planted.got("JWT that a server makes", jwt["jwt"])
    hashed = {**body, "userId": "old", "email": "old@example.com"}
    hashed["password"] = planted.new("hash that is none")
    assert api.post("/users/bcrypt", json=hashed).status_code < 500


def account(
    server: Running, api: httpx.Client, guest: httpx.Client, mailbox: Mailbox, planted: Planted
) -> None:
    """Somebody signs up, in, out, forgets everything, and gets it wrong."""
    password = planted.new("password of who signs up")
    email = "bob@example.com"
    guest.post("/account", json={"userId": "bob", "email": email, "password": password})
    for wrong in (planted.new("wrong password"), planted.new("short")[:7]):
        tried = guest.post("/account/sessions/email", json={"email": email, "password": wrong})
        assert tried.status_code in (400, 401)
    signed_in = guest.post("/account/sessions/email", json={"email": email, "password": password})
    assert signed_in.status_code == 201, signed_in.text
    name = f"a_session_{server.project_id}"
    cookie = signed_in.cookies[name]
    guest.cookies.clear()
    planted.got("session cookie", cookie)
    value = json.loads(base64.b64decode(httpx.QueryParams(f"v={cookie}")["v"]))
    planted.got("secret of a session", value["secret"])
    with client(server, cookie=f"{name}={cookie}") as own:
        jwt = planted.got("JWT", own.post("/account/jwts").json()["jwt"])
        twice = own.get("/account", headers={"x-appwrite-jwt": jwt})
        assert twice.status_code == 403
        newer = planted.new("new password")
        change = {"password": newer, "oldPassword": planted.new("wrong old password")}
        assert own.patch("/account/password", json=change).status_code == 401
        own.patch("/account/password", json=change | {"oldPassword": password}).raise_for_status()
        verify(own, guest, mailbox, planted)
        second_factor(own, planted)
    recover(guest, email, mailbox, planted)
    by_token(guest, mailbox, planted)
    odd_credentials(guest, name, planted)
    providers(server, api, guest, planted)


def verify(own: httpx.Client, guest: httpx.Client, mailbox: Mailbox, planted: Planted) -> None:
    mailbox.skip()
    asked = own.post("/account/verifications/email", json={"url": PAGE})
    assert asked.is_success, asked.text
    secret = planted.got("secret of a verification", mailbox.next().link["secret"])
    wrong = {"userId": "bob", "secret": planted.new("wrong secret of a verification")}
    assert guest.put("/account/verifications/email", json=wrong).status_code == 401
    right = {"userId": "bob", "secret": secret}
    assert guest.put("/account/verifications/email", json=right).status_code == 200


def second_factor(own: httpx.Client, planted: Planted) -> None:
    made = own.post("/account/mfa/authenticators/totp")
    assert made.is_success, made.text
    seed = planted.got("seed of a second factor", made.json()["secret"])
    wrong = {"otp": planted.new("wrong code")}
    assert own.put("/account/mfa/authenticators/totp", json=wrong).status_code in (400, 401)
    right = {"otp": pyotp.TOTP(seed).now()}
    own.put("/account/mfa/authenticators/totp", json=right).raise_for_status()
    codes = own.post("/account/mfa/recovery-codes")
    assert codes.is_success, codes.text
    for at, code in enumerate(codes.json()["recoveryCodes"]):
        planted.got(f"recovery code {at}", code)
    challenge = own.post("/account/mfa/challenges", json={"factor": "recoverycode"})
    assert challenge.is_success, challenge.text
    answer = {"challengeId": challenge.json()["$id"], "otp": planted.new("wrong recovery code")}
    assert own.put("/account/mfa/challenges", json=answer).status_code in (400, 401)


def recover(guest: httpx.Client, email: str, mailbox: Mailbox, planted: Planted) -> None:
    mailbox.skip()
    asked = guest.post("/account/recovery", json={"email": email, "url": PAGE})
    assert asked.is_success, asked.text
    secret = planted.got("secret of a recovery", mailbox.next().link["secret"])
    newest = planted.new("recovered password")
    body = {"userId": "bob", "secret": planted.new("wrong secret of a recovery")}
    assert guest.put("/account/recovery", json={**body, "password": newest}).status_code == 401
    body["secret"] = secret
    guest.put("/account/recovery", json={**body, "password": newest}).raise_for_status()


def by_token(guest: httpx.Client, mailbox: Mailbox, planted: Planted) -> None:
    """Links and codes, followed and guessed."""
    mailbox.skip()
    asked = {"userId": "eve", "email": "eve@example.com"}
    guest.post("/account/tokens/magic-url", json=asked).raise_for_status()
    secret = planted.got("secret of a link", mailbox.next().link["secret"])
    page = guest.get("/account/tokens/magic-url", params={"userId": "eve", "secret": secret})
    assert page.status_code == 200
    for attempt in (planted.new("guessed secret"), secret):
        signed_in = guest.put(
            "/account/sessions/magic-url", json={"userId": "eve", "secret": attempt}
        )
        assert signed_in.status_code == (201 if attempt == secret else 401)
    guest.cookies.clear()


def odd_credentials(guest: httpx.Client, name: str, planted: Planted) -> None:
    """Whatever a header can hold that is no credential."""
    value = base64.b64encode(
        json.dumps({"id": "bob", "secret": planted.new("session that is none")}).encode()
    ).decode()
    sent: list[dict[str, str]] = [
        {"cookie": f"{name}={quote(value)}"},
        {"cookie": f"{name}={planted.new('cookie that is none')}"},
        {"x-appwrite-session": value},
        {"x-fallback-cookies": json.dumps({name: planted.new("fallback that is none")})},
        {"x-fallback-cookies": planted.new("fallback that is no JSON")},
        {"x-appwrite-jwt": planted.new("JWT that is none")},
        {"x-appwrite-jwt": f"a.{planted.new('JWT in parts')}.c"},
        {"x-appwrite-key": planted.new("key without a kind")},
        {"x-appwrite-key": f"standard_{planted.new('unknown key')}"},
        {"x-appwrite-key": f"ephemeral_a.{planted.new('forged key')}.c"},
        {"x-appwrite-dev-key": planted.new("development key")},
        {"authorization": f"Bearer {planted.new('bearer')}"},
        {"x-appwrite-impersonate-user-email": planted.new("impersonated")},
    ]
    for headers in sent:
        answer = guest.get("/account", headers=headers)
        assert answer.status_code in (401, 403), answer.text
    for query in ("jwt", "secret", "key", "session", "token"):
        params = {query: planted.new(f"query {query}")}
        assert guest.get("/account", params=params).status_code == 401
    malformed = '{"password": "' + planted.new("malformed body")
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        guest.post("/account", content=malformed, headers={"content-type": kind})
    guest.post("/account", content=malformed, headers={"content-type": "multipart/form-data"})
    body = f'--x\r\ncontent-disposition: form-data; name="password"\r\n\r\n{malformed}'
    kind = "multipart/form-data; boundary=x"
    guest.post("/account", content=body, headers={"content-type": kind})


def providers(server: Running, api: httpx.Client, guest: httpx.Client, planted: Planted) -> None:
    """Sign-in by a provider that is not there, and returns that nobody asked for."""
    api.patch(
        "/project/oauth2/github",
        json={
            "clientId": "shop",
            "clientSecret": planted.new("secret of a provider"),
            "enabled": True,
        },
    )
    state = planted.new("state")
    begun = guest.get(
        "/account/sessions/oauth2/github",
        params={"success": f"{PAGE}?s={state}", "failure": PAGE},
        follow_redirects=False,
    )
    assert begun.status_code < 500, begun.text
    back = f"/account/sessions/oauth2/callback/github/{server.project_id}"
    returned = {"code": planted.new("code of a provider"), "state": planted.new("returned state")}
    assert guest.get(back, params=returned, follow_redirects=False).status_code < 500
    assert guest.post(back, data=returned, follow_redirects=False).status_code < 500
    there = "/account/sessions/oauth2/github/redirect"
    assert guest.get(there, params=returned, follow_redirects=False).status_code < 500
    token = {"idToken": planted.new("id token"), "provider": "github"}
    assert guest.post("/account/sessions/id-token", json=token).status_code < 500


def keys(server: Running, api: httpx.Client, planted: Planted) -> None:
    console = Console(server)
    secret = planted.got("key", console.new_key(server.project_id, ["users.read"]))
    planted.got("console's cookie", console.api.headers["cookie"].partition("=")[2])
    console.api.close()
    with client(server, x_appwrite_key=secret) as narrow:
        assert narrow.get("/users").status_code == 200
        assert narrow.get("/functions").status_code == 401
    made = api.post("/project/keys/ephemeral", json={"scopes": ["users.read"], "duration": 60})
    assert made.is_success, made.text
    planted.got("ephemeral key", made.json()["secret"])
    planted.got("password of the console", server.credentials["consolePassword"])
    del planted.markers["password of the console"]  # is what credentials.json is for
    assert api.get("/functions").status_code == 200


def runs(server: Running, api: httpx.Client, planted: Planted) -> None:
    """What callers send to functions, and what these answer and fail with."""
    for path in ("/", "/fail"):
        sent = {
            "body": planted.new(f"body of {path}"),
            "headers": {"x-mine": planted.new(f"header of {path}")},
            "path": path,
        }
        if path == "/":
            execute(api, "quiet", **sent)
        api.post("/functions/quiet/executions", json={**sent, "async": True, "path": "/"})
    with on_domain(server, "quiet.functions.localhost") as web:
        answer = web.post(
            "/",
            content=planted.new("body on a domain"),
            headers={
                "cookie": f"own={planted.new('cookie on a domain')}",
                "authorization": f"Bearer {planted.new('bearer on a domain')}",
                "x-appwrite-key": planted.new("key on a domain"),
            },
        )
        assert answer.status_code == 200
        jwt = {"x-appwrite-user-jwt": planted.new("JWT on a domain")}
        assert web.get("/", headers=jwt).status_code == 401


def settings(api: httpx.Client, url: str, planted: Planted) -> None:
    """Secrets that the project's owner gives into our hands."""
    variable = {"variableId": "unique()", "key": "S", "value": planted.new("variable")}
    api.post("/functions/quiet/variables", json=variable | {"secret": True}).raise_for_status()
    api.post("/project/variables", json=variable | {"key": "T"}).raise_for_status()
    hook = {
        "webhookId": "hook",
        "name": "hook",
        "url": url,
        "events": ["users.*"],
        "authUsername": "ann",
        "authPassword": planted.new("password of a webhook"),
        "secret": planted.new("secret of a webhook"),
    }
    api.post("/webhooks", json=hook).raise_for_status()
    smtp = {
        "host": "127.0.0.1",
        "port": 9,
        "username": "mailer",
        "password": planted.new("password of a mail server"),
        "senderEmail": "shop@example.com",
        "senderName": "Shop",
        "enabled": False,
    }
    assert api.patch("/project/smtp", json=smtp).status_code < 500


def sockets(server: Running, planted: Planted) -> None:
    address = server.endpoint.replace("http", "ws", 1)
    url = f"{address}/realtime?project={server.project_id}&channels[]=account"
    with connect(f"{url}&jwt={planted.new('JWT of a socket')}") as refused:
        assert json.loads(refused.recv(60))["type"] == "error"
    with connect(url) as opened:
        opened.recv(60)
        session = {"session": planted.new("session of a socket")}
        opened.send(json.dumps({"type": "authentication", "data": session}))
        assert json.loads(opened.recv(60))["type"] == "error"
        opened.send(planted.new("message that is none"))
        assert json.loads(opened.recv(60))["type"] == "error"


@pytest.mark.parametrize("talkative", ["text"], indirect=True)
def test_no_route_prints_what_it_is_sent(talkative: Running) -> None:
    """Every route, with a planted text wherever a request can hold one, by callers of each kind."""
    server, planted = talkative, Planted()
    session = user_session(server)
    callers: dict[str, dict[str, str]] = {
        "guest": {},
        "user": {"x-appwrite-session": session},
        "key": {"x-appwrite-key": server.api_key},
    }
    root = server.endpoint.removesuffix("/v1")
    with httpx.Client(base_url=root, timeout=60) as anyone:
        for kind, headers in callers.items():
            for route in every_route():
                if route.name in ("project.delete", "account.delete", "account.updateStatus"):
                    continue
                text = planted.new(f"{route.name} by a {kind}")
                send(anyone, route, text, {"x-appwrite-project": server.project_id, **headers})
    assert server.stop() == 0
    assert logged(server, planted) == []


def user_session(server: Running) -> str:
    with server.client() as api:
        api.post("/users", json={"userId": "ann"}).raise_for_status()
        return str(api.post("/users/ann/sessions").raise_for_status().json()["secret"])


def send(anyone: httpx.Client, route: Route, text: str, headers: dict[str, str]) -> None:
    names = [item.name.rstrip("_") for item in dataclasses.fields(route.params or Empty)]
    given = {re.sub(r"_(\w)", lambda found: found[1].upper(), name): text for name in names}
    path = re.sub(
        r"\{(\w+)\}", lambda found: text if "Id" in found[1] else "github", route.paths[0]
    )
    answer = anyone.request(
        route.method,
        path,
        params={"secret": text, "search": text, **(given if route.method == "GET" else {})},
        json=None if route.method == "GET" else {"secret": text, **given},
        headers={**headers, "x-mine": text, "user-agent": text, "cookie": f"a={text}"},
        follow_redirects=False,
    )
    anyone.cookies.clear()
    assert answer.status_code < 500 or answer.status_code in (501, 503), (route.name, answer.text)


@dataclass
class Empty:
    """Parameters of a route that takes none."""
