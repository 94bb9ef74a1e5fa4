"""What a provider says about a person, read along the paths of the table. Pure."""

from typing import Any, Final

from runwright.identity.oauth.provider import Profile
from runwright.values import dataclass

MAX_UID: Final = 255
MAX_EMAIL: Final = 320
MAX_NAME: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    uid: str
    email: str = ""  # lower case; "" = none, or none that is one
    name: str = ""
    is_verified: bool = False  # the provider says that the address is this person's


def read_facts(profile: Profile, told: Any) -> Facts:
    email = _email(first(told, profile.email))
    return Facts(
        uid=_uid(first(told, profile.uid)),
        email=email,
        name=_name(first(told, profile.name)),
        is_verified=bool(email and profile.verified) and is_true(first(told, profile.verified)),
    )


def first(told: Any, paths: str) -> Any:
    """The first of the paths, divided by `|`, that leads to something."""
    for path in paths.split("|"):
        value = _at(told, path)
        if value not in (None, ""):
            return value
    return None


def _at(value: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.startswith("*"):
            members = [item for item in value if isinstance(item, dict)]
            value = next((item for item in members if is_true(item.get(part[1:]))), None)
        elif isinstance(value, list) and part.isdecimal():
            value = value[int(part)] if int(part) < len(value) else None
        else:
            return None
    return value


def is_true(value: Any) -> bool:
    """Some providers write their booleans as words."""
    if isinstance(value, str):
        return value.lower() not in ("", "false", "0", "no")
    return bool(value)


def _uid(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    text = str(value)
    return text if len(text) <= MAX_UID and text.isprintable() else ""


def _email(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_EMAIL or not value.isprintable():
        return ""
    local, at, host = value.rpartition("@")
    is_one = bool(local and at and host) and " " not in value and "@" not in local
    return value.lower() if is_one else ""


def _name(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(char for char in value if char.isprintable())[:MAX_NAME].strip()
