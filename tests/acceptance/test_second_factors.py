"""Second factors on a started server: what a session may not reach that owes one."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pyotp
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.acceptance.deploying import deploy
from tests.acceptance.running import Running
from tests.acceptance.sockets import connect

PASSWORD: Final = "correct horse"
HEAR_S: Final = 60.0
TOTP: Final = "/account/mfa/authenticators/totp"
CODE: Final = """
def main(context):
    return context.res.json({"user": context.req.headers.get("x-appwrite-user-id")})
"""


class Signed:
    """Somebody with a session of the project."""

    def __init__(self, server: Running, email: str) -> None:
        self.server = server
        self.headers = {"x-appwrite-project": server.project_id}
        opened = self.send("POST", "/account/sessions/email", email=email, password=PASSWORD)
        name = f"a_session_{server.project_id}"
        self.headers["cookie"] = f"{name}={opened.cookies[name]}"

    def send(self, method: str, path: str, **params: Any) -> httpx.Response:
        url = self.server.endpoint + path
        return httpx.request(method, url, headers=self.headers, json=params, timeout=60)

    def __call__(self, method: str, path: str, **params: Any) -> Any:
        answer = self.send(method, path, **params)
        assert answer.is_success, answer.text
        return answer.json()

    def refused(self, method: str, path: str, **params: Any) -> str:
        answer = self.send(method, path, **params)
        assert answer.status_code == 401, answer.text
        return str(answer.json()["type"])


@contextlib.contextmanager
def listening(person: Signed) -> Iterator[ClientConnection]:
    address, project = person.server.endpoint.replace("http", "ws", 1), person.server.project_id
    url = f"{address}/realtime?project={project}&channels[]=account"
    with connect(url, additional_headers=person.headers) as opened:
        yield opened


def until_closed(socket: ClientConnection) -> Iterator[str]:
    """What is still told; the server has to end the connection soon."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            yield str(socket.recv(HEAR_S))


def test_a_session_that_owes_a_factor_reaches_nothing(server: Running) -> None:
    email = "ann-with-app@example.com"
    with server.client() as api:
        host = deploy(api, "for-ann", "python", CODE, execute=["users"])
    sign_up = {"userId": "ann-with-app", "email": email, "password": PASSWORD}
    headers = {"x-appwrite-project": server.project_id}
    httpx.post(
        f"{server.endpoint}/account", json=sign_up, headers=headers, timeout=60
    ).raise_for_status()
    first, second = Signed(server, email), Signed(server, email)
    jwt = second("POST", "/account/jwts")["jwt"]

    def on_domain() -> httpx.Response:
        return httpx.get(
            f"http://127.0.0.1:{server.port}/",
            headers={"host": host, "x-appwrite-user-jwt": jwt, "accept": "application/json"},
            timeout=60,
        )

    assert on_domain().json() == {"user": "ann-with-app"}
    with listening(second) as socket:
        assert json.loads(socket.recv(HEAR_S))["type"] == "connected"
        app = pyotp.TOTP(first("POST", TOTP)["secret"])
        now = time.time()
        first("PUT", TOTP, otp=app.at(now))
        first("PATCH", "/account/mfa", mfa=True)
        told = [json.loads(text) for text in until_closed(socket)]
        assert told[-1]["data"]["code"] == 401

    owed = "user_more_factors_required"
    assert second.refused("GET", "/account") == owed
    assert second.refused("POST", "/functions/for-ann/executions") == owed
    assert second.refused("POST", "/account/jwts") == owed
    answer = on_domain()
    assert (answer.status_code, answer.json()["type"]) == (401, owed)
    with listening(second) as socket:
        assert json.loads(socket.recv(HEAR_S))["data"]["code"] == 401

    challenge = second("POST", "/account/mfa/challenges", factor="totp")["$id"]
    # A code is good once, and the next one already a step before its time.
    code = app.at(now + app.interval)
    second("PUT", "/account/mfa/challenges", challengeId=challenge, otp=code)
    assert second("GET", "/account")["mfa"] is True
    assert on_domain().json() == {"user": "ann-with-app"}
    with listening(second) as socket:
        assert json.loads(socket.recv(HEAR_S))["type"] == "connected"
