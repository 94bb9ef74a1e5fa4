"""Second factors."""

from typing import Final

from runwright.api.models.kinds import CREATED, ID, Model, flag, moment, text, texts

_CHALLENGE: Final = (
    ID,
    CREATED,
    text("userId", "Who is asked."),
    moment("expire", "When it ends."),
)

MFA_FACTORS: Final = Model(
    name="mfaFactors",
    about="Second factors that a user could give now.",
    fields=(
        flag("totp", "Codes of an authenticator app."),
        flag("phone", "Codes sent to a telephone."),
        flag("email", "Codes sent by e-mail."),
        flag("recoveryCode", "Recovery codes."),
        flag("custom", "Codes that the project's own servers deliver."),
    ),
)
MFA_TYPE: Final = Model(
    name="mfaType",
    about="A new authenticator.",
    fields=(
        text("secret", "What the app and the server share, in base32."),
        text("uri", "The same as a URI, for a QR code."),
    ),
)
MFA_CHALLENGE: Final = Model(
    name="mfaChallenge", about="A second factor that a session is asked for.", fields=_CHALLENGE
)
MFA_CHALLENGE_SECRET: Final = Model(
    name="mfaChallengeSecret",
    about="A challenge whose code a server delivers itself.",
    fields=(*_CHALLENGE, text("code", "The code to deliver.")),
)
MFA_RECOVERY_CODES: Final = Model(
    name="mfaRecoveryCodes",
    about="Codes that stand in for a second factor, each once.",
    fields=(texts("recoveryCodes", "Those that are left."),),
)

MODELS: Final = (
    MFA_FACTORS,
    MFA_TYPE,
    MFA_CHALLENGE,
    MFA_CHALLENGE_SECRET,
    MFA_RECOVERY_CODES,
)
