"""Failures that the services of letters name."""

from runwright.errors import RunwrightError


class SmtpConfigInvalid(RunwrightError):
    type, status = "project_smtp_config_invalid", 400

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The mail server cannot be used as it is set: {why} Correct the settings, or send "
            "`enabled` as false to keep them without using them."
        )
