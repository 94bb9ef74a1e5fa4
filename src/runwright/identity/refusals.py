"""Why a request is turned away before any service sees it."""

from runwright.errors import RunwrightError


class JwtAndSession(RunwrightError):
    type, status = "user_jwt_and_cookie_set", 403

    def __init__(self) -> None:
        super().__init__("The request carries a JWT and a session. Send only one of them.")


class KeyAndSession(RunwrightError):
    type, status = "user_api_key_and_session_set", 403

    def __init__(self) -> None:
        super().__init__("The request carries an account key and a session. Send only one of them.")


class ProjectIdMissing(RunwrightError):
    type, status = "project_id_missing", 403

    def __init__(self, project_id: str) -> None:
        super().__init__(
            "A project's API key needs the header X-Appwrite-Project with that project's ID; "
            f"this request is about the project '{project_id}'."
        )


class UserIdMissing(RunwrightError):
    type, status = "user_id_missing", 403

    def __init__(self) -> None:
        super().__init__("An account key needs the header X-Appwrite-User with its owner's ID.")


class OrganizationIdMissing(RunwrightError):
    type, status = "organization_id_missing", 403

    def __init__(self) -> None:
        super().__init__(
            "An organization key needs the header X-Appwrite-Organization with its owner's ID."
        )


class AccountKeyExpired(RunwrightError):
    type, status = "account_key_expired", 401

    def __init__(self) -> None:
        super().__init__("The account key has expired. Prolong it or make another one.")


class OrganizationKeyExpired(RunwrightError):
    type, status = "organization_key_expired", 401

    def __init__(self) -> None:
        super().__init__("The organization key has expired. Prolong it or make another one.")


class ForeignKey(RunwrightError):
    type, status = "user_unauthorized", 401

    def __init__(self) -> None:
        super().__init__(
            "Keys of accounts and organizations open the console alone, and there is no such key "
            "for a project. Send the header `X-Appwrite-Project: console`, or none."
        )


class ProjectKeyExpired(RunwrightError):
    type, status = "project_key_expired", 401

    def __init__(self) -> None:
        super().__init__("The API key has expired. Prolong it or make another one.")


class UnknownKey(RunwrightError):
    type, status = "user_unauthorized", 401

    def __init__(self) -> None:
        super().__init__(
            "This project has no such API key. Check that the key was not deleted and that "
            "X-Appwrite-Project names the key's project."
        )


class NotAMember(RunwrightError):
    type, status = "user_unauthorized", 401

    def __init__(self) -> None:
        super().__init__(
            "The signed-in account is not a member of the organization that owns this project."
        )


class OtherProject(RunwrightError):
    type, status = "user_unauthorized", 401

    def __init__(self, in_path: str, sent: str) -> None:
        super().__init__(
            f"The path names the project '{in_path}' and the request is for the project '{sent}'. "
            "Send the same ID in X-Appwrite-Project, or `console`."
        )


class AdminOnConsole(RunwrightError):
    type, status = "general_bad_request", 400

    def __init__(self) -> None:
        super().__init__(
            "Admin mode is for a project. Name one in X-Appwrite-Project, or leave out "
            "X-Appwrite-Mode."
        )


class ServiceDisabled(RunwrightError):
    type, status = "general_service_disabled", 403

    def __init__(self, service: str) -> None:
        super().__init__(
            f"The service '{service}' is switched off in this project. Its owner can switch it on."
        )


class ApiDisabled(RunwrightError):
    type, status = "general_api_disabled", 403

    def __init__(self, protocol: str) -> None:
        super().__init__(
            f"The {protocol} API is switched off in this project. Its owner can switch it on."
        )


class PasswordResetRequired(RunwrightError):
    type, status = "user_password_reset_required", 412

    def __init__(self) -> None:
        super().__init__("The user must set a new password before anything else.")


class MoreFactorsRequired(RunwrightError):
    type, status = "user_more_factors_required", 401

    def __init__(self) -> None:
        super().__init__("This session needs one more factor. Complete an MFA challenge first.")


class AuthMethodDisabled(RunwrightError):
    type, status = "user_auth_method_unsupported", 501

    def __init__(self, method: str) -> None:
        super().__init__(
            f"The sign-in method '{method}' is switched off in this project. "
            "Its owner can switch it on."
        )


class SignedInAlready(RunwrightError):
    type, status = "user_session_already_exists", 401

    def __init__(self) -> None:
        super().__init__("A session is active already. End it before you start another one.")
