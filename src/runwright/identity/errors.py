"""Failures that the identity services name."""

from collections.abc import Sequence

from runwright.errors import BadRequest, Conflict, NotFound, RunwrightError


class UserNotFound(NotFound):
    type = "user_not_found"
    noun = "User"


class UserExists(Conflict):
    type = "user_already_exists"

    def __init__(self) -> None:
        super().__init__(
            "A user with the same id, email or phone already exists in this project. "
            "Sign in, or choose other values."
        )


class EmailExists(Conflict):
    type = "user_email_already_exists"

    def __init__(self) -> None:
        super().__init__("A user with the same email already exists in this project.")


class PhoneExists(Conflict):
    type = "user_phone_already_exists"

    def __init__(self) -> None:
        super().__init__("A user with the same phone already exists in this project.")


class EmailUnavailable(BadRequest):
    """Hides from a signed-in caller whether another account has the address."""

    def __init__(self) -> None:
        super().__init__("This email cannot be used. Choose another one.")


class UserCountExceeded(RunwrightError):
    type, status = "user_count_exceeded", 400

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"This project takes no more than {limit} users. Its owner can raise the limit."
        )


class ConsoleSignupClosed(RunwrightError):
    type, status = "user_console_count_exceeded", 501

    def __init__(self) -> None:
        super().__init__(
            "Sign-up to the console is closed: an account exists. Ask its owner for an invitation."
        )


class ConsoleEmailRefused(RunwrightError):
    type, status = "user_email_not_whitelisted", 401

    def __init__(self) -> None:
        super().__init__(
            "This email may not create a console account here. Use another, or ask the operator."
        )


class ConsoleIpRefused(RunwrightError):
    type, status = "user_ip_not_whitelisted", 401

    def __init__(self) -> None:
        super().__init__(
            "No console account can be created from this address. Ask the operator of the server."
        )


class UserBlocked(RunwrightError):
    type, status = "user_blocked", 403

    def __init__(self) -> None:
        super().__init__("The user is blocked. A project admin can unblock the account.")


class InvalidCredentials(RunwrightError):
    type, status = "user_invalid_credentials", 401

    def __init__(self) -> None:
        super().__init__("Invalid credentials. Check the email and the password.")


class InvalidToken(RunwrightError):
    type, status = "user_invalid_token", 401

    def __init__(self) -> None:
        super().__init__("The token is wrong, expired or already used. Ask for a new one.")


class AnonymousOnConsole(RunwrightError):
    type, status = "user_anonymous_console_prohibited", 401

    def __init__(self) -> None:
        super().__init__("Console accounts cannot be anonymous. Sign up with email and password.")


class PersonalDataInPassword(RunwrightError):
    type, status = "password_personal_data", 400

    def __init__(self) -> None:
        super().__init__(
            "The password contains the user's id, name, email or phone. Choose another password."
        )


class PasswordReused(RunwrightError):
    type, status = "password_recently_used", 400

    def __init__(self) -> None:
        super().__init__("This password was used before. Choose another one.")


class DeletionProhibited(RunwrightError):
    type, status = "user_deletion_prohibited", 400

    def __init__(self) -> None:
        super().__init__("The account is a member of organizations. Leave or delete them first.")


class SessionNotFound(NotFound):
    type = "user_session_not_found"
    noun = "Session"


class JwtCreationDenied(RunwrightError):
    type, status = "user_jwt_creation_denied", 403

    def __init__(self) -> None:
        super().__init__("A JWT cannot be made by a caller that is signed in with a JWT.")


class TargetNotFound(NotFound):
    type = "user_target_not_found"
    noun = "Target"


class TargetExists(Conflict):
    type = "user_target_already_exists"
    noun = "Target"

    def __init__(self) -> None:
        super().__init__("A target with the same id or address already exists in this project.")


class ProviderNotFound(NotFound):
    type = "provider_not_found"
    noun = "Provider"


class MalformedEmail(RunwrightError):
    type, status = "general_invalid_email", 400

    def __init__(self) -> None:
        super().__init__("The identifier of an email target must be a valid email address.")


class MalformedPhone(RunwrightError):
    type, status = "general_invalid_phone", 400

    def __init__(self) -> None:
        super().__init__(
            "The identifier of an sms target must be a phone number such as +14155552671."
        )


class TeamNotFound(NotFound):
    type = "team_not_found"
    noun = "Team"


class TeamExists(Conflict):
    type = "team_already_exists"
    noun = "Team"


class InviteNotFound(NotFound):
    type = "team_invite_not_found"
    noun = "Membership"


class MembershipNotFound(NotFound):
    type = "membership_not_found"
    noun = "Membership"


