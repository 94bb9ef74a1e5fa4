"""Failures of signing in with other providers."""

from runwright.errors import NotFound, RunwrightError


class ProviderDisabled(RunwrightError):
    type, status = "project_provider_disabled", 412

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Signing in with {name} is switched off in this project. Its owner can enable it."
        )


class ProviderUnsupported(RunwrightError):
    type, status = "project_provider_unsupported", 400

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"Nobody can sign in with {name} here: {why}.")


class InvalidSuccessUrl(RunwrightError):
    type, status = "project_invalid_success_url", 400

    def __init__(self) -> None:
        super().__init__(
            "The address of success is none of this project's clients (any more). Register its "
            "host as a platform of the project, and start again."
        )


class InvalidFailureUrl(RunwrightError):
    type, status = "project_invalid_failure_url", 400

    def __init__(self) -> None:
        super().__init__(
            "The address of failure is none of this project's clients (any more). Register its "
            "host as a platform of the project, and start again."
        )


class BadReturn(RunwrightError):
    """Somebody comes back who was not sent away by us, or not like this."""

    type, status = "user_oauth2_bad_request", 400

    def __init__(self, why: str) -> None:
        super().__init__(f"{why} Start signing in again.")


class ProviderRefused(RunwrightError):
    """The provider said no; the text is what it said."""

    type, status = "user_oauth2_unauthorized", 401


class ProviderFailed(RunwrightError):
    """The provider could not be asked, or did not answer as agreed."""

    type, status = "user_oauth2_provider_error", 424


class NoProviderId(RunwrightError):
    type, status = "user_missing_id", 400

    def __init__(self) -> None:
        super().__init__("The provider did not say who you are: its answer has no user id.")


class InvalidIdToken(RunwrightError):
    type, status = "user_invalid_token", 401

    def __init__(self, why: str) -> None:
        super().__init__(f"The ID token was not accepted: {why}.")


class IdentityNotFound(NotFound):
    type = "user_identity_not_found"
    noun = "Identity"
