"""The project as formats below 1.9.5 show it: one flat object.

The newest shape has no place for some of what the old one shows (policies, description). A
shape that knows these hands them over in `WithOlder`, beside the newest fields and unseen by
them; for one that does not, the defaults of a new project are shown.
"""

from collections.abc import Mapping
from typing import Any, Final

Json = dict[str, Any]


class WithOlder(dict[str, Any]):
    """A newest shape, and what only older formats show. Equal and encoded like a dict."""

    __slots__ = ("older",)

    def __init__(self, newest: Mapping[str, Any], older: Mapping[str, Any]) -> None:
        super().__init__(newest)
        self.older = dict(older)


_NEW_AUTH_METHODS: Final = frozenset({"passkey"})  # that clients before 2.0 do not know
_AUTH_FIELDS: Final = {
    "email-password": "authEmailPassword",
    "magic-url": "authUsersAuthMagicURL",
    "email-otp": "authEmailOtp",
    "anonymous": "authAnonymous",
    "invites": "authInvites",
    "jwt": "authJWT",
    "phone": "authPhone",
}
_DEFAULTS: Final[Mapping[str, Any]] = {
    "description": "",
    "logo": "",
    "url": "",
    "legalName": "",
    "legalCountry": "",
    "legalState": "",
    "legalCity": "",
    "legalAddress": "",
    "legalTaxId": "",
    "authDuration": 31_536_000,
    "authLimit": 0,
    "authSessionsLimit": 10,
    "authPasswordHistory": 0,
    "authPasswordDictionary": False,
    "authPersonalDataCheck": False,
    "authDisposableEmails": False,
    "authCanonicalEmails": False,
    "authFreeEmails": False,
    "authMockNumbers": (),
    "authSessionAlerts": False,
    "authMembershipsUserName": False,
    "authMembershipsUserEmail": False,
    "authMembershipsMfa": False,
    "authMembershipsUserId": False,
    "authMembershipsUserPhone": False,
    "authInvalidateSessions": True,
    "oAuthProviders": (),
    "platforms": (),
    "webhooks": (),
    "keys": (),
}
_OWN_NEW: Final = ("authMethods", "services", "protocols", "onboarding", "wafEnabled")


def without_new_methods(content: Json, project_id: str) -> Json:
    """Older clients take no words that they do not know."""
    older = content.older if isinstance(content, WithOlder) else {}
    methods = content.get("authMethods", ())
    known = [item for item in methods if item["$id"] not in _NEW_AUTH_METHODS]
    return WithOlder({**content, "authMethods": known}, older)


def flat(content: Json, project_id: str) -> Json:
    older = content.older if isinstance(content, WithOlder) else {}
    shape = {key: value for key, value in content.items() if key not in _OWN_NEW}
    shape |= {**_DEFAULTS, **older}
    shape["smtpReplyTo"] = content.get("smtpReplyToEmail", "")
    for item in content.get("authMethods", ()):
        name = _AUTH_FIELDS.get(item["$id"])
        if name is not None:
            shape[name] = item["enabled"]
    for item in content.get("services", ()):
        shape["serviceStatusFor" + _capital(item["$id"])] = item["enabled"]
    for item in content.get("protocols", ()):
        shape["protocolStatusFor" + _capital(item["$id"])] = item["enabled"]
    return shape


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
