"""Second factors and passkeys."""

from typing import Final

from runwright.api.models.kinds import (
    CREATED,
    ID,
    ROW,
    Model,
    flag,
    free,
    listing,
    moment,
    text,
    texts,
)
from runwright.api.models.people import TOKEN

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

PASSKEY: Final = Model(
    name="passkey",
    about="A credential that a device of a user keeps.",
    fields=(
        *ROW,
        text("name", "Its name."),
        moment("accessedAt", "When it was last used to sign in.", empty=True),
    ),
)
PASSKEY_CHALLENGE: Final = Model(
    name="passkeyChallenge",
    about="What a device is to sign, once.",
    fields=(
        ID,
        CREATED,
        text("passkeyId", "The passkey that is being registered; empty for a sign-in."),
        moment("expire", "When it ends."),
        free("publicKey", "What the page hands to the browser."),
    ),
)
TOKEN_SECRET: Final = Model(
    name="tokenSecret",
    about="A secret that whoever asked for it can trade for a session, once.",
    fields=TOKEN.fields,
)

MODELS: Final = (
    MFA_FACTORS,
    MFA_TYPE,
    MFA_CHALLENGE,
    MFA_CHALLENGE_SECRET,
    MFA_RECOVERY_CODES,
    PASSKEY,
    listing("passkeys", PASSKEY),
    PASSKEY_CHALLENGE,
    TOKEN_SECRET,
)
