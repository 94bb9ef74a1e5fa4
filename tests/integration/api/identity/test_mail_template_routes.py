"""The words of a project's letters: ours until it chooses its own."""

from typing import Any, Final

import pytest
from appwrite.enums.project_email_template_id import ProjectEmailTemplateId
from appwrite.enums.project_email_template_locale import ProjectEmailTemplateLocale
from appwrite.models.email_template import EmailTemplate
from appwrite.models.email_template_list import EmailTemplateList

from runwright.api.locales import TEMPLATE_LOCALES
from runwright.letters import templates as module
from runwright.letters.templates import OCCASIONS
from tests.fakes.identity import PROJECT_ID, World

pytestmark = pytest.mark.anyio

PATH: Final = "/project/templates/email"
WANTED: Final = {
    "templateId": "recovery",
    "locale": "de",
    "subject": "Neues Passwort",
    "message": "<p>Hallo {{user}}: {{redirect}}</p>",
    "senderName": "Laden",
    "senderEmail": "hallo@example.com",
    "replyToEmail": "hilfe@example.com",
    "replyToName": "Hilfe",
}


def test_clients_and_server_know_the_same_occasions_and_languages() -> None:
    assert [item.value for item in ProjectEmailTemplateId] == list(OCCASIONS)
    assert [item.value for item in ProjectEmailTemplateLocale] == list(TEMPLATE_LOCALES)


@pytest.mark.parametrize("occasion", OCCASIONS)
async def test_every_occasion_has_words_by_default(world: World, occasion: str) -> None:
    found = await world.server.get(f"{PATH}/{occasion}")
    assert found.status == 200
    EmailTemplate.model_validate(found.body)
    assert (found.body["templateId"], found.body["locale"]) == (occasion, "en")
    assert found.body["subject"]
    assert ("{{redirect}}" in found.body["message"]) == (
        occasion in ("verification", "magicSession", "recovery", "invitation")
    )
    assert found.body["senderName"] == found.body["senderEmail"] == ""


async def test_a_project_s_words_are_kept_by_language_and_listed(world: World) -> None:
    changed = await world.server.patch(PATH, WANTED)
    assert (changed.status, changed.body) == (200, WANTED)
    assert (await world.server.get(f"{PATH}/recovery", {"locale": "de"})).body == WANTED
    assert (await world.server.get(f"{PATH}/recovery")).body["locale"] == "en"
    listed = await world.server.get(PATH)
    assert listed.body == {"total": 1, "templates": [WANTED]}
    EmailTemplateList.model_validate(listed.body)
    assert (await world.server.get(PATH, {"total": False})).body["total"] == 0


async def test_what_is_not_sent_stays_and_what_is_empty_has_its_default(world: World) -> None:
    await world.server.patch(PATH, WANTED)
    changed = await world.server.patch(
        f"{PATH}/recovery",
        {"locale": "de", "senderEmail": "", "subject": "", "replyToName": None},
    )
    assert changed.body["subject"] == "Set a new password for {{project}}"
    assert changed.body["senderEmail"] == ""
    assert changed.body["message"] == WANTED["message"]
    assert changed.body["replyToName"] == "Hilfe"


async def test_words_can_be_given_up(world: World) -> None:
    await world.server.patch(PATH, WANTED)
    reset = await world.server.call("DELETE", f"{PATH}/recovery", {"locale": "de"})
    assert (reset.status, reset.body["subject"]) == (200, "Set a new password for {{project}}")
    assert (await world.server.call("DELETE", f"{PATH}/recovery", {"locale": "de"})).status == 200
    assert (await world.server.get(PATH)).body["total"] == 0


async def test_the_older_address_names_the_language_in_its_path(world: World) -> None:
    owner = await world.owner()
    path = f"/projects/{PROJECT_ID}/templates/email/recovery/de"
    assert (await owner.patch(path, {"subject": "Neu"})).body["subject"] == "Neu"
    assert (await owner.get(path)).body["locale"] == "de"


@pytest.mark.parametrize(
    "changed",
    [
        {"templateId": "smtpTest"},
        {"locale": "xx"},
        {"senderEmail": "nobody"},
        {"subject": "s" * 256},
        {"message": "{{user}}" * 1001},
    ],
)
async def test_malformed_words_are_refused(world: World, changed: dict[str, Any]) -> None:
    refused = await world.server.patch(PATH, WANTED | changed)
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_the_words_of_one_project_have_bounds_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PROJECT_CHARS", 100)
    assert (await world.server.patch(PATH, WANTED | {"message": "m" * 60})).status == 200
    assert (await world.server.patch(PATH, WANTED | {"message": "m" * 100})).status == 200
    refused = await world.server.patch(PATH, WANTED | {"locale": "fr", "message": "m"})
    assert (refused.status, refused.type) == (400, "general_argument_invalid")


async def test_only_who_may_read_or_write_templates_does(world: World) -> None:
    reader, ann = await world.key("templates.read"), await world.user("ann")
    assert (await reader.get(PATH)).status == 200
    for person in (reader, ann, world.guest):
        assert (await person.patch(PATH, WANTED)).type == "general_unauthorized_scope"
        assert (await person.delete(f"{PATH}/recovery")).type == "general_unauthorized_scope"
