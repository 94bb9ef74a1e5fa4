"""Second factors: of one's own account, and of a server's users."""

import time

import pyotp

from tests.acceptance.sdk.world import World

PASSWORD = "first password"
ANN = "ann@example.com"


def second_factors_of_ones_own(world: World) -> None:
    ann = world.signed_in("ann", email=ANN, password=PASSWORD)
    made = ann("account.createMFAAuthenticator", type="totp")
    app = pyotp.TOTP(made["secret"])
    assert made["uri"].startswith("otpauth://totp/")
    now = time.time()
    ann("account.updateMFAAuthenticator", type="totp", otp=app.at(now - app.interval))
    codes = ann("account.createMFARecoveryCodes")["recoveryCodes"]
    assert ann("account.updateMFA", mfa=True)["mfa"] is True
    assert ann("account.listMFAFactors")["totp"] is True
    other = world.by_session(
        world.key("account.createEmailPasswordSession", email=ANN, password=PASSWORD)["secret"]
    )
    other.refused("account.get", 401, "user_more_factors_required")
    challenge = other("account.createMFAChallenge", factor="totp")
    answer = {"challengeId": challenge["$id"], "otp": app.at(now)}
    opened = other("account.updateMFAChallenge", **answer)
    assert opened["factors"] == ["password", "totp"]
    assert other("account.getMFARecoveryCodes")["recoveryCodes"] == codes
    assert other("account.updateMFARecoveryCodes")["recoveryCodes"] != codes
    other("account.deleteMFAAuthenticator", type="totp")
    assert ann("account.get")["mfa"] is True


def second_factors_of_users(world: World) -> None:
    key, one = world.key, {"userId": "ann"}
    ann = world.signed_in("ann", email=ANN, password=PASSWORD)
    ann("account.createMFAAuthenticator", type="totp")
    key("users.deleteMFAAuthenticator", **one, type="totp")
    codes = key("users.createMFARecoveryCodes", **one)["recoveryCodes"]
    assert key("users.getMFARecoveryCodes", **one)["recoveryCodes"] == codes
    assert key("users.updateMFARecoveryCodes", **one)["recoveryCodes"] != codes
    assert key("users.listMFAFactors", **one)["recoveryCode"] is True
    assert key("users.updateMFA", **one, mfa=True)["mfa"] is True


def codes_that_a_server_delivers_itself(world: World) -> None:
    if not world.has("users.getMFAChallenge"):
        return
    key = world.key
    key("project.updateMFAFactorsPolicy", custom=True)
    policy = key("project.getPolicy", policyId="mfa-factors")
    assert (policy["totp"], policy["custom"]) == (True, True)
    ann = world.signed_in("ann", email=ANN)
    asked = ann("account.createMFAChallenge", factor="custom")
    told = key("users.getMFAChallenge", userId="ann", challengeId=asked["$id"])
    opened = ann("account.updateMFAChallenge", challengeId=asked["$id"], otp=told["code"])
    assert opened["mfaUpdatedAt"] != ""
