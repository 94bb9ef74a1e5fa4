"""People as a server sees and changes them."""

import json

from tests.acceptance.sdk.world import World

PASSWORD, SECOND = "first password", "second password"
ANN = "ann@example.com"


def users_and_their_fields(world: World) -> None:
    key = world.key
    made = key("users.create", userId="ann", email=ANN, password=PASSWORD, name="Ann")
    assert (made["$id"], made["email"], made["hash"]) == ("ann", ANN, "argon2")
    by_email = json.dumps({"method": "equal", "attribute": "email", "values": [ANN]})
    found = key("users.list", queries=[by_email], search="ann")
    assert [user["$id"] for user in found["users"]] == ["ann"]
    assert key("users.updateName", userId="ann", name="Anna")["name"] == "Anna"
    assert key("users.updateEmail", userId="ann", email="a@example.com")["email"] == "a@example.com"
    changed = key("users.updatePhone", userId="ann", number="+14155550101")
    assert changed["phone"] == "+14155550101"
    key("users.updatePassword", userId="ann", password=SECOND)
    key("account.createEmailPasswordSession", email="a@example.com", password=SECOND)
    assert key("users.updateLabels", userId="ann", labels=["vip"])["labels"] == ["vip"]
    assert key("users.updatePrefs", userId="ann", prefs={"theme": "dark"}) == {"theme": "dark"}
    assert key("users.getPrefs", userId="ann") == {"theme": "dark"}
    key("users.updateEmailVerification", userId="ann", emailVerification=True)
    key("users.updatePhoneVerification", userId="ann", phoneVerification=True)
    shown = key("users.get", userId="ann")
    assert (shown["name"], shown["emailVerification"], shown["phoneVerification"]) == (
        "Anna",
        True,
        True,
    )
    key("users.delete", userId="ann")
    key.refused("users.get", 404, "user_not_found", userId="ann")


def users_blocked_and_let_in_again(world: World) -> None:
    ann = world.signed_in("ann")
    assert world.key("users.updateStatus", userId="ann", status=False)["status"] is False
    ann.refused("account.get", 403, "user_blocked")
    world.key("users.updateStatus", userId="ann", status=True)
    assert ann("account.get")["$id"] == "ann"


def sessions_of_users(world: World) -> None:
    key = world.key
    key("users.create", userId="ann")
    session = key("users.createSession", userId="ann")
    assert world.by_session(session["secret"])("account.get")["$id"] == "ann"
    assert key("users.listSessions", userId="ann")["total"] == 1
    key("users.deleteSession", userId="ann", sessionId=session["$id"])
    ann = world.by_session(key("users.createSession", userId="ann")["secret"])
    key("users.deleteSessions", userId="ann")
    ann.refused("account.get", 401, "general_unauthorized_scope")


def tokens_of_users(world: World) -> None:
    world.key("users.create", userId="ann")
    jwt = world.key("users.createJWT", userId="ann", duration=60)
    assert world.by_jwt(jwt["jwt"])("account.get")["$id"] == "ann"
    assert len(world.key("users.createToken", userId="ann", length=8)["secret"]) == 8


def targets_of_users(world: World) -> None:
    key = world.key
    key("users.create", userId="ann", email=ANN)
    one = {"userId": "ann", "targetId": "work"}
    made = key("users.createTarget", **one, providerType="email", identifier="w@example.com")
    assert made["identifier"] == "w@example.com"
    assert key("users.listTargets", userId="ann")["total"] == 2
    assert key("users.getTarget", **one)["$id"] == "work"
    assert key("users.updateTarget", **one, name="Work")["name"] == "Work"
    key("users.deleteTarget", **one)
    key.refused("users.getTarget", 404, "user_target_not_found", **one)


def teams_of_users(world: World) -> None:
    world.key("users.create", userId="ann", email=ANN)
    world.key("teams.create", teamId="crew", name="Crew")
    world.key("teams.createMembership", teamId="crew", roles=["dev"], userId="ann")
    found = world.key("users.listMemberships", userId="ann")["memberships"]
    assert [(one["teamName"], one["roles"]) for one in found] == [("Crew", ["dev"])]
