"""The mail folder: complete letters, nobody else's eyes, no more than is allowed."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from runwright.cli.main import app
from runwright.letters.sealed import letter_job
from runwright.letters.ways import Sender, Way
from runwright.letters.writing import write
from runwright.outgoing.mail_folder import MailFolder, kept_letter, kept_letters
from runwright.ports.carrier import Parcel
from runwright.ports.mailer import Letter
from tests.fakes.clock import START, ManualClock
from tests.unit.letters.office import SHOP

pytestmark = pytest.mark.anyio


def a_parcel(letter_id: str = "a1", **changes: Any) -> Parcel:
    values: dict[str, Any] = {
        "occasion": "recovery",
        "kind": "email",
        "to": "ann@example.com",
        "facts": (("url", "https://app.example.com/?secret=s3cret"),),
    }
    letter = Letter(**(values | changes))
    way = Way(sender=Sender(email="no-reply@localhost"))
    return write(letter, way, letter_job(letter_id, "shop", letter, START), SHOP)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def a_folder(path: Path, clock: ManualClock, most: int = 3, keep_s: float = 60) -> MailFolder:
    return MailFolder(path, clock, most=most, keep_s=keep_s)


async def test_letters_are_for_nobody_else_s_eyes(tmp_path: Path, clock: ManualClock) -> None:
    folder = a_folder(tmp_path, clock)
    await folder.start()
    await folder.put(a_parcel())
    await folder.stop()
    assert (tmp_path / "mail").stat().st_mode & 0o777 == 0o700
    (path,) = (tmp_path / "mail").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_letter_that_is_put_again_is_there_once(tmp_path: Path, clock: ManualClock) -> None:
    folder = a_folder(tmp_path, clock)
    await folder.start()
    await folder.put(a_parcel())
    clock.advance(5)
    await folder.put(a_parcel())
    await folder.stop()
    assert [item.id for item in kept_letters(tmp_path)] == ["a1"]


async def test_the_newest_are_kept(tmp_path: Path, clock: ManualClock) -> None:
    folder = a_folder(tmp_path, clock, most=2)
    await folder.start()
    for letter_id in ("a1", "a2", "a3"):
        await folder.put(a_parcel(letter_id))
        clock.advance(1)
    assert [item.id for item in kept_letters(tmp_path)] == ["a2", "a3"]
    clock.advance(58.5)
    await folder.sweep()
    assert [item.id for item in kept_letters(tmp_path)] == ["a3"]
    await folder.stop()


async def test_what_a_dead_server_left_half_written_goes_at_the_next_start(
    tmp_path: Path, clock: ManualClock
) -> None:
    (tmp_path / "mail").mkdir()
    half = tmp_path / "mail" / "20261005T080000000000-a1.new"
    half.write_bytes(b"To: ann")
    folder = a_folder(tmp_path, clock)
    await folder.start()
    await folder.stop()
    assert not half.exists()


async def _filled(tmp_path: Path, clock: ManualClock) -> None:
    folder = a_folder(tmp_path, clock)
    await folder.start()
    await folder.put(a_parcel("a1", name="[bold]Ann"))
    clock.advance(1)
    await folder.put(
        a_parcel(
            "b2",
            occasion="otpSession",
            kind="sms",
            to="+14155552671",
            facts=(("otp", "123456"),),
        )
    )
    await folder.stop()


async def test_commands_list_and_show_letters(tmp_path: Path, clock: ManualClock) -> None:
    await _filled(tmp_path, clock)
    runner = CliRunner()

    def run(*words: str, code: int = 0) -> str:
        result = runner.invoke(app, ["mail", *words, "--data-dir", str(tmp_path)])
        assert result.exit_code == code, result.output
        return result.output

    listed = json.loads(run("list", "--json"))
    assert [(item["id"], item["kind"], item["to"]) for item in listed] == [
        ("a1", "email", '"[bold]Ann" <ann@example.com>'),
        ("b2", "sms", "+14155552671"),
    ]
    assert listed[0]["at"] == "2026-10-05T08:00:00+00:00"
    assert json.loads(run("list", "--json", "--limit", "1"))[0]["id"] == "b2"
    assert json.loads(run("list", "--json", "--project", "other")) == []
    assert "+14155552671" in run("list")
    assert "https://app.example.com/?secret=s3cret\n" in run("show", "a1")
    assert "<a href=" in run("show", "a1", "--html")
    assert run("show", "b").endswith("123456 is your code for Shop.\n")
    shown = json.loads(run("show", "a1", "--json"))
    assert shown["from"] == "no-reply@localhost"
    assert shown["subject"] == "Set a new password for Shop"
    assert run("show").endswith("123456 is your code for Shop.\n")  # the newest
    run("show", "c", code=1)
    run("show", "", code=1)  # more than one begins like this


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert kept_letters(tmp_path) == []
    assert kept_letter(tmp_path, "a1") is None
