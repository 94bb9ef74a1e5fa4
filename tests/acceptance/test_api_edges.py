"""The API over real connections: refused bodies, verbs, packing, and a console's first minutes."""

import gzip
import http.client
import json
from collections.abc import Iterator

import httpx
import pytest

from tests.acceptance.running import Running

CHUNK = b"x" * 65536
THIRTEEN_MIB = 13 * 1024 * 1024


@pytest.fixture
def guest(server: Running) -> Iterator[httpx.Client]:
    headers = {"x-appwrite-project": server.project_id}
    with httpx.Client(base_url=server.endpoint, headers=headers, timeout=60) as client:
        yield client


def _chunks() -> Iterator[bytes]:
    for _ in range(THIRTEEN_MIB // len(CHUNK)):
        yield CHUNK


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_beyond_the_limit_is_refused_with_advice(
    guest: httpx.Client, is_chunked: bool
) -> None:
    response = guest.post(
        "/account",
        content=_chunks() if is_chunked else CHUNK * (THIRTEEN_MIB // len(CHUNK)),
        headers={"content-type": "application/json"},
    )
    assert (response.status_code, response.json()["type"]) == (400, "general_bad_request")
    assert "12 MiB" in response.json()["message"]


def test_a_refused_upload_leaves_the_connection_usable(server: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {
        "X-Appwrite-Project": server.project_id,
        "Content-Type": "multipart/form-data; boundary=b",
    }
    for _ in range(2):
        connection.request(
            "POST", "/v1/functions/f/deployments", body=b"--b\r\n" + CHUNK * 32, headers=headers
        )
        refused = connection.getresponse()
        assert (refused.status, json.loads(refused.read())["type"]) == (
            401,
            "general_unauthorized_scope",
        )
    connection.request("GET", "/v1/ping", headers={"X-Appwrite-Project": server.project_id})
    assert connection.getresponse().read() == b"Pong!"
    connection.close()


def test_head_and_options_have_no_body(guest: httpx.Client) -> None:
    get, head = guest.get("/health/version"), guest.head("/health/version")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    options = guest.options("/anything", headers={"origin": "https://app.example"})
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["access-control-allow-origin"] == "https://app.example"


def test_long_answers_are_packed_for_those_who_take_it(server: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/v1/locale/countries", headers={"Accept-Encoding": "gzip"})
    response = connection.getresponse()
    assert response.getheader("content-encoding") == "gzip"
    assert json.loads(gzip.decompress(response.read()))["total"] > 200
    connection.close()


def test_every_answer_has_a_request_id_of_its_own(guest: httpx.Client) -> None:
    answers = [guest.get("/nothing"), guest.get("/nothing"), guest.get("/ping")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3


def test_a_console_account_makes_an_organization_a_project_and_a_key(server: Running) -> None:
    origin = {"origin": "http://localhost"}
    with httpx.Client(base_url=server.endpoint, headers=origin, timeout=60) as client:
        console = {"x-appwrite-project": "console"}
        email, password = "edge@localhost.test", "a long pass word"
        person = {"userId": "edgeperson", "email": email, "password": password, "name": "Edge"}
        assert client.post("/account", headers=console, json=person).status_code == 201
        signed_in = client.post(
            "/account/sessions/email",
            headers=console,
            json={"email": email, "password": password},
        )
        assert signed_in.status_code == 201
        session = signed_in.cookies["a_session_console"]
        client.cookies.clear()
        console["cookie"] = f"a_session_console={session}"
        team = {"teamId": "edgeteam", "name": "Edge"}
        assert client.post("/teams", headers=console, json=team).status_code == 201
        project = {"projectId": "edge", "name": "Edge", "teamId": "edgeteam"}
        assert client.post("/projects", headers=console, json=project).status_code == 201
        scopes = ["functions.read", "users.read"]
        made = client.post(
            "/projects/edge/keys",
            headers=console,
            json={"keyId": "unique()", "name": "Edge", "scopes": scopes},
        )
        assert made.status_code == 201
        key = {"x-appwrite-project": "edge", "x-appwrite-key": made.json()["secret"]}
        assert client.get("/functions", headers=key).json()["total"] == 0
        refused = client.post("/functions", headers=key, json={})
        assert refused.json()["type"] == "general_unauthorized_scope"
        deleted = client.delete(f"/projects/edge/keys/{made.json()['$id']}", headers=console)
        assert deleted.status_code == 204
        assert client.get("/functions", headers=key).json()["type"] == "user_unauthorized"
        admin = {**console, "x-appwrite-project": "edge", "x-appwrite-mode": "admin"}
        assert client.get("/functions", headers=admin).status_code == 200
        others = {**admin, "x-appwrite-project": server.project_id}
        assert client.get("/functions", headers=others).json()["type"] == "user_unauthorized"
