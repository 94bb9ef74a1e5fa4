"""Second factors over the API: given, asked for, guarded, and told of."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

import pyotp
import pytest

from runwright.identity.authentication import Credentials
from runwright.identity.refusals import MoreFactorsRequired
from runwright.identity.totp import STEP_S
from runwright.model.identity import Platform
from runwright.realtime.admission import Admission, Visitor
from tests.fakes.identity import PASSWORD, PROJECT_ID, Person, Reply, World, open_world

pytestmark = pytest.mark.anyio

TOTP: Final = "/account/mfa/authenticators/totp"
CODES: Final = "/account/mfa/recovery-codes"
CHALLENGES: Final = "/account/mfa/challenges"


class App:
    """An authenticator app; each code is of a later time step than the one before."""

    def __init__(self, world: World, secret: str) -> None:
        self._world = world
        self._totp = pyotp.TOTP(secret)

    def code(self, *, later: bool = True) -> str:
        if later:
            self._world.clock.move(STEP_S)
        return self._totp.at(self._world.clock.now())


async def with_app(world: World, person: Person) -> App:
    made = await person.post(TOTP)
    assert made.status == 200, made.body
    app = App(world, made.body["secret"])
    verified = await person.put(TOTP, {"otp": app.code()})
    assert verified.status == 200, verified.body
    return app


async def switched_on(world: World, name: str = "ada") -> tuple[Person, App]:
    """Somebody with an authenticator app and MFA, in the session that switched it on."""
    person = await world.user(name)
    app = await with_app(world, person)
    assert (await person.patch("/account/mfa", {"mfa": True})).status == 200
    return person, app


async def signed_in(world: World, name: str = "ada") -> Person:
    return await world.signed_in(world.guest, f"{name}@example.com", PASSWORD)


async def challenged(person: Person, factor: str) -> str:
    made = await person.post(CHALLENGES, {"factor": factor})
    assert made.status == 201, made.body
    return str(made.body["$id"])


async def answered(person: Person, challenge_id: str, otp: str) -> Reply:
    return await person.put(CHALLENGES, {"challengeId": challenge_id, "otp": otp})


async def passed(person: Person, factor: str, otp: str) -> Reply:
    return await answered(person, await challenged(person, factor), otp)


async def verified_email(world: World, name: str = "ada") -> None:
    await world.server.patch(f"/users/{name}/verification", {"emailVerification": True})


def sent_code(world: World) -> str:
    return str(world.bench.letters.facts()["otp"])


async def test_what_a_user_could_give_is_listed(world: World) -> None:
    ada, _ = await switched_on(world)
    none = {"totp": False, "phone": False, "email": False, "recoveryCode": False, "custom": False}
    assert (await ada.get("/account/mfa/factors")).body == none | {"totp": True}
    await verified_email(world)
    await ada.post(CODES)
    everything = none | {"totp": True, "email": True, "recoveryCode": True}
    assert (await world.server.get("/users/ada/mfa/factors")).body == everything


async def test_a_session_is_opened_by_an_authenticator_app(world: World) -> None:
    _, app = await switched_on(world)
    fresh = await signed_in(world)
    opened = await passed(fresh, "totp", app.code())
    assert opened.status == 200
    assert opened.body["factors"] == ["password", "totp"]
    assert opened.body["current"] is True
    assert opened.body["mfaUpdatedAt"] != ""
    assert opened.body["secret"] == ""
    shown = await fresh.get("/account")
    assert (shown.status, shown.body["mfa"]) == (200, True)


async def test_the_session_that_switches_it_on_goes_on_and_others_do_not(world: World) -> None:
    ada = await world.user("ada")
    other = await signed_in(world)
    await with_app(world, ada)
    assert (await other.get("/account")).status == 200
    await ada.patch("/account/mfa", {"mfa": True})
    assert (await ada.get("/account")).status == 200
    assert (await other.get("/account")).type == "user_more_factors_required"
    await ada.patch("/account/mfa", {"mfa": False})
    assert (await other.get("/account")).status == 200


async def test_one_who_has_nothing_to_give_is_not_asked(world: World) -> None:
    ada = await world.user("ada")
    await ada.patch("/account/mfa", {"mfa": True})
    assert (await (await signed_in(world)).get("/account")).status == 200
    await verified_email(world)
    assert (await (await signed_in(world)).get("/account")).type == "user_more_factors_required"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/account/mfa/factors", 200),
        ("DELETE", "/account/sessions/current", 204),
        ("GET", "/account", 401),
        ("GET", "/account/sessions", 401),
        ("GET", "/account/prefs", 401),
        ("GET", "/teams", 401),
        ("GET", "/nowhere", 401),
        ("POST", "/account/jwts", 401),
        ("POST", CODES, 401),
        ("GET", CODES, 401),
        ("POST", TOTP, 401),
        ("DELETE", TOTP, 401),
        ("DELETE", "/account/sessions", 401),
        ("DELETE", "/account", 401),
        ("PATCH", "/account/mfa", 401),
    ],
)
async def test_what_is_open_to_a_session_that_owes_a_factor(
    world: World, method: str, path: str, status: int
) -> None:
    await switched_on(world)
    fresh = await signed_in(world)
    reply = await fresh.call(method, path, {"mfa": False} if method == "PATCH" else None)
    assert reply.status == status
    assert reply.type == ("user_more_factors_required" if status == 401 else "")


async def test_it_may_end_itself_and_no_other(world: World) -> None:
    ada, _ = await switched_on(world)
    own = (await ada.get("/account/sessions/current")).body["$id"]
    fresh = await signed_in(world)
    refused = await fresh.delete(f"/account/sessions/{own}")
    assert refused.type == "user_more_factors_required"
    listed = (await world.server.get("/users/ada/sessions")).body["sessions"]
    new = next(item["$id"] for item in listed if item["$id"] != own)
    assert (await fresh.delete(f"/account/sessions/{new}")).status == 204
    assert (await ada.get("/account")).status == 200


async def test_a_jwt_owes_what_its_session_owes(world: World) -> None:
    ada = await world.user("ada")
    other = await signed_in(world)
    jwt = (await other.post("/account/jwts")).body["jwt"]
    by_jwt = world.guest.also(x_appwrite_jwt=jwt)
    assert (await by_jwt.get("/account")).status == 200
    app = await with_app(world, ada)
    await ada.patch("/account/mfa", {"mfa": True})
    assert (await by_jwt.get("/account")).type == "user_more_factors_required"
    assert (await passed(by_jwt, "totp", app.code())).status == 200
    assert (await by_jwt.get("/account")).status == 200


async def test_a_jwt_that_a_server_made_without_a_session_stands_for_itself(world: World) -> None:
    await switched_on(world)
    sent = {"sessionId": "none", "duration": 900}
    jwt = (await world.server.post("/users/ada/jwts", sent)).body["jwt"]
    by_jwt = world.guest.also(x_appwrite_jwt=jwt)
    assert (await by_jwt.get("/account")).status == 200
    assert (await by_jwt.post(CHALLENGES, {"factor": "totp"})).type == "user_session_not_found"


async def test_a_key_beside_the_session_decides(world: World) -> None:
    await switched_on(world)
    fresh = await signed_in(world)
    both = fresh.also(x_appwrite_key=world.bench.login.api_key)
    assert (await both.get("/users/ada")).status == 200


async def test_nobody_acts_as_another_user_before_the_second_factor(world: World) -> None:
    await switched_on(world)
    await world.user("ben")
    await world.server.patch("/users/ada/impersonator", {"impersonator": True})
    as_ben = (await signed_in(world)).also(x_appwrite_impersonate_user_id="ben")
    for path in ("/account", "/account/mfa/factors"):
        assert (await as_ben.get(path)).type == "user_more_factors_required"


async def test_console_accounts_owe_it_too_on_every_project(world: World) -> None:
    owner = await world.owner()
    await with_app(world, owner)
    await owner.patch("/account/mfa", {"mfa": True})
    assert (await owner.get("/projects")).status == 200
    fresh = await world.owner()
    assert (await fresh.get("/projects")).type == "user_more_factors_required"
    admin = fresh.also(x_appwrite_project="default", x_appwrite_mode="admin")
    assert (await admin.get("/users")).type == "user_more_factors_required"


async def test_a_code_is_taken_once(world: World) -> None:
    _, app = await switched_on(world)
    first, second = await signed_in(world), await signed_in(world)
    code = app.code()
    assert (await passed(first, "totp", code)).status == 200
    assert (await passed(second, "totp", code)).type == "user_invalid_token"
    assert (await passed(second, "totp", app.code())).status == 200


async def test_the_code_of_the_registration_does_not_open_a_session(world: World) -> None:
    ada = await world.user("ada")
    app = App(world, (await ada.post(TOTP)).body["secret"])
    code = app.code()
    await ada.put(TOTP, {"otp": code})
    await ada.patch("/account/mfa", {"mfa": True})
    assert (await passed(await signed_in(world), "totp", code)).type == "user_invalid_token"


async def test_a_challenge_ends_after_five_wrong_answers(world: World) -> None:
    _, app = await switched_on(world)
    fresh = await signed_in(world)
    challenge = await challenged(fresh, "totp")
    for _ in range(5):
        assert (await answered(fresh, challenge, "000000")).type == "user_invalid_token"
    assert (await answered(fresh, challenge, app.code())).type == "user_invalid_token"
    assert (await passed(fresh, "totp", app.code())).status == 200


async def test_a_challenge_ends_by_itself(world: World) -> None:
    _, app = await switched_on(world)
    fresh = await signed_in(world)
    challenge = await challenged(fresh, "totp")
    world.clock.move(15 * 60)
    assert (await answered(fresh, challenge, app.code())).type == "user_invalid_token"


async def test_a_challenge_is_used_up_by_its_answer(world: World) -> None:
    _, app = await switched_on(world)
    fresh = await signed_in(world)
    challenge = await challenged(fresh, "totp")
    assert (await answered(fresh, challenge, app.code())).status == 200
    assert (await answered(fresh, challenge, app.code())).type == "user_invalid_token"


async def test_a_challenge_belongs_to_one_session(world: World) -> None:
    _, app = await switched_on(world)
    ben, _ = await switched_on(world, "ben")
    first, second = await signed_in(world), await signed_in(world)
    challenge = await challenged(first, "totp")
    for other in (second, ben):
        assert (await answered(other, challenge, app.code())).type == "user_invalid_token"
    assert (await answered(first, challenge, app.code())).status == 200


async def test_a_new_challenge_takes_the_place_of_the_one_before(world: World) -> None:
    _, app = await switched_on(world)
    fresh = await signed_in(world)
    old, new = await challenged(fresh, "totp"), await challenged(fresh, "totp")
    assert (await answered(fresh, old, app.code())).type == "user_invalid_token"
    assert (await answered(fresh, new, app.code())).status == 200


async def test_guessing_is_counted_over_challenges_and_sessions(anyio_backend: str) -> None:
    async with open_world(limits=True) as world:
        _, app = await switched_on(world)
        fresh = await signed_in(world)
        for _ in range(10):
            await answered(fresh, "none", "000000")
        other = await signed_in(world)
        assert (await answered(other, "none", "000000")).status == 429
        older = {"challengeId": "none", "otp": "000000"}
        assert (await other.put("/account/mfa/challenge", older)).status == 429
        for _ in range(10):
            await challenged(fresh, "totp")
        assert (await other.post(CHALLENGES, {"factor": "totp"})).status == 429
        world.clock.move(3600)
        assert (await passed(other, "totp", app.code())).status == 200


@pytest.mark.parametrize("path", [CHALLENGES, "/account/mfa/challenge"])
async def test_older_clients_have_another_path(world: World, path: str) -> None:
    _, app = await switched_on(world)
    fresh = await signed_in(world)
    challenge = (await fresh.post(path, {"factor": "TOTP"})).body["$id"]
    sent = {"challengeId": challenge, "otp": app.code()}
    assert (await fresh.put(path, sent)).status == 200


async def test_a_code_comes_by_mail(world: World) -> None:
    ada = await world.user("ada")
    await verified_email(world)
    await ada.patch("/account/mfa", {"mfa": True})
    fresh = await signed_in(world)
    challenge = await challenged(fresh, "email")
    letter = world.bench.letters.last
    assert (letter.occasion, letter.kind, letter.to) == ("mfaChallenge", "email", "ada@example.com")
    assert (await answered(fresh, challenge, "12345")).type == "user_invalid_token"
    opened = await answered(fresh, challenge, sent_code(world))
    assert opened.body["factors"] == ["password", "email"]


async def test_a_code_comes_by_telephone(world: World) -> None:
    ada = await world.user("ada")
    await world.server.patch("/users/ada/phone", {"number": "+4930123456"})
    await world.server.patch("/users/ada/verification/phone", {"phoneVerification": True})
    await ada.patch("/account/mfa", {"mfa": True})
    fresh = await signed_in(world)
    challenge = await challenged(fresh, "phone")
    letter = world.bench.letters.last
    assert (letter.kind, letter.to) == ("sms", "+4930123456")
    opened = await answered(fresh, challenge, sent_code(world))
    assert opened.body["factors"] == ["password", "phone"]


@pytest.mark.parametrize(
    ("factor", "type_"),
    [
        ("totp", "user_authenticator_not_found"),
        ("email", "user_email_not_verified"),
        ("phone", "user_phone_not_found"),
        ("recoverycode", "user_recovery_codes_not_found"),
        ("custom", "user_auth_method_unsupported"),
        ("voice", "general_argument_invalid"),
    ],
)
async def test_what_a_user_does_not_have_cannot_be_asked_for(
    world: World, factor: str, type_: str
) -> None:
    ada = await world.user("ada")
    assert (await ada.post(CHALLENGES, {"factor": factor})).type == type_


async def test_users_without_an_address_are_told_so(world: World) -> None:
    guest = await world.guest.post("/account/sessions/anonymous")
    person = world.guest.also(cookie=f"a_session_default={guest.cookies['a_session_default']}")
    refused = await person.post(CHALLENGES, {"factor": "email"})
    assert refused.type == "user_email_not_found"
    ada = await world.user("ada")
    await world.server.patch("/users/ada/phone", {"number": "+4930123456"})
    refused = await ada.post(CHALLENGES, {"factor": "phone"})
    assert refused.type == "user_phone_not_verified"


@pytest.mark.parametrize(
    ("factor", "kind", "type_"),
    [("email", "email", "general_smtp_disabled"), ("phone", "sms", "general_phone_disabled")],
)
async def test_what_cannot_be_sent_is_said_before_anything_else(
    world: World, factor: str, kind: str, type_: str
) -> None:
    world.bench.letters.off.add(kind)
    ada = await world.user("ada")
    refused = await ada.post(CHALLENGES, {"factor": factor})
    assert (refused.status, refused.type) == (503, type_)


async def test_nothing_is_sent_to_a_mock_phone(world: World) -> None:
    ada = await world.user("ada")
    number = "+4930123456"
    await world.server.post("/project/mock-phones", {"number": number, "otp": "123456"})
    await world.server.patch("/users/ada/phone", {"number": number})
    await world.server.patch("/users/ada/verification/phone", {"phoneVerification": True})
    world.bench.letters.off.add("sms")
    assert (await passed(ada, "phone", "123456")).status == 200
    assert world.bench.letters.letters == []


async def test_letters_are_in_the_language_of_the_caller(world: World) -> None:
    ada = await world.user("ada")
    await verified_email(world)
    await ada.also(x_appwrite_locale="de").post(CHALLENGES, {"factor": "email"})
    assert world.bench.letters.last.locale == "de"


async def test_a_factor_that_is_lost_meanwhile_is_not_taken(world: World) -> None:
    ada = await world.user("ada")
    await verified_email(world)
    challenge = await challenged(ada, "email")
    code = sent_code(world)
    await world.server.patch("/users/ada/email", {"email": "thief@example.com"})
    assert (await answered(ada, challenge, code)).type == "user_invalid_token"
    await verified_email(world)
    challenge = await challenged(ada, "email")
    await world.server.patch("/project/policies/mfa-factors", {"email": False})
    assert (await answered(ada, challenge, sent_code(world))).type == "user_invalid_token"


async def test_the_factor_of_the_sign_in_is_no_second_one(world: World) -> None:
    ada = await world.user("ada")
    await verified_email(world)
    await ada.patch("/account/mfa", {"mfa": True})
    sent = {"userId": "ada", "email": "ada@example.com"}
    await world.guest.post("/account/tokens/email", sent)
    opened = await world.guest.post(
        "/account/sessions/token", {"userId": "ada", "secret": sent_code(world)}
    )
    cookie = opened.cookies["a_session_default"]
    by_mail = world.guest.also(cookie=f"a_session_default={cookie}")
    challenge = await challenged(by_mail, "email")
    assert (await answered(by_mail, challenge, sent_code(world))).body["factors"] == ["email"]
    assert (await by_mail.get("/account")).type == "user_more_factors_required"


async def test_recovery_codes_open_a_session_once_each(world: World) -> None:
    ada, _ = await switched_on(world)
    made = await ada.post(CODES)
    assert made.status == 201
    codes = made.body["recoveryCodes"]
    assert len(set(codes)) == 6
    assert (await ada.post(CODES)).type == "user_recovery_codes_already_exists"
    for code in codes:
        assert (await passed(await signed_in(world), "recoveryCode", code)).status == 200
    gone = await (await signed_in(world)).post(CHALLENGES, {"factor": "recoverycode"})
    assert gone.type == "user_recovery_codes_not_found"
    assert (await ada.post(CODES)).status == 201


async def test_a_used_recovery_code_is_not_taken_again(world: World) -> None:
    ada, _ = await switched_on(world)
    code = (await ada.post(CODES)).body["recoveryCodes"][0]
    assert (await passed(await signed_in(world), "recoverycode", code)).status == 200
    refused = await passed(await signed_in(world), "recoverycode", code)
    assert refused.type == "user_invalid_token"


async def test_recovery_codes_are_shown_and_renewed_after_a_fresh_challenge(world: World) -> None:
    ada, app = await switched_on(world)
    codes = (await ada.post(CODES)).body["recoveryCodes"]
    for method in ("GET", "PATCH"):
        assert (await ada.call(method, CODES)).type == "user_challenge_required"
    assert (await ada.delete(TOTP)).type == "user_challenge_required"
    await passed(ada, "totp", app.code())
    assert (await ada.get(CODES)).body["recoveryCodes"] == codes
    renewed = (await ada.patch(CODES)).body["recoveryCodes"]
    assert not set(renewed) & set(codes)
    assert (await ada.get(CODES)).body["recoveryCodes"] == renewed
    world.clock.move(30 * 60 + 1)
    assert (await ada.get(CODES)).type == "user_challenge_required"


async def test_codes_that_were_never_made_are_not_found(world: World) -> None:
    ada, app = await switched_on(world)
    await passed(ada, "totp", app.code())
    for method in ("GET", "PATCH"):
        assert (await ada.call(method, CODES)).type == "user_recovery_codes_not_found"


async def test_an_authenticator_is_added_verified_and_removed(world: World) -> None:
    ada = await world.user("ada")
    assert (await ada.put(TOTP, {"otp": "123456"})).type == "user_authenticator_not_found"
    assert (await ada.delete(TOTP)).type == "user_authenticator_not_found"
    first, second = await ada.post(TOTP), await ada.post(TOTP)
    assert first.body["secret"] != second.body["secret"]
    assert "ada%40example.com" in second.body["uri"]
    wrong = App(world, first.body["secret"])
    assert (await ada.put(TOTP, {"otp": wrong.code()})).type == "user_invalid_token"
    app = App(world, second.body["secret"])
    assert (await ada.put(TOTP, {"otp": app.code()})).status == 200
    current = await ada.get("/account/sessions/current")
    assert current.body["factors"] == ["password", "totp"]
    assert (await ada.post(TOTP)).type == "user_authenticator_already_verified"
    assert (await ada.put(TOTP, {"otp": app.code()})).type == "user_authenticator_already_verified"
    await passed(ada, "totp", app.code())
    assert (await ada.delete(TOTP)).status == 204
    assert (await ada.get("/account/mfa/factors")).body["totp"] is False


async def test_one_that_was_never_verified_may_go_at_once(world: World) -> None:
    ada = await world.user("ada")
    await ada.post(TOTP)
    assert (await ada.get("/account/mfa/factors")).body["totp"] is False
    assert (await ada.delete(TOTP)).status == 204


async def test_servers_manage_the_factors_of_their_users(world: World) -> None:
    await switched_on(world)
    users = "/users/ada/mfa"
    codes = f"{users}/recovery-codes"
    server = world.server
    assert (await server.get(codes)).type == "user_recovery_codes_not_found"
    assert (await server.put(codes)).type == "user_recovery_codes_not_found"
    made = await server.patch(codes)
    assert (made.status, len(made.body["recoveryCodes"])) == (200, 6)
    assert (await server.patch(codes)).type == "user_recovery_codes_already_exists"
    assert (await server.get(codes)).body == made.body
    renewed = await server.put(codes)
    assert (await server.get(codes)).body == renewed.body != made.body
    assert (await server.delete(f"{users}/authenticators/totp")).status == 204
    gone = await server.delete(f"{users}/authenticators/totp")
    assert gone.type == "user_authenticator_not_found"
    assert (await (await signed_in(world)).get("/account")).status == 200
    off = await server.patch(users, {"mfa": False})
    assert (off.status, off.body["mfa"]) == (200, False)
    assert (await server.get("/users/nobody/mfa/factors")).type == "user_not_found"


async def test_a_server_that_switches_it_on_gives_no_session_a_factor(world: World) -> None:
    ada = await world.user("ada")
    await verified_email(world)
    await world.server.patch("/users/ada/mfa", {"mfa": True})
    assert (await ada.get("/account")).type == "user_more_factors_required"


@pytest.mark.parametrize("path", ["/users/ada/mfa/factors", "/users/ada/mfa/recovery-codes"])
async def test_strangers_and_clients_see_nothing_of_it(world: World, path: str) -> None:
    ada = await world.user("ada")
    for caller in (world.guest, ada, await world.key("teams.read")):
        assert (await caller.get(path)).type == "general_unauthorized_scope"


async def test_a_project_may_deliver_codes_itself(world: World) -> None:
    server = world.server
    await server.patch("/project/policies/mfa-factors", {"custom": True})
    ada = await world.user("ada")
    await ada.patch("/account/mfa", {"mfa": True})
    fresh = await signed_in(world)
    assert (await fresh.get("/account/mfa/factors")).body["custom"] is True
    challenge = await challenged(fresh, "custom")
    told = await server.get(f"/users/ada/mfa/challenges/{challenge}")
    assert told.body["$id"] == challenge
    assert len(told.body["code"]) == 6
    assert (await answered(fresh, challenge, told.body["code"])).status == 200
    used = await server.get(f"/users/ada/mfa/challenges/{challenge}")
    assert used.type == "user_challenge_not_found"


async def test_only_codes_for_own_delivery_are_told_to_servers(world: World) -> None:
    ada = await world.user("ada")
    await world.user("ben")
    await verified_email(world)
    await world.server.patch("/project/policies/mfa-factors", {"custom": True})
    by_mail = await challenged(ada, "email")
    own = await challenged(ada, "custom")
    for path in (
        f"/users/ada/mfa/challenges/{by_mail}",
        f"/users/ben/mfa/challenges/{own}",
        "/users/ada/mfa/challenges/none",
    ):
        assert (await world.server.get(path)).type == "user_challenge_not_found"
    world.clock.move(15 * 60)
    over = await world.server.get(f"/users/ada/mfa/challenges/{own}")
    assert over.type == "user_challenge_not_found"


async def test_a_factor_that_the_project_switches_off_is_neither_asked_nor_taken(
    world: World,
) -> None:
    _, app = await switched_on(world)
    fresh = await signed_in(world)
    changed = await world.server.patch("/project/policies/mfa-factors", {"totp": False})
    assert changed.status == 200
    policy = (await world.server.get("/project/policies/mfa-factors")).body
    assert policy == {
        "$id": "mfa-factors",
        "totp": False,
        "email": True,
        "phone": True,
        "custom": False,
    }
    assert (await fresh.get("/account")).status == 200
    refused = await fresh.post(CHALLENGES, {"factor": "totp"})
    assert (refused.status, refused.type) == (501, "user_auth_method_unsupported")
    await world.server.patch("/project/policies/mfa-factors", {"totp": True})
    assert (await fresh.get("/account")).type == "user_more_factors_required"
    assert (await passed(fresh, "totp", app.code())).status == 200


async def test_warm_requests_read_no_database(world: World) -> None:
    ada, _ = await switched_on(world)
    fresh = await signed_in(world)
    for person, status in ((ada, 200), (fresh, 401)):
        await person.post("/account/jwts")
        reads: list[Any] = []
        read = world.bench.storage.read

        async def counting(work: Any, read: Any = read, reads: Any = reads) -> Any:
            reads.append(work)
            return await read(work)

        world.bench.storage.read = counting  # type: ignore[method-assign]  # counts
        reply = await person.post("/account/jwts")
        world.bench.storage.read = read  # type: ignore[method-assign]  # as it was
        assert (reply.status, reads) == (201 if status == 200 else 401, [])


async def test_no_secret_of_a_factor_is_stored_readable(world: World) -> None:
    ada, app = await switched_on(world)
    await verified_email(world)
    codes = (await ada.post(CODES)).body["recoveryCodes"]
    await challenged(await signed_in(world), "email")
    secrets = [*codes, sent_code(world), app._totp.secret]
    stored = await world.bench.storage.read(
        lambda uow: repr((uow.factors.find(), uow.mfa_challenges.find(), uow.users.find()))
    )
    assert [secret for secret in secrets if secret in stored] == []


async def test_factors_go_with_their_user(world: World) -> None:
    ada, _ = await switched_on(world)
    await ada.post(CODES)
    await challenged(ada, "totp")
    await world.server.delete("/users/ada")
    left = await world.bench.storage.read(
        lambda uow: [*uow.factors.find(), *uow.mfa_challenges.find()]
    )
    assert left == []
    again = await world.user("ada")
    assert (await again.get("/account/mfa/factors")).body["totp"] is False


async def test_domains_of_functions_take_no_jwt_that_owes_a_factor(world: World) -> None:
    ada = await world.user("ada")
    other = await signed_in(world)
    jwt = (await other.post("/account/jwts")).body["jwt"]
    assert (await world.authenticator.user_for_jwt(PROJECT_ID, jwt)).user_id == "ada"
    app = await with_app(world, ada)
    await ada.patch("/account/mfa", {"mfa": True})
    with pytest.raises(MoreFactorsRequired):
        await world.authenticator.user_for_jwt(PROJECT_ID, jwt)
    await passed(other, "totp", app.code())
    assert (await world.authenticator.user_for_jwt(PROJECT_ID, jwt)).user_id == "ada"


async def test_realtime_lets_nobody_in_who_owes_a_factor(world: World) -> None:
    async def anywhere(visitor: Visitor, platforms: Sequence[Platform]) -> str:
        return ""

    admission = Admission(world.authenticator, anywhere)
    _, app = await switched_on(world)
    fresh = await signed_in(world)
    value = unquote(fresh.headers["cookie"].partition("=")[2])
    visitor = Visitor(credentials=Credentials(project_id=PROJECT_ID, sessions=(value,)))
    with pytest.raises(MoreFactorsRequired):
        await admission.judge(visitor)
    await passed(fresh, "totp", app.code())
    assert (await admission.judge(visitor)).user_id == "ada"
