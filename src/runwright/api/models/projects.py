"""Projects and what is set in them: keys, platforms, policies."""

from typing import Final

from runwright.api.models.kinds import (
    CREATED,
    ID,
    ROW,
    UPDATED,
    Field,
    Model,
    flag,
    free,
    frees,
    listing,
    many,
    moment,
    text,
    texts,
    whole,
)


def _switch(name: str, about: str) -> Model:
    return Model(
        name=name,
        about=about,
        fields=(ID, flag("enabled", "Whether it is switched on.")),
    )


AUTH_METHOD: Final = _switch("projectAuthMethod", "A way to sign in.")
SERVICE: Final = _switch("projectService", "A part of the API.")
PROTOCOL: Final = _switch("projectProtocol", "A way to reach the API.")
PROJECT: Final = Model(
    name="project",
    about="A project and its settings.",
    fields=(
        *ROW,
        text("name", "Its name."),
        text("teamId", "The organization it belongs to."),
        text("region", "Where it is kept."),
        frees("devKeys", "Always empty: there are no development keys."),
        flag("smtpEnabled", "Whether mail goes out through its own server."),
        text("smtpSenderName", "Name of the sender of its mail."),
        text("smtpSenderEmail", "Address of the sender of its mail."),
        text("smtpReplyToName", "Name that answers go to."),
        text("smtpReplyToEmail", "Address that answers go to."),
        text("smtpHost", "Host of its mail server."),
        whole("smtpPort", "Port of its mail server."),
        text("smtpUsername", "User at its mail server."),
        text("smtpPassword", "Always empty: it can be written, not read."),
        text("smtpSecure", "How the connection to it is secured."),
        whole("pingCount", "How often it was pinged."),
        moment("pingedAt", "When it was last pinged.", empty=True),
        texts("labels", "Its labels."),
        text("status", "Its state.", words=("active", "archived", "paused")),
        free("onboarding", "Steps of the first start that are done."),
        many("authMethods", AUTH_METHOD, "Ways to sign in."),
        many("services", SERVICE, "Parts of the API."),
        many("protocols", PROTOCOL, "Ways to reach the API."),
        frees("blocks", "Always empty: nothing blocks projects here."),
        moment("consoleAccessedAt", "When a console last opened it.", empty=True),
        flag("wafEnabled", "Whether a firewall for requests is on."),
        text("parentId", "The project whose environment it is.", null=True),
    ),
)
KEY: Final = Model(
    name="key",
    about="An API key.",
    fields=(
        *ROW,
        text("name", "Its name."),
        text("description", "What it is for."),
        moment("expire", "When it ends; empty for never.", empty=True),
        texts("scopes", "What it may do."),
        text("secret", "The key itself, in the answer that makes it; empty ever after."),
        moment("accessedAt", "When it was last used, to the day.", empty=True),
        texts("sdks", "SDKs that used it."),
    ),
)
EPHEMERAL_KEY: Final = Model(
    name="ephemeralKey",
    about="A key for a short time, which is stored nowhere.",
    fields=KEY.fields,
)


def _platform(kind: str, *own: Field) -> Model:
    return Model(
        name=f"platform{kind.capitalize()}",
        about=f"A client application for {kind}.",
        fields=(
            *ROW,
            text("name", "Its name."),
            text("type", "What it runs on.", words=(kind,)),
            *own,
        ),
    )


PLATFORM: Final = Model(
    name="platform",
    about="A client application.",
    tag="type",
    variants={
        "web": _platform(
            "web", text("hostname", "Host name of its pages."), text("key", "Always empty.")
        ),
        "apple": _platform("apple", text("bundleIdentifier", "Bundle identifier.")),
        "android": _platform(
            "android",
            text("applicationId", "Application id."),
            texts("fingerprints", "Fingerprints of its certificates."),
        ),
        "windows": _platform("windows", text("packageIdentifierName", "Package name.")),
        "linux": _platform("linux", text("packageName", "Package name.")),
    },
)
_ENABLED: Final = flag("enabled", "Whether it is in force.")
_DENIED: Final = texts("denyList", "Further words that are refused.")


