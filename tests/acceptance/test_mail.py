"""Mail of a started server: by real SMTP, or into its folder; lost by no crash, read by nobody."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from runwright.outgoing.mail_folder import kept_letters
from tests.acceptance.disk import holding
from tests.acceptance.mailing import PASSWORD, WAIT_S, Mailbox, a_mailbox, link_in, text_of
from tests.acceptance.running import Running

NEW_PASSWORD: Final = "correct horse"
URL: Final = "http://localhost/back"


def smtp(box: Mailbox) -> dict[str, str]:
    address = f"{quote('run@wright', safe='')}:{quote(PASSWORD, safe='')}@127.0.0.1:{box.port}"
    return {
        "RUNWRIGHT_SMTP_URL": f"smtp://{address}",
        "RUNWRIGHT_MAIL_FROM": "Runwright <hi@example.com>",
        "RUNWRIGHT_MAIL_BACKOFF_S": "0.2",
        "RUNWRIGHT_MAIL_TRIES": "20",
    }


def guest(server: Running) -> httpx.Client:
    headers = {"x-appwrite-project": server.project_id, "origin": "http://localhost"}
    return httpx.Client(base_url=server.endpoint, headers=headers, timeout=60)


def users(server: Running, *names: str) -> None:
    with server.client() as api:
        for name in names:
            body = {"userId": name, "email": f"{name}@example.com", "name": name}
            made = api.post("/users", json=body)
            assert made.status_code == 201, made.text


def recover(server: Running, name: str) -> None:
    with guest(server) as client:
        asked = client.post("/account/recovery", json={"email": f"{name}@example.com", "url": URL})
        assert asked.status_code == 201, asked.text


def run(*words: str, code: int = 0, **settings: str) -> str:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("RUNWRIGHT_")}
    done = subprocess.run(
        [sys.executable, "-m", "runwright", *words],
        env=environ | {"COLUMNS": "200"} | settings,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def posted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Mailbox]]:
    with a_mailbox() as box:
        server = Running(tmp_path_factory.mktemp("mail") / "data", **smtp(box)).start()
        try:
            yield server, box
        finally:
            assert server.stop() == 0, server.tail()


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    server = Running(tmp_path_factory.mktemp("folder") / "data").start()
    try:
        yield server
    finally:
        assert server.stop() == 0, server.tail()


def test_a_forgotten_password_is_mended_by_the_letter(posted: tuple[Running, Mailbox]) -> None:
    server, box = posted
    users(server, "ann")
    recover(server, "ann")
    letter = box.to("ann@example.com")
    assert letter["From"] == "Runwright <hi@example.com>"
    link = link_in(text_of(letter))
    with guest(server) as client:
        mended = client.put(
            "/account/recovery",
            json={
                "userId": link["userId"],
                "secret": link["secret"],
                "password": NEW_PASSWORD,
            },
        )
        assert mended.status_code == 200, mended.text
        login = {"email": "ann@example.com", "password": NEW_PASSWORD}
        assert client.post("/account/sessions/email", json=login).status_code == 201


def test_the_start_says_where_mail_goes_and_keeps_the_password(
    posted: tuple[Running, Mailbox], filed: Running
) -> None:
    server, box = posted
    assert f"Mail       to 127.0.0.1:{box.port}\n" in server.tail()
    assert "runwright mail list" in filed.tail()
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        assert secret not in server.tail()
        assert secret not in run("settings", code=0, **smtp(box))
    found = json.loads(run("doctor", "--json", code=0, **smtp(box)))
    assert [item["text"] for item in found if item["subject"] == "mail"] == [
        f"letters go to 127.0.0.1:{box.port}"
    ]


def test_a_project_has_a_mail_server_of_its_own(filed: Running, tmp_path: Path) -> None:
    """It is refused at a private address, unless the operator has listed the host."""
    with a_mailbox() as box:
        listed = Running(tmp_path / "data", RUNWRIGHT_SMTP_HOSTS="127.0.0.1").start()
        try:
            settings = {
                "enabled": True,
                "host": "127.0.0.1",
                "port": box.port,
                "senderEmail": "shop@example.com",
                "senderName": "The Shop",
                "username": "run@wright",
                "password": PASSWORD,
            }
            with filed.client() as api:
                refused = api.patch("/project/smtp", json=settings)
                assert refused.status_code == 400
                assert refused.json()["type"] == "project_smtp_config_invalid"
            with listed.client() as api:
                assert api.patch("/project/smtp", json=settings).status_code == 200
                words = {
                    "templateId": "recovery",
                    "subject": "Hey {{user}}",
                    "message": "<h1>{{user}}</h1><p>{{redirect}}</p>",
                }
                assert api.patch("/project/templates/email", json=words).status_code == 200
                tried = api.post("/project/smtp/tests", json={"emails": ["me@example.com"]})
                assert tried.status_code == 204
            assert box.to("me@example.com")["From"] == "The Shop <shop@example.com>"
            users(listed, "bob")
            recover(listed, "bob")
            letter = box.to("bob@example.com")
            assert letter["Subject"] == "Hey bob"
            assert link_in(text_of(letter))["userId"] == "bob"
        finally:
            assert listed.stop() == 0, listed.tail()


def test_a_killed_server_loses_no_letter(tmp_path: Path) -> None:
    names = [f"u{at}" for at in range(30)]
    with a_mailbox() as box:
        server = Running(tmp_path / "data", **smtp(box)).start()
        users(server, *names)
        box.is_open = False
        for name in names:
            recover(server, name)
        box.wait(lambda: box.refused)
        server.kill()
        assert box.letters == []
        assert _secrets_on_disk(tmp_path / "data", b"example.com&secret=") == []
        box.is_open = True
        server.start()
        try:
            box.wait(lambda: {str(letter["To"]) for letter in box.letters} >= set(map(_to, names)))
            by_id = {str(letter["Message-ID"]): letter for letter in box.letters}
            assert len(by_id) == len(names)  # sent again or not, each is one letter
            links = [link_in(text_of(letter)) for letter in by_id.values()]
            assert sorted(link["userId"] for link in links) == sorted(names)
            secrets = [link["secret"].encode() for link in links]
            assert _secrets_on_disk(tmp_path / "data", *secrets) == []
        finally:
            assert server.stop() == 0, server.tail()


def _to(name: str) -> str:
    return f"{name} <{name}@example.com>"


def _secrets_on_disk(folder: Path, *secrets: bytes) -> list[str]:
    return [path.name for secret in secrets for path in holding(folder, secret)]


def _kept(server: Running, to: str) -> dict[str, Any]:
    """The letter to somebody, once it is in the folder, as the command line shows it."""
    deadline = time.monotonic() + WAIT_S
    while not (found := [item for item in kept_letters(server.data_dir) if to in item.to]):
        assert time.monotonic() < deadline, server.tail()
        time.sleep(0.02)
    folder = str(server.data_dir)
    shown: dict[str, Any] = json.loads(
        run("mail", "show", found[-1].id, "--json", "--data-dir", folder)
    )
    return shown


def test_without_a_mail_server_letters_are_in_the_folder(filed: Running) -> None:
    with guest(filed) as client:
        asked = {"userId": "eve", "email": "eve@example.com", "url": URL}
        assert client.post("/account/tokens/magic-url", json=asked).status_code == 201
        letter = _kept(filed, "eve@example.com")
        assert (letter["kind"], letter["occasion"]) == ("email", "magicSession")
        link = link_in(letter["text"])
        trade = {"userId": link["userId"], "secret": link["secret"]}
        assert client.put("/account/sessions/magic-url", json=trade).status_code == 201
        client.cookies.clear()
        asked = {"userId": "zed", "phone": "+14155552671"}
        assert client.post("/account/tokens/phone", json=asked).status_code == 201
        text = _kept(filed, "+14155552671")
        newest = json.loads(run("mail", "show", "--json", "--data-dir", str(filed.data_dir)))
        assert newest == text
        trade = {"userId": "zed", "secret": text["text"].split()[0]}
        assert client.put("/account/sessions/phone", json=trade).status_code == 201
    folder = filed.data_dir / "mail"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    listed = run("mail", "list", "--data-dir", str(filed.data_dir))
    assert "eve@example.com" in listed


def test_an_owner_invites_and_the_letter_leads_into_the_team(filed: Running) -> None:
    account = {"userId": "olga", "email": "olga@example.com", "password": NEW_PASSWORD}
    with guest(filed) as owner, guest(filed) as invited:
        assert owner.post("/account", json=account).status_code == 201
        login = {"email": "olga@example.com", "password": NEW_PASSWORD}
        assert owner.post("/account/sessions/email", json=login).status_code == 201
        assert owner.post("/teams", json={"teamId": "crew", "name": "Crew"}).status_code == 201
        made = owner.post(
            "/teams/crew/memberships",
            json={"email": "ivan@example.com", "roles": ["dev"], "url": URL},
        )
        assert made.status_code == 201, made.text
        link = link_in(_kept(filed, "ivan@example.com")["text"])
        joined = invited.patch(
            f"/teams/{link['teamId']}/memberships/{link['membershipId']}/status",
            json={"userId": link["userId"], "secret": link["secret"]},
        )
        assert joined.status_code == 200, joined.text
        assert invited.get("/account").json()["emailVerification"] is True
        assert invited.get("/teams/crew").json()["total"] == 2


def test_with_the_folder_off_nothing_can_be_sent_and_a_bad_address_ends_the_start(
    tmp_path: Path,
) -> None:
    server = Running(tmp_path / "data", RUNWRIGHT_MAIL_FOLDER="off").start()
    try:
        with guest(server) as client:
            for path, body, kind in (
                ("/recovery", {"email": "no@example.com", "url": URL}, "general_smtp_disabled"),
                (
                    "/tokens/phone",
                    {"userId": "unique()", "phone": "+14155552671"},
                    "general_phone_disabled",
                ),
            ):
                refused = client.post(f"/account{path}", json=body)
                assert (refused.status_code, refused.json()["type"]) == (503, kind)
        assert not (tmp_path / "data" / "mail").exists()
    finally:
        assert server.stop() == 0, server.tail()
    said = run(
        "serve",
        code=2,
        RUNWRIGHT_DATA_DIR=str(tmp_path / "other"),
        RUNWRIGHT_PORT="0",
        RUNWRIGHT_SMTP_URL="http://me:s3cret@mail.example.com",
    )
    assert "RUNWRIGHT_SMTP_URL: its scheme must be one of smtp, smtps, starttls" in said
    assert "s3cret" not in said
