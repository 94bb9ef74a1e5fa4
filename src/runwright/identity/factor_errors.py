"""Failures around second factors and passkeys."""

from runwright.errors import BadRequest, Conflict, NotFound, RunwrightError


class ChallengeRequired(RunwrightError):
    type, status = "user_challenge_required", 401

    def __init__(self, minutes: int) -> None:
        super().__init__(
            "This needs a fresh proof that it is you: complete an MFA challenge in this session; "
            f"it counts for {minutes} minutes."
        )


class RecentSignInRequired(RunwrightError):
    type, status = "user_challenge_required", 401

    def __init__(self, minutes: int) -> None:
        super().__init__(
            "This needs a session that was opened, or that completed an MFA challenge, within "
            f"the last {minutes} minutes. Sign in again or complete a challenge."
        )


class ChallengeNotFound(NotFound):
    type = "user_challenge_not_found"
    noun = "Challenge"


class AuthenticatorNotFound(RunwrightError):
    type, status = "user_authenticator_not_found", 404

    def __init__(self) -> None:
        super().__init__("The user has no such authenticator. Add one first.")


class AuthenticatorVerified(Conflict):
    type = "user_authenticator_already_verified"

    def __init__(self) -> None:
        super().__init__(
            "The authenticator is verified already. Delete it before you add another one."
        )


class RecoveryCodesNotFound(RunwrightError):
    type, status = "user_recovery_codes_not_found", 404

    def __init__(self) -> None:
        super().__init__("The user has no recovery codes. Make them first.")


class RecoveryCodesExist(Conflict):
    type = "user_recovery_codes_already_exists"

    def __init__(self) -> None:
        super().__init__("The user has recovery codes already. Make new ones instead.")


class FactorDisabled(RunwrightError):
    type, status = "user_auth_method_unsupported", 501

    def __init__(self, factor: str) -> None:
        super().__init__(
            f"The second factor '{factor}' is switched off in this project. Its owner can switch "
            "it on in the policy `mfa-factors`."
        )


class EmailUnverified(RunwrightError):
    type, status = "user_email_not_verified", 400

    def __init__(self) -> None:
        super().__init__("The user's email is not verified. Verify it first.")


class PhoneUnverified(RunwrightError):
    type, status = "user_phone_not_verified", 400

    def __init__(self) -> None:
        super().__init__("The user's phone is not verified. Verify it first.")


class PasskeyNotFound(NotFound):
    type = "user_passkey_not_found"
    noun = "Passkey"


class PasskeyExists(Conflict):
    type = "user_passkey_already_exists"
    noun = "Passkey"

    def __init__(self) -> None:
        super().__init__(
            "A passkey with the same id, or of the same device, exists already. Choose another "
            "id or device."
        )


class TooManyPasskeys(BadRequest):
    def __init__(self, most: int) -> None:
        super().__init__(f"A user holds at most {most} passkeys. Delete one first.")


class PasskeysNotSetUp(RunwrightError):
    type, status = "user_auth_method_unsupported", 501

    def __init__(self) -> None:
        super().__init__(
            "Passkeys are not set up in this project. Its owner names the domain of the "
            "application in the policy `passkey`, or adds `localhost` as a web platform."
        )


class PasskeyRefused(RunwrightError):
    type, status = "user_invalid_token", 401

    def __init__(self) -> None:
        super().__init__(
            "The passkey could not be verified, or its challenge is over or used up. Start again."
        )


class RelyingPartyInUse(Conflict):
    type = "project_passkeys_exist"

    def __init__(self, rp_id: str) -> None:
        super().__init__(
            f"Users have passkeys that are bound to '{rp_id}', and they would be lost. Delete "
            "these passkeys before you change the relying party."
        )
