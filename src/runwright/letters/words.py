"""What letters say when a project has not chosen words of its own.

`{{name}}` stands for a value; a paragraph that needs one which the letter does not have is left
out. `{{redirect}}` alone in a paragraph becomes a link, `{{otp}}` alone is shown large.
"""

from typing import Final

from runwright.ports.mailer import Occasion
from runwright.values import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    subject: str
    paragraphs: tuple[str, ...]
    sms: str = ""  # as a text message; "" = the occasion has none


_NOT_YOU: Final = "If you did not ask for this, you need not do anything."
_PHRASE: Final = "Security phrase: {{phrase}}. It must be the one that you were shown."
_CODE: Final = "{{otp}} is your code for {{project}}."

WORDS: Final[dict[Occasion, Words]] = {
    "verification": Words(
        "Confirm your email address for {{project}}",
        (
            "{{hello}}",
            "Open this link to confirm that this address is yours:",
            "{{redirect}}",
            _NOT_YOU,
        ),
        sms=_CODE,
    ),
    "magicSession": Words(
        "Sign in to {{project}}",
        (
            "{{hello}}",
            "Open this link to sign in to {{project}}:",
            "{{redirect}}",
            _PHRASE,
            "The link works once, within an hour. " + _NOT_YOU,
        ),
    ),
    "recovery": Words(
        "Set a new password for {{project}}",
        (
            "{{hello}}",
            "Open this link to set a new password:",
            "{{redirect}}",
            "The link works once, within an hour. " + _NOT_YOU,
        ),
    ),
    "invitation": Words(
        "{{owner}} invites you to the team {{team}}",
        (
            "{{hello}}",
            "{{owner}} invites you to the team {{team}} of {{project}}. Open this link to join it:",
            "{{redirect}}",
            "If you do not know {{owner}}, you need not do anything.",
        ),
        sms="{{owner}} invites you to {{team}} of {{project}}: {{redirect}}",
    ),
    "mfaChallenge": Words(
        "Your code for {{project}}",
        (
            "{{hello}}",
            "Enter this code to go on signing in to {{project}}:",
            "{{otp}}",
            "If you are not signing in, somebody else knows your password: change it.",
        ),
        sms=_CODE,
    ),
    "sessionAlert": Words(
        "New sign-in to {{project}}",
        (
            "{{hello}}",
            "Somebody has just signed in to your account on {{project}}.",
            "Time: {{date}}",
            "Address: {{ipAddress}}",
            "Device: {{agentDevice}}",
            "Client: {{agentClient}}",
            "System: {{agentOs}}",
            "If that was not you, change your password and end your other sessions.",
        ),
    ),
    "otpSession": Words(
        "{{otp}} is your code for {{project}}",
        (
            "{{hello}}",
            "Enter this code to sign in to {{project}}:",
            "{{otp}}",
            _PHRASE,
            "The code works once, within 15 minutes. " + _NOT_YOU,
        ),
        sms=_CODE,
    ),
    "otpVerification": Words(
        "{{otp}} is your code for {{project}}",
        (
            "{{hello}}",
            "Enter this code to confirm that this address is yours:",
            "{{otp}}",
            _PHRASE,
            "The code works once, within 15 minutes. " + _NOT_YOU,
        ),
        sms=_CODE,
    ),
    "otpRecovery": Words(
        "{{otp}} is your code for {{project}}",
        (
            "{{hello}}",
            "Enter this code to set a new password:",
            "{{otp}}",
            _PHRASE,
            "The code works once, within 15 minutes. " + _NOT_YOU,
        ),
        sms=_CODE,
    ),
    "smtpTest": Words(
        "Mail of {{project}} works",
        (
            "{{hello}}",
            "This letter was sent to try the mail server of the project {{project}}. It arrived, "
            "so the settings are right.",
        ),
    ),
    "webhookOff": Words(
        "Webhook {{webhook}} of {{project}} was switched off",
        (
            "{{hello}}",
            "The webhook {{webhook}} of the project {{project}} did not take {{attempts}} "
            "deliveries in a row, so it was switched off:",
            "{{url}}",
            "Events are not told to it until it is switched on again.",
        ),
    ),
}
