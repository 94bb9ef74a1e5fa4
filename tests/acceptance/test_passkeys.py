"""Passkeys in a real browser, whose authenticator signs what the server asks for."""

import json

import httpx

from tests.acceptance.pages import browser, run_node, serving
from tests.acceptance.running import Running


def test_a_person_registers_a_passkey_and_signs_in_with_it(server: Running) -> None:
    user = "ann-with-passkey"
    given = {
        "endpoint": server.endpoint,
        "project": server.project_id,
        "user": user,
        "email": f"{user}@example.com",
        "password": "correct horse",
    }
    with serving() as port:
        page = f"http://localhost:{port}/listen.html"
        seen = run_node("passkey_in_browser.mjs", browser(), page, json.dumps(given))
    assert (seen["name"], seen["relyingParty"]) == ("Laptop", "localhost")
    assert seen["excluded"] == "InvalidStateError"  # the device has one of this user already
    session = {
        "user": user,
        "provider": "passkey",
        "factors": ["passkey", "user-verification"],
        "refused": "user_invalid_token",
    }
    assert seen["sessions"] == [session, session]
    with server.client() as api:
        (kept,) = _json(api.get(f"/users/{user}/passkeys"))["passkeys"]
    assert kept["accessedAt"] != ""


def _json(answer: httpx.Response) -> dict[str, list[dict[str, str]]]:
    answer.raise_for_status()
    body: dict[str, list[dict[str, str]]] = answer.json()
    return body
