"""What signed-in people do with their own account."""

from tests.acceptance.sdk.world import World

PASSWORD, SECOND, THIRD = "first password", "second password", "third password"
ANN = "ann@example.com"


def people_who_sign_up_and_sign_in(world: World) -> None:
    """With the key of a server that renders pages: it receives the session's secret."""
    made = world.key("account.create", userId="ann", email=ANN, password=PASSWORD, name="Ann")
    assert (made["$id"], made["email"], made["emailVerification"]) == ("ann", ANN, False)
    session = world.key("account.createEmailPasswordSession", email=ANN, password=PASSWORD)
    ann = world.by_session(session["secret"])
    assert ann("account.get")["$id"] == "ann"
    assert ann("account.getSession", sessionId="current")["current"] is True
    assert ann("account.listSessions")["total"] == 1
    assert ann("account.updateSession", sessionId="current")["$id"] == session["$id"]
    ann("account.deleteSession", sessionId="current")
    ann.refused("account.get", 401, "general_unauthorized_scope")


def guests_with_a_session(world: World) -> None:
    session = world.key("account.createAnonymousSession")
    assert session["provider"] == "anonymous"
    guest = world.by_session(session["secret"])
    assert guest("account.get")["email"] == ""
    guest("account.deleteSessions")
    guest.refused("account.get", 401, "general_unauthorized_scope")


def sessions_bought_with_a_token(world: World) -> None:
    world.key("users.create", userId="ann")
    token = world.key("users.createToken", userId="ann")
    session = world.key("account.createSession", userId="ann", secret=token["secret"])
    assert session["factors"] == ["token"]
    assert world.by_session(session["secret"])("account.get")["$id"] == "ann"


def changes_of_ones_own_account(world: World) -> None:
    ann = world.signed_in("ann", email=ANN, password=PASSWORD, name="Ann")
    assert ann("account.updateName", name="Anne")["name"] == "Anne"
    changed = ann("account.updateEmail", email="anne@example.com", password=PASSWORD)
    assert changed["email"] == "anne@example.com"
    changed = ann("account.updatePhone", phone="+14155550101", password=PASSWORD)
    assert changed["phone"] == "+14155550101"
    ann("account.updatePassword", password=SECOND, oldPassword=PASSWORD)
    ann.refused(
        "account.updatePassword",
        401,
        "user_invalid_credentials",
        password=THIRD,
        oldPassword=PASSWORD,
    )
    assert ann("account.updatePrefs", prefs={"theme": "dark"})["prefs"] == {"theme": "dark"}
    assert ann("account.getPrefs") == {"theme": "dark"}


def ones_own_account_closed(world: World) -> None:
    ann = world.signed_in("ann", email=ANN, password=PASSWORD)
    assert ann("account.updateStatus")["status"] is False
    ann.refused("account.get", 403, "user_blocked")


def tokens_for_a_function(world: World) -> None:
    ann = world.signed_in("ann")
    if world.has("account.createJWT"):
        by_jwt = world.by_jwt(ann("account.createJWT")["jwt"])
        assert by_jwt("account.get")["$id"] == "ann"
        by_jwt.refused("account.createJWT", 403, "user_jwt_creation_denied")


def what_happened_to_an_account(world: World) -> None:
    """The newest SDKs no longer ask for it."""
    ann = world.signed_in("ann")
    if world.has("account.listLogs"):
        (newest, *_) = ann("account.listLogs")["logs"]
        assert (newest["event"], newest["userId"]) == ("session.create", "ann")
        assert world.key("users.listLogs", userId="ann")["total"] == 2