class TeamMismatch(RunwrightError):
    type, status = "team_membership_mismatch", 404

    def __init__(self) -> None:
        super().__init__("The membership belongs to another team.")


class MembershipConfirmed(Conflict):
    type = "membership_already_confirmed"

    def __init__(self) -> None:
        super().__init__("The user is already a member of this team.")


class TeamSecretInvalid(RunwrightError):
    type, status = "team_invalid_secret", 401

    def __init__(self) -> None:
        super().__init__(
            "The secret of the invitation is not the right one. Use the link of the newest letter."
        )


class InviteMismatch(RunwrightError):
    type, status = "team_invite_mismatch", 401

    def __init__(self) -> None:
        super().__init__(
            "The invitation is for somebody else. Sign out, or sign in as the one who was invited."
        )


class LastOwnerLeaves(RunwrightError):
    type, status = "membership_deletion_prohibited", 400

    def __init__(self) -> None:
        super().__init__("An organization keeps at least one owner. Name another owner first.")


class LastOwnerSteps(RunwrightError):
    type, status = "membership_downgrade_prohibited", 400

    def __init__(self) -> None:
        super().__init__("An organization keeps at least one owner. Name another owner first.")


class SmtpDisabled(RunwrightError):
    type, status = "general_smtp_disabled", 503

    def __init__(self) -> None:
        super().__init__(
            "This call sends an email and the server has no mail server configured. "
            "Ask its operator."
        )


class PhoneDisabled(RunwrightError):
    type, status = "general_phone_disabled", 503

    def __init__(self) -> None:
        super().__init__(
            "This call sends a text message and the server has no phone provider configured. "
            "Ask its operator."
        )


class EmailMissing(RunwrightError):
    type, status = "user_email_not_found", 400

    def __init__(self) -> None:
        super().__init__("The account has no email address. Set one first.")


class EmailVerified(Conflict):
    type = "user_email_already_verified"

    def __init__(self) -> None:
        super().__init__("The email address of the account is verified already.")


class PhoneMissing(RunwrightError):
    type, status = "user_phone_not_found", 400

    def __init__(self) -> None:
        super().__init__("The account has no phone number. Set one first.")


class PhoneVerified(Conflict):
    type = "user_phone_already_verified"

    def __init__(self) -> None:
        super().__init__("The phone number of the account is verified already.")


class MockPhoneNotFound(NotFound):
    type = "mock_number_not_found"
    noun = "Mock phone"


class MockPhoneExists(Conflict):
    type = "mock_number_already_exists"

    def __init__(self) -> None:
        super().__init__("The project has a mock phone with this number already. Update that one.")


class ProjectNotFound(NotFound):
    type = "project_not_found"
    noun = "Project"


class ProjectExists(Conflict):
    type = "project_already_exists"
    noun = "Project"


class ReservedProject(RunwrightError):
    type, status = "project_reserved_project", 400

    def __init__(self) -> None:
        super().__init__("The project ID `console` is reserved. Choose another ID.")


class UnknownRegion(RunwrightError):
    type, status = "project_region_unsupported", 400

    def __init__(self, region: str) -> None:
        super().__init__(f"Region '{region}' does not exist here. Use `default`.")


class KeyNotFound(NotFound):
    type = "key_not_found"
    noun = "Key"


class KeyExists(Conflict):
    type = "key_already_exists"
    noun = "Key"


class KeyCreationDenied(RunwrightError):
    type, status = "key_creation_denied", 403

    def __init__(self) -> None:
        super().__init__(
            "An API key cannot make another lasting API key. Sign in to the console, or make an "
            "ephemeral key."
        )


class EnvironmentMoves(BadRequest):
    def __init__(self) -> None:
        super().__init__(
            "An environment belongs to its project. Move the project, or make a new one."
        )


class EnvironmentNested(BadRequest):
    def __init__(self) -> None:
        super().__init__(
            "This project is an environment itself and has none. Make it beside this one."
        )


class ScopesBeyond(KeyCreationDenied):
    """A key gave away more than it holds."""

    def __init__(self, scopes: Sequence[str]) -> None:
        RunwrightError.__init__(
            self,
            f"A key can give others only what it holds itself, which is not {', '.join(scopes)}.",
        )


class PlatformNotFound(NotFound):
    type = "platform_not_found"
    noun = "Platform"


class PlatformExists(Conflict):
    type = "platform_already_exists"
    noun = "Platform"


class PlatformMismatch(RunwrightError):
    type, status = "platform_method_unsupported", 400

    def __init__(self, kind: str) -> None:
        super().__init__(f"This platform is of type '{kind}': use the update call of that type.")
