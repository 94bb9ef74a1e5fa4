"""Signing in by what arrives in a mailbox, and getting back in, at a started server."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.acceptance.disk import holding
from tests.acceptance.mailbox import Mailbox
from tests.acceptance.running import Running
from tests.acceptance.sdk.driver import NODE, NODE_FOLDER

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
GIVEN_UP_S: Final = 300.0


@pytest.fixture
def mailbox(server: Running) -> Mailbox:
    box = Mailbox(server.data_dir, server.project_id)
    box.skip()
    return box


def as_guest(server: Running) -> httpx.Client:
    headers = {"x-appwrite-project": server.project_id}
    return httpx.Client(base_url=server.endpoint, headers=headers, timeout=60)


def test_a_link_signs_in_on_our_own_page_once(server: Running, mailbox: Mailbox) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert browser, "tools/test-packages.sh installs chromium"
    with as_guest(server) as api:
        asked = {"userId": "page-ann", "email": "page-ann@example.com"}
        assert api.post("/account/tokens/magic-url", json=asked).status_code == 201
    link = mailbox.next(asked["email"]).url
    done = subprocess.run(
        [str(NODE), "sign_in_in_browser.mjs", browser, link, server.project_id],
        cwd=NODE_FOLDER,
        capture_output=True,
        text=True,
        timeout=GIVEN_UP_S,
    )
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert (first["errors"], second["errors"]) == ([], [])
    assert first["told"] == "You are signed in. You can close this page."
    assert first["account"]["$id"] == "page-ann"
    assert first["account"]["emailVerification"] is True
    assert second["told"].startswith("The token is wrong, expired or already used.")
    assert second["account"]["type"] == "general_unauthorized_scope"


def test_secrets_are_in_the_letter_and_nowhere_in_the_database(
    server: Running, mailbox: Mailbox
) -> None:
    with as_guest(server) as api:
        asked = {"userId": "kept-ann", "email": "kept-ann@example.com"}
        api.post("/account/tokens/magic-url", json=asked | {"url": "http://localhost/"})
        secret = mailbox.next(asked["email"]).link["secret"]
    assert found_in(server.data_dir, b"kept-ann@example.com"), "the search finds what is there"
    assert not found_in(server.data_dir, secret.encode())


def found_in(data_dir: Path, text: bytes) -> list[Path]:
    """Files that hold the text, but for the letters."""
    return [path for path in holding(data_dir, text) if path.suffix != ".eml"]


def test_a_recovered_password_ends_the_sessions_everywhere(
    server: Running, mailbox: Mailbox
) -> None:
    person = {"userId": "lost-ann", "email": "lost-ann@example.com", "password": "first password"}
    with as_guest(server) as api, as_guest(server) as other:
        api.post("/account", json=person).raise_for_status()
        signed_in(other, {"email": person["email"], "password": person["password"]})
        asked = {"email": person["email"], "url": "http://localhost/"}
        api.post("/account/recovery", json=asked).raise_for_status()
        link = mailbox.next(asked["email"]).link
        new = {"userId": link["userId"], "secret": link["secret"], "password": "second password"}
        assert api.put("/account/recovery", json=new).status_code == 200
        assert other.get("/account").status_code == 401
        signed_in(other, {"email": person["email"], "password": "second password"})


def signed_in(api: httpx.Client, login: dict[str, Any]) -> None:
    api.cookies.clear()
    api.post("/account/sessions/email", json=login).raise_for_status()
    assert api.get("/account").status_code == 200
