"""What events tell of whom, what they keep to themselves, and what stays unsaid."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runwright.api.shapes.events import payload
from runwright.identity.people import Person
from runwright.identity.proofs import NewToken
from runwright.model.actor import PLATFORM, Actor
from runwright.model.identity import Token
from tests.fakes.announced import listening
from tests.fakes.identity import open_bench
from tests.unit.api.whole import Whole, open_whole
from tests.unit.api.world import START, a_user
from tests.unit.executions.bench import PROJECT

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse"
ADA = {"userId": "ada", "email": "ada@example.com", "password": PASSWORD}
SIGN_IN = {"email": "ada@example.com", "password": PASSWORD}
MAIL, LINK = {"email": "ada@example.com"}, {"url": "http://localhost/"}
CLIENT = Actor(user_id="ada", is_trusted=False)


@pytest.fixture
async def whole(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with open_whole(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("actor", [PLATFORM, CLIENT], ids=["trusted", "client"])
def test_no_trace_of_a_password_is_told(actor: Actor) -> None:
    user = a_user(
        "ada", password_hash="$argon2id$secret", hash_name="argon2", hash_options={"a": 1}
    )
    told = payload(Person(user), actor)
    assert "secret" not in str(told)
    assert {told.get(name) for name in ("password", "hash", "hashOptions")} == {None}
    assert ("password" in told) == actor.is_trusted
    assert told["prefs"] == {}


def test_a_subject_without_a_shape_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        payload(object(), PLATFORM)


async def test_the_secret_of_a_session_is_told_when_a_key_made_it(whole: Whole) -> None:
    await whole.done("users.create", ADA)
    made = await whole.done("users.createSession", {"userId": "ada"})
    *_, announcement = await whole.heard()
    assert announcement.payload["secret"] == made["secret"] != ""


async def test_the_secret_of_a_session_is_not_told_when_somebody_signed_in(whole: Whole) -> None:
    await whole.done("users.create", ADA)
    await whole.done("account.createEmailPasswordSession", SIGN_IN, caller="ada")
    *_, announcement = await whole.heard()
    assert announcement.event.names[0].startswith("users.ada.sessions.")
    assert announcement.payload["secret"] == ""


async def test_the_secret_of_a_token_is_told_to_whom_the_key_belongs(whole: Whole) -> None:
    await whole.done("users.create", ADA)
    made = await whole.done("users.createToken", {"userId": "ada"})
    *_, announcement = await whole.heard()
    assert announcement.payload == made


@pytest.mark.parametrize(
    ("ask", "params", "caller", "is_told"),
    [
        ("account.createRecovery", MAIL | LINK, "guest", True),
        ("account.createRecoveryOTP", MAIL, "guest", True),
        ("account.createEmailVerification", LINK, "ada", True),
        ("account.createEmailVerificationOTP", {}, "ada", True),
        ("account.createPhoneVerification", {}, "ada", False),
    ],
)
async def test_functions_can_send_the_mail_but_not_the_text(
    whole: Whole, ask: str, params: dict[str, str], caller: str, is_told: bool
) -> None:
    await whole.done("users.create", ADA | {"phone": "+4930123456"})
    await whole.done("account.createEmailPasswordSession", SIGN_IN, caller="ada")
    made = await whole.done(ask, params, caller=caller)
    *_, created = await whole.heard()
    secret = whole.letters.secret()
    assert created.payload == made | {"secret": secret if is_told else ""}
    using = {"userId": "ada", "secret": secret}
    if "Recovery" in ask:
        using["password"] = "another horse"
    await whole.done(ask.replace("create", "update"), using, caller="guest")
    *_, updated = await whole.heard()
    assert updated.payload["$id"] == made["$id"]
    assert (updated.payload["secret"] != "") is is_told
    assert updated.payload["secret"] != secret


@pytest.mark.parametrize(("tells_secrets", "told"), [(True, "424242"), (False, "")])
def test_an_operator_may_keep_the_secrets_of_letters_back(tells_secrets: bool, told: str) -> None:
    token = Token(
        id="t",
        project_id="p",
        created_at=START,
        updated_at=START,
        user_id="ada",
        purpose="recovery-code",
        secret_hash="00",
        expires_at=START,
    )
    made = NewToken(token, "424242", is_told=True)
    assert payload(made, CLIENT, tells_secrets=tells_secrets)["secret"] == told
    assert payload(made, PLATFORM, tells_secrets=tells_secrets)["secret"] == "424242"


async def test_who_asks_for_a_way_in_makes_no_news_but_a_new_user_does(whole: Whole) -> None:
    params = {"userId": "dan", "email": "dan@example.com"}
    await whole.done("account.createEmailToken", params, caller="guest")
    (created,) = await whole.heard()
    assert created.event.full_name == "users.dan.create"
    await whole.done("account.createEmailToken", params, caller="guest")
    assert await whole.heard() == []


async def test_all_sessions_ended_by_a_jwt_are_no_news(whole: Whole) -> None:
    await whole.done("users.create", ADA)
    await whole.done("account.createEmailPasswordSession", SIGN_IN, caller="ada")
    jwt = await whole.done("account.createJWT", caller="ada")
    await whole.heard()
    headers = {"x-appwrite-project": PROJECT, "x-appwrite-jwt": jwt["jwt"]}
    gone = await whole.client.delete("/v1/account/sessions", headers=headers)
    assert (gone.status_code, "set-cookie" in gone.headers) == (204, False)
    assert await whole.heard() == []
    sessions = await whole.done("users.listSessions", {"userId": "ada"})
    assert sessions["total"] == 0


async def test_secret_variables_stay_secret(whole: Whole) -> None:
    plain = {"variableId": "a", "key": "A", "value": "open", "secret": False}
    for variable in (plain, {"variableId": "b", "key": "B", "value": "hidden"}):
        await whole.done("functions.createVariable", {"functionId": "hello", **variable})
    await whole.done("functions.update", {"functionId": "hello", "name": "Hi"})
    first, second, function = await whole.heard()
    assert (first.payload["value"], second.payload["value"]) == ("open", "")
    assert [item["value"] for item in function.payload["vars"]] == ["open", ""]


async def test_an_event_names_who_acted(whole: Whole) -> None:
    await whole.done("account.create", ADA, caller="guest")
    signed_in = await whole.done("account.createEmailPasswordSession", SIGN_IN, caller="ada")
    await whole.done("account.updateName", {"name": "Ada"}, caller="ada")
    await whole.done("users.updateName", {"userId": "ada", "name": "Countess"})
    heard = await whole.heard()
    assert [(item.user_id, item.session_id) for item in heard] == [
        ("", ""),  # a guest until the account is there
        ("", ""),
        ("ada", signed_in["$id"]),
        ("", ""),  # a key is nobody
    ]


async def test_what_follows_from_a_change_is_not_announced_beside_it(whole: Whole) -> None:
    await whole.done("account.create", ADA, caller="guest")
    await whole.done("account.createEmailPasswordSession", SIGN_IN, caller="ada")
    await whole.done("teams.create", {"teamId": "crew", "name": "Crew"}, caller="ada")
    await whole.heard()
    await whole.done("teams.delete", {"teamId": "crew"}, caller="ada")
    await whole.done("users.delete", {"userId": "ada"})
    names = [item.event.full_name for item in await whole.heard()]
    assert names == ["teams.crew.delete", "users.ada.delete"]


async def test_the_targets_of_a_deleted_user_are_in_its_payload(whole: Whole) -> None:
    await whole.done("users.create", ADA)
    await whole.done("users.delete", {"userId": "ada"})
    *_, announcement = await whole.heard()
    assert [item["identifier"] for item in announcement.payload["targets"]] == ["ada@example.com"]


async def test_a_call_that_is_refused_announces_nothing(whole: Whole) -> None:
    await whole.done("users.create", ADA)
    await whole.done("users.create", {"userId": "ben", "email": "ben@example.com"})
    await whole.heard()
    for route, params, status in (
        ("users.create", ADA, 409),
        # Refused by its last step, when the user's row has been changed already.
        ("users.updateEmail", {"userId": "ben", "email": "ada@example.com"}, 409),
        ("users.updateName", {"userId": "nobody", "name": "x"}, 404),
        ("account.createEmailPasswordSession", SIGN_IN | {"password": "wrong horse"}, 401),
        ("teams.delete", {"teamId": "none"}, 404),
        ("functions.delete", {"functionId": "none"}, 404),
        ("proxy.deleteRule", {"ruleId": "none"}, 404),
    ):
        assert (await whole.call(route, params)).status_code == status, route
    assert await whole.heard() == []


async def test_the_console_announces_nothing() -> None:
    async with open_bench(console_signup="open") as bench, listening(bench.storage) as announced:
        await bench.identity.accounts.create(
            None, user_id="root", email="root@example.com", password=PASSWORD, name="Root"
        )
        assert await announced.names() == []


async def test_preferences_alone_are_told_of_a_team_that_changed_them(whole: Whole) -> None:
    await whole.done("teams.create", {"teamId": "crew", "name": "Crew"})
    await whole.done("teams.updatePrefs", {"teamId": "crew", "prefs": {"color": "red"}})
    *_, announcement = await whole.heard()
    assert announcement.event.full_name == "teams.crew.update.prefs"
    assert announcement.event.names[0] == "teams.crew.update"
    assert announcement.payload == {"color": "red"}


async def test_ending_the_sessions_of_a_user_is_one_event(whole: Whole) -> None:
    await whole.done("users.create", ADA)
    await whole.done("users.createSession", {"userId": "ada"})
    await whole.done("users.createSession", {"userId": "ada"})
    await whole.heard()
    await whole.done("users.deleteSessions", {"userId": "ada"})
    (announcement,) = await whole.heard()
    assert announcement.event.names == (
        "users.ada.sessions",
        "users.*.sessions",
        "users.ada.sessions.delete",
        "users.*.sessions.delete",
        "users.ada",
        "users.*",
    )
    assert announcement.payload["$id"] == "ada"
