"""The mail server of a project: tried, kept, shown without its password, cleared on demand."""

from typing import Any, Final

import pytest

from runwright.ports.carrier import Relay
from runwright.sealing import Sealer
from tests.fakes.identity import KEY, PROJECT_ID, World

pytestmark = pytest.mark.anyio

WANTED: Final[dict[str, Any]] = {
    "enabled": True,
    "senderEmail": "mailer@example.com",
    "senderName": "Mailer",
    "replyToEmail": "help@example.com",
    "replyToName": "Help",
    "host": "mail",
    "port": 1025,
    "username": "user",
    "password": "pass word",
    "secure": "tls",
}
SHOWN: Final = {
    "smtpEnabled": True,
    "smtpSenderName": "Mailer",
    "smtpSenderEmail": "mailer@example.com",
    "smtpReplyToName": "Help",
    "smtpReplyToEmail": "help@example.com",
    "smtpHost": "mail",
    "smtpPort": 1025,
    "smtpUsername": "user",
    "smtpPassword": "",
    "smtpSecure": "tls",
}


async def test_the_settings_are_kept_and_the_password_is_not_shown(world: World) -> None:
    changed = await world.server.patch("/project/smtp", WANTED)
    assert changed.status == 200
    assert changed.body | SHOWN == changed.body
    assert (await world.server.get("/project")).body == changed.body
    sealed = (await world.bench.project()).sealed_mail_password
    assert Sealer(KEY).open(sealed, f"mail:{PROJECT_ID}") == b"pass word"
    older = await world.server.get("/project", x_appwrite_response_format="1.9.0")
    assert older.body["smtpReplyTo"] == "help@example.com"


async def test_what_is_not_sent_stays_and_what_is_empty_is_cleared(world: World) -> None:
    await world.server.patch("/project/smtp", WANTED)
    changed = await world.server.patch(
        "/project/smtp", {"senderName": None, "replyToName": "", "secure": "", "password": ""}
    )
    assert changed.body | SHOWN | {"smtpReplyToName": "", "smtpSecure": ""} == changed.body
    assert (await world.bench.project()).sealed_mail_password == b""


@pytest.mark.parametrize("missing", ["host", "port", "senderEmail"])
async def test_mail_without_what_it_needs_can_be_kept_but_not_enabled(
    world: World, missing: str
) -> None:
    wanted = {name: value for name, value in WANTED.items() if name != missing}
    refused = await world.server.patch("/project/smtp", wanted)
    assert (refused.status, refused.type) == (400, "general_argument_invalid")
    kept = await world.server.patch("/project/smtp", wanted | {"enabled": False})
    assert (kept.status, kept.body["smtpEnabled"]) == (200, False)


@pytest.mark.parametrize(
    "changed",
    [{"secure": "starttls"}, {"port": 70000}, {"senderEmail": "nobody"}, {"enabled": "yes"}],
)
async def test_malformed_settings_are_refused(world: World, changed: dict[str, Any]) -> None:
    refused = await world.server.patch("/project/smtp", WANTED | changed)
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_only_who_may_change_the_project_may_change_its_mail(world: World) -> None:
    reader, ann = await world.key("project.read"), await world.user("ann")
    for person in (reader, ann, world.guest):
        refused = await person.patch("/project/smtp", WANTED)
        assert refused.type == "general_unauthorized_scope"
    owner = await world.owner()
    assert (await owner.patch(f"/projects/{PROJECT_ID}/smtp", WANTED)).status == 200


async def test_a_mail_server_is_tried_before_it_is_switched_on(world: World) -> None:
    carrier = world.bench.carrier
    carrier.deaf = "The mail server did not answer within 30 seconds."
    refused = await world.server.patch("/project/smtp", WANTED)
    assert (refused.status, refused.type) == (400, "project_smtp_config_invalid")
    assert carrier.deaf in refused.body["message"]
    assert carrier.greeted == [
        Relay(host="mail", port=1025, username="user", password="pass word", security="starttls")
    ]
    assert (await world.server.get("/project")).body["smtpEnabled"] is False
    kept = await world.server.patch("/project/smtp", WANTED | {"enabled": False})
    assert (kept.status, len(carrier.greeted)) == (200, 1)
    carrier.deaf = ""
    assert (await world.server.patch("/project/smtp", {"enabled": True})).status == 200
    assert carrier.greeted[-1].password == "pass word"  # the one that was kept


async def test_a_host_that_the_operator_listed_need_not_answer(world: World) -> None:
    world.bench.carrier.deaf = "nobody there"
    changed = await world.server.patch("/project/smtp", WANTED | {"host": "maildev"})
    assert (changed.status, changed.body["smtpEnabled"]) == (200, True)


async def test_a_letter_is_sent_to_each_address_to_try_the_settings(world: World) -> None:
    emails = ["ann@example.com", "Bob@example.com", "ann@example.com"]
    tried = await world.server.post("/project/smtp/tests", {"emails": emails})
    assert tried.status == 204
    letters = world.bench.letters.letters
    assert [letter.to for letter in letters] == ["ann@example.com", "bob@example.com"]
    assert {letter.occasion for letter in letters} == {"smtpTest"}
    assert world.bench.carrier.greeted == []  # it has no server of its own
    await world.server.patch("/project/smtp", WANTED)
    world.bench.carrier.deaf = "broken"
    refused = await world.server.post("/project/smtp/tests", {"emails": emails})
    assert (refused.status, refused.type) == (400, "project_smtp_config_invalid")
    many = [f"u{at}@example.com" for at in range(11)]
    assert (await world.server.post("/project/smtp/tests", {"emails": many})).status == 400
    world.bench.letters.off = {"email"}
    off = await world.server.post("/project/smtp/tests", {"emails": emails})
    assert (off.status, off.type) == (503, "general_smtp_disabled")
