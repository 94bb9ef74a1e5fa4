"""Passkeys, with a device in software; a real browser has a test of its own."""

from tests.acceptance.sdk.world import World
from tests.fakes.passkey_device import Device

ANN = "ann@example.com"
PAGE = "http://localhost"


def passkeys_of_ones_own(world: World) -> None:
    if not world.has("account.createPasskey"):
        return
    device, ann = Device(), world.signed_in("ann", email=ANN)
    begun = ann("account.createPasskey", passkeyId="laptop", name="Laptop")
    credential = device.create(begun["publicKey"], PAGE)
    made = ann("account.updatePasskeyVerification", passkeyId="laptop", credential=credential)
    assert (made["$id"], made["name"], made["accessedAt"]) == ("laptop", "Laptop", "")
    assert ann("account.listPasskeys")["total"] == 1
    assert ann("account.updatePasskey", passkeyId="laptop", name="Old")["name"] == "Old"
    asked = world.guest("account.createPasskeyToken")
    token = world.guest(
        "account.updatePasskeyToken",
        challengeId=asked["$id"],
        credential=device.get(asked["publicKey"], PAGE),
    )
    session = world.key("account.createSession", userId="ann", secret=token["secret"])
    assert session["provider"] == "passkey"
    assert world.by_session(session["secret"])("account.get")["$id"] == "ann"
    assert ann("account.getPasskey", passkeyId="laptop")["accessedAt"] != ""
    ann("account.deletePasskey", passkeyId="laptop")
    ann.refused("account.getPasskey", 404, "user_passkey_not_found", passkeyId="laptop")


def passkeys_of_users(world: World) -> None:
    if not world.has("users.listPasskeys"):
        return
    key, one = world.key, {"userId": "ann", "passkeyId": "laptop"}
    ann = world.signed_in("ann", email=ANN)
    begun = ann("account.createPasskey", passkeyId="laptop")
    credential = Device().create(begun["publicKey"], PAGE)
    ann("account.updatePasskeyVerification", passkeyId="laptop", credential=credential)
    assert key("users.listPasskeys", userId="ann")["passkeys"][0]["$id"] == "laptop"
    assert key("users.updatePasskey", **one, name="Lost")["name"] == "Lost"
    assert key("users.getPasskey", **one)["name"] == "Lost"
    key("users.deletePasskey", **one)
    key.refused("users.getPasskey", 404, "user_passkey_not_found", **one)


def the_domain_of_passkeys(world: World) -> None:
    if not world.has("project.updatePasskeyPolicy"):
        return
    key = world.key
    key("project.createWebPlatform", platformId="web", name="App", hostname="app.example.com")
    key("project.updatePasskeyPolicy", rpId="example.com")
    policy = key("project.getPolicy", policyId="passkey")
    assert policy["rpId"] == "example.com"
    assert "https://app.example.com" in policy["origins"]
