"""Providers on loopback, for people who sign in with them."""

import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx

from tests.ports import reserved_port

START_S: Final = 120.0
PROVIDER: Final = (sys.executable, "-m", "oidc_provider_mock")


@contextmanager
def openid_provider() -> Iterator[str]:
    """The address of an OpenID Connect provider that takes every client and every user."""
    with reserved_port() as port:
        process = subprocess.Popen(
            [*PROVIDER, "--port", str(port), "--require-nonce=true"],
            env=os.environ | {"AUTHLIB_INSECURE_TRANSPORT": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(f"{url}/.well-known/openid-configuration", process)
            yield url
        finally:
            process.kill()
            process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None, "the provider ended"
        assert time.monotonic() < deadline, "the provider did not start"
        try:
            if httpx.get(url, timeout=60).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)


@dataclass
class GitHub:
    """Three endpoints of GitHub Enterprise Server, as strict about codes as the real ones."""

    url: str = ""
    user: dict[str, Any] = field(
        default_factory=lambda: {"id": 583231, "login": "octocat", "name": "Octo Cat"}
    )
    emails: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"email": "octocat@example.com", "primary": True, "verified": True}
        ]
    )
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)

    def authorize(self, query: dict[str, str]) -> str:
        code = secrets.token_hex(10)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def trade(self, form: dict[str, str]) -> dict[str, str]:
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        client = (form.get("client_id"), form.get("client_secret"))
        if asked is None or asked["code_challenge"] != proof:
            return {"error": "bad_verification_code", "error_description": "It is not right."}
        if client != ("gh-client", "gh-secret"):
            return {"error": "incorrect_client_credentials"}
        token = f"gho_{secrets.token_hex(10)}"
        self.tokens.add(token)
        return {"access_token": token, "token_type": "bearer", "scope": asked["scope"]}


@contextmanager
def github() -> Iterator[GitHub]:
    hub = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            split = urlsplit(self.path)
            if split.path == "/login/oauth/authorize":
                self._answer(302, {}, location=hub.authorize(dict(parse_qsl(split.query))))
                return
            _, _, token = self.headers.get("authorization", "").partition(" ")
            known: dict[str, Any] = {
                "/api/v3/user": hub.user,
                "/api/v3/user/emails": hub.emails,
            }
            is_known = token in hub.tokens and split.path in known
            self._answer(200 if is_known else 401, known[split.path] if is_known else {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            is_known = self.path == "/login/oauth/access_token"
            self._answer(200 if is_known else 404, hub.trade(form) if is_known else {})

        def _answer(self, status: int, content: Any, **headers: str) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        hub.url = f"http://127.0.0.1:{web.server_port}"
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            web.shutdown()
            thread.join()