def _policy(policy_id: str, *own: Field) -> Model:
    name = "".join(part.capitalize() for part in policy_id.split("-"))
    return Model(
        name=f"policy{name}",
        about=f"The rule `{policy_id}`.",
        fields=(text("$id", "Its id.", words=(policy_id,)), *own),
    )


POLICY_STRENGTH: Final = _policy(
    "password-strength",
    whole("min", "Fewest characters."),
    flag("uppercase", "Whether an upper-case letter is needed."),
    flag("lowercase", "Whether a lower-case letter is needed."),
    flag("number", "Whether a digit is needed."),
    flag("symbols", "Whether another character is needed."),
)
POLICIES: Final = (
    _policy("password-dictionary", _ENABLED, _DENIED),
    _policy("password-history", whole("total", "How many earlier passwords are refused.")),
    POLICY_STRENGTH,
    _policy("password-personal-data", _ENABLED, _DENIED),
    _policy(
        "password-pwned",
        flag("enabled", "Whether passwords are looked for in a list of breached ones."),
        flag("sessions", "Whether such a password does not sign in."),
        flag("users", "Whether such a password is refused when it is chosen."),
    ),
    _policy("password-rotation", _ENABLED, whole("maxAge", "Seconds until a password is too old.")),
    _policy("deny-aliased-email", _ENABLED),
    _policy("deny-disposable-email", _ENABLED),
    _policy("deny-free-email", _ENABLED),
    _policy("deny-corporate-email", _ENABLED),
    _policy("session-alert", _ENABLED),
    _policy("session-duration", whole("duration", "Seconds until a session ends.")),
    _policy("session-invalidation", _ENABLED),
    _policy("session-limit", whole("total", "Most sessions of one user.")),
    _policy("user-limit", whole("total", "Most users; 0 for any number.")),
    _policy(
        "membership-privacy",
        flag("userId", "Whether members see each other's ids."),
        flag("userEmail", "Whether members see each other's email addresses."),
        flag("userPhone", "Whether members see each other's phone numbers."),
        flag("userName", "Whether members see each other's names."),
        flag("userMFA", "Whether members see who wants a second factor."),
        flag("userAccessedAt", "Whether members see when others were here."),
    ),
    _policy(
        "mfa-factors",
        flag("totp", "Whether codes of authenticator apps are a second factor."),
        flag("email", "Whether codes sent by e-mail are."),
        flag("phone", "Whether codes sent to telephones are."),
        flag("custom", "Whether codes that the project's own servers deliver are."),
    ),
    _policy(
        "passkey",
        text("rpId", "The domain that passkeys are bound to; empty until it is chosen."),
        texts("origins", "Pages on which they work."),
    ),
)
POLICY: Final = Model(
    name="policy",
    about="A rule that the project sets for its users.",
    tag="$id",
    variants={item.fields[0].words[0]: item for item in POLICIES},
)
EMAIL_TEMPLATE: Final = Model(
    name="emailTemplate",
    about="The words of the letters of one occasion, in one language.",
    fields=(
        text("templateId", "The occasion."),
        text("locale", "The language."),
        text("message", "The body, plain or HTML, with placeholders."),
        text("senderName", "Name of the sender; empty for that of the mail server's settings."),
        text("senderEmail", "Address of the sender; empty for that of the settings."),
        text("replyToEmail", "Address that answers go to; empty for that of the settings."),
        text("replyToName", "Name that answers go to; empty for that of the settings."),
        text("subject", "The subject, with placeholders."),
    ),
)

MOCK_NUMBER: Final = Model(
    name="mockNumber",
    about="A phone number with a fixed code, to which nothing is sent.",
    fields=(
        text("number", "The number."),
        text("otp", "Its code."),
        CREATED,
        UPDATED,
    ),
)

MODELS: Final = (
    PROJECT,
    listing("projects", PROJECT),
    KEY,
    listing("keys", KEY),
    EPHEMERAL_KEY,
    PLATFORM,
    listing("platforms", PLATFORM),
    POLICY,
    listing("policies", POLICY),
    MOCK_NUMBER,
    listing("mockNumbers", MOCK_NUMBER),
    EMAIL_TEMPLATE,
    listing("templates", EMAIL_TEMPLATE),
)
