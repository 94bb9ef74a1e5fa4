"""What people do with links and codes that they are sent."""

from tests.acceptance.mailbox import Mailbox
from tests.acceptance.sdk.world import World

ANN, PHONE = "ann@example.com", "+14155550101"
PASSWORD, NEW = "first password", "second password"
PAGE = "http://localhost/app"


def _mailbox(world: World) -> Mailbox:
    return Mailbox(world.server.data_dir, world.project_id)


def a_forgotten_password(world: World) -> None:
    mailbox = _mailbox(world)
    world.key("users.create", userId="ann", email=ANN, password=PASSWORD)
    made = world.guest("account.createRecovery", email=ANN, url=PAGE)
    assert (made["userId"], made["secret"], made["phrase"]) == ("ann", "", "")
    letter = mailbox.next()
    assert (letter.kind, letter.to) == ("email", ANN)
    given = {"userId": letter.link["userId"], "secret": letter.link["secret"]}
    done = world.guest("account.updateRecovery", **given, password=NEW)
    assert done["$id"] == made["$id"]
    world.guest.refused("account.updateRecovery", 401, "user_invalid_token", **given, password=NEW)
    assert world.key("account.createEmailPasswordSession", email=ANN, password=NEW)["secret"]
    world.guest.refused(
        "account.createRecovery", 404, "user_not_found", email="nobody@example.com", url=PAGE
    )


def a_forgotten_password_without_a_page(world: World) -> None:
    if not world.has("account.createRecoveryOtp"):
        return
    mailbox = _mailbox(world)
    world.key("users.create", userId="ann", email=ANN, password=PASSWORD)
    made = world.guest("account.createRecoveryOtp", email=ANN, phrase=True)
    letter = mailbox.next()
    assert made["phrase"] in letter.text
    assert made["phrase"] != ""
    given = {"userId": "ann", "secret": letter.code, "password": NEW}
    assert world.guest("account.updateRecoveryOtp", **given)["$id"] == made["$id"]
    assert world.key("account.createEmailPasswordSession", email=ANN, password=NEW)["secret"]


def an_address_of_ones_own(world: World) -> None:
    mailbox = _mailbox(world)
    ann = world.signed_in("ann", email=ANN)
    ann("account.createEmailVerification", url=PAGE)
    link = mailbox.next().link
    given = {"userId": link["userId"], "secret": link["secret"]}
    world.guest("account.updateEmailVerification", **given)
    assert ann("account.get")["emailVerification"] is True
    ann.refused("account.createEmailVerification", 409, "user_email_already_verified", url=PAGE)


def an_address_of_ones_own_by_the_older_names(world: World) -> None:
    mailbox = _mailbox(world)
    ann = world.signed_in("ann", email=ANN)
    ann("account.createVerification", url=PAGE)
    link = mailbox.next().link
    given = {"userId": link["userId"], "secret": link["secret"]}
    world.guest("account.updateVerification", **given)
    assert ann("account.get")["emailVerification"] is True


def an_address_of_ones_own_without_a_page(world: World) -> None:
    if not world.has("account.createEmailVerificationOtp"):
        return
    mailbox = _mailbox(world)
    ann = world.signed_in("ann", email=ANN)
    ann("account.createEmailVerificationOtp")
    given = {"userId": "ann", "secret": mailbox.next().code}
    world.guest("account.updateEmailVerificationOtp", **given)
    assert ann("account.get")["emailVerification"] is True


def a_phone_of_ones_own(world: World) -> None:
    mailbox = _mailbox(world)
    ann = world.signed_in("ann", phone=PHONE)
    ann("account.createPhoneVerification")
    letter = mailbox.next()
    assert letter.kind == "sms"
    world.guest("account.updatePhoneVerification", userId="ann", secret=letter.code)
    assert ann("account.get")["phoneVerification"] is True


def signing_in_by_a_link(world: World) -> None:
    mailbox = _mailbox(world)
    asked = world.guest("account.createMagicURLToken", userId="ann", email=ANN, url=PAGE)
    link = mailbox.next().link
    assert (link["userId"], link["expire"]) == ("ann", asked["expire"])
    session = world.key("account.createSession", userId="ann", secret=link["secret"])
    assert (session["provider"], session["factors"]) == ("magic-url", ["email"])
    assert world.by_session(session["secret"])("account.get")["emailVerification"] is True


def signing_in_by_a_link_the_older_way(world: World) -> None:
    mailbox = _mailbox(world)
    world.guest("account.createMagicURLToken", userId="ann", email=ANN, url=PAGE)
    given = {"userId": "ann", "secret": mailbox.next().link["secret"]}
    session = world.key("account.updateMagicURLSession", **given)
    assert world.by_session(session["secret"])("account.get")["$id"] == "ann"


def signing_in_by_a_code_in_a_mail(world: World) -> None:
    mailbox = _mailbox(world)
    asked = world.guest("account.createEmailToken", userId="ann", email=ANN, phrase=True)
    letter = mailbox.next()
    assert asked["phrase"] in letter.text
    session = world.key("account.createSession", userId="ann", secret=letter.code)
    assert (session["provider"], session["factors"]) == ("token", ["email"])


def signing_in_by_a_code_in_a_text(world: World) -> None:
    mailbox = _mailbox(world)
    world.guest("account.createPhoneToken", userId="ann", phone=PHONE)
    letter = mailbox.next()
    assert letter.kind == "sms"
    session = world.key("account.updatePhoneSession", userId="ann", secret=letter.code)
    assert (session["provider"], session["factors"]) == ("phone", ["phone"])
    assert world.by_session(session["secret"])("account.get")["phone"] == PHONE


def phones_for_trying_out(world: World) -> None:
    if not world.has("project.createMockPhone"):
        return
    key, mailbox = world.key, _mailbox(world)
    made = key("project.createMockPhone", number=PHONE, otp="424242")
    assert (made["number"], made["otp"]) == (PHONE, "424242")
    assert key("project.listMockPhones")["total"] == 1
    assert key("project.updateMockPhone", number=PHONE, otp="111111")["otp"] == "111111"
    assert key("project.getMockPhone", number=PHONE)["otp"] == "111111"
    world.guest("account.createPhoneToken", userId="ann", phone=PHONE)
    assert key("account.createSession", userId="ann", secret="111111")["provider"] == "phone"
    assert mailbox.is_empty()
    key("project.deleteMockPhone", number=PHONE)
    key.refused("project.getMockPhone", 404, "mock_number_not_found", number=PHONE)
