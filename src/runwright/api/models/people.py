"""People and their teams."""

from typing import Final

from runwright.api.models.kinds import (
    CREATED,
    ID,
    ROW,
    UPDATED,
    Model,
    flag,
    free,
    listing,
    many,
    moment,
    one,
    text,
    texts,
    whole,
)

PREFERENCES: Final = Model(
    name="preferences", about="A JSON object that clients fill as they like.", is_free=True
)
TARGET: Final = Model(
    name="target",
    about="An address at which a user can be reached.",
    fields=(
        *ROW,
        text("name", "Its name."),
        text("userId", "Whose address it is."),
        text("providerId", "The provider that serves it, or empty.", null=True),
        text("providerType", "What kind of address it is.", words=("email", "sms", "push")),
        text("identifier", "The address."),
        flag("expired", "Whether it has ceased to work."),
    ),
)
_ACCOUNT_TAIL: Final = (
    text("name", "The user's name."),
    moment("registration", "When the user signed up.", empty=True),
    flag("status", "False for a user who is blocked."),
    texts("labels", "Labels that servers gave the user."),
    moment("passwordUpdate", "When the password was last set.", empty=True),
    text("email", "The email address, or empty."),
    text("phone", "The phone number, or empty."),
    flag("emailVerification", "Whether the email address was verified."),
    text("emailCanonical", "The address without what its provider ignores.", null=True),
    flag("emailIsFree", "Whether a free mail provider serves the address.", null=True),
    flag("emailIsDisposable", "Whether the address is one to throw away.", null=True),
    flag("emailIsCorporate", "Whether the address is one of a company.", null=True),
    flag("emailIsCanonical", "Whether the address is the canonical one.", null=True),
    flag("passwordPwned", "Whether the password is known from a breach.", null=True),
    flag("phoneVerification", "Whether the phone number was verified."),
    flag("mfa", "Whether the user wants a second factor at sign-in."),
    one("prefs", PREFERENCES, "The user's preferences."),
    many("targets", TARGET, "Addresses of the user."),
    moment("accessedAt", "When the user was last seen, to the day.", empty=True),
    flag("impersonator", "Whether the user may act as others."),
    text("impersonatorUserId", "Who acts as this user, if anybody does.", null=True),
)
ACCOUNT: Final = Model(
    name="account", about="A user, as the user sees it.", fields=(*ROW, *_ACCOUNT_TAIL)
)
USER: Final = Model(
    name="user",
    about="A user, as servers see it.",
    fields=(
        *ROW,
        _ACCOUNT_TAIL[0],
        text("password", "The hash of the password.", null=True),
        text("hash", "How the password is hashed.", null=True),
        free("hashOptions", "Options of that hash.", null=True),
        *_ACCOUNT_TAIL[1:],
    ),
)
SESSION: Final = Model(
    name="session",
    about="A user who is signed in on one device.",
    fields=(
        *ROW,
        text("userId", "Whose session it is."),
        moment("expire", "When it ends."),
        text("provider", "How the user signed in."),
        text("providerUid", "Who the user is to that provider."),
        text("providerAccessToken", "The provider's access token."),
        moment("providerAccessTokenExpiry", "When that token ends.", empty=True),
        text("providerRefreshToken", "The provider's refresh token."),
        text("ip", "Where the user signed in from."),
        text("osCode", "Operating system, in short."),
        text("osName", "Operating system."),
        text("osVersion", "Version of the operating system."),
        text("clientType", "Kind of client."),
        text("clientCode", "Client, in short."),
        text("clientName", "Client."),
        text("clientVersion", "Version of the client."),
        text("clientEngine", "Engine of the client."),
        text("clientEngineVersion", "Version of that engine."),
        text("deviceName", "Kind of device."),
        text("deviceBrand", "Brand of the device."),
        text("deviceModel", "Model of the device."),
        text("countryCode", "Country of two letters, or --."),
        text("countryName", "Country."),
        flag("current", "Whether it is the session of this request."),
        texts("factors", "Factors that the user has shown."),
        text("secret", "What opens it; empty but for those who may know it."),
        moment("mfaUpdatedAt", "When a factor was last shown.", empty=True),
    ),
)
TOKEN: Final = Model(
    name="token",
    about="A secret that can be traded for a session once.",
    fields=(
        ID,
        CREATED,
        text("userId", "Who it is for."),
        text("secret", "The secret; empty but for those who may know it."),
        moment("expire", "When it ends."),
        text("phrase", "A phrase that the message repeats, or empty."),
    ),
)
JWT: Final = Model(
    name="jwt",
    about="A signed token that stands for a user for a short time.",
    fields=(text("jwt", "Send it as X-Appwrite-JWT."),),
)
TEAM: Final = Model(
    name="team",
    about="A group of users.",
    fields=(
        ID,
        CREATED,
        UPDATED,
        text("name", "Its name."),
        whole("total", "How many members it has."),
        one("prefs", PREFERENCES, "Its preferences."),
    ),
)
MEMBERSHIP: Final = Model(
    name="membership",
    about="A user's place in a team. What the reader may not see of the user is empty.",
    fields=(
        *ROW,
        text("userId", "Who."),
        text("userName", "The user's name."),
        text("userEmail", "The user's email address."),
        text("userPhone", "The user's phone number."),
        text("teamId", "The team."),
        text("teamName", "The team's name."),
        moment("invited", "When the user was invited."),
        moment("joined", "When the user accepted.", empty=True),
        flag("confirm", "Whether the user accepted."),
        flag("mfa", "Whether the user wants a second factor at sign-in."),
        moment("userAccessedAt", "When the user was last seen.", empty=True),
        texts("roles", "What the user is in the team."),
    ),
)

MODELS: Final = (
    PREFERENCES,
    TARGET,
    listing("targets", TARGET),
    ACCOUNT,
    USER,
    listing("users", USER),
    SESSION,
    listing("sessions", SESSION),
    TOKEN,
    JWT,
    TEAM,
    listing("teams", TEAM),
    MEMBERSHIP,
    listing("memberships", MEMBERSHIP),
)
