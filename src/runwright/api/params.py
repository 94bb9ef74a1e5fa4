"""Request parameters: declared as a dataclass, parsed once, in declaration order.

    @dataclass(frozen=True, kw_only=True)
    class CreateFunction:
        function_id: Annotated[str, CustomId()]
        name: Annotated[str, Text(128)]
        timeout: Annotated[int, Range(1, 900)] = 15
        entrypoint: Annotated[str | None, Text(1028, least=0)] = None

A field without a default is required. The wire name is the field's name in camelCase unless
`Named("...")` stands among the annotations. An explicit null counts as "not sent". Every
validator raises ValueError with a sentence, and gives its JSON schema for the API reference.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Protocol, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from runwright.errors import InvalidParam, MissingParam
from runwright.ids import UNIQUE, is_id, is_project_id
from runwright.values import dataclass

P = TypeVar("P")

MAX_ARRAY: Final = 100
MAX_NESTING: Final = 256  # deeper ones could be stored, yet not be written inside a list
SCHEMA = dict[str, Any]

_ID: Final = "[a-zA-Z0-9][a-zA-Z0-9._-]{0,35}"
_TEAM_ROLE: Final = "[a-zA-Z0-9][a-zA-Z0-9._-]{0,80}"


class Validator(Protocol):
    def parse(self, value: Any) -> Any:
        """The typed value. Raises ValueError with what is allowed."""

    def schema(self) -> SCHEMA: ...


@dataclass(frozen=True, slots=True)
class Named:
    """Overrides the wire name."""

    name: str


@dataclass(frozen=True, slots=True)
class Text:
    most: int
    least: int = 1

    def parse(self, value: Any) -> str:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not isinstance(value, str) and not is_number:
            raise ValueError(f"Value must be a valid string and {self._rule()}")
        text = str(value)
        if not self.least <= len(text) <= self.most:
            raise ValueError(f"Value must be a valid string and {self._rule()}")
        if "\0" in text:  # ends texts in environments, argument lists and some databases
            raise ValueError("Value must be a valid string without null characters")
        return text

    def _rule(self) -> str:
        low = f"at least {self.least} chars and " if self.least > 1 else ""
        return f"{low}no longer than {self.most} chars" + ("" if self.least == 0 else ", not empty")

    def schema(self) -> SCHEMA:
        return {"type": "string", "minLength": self.least, "maxLength": self.most}


@dataclass(frozen=True, slots=True)
class Id:
    """A reference to something that exists."""

    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or not is_id(value):
            raise ValueError(
                "UID must contain at most 36 chars. Valid chars are a-z, A-Z, 0-9, period, "
                "hyphen and underscore. Can't start with a special char."
            )
        return value

    def schema(self) -> SCHEMA:
        return {"type": "string", "pattern": f"^{_ID}$"}


@dataclass(frozen=True, slots=True)
class CustomId:
    """An id of the client's choice, or `unique()`."""

    def parse(self, value: Any) -> str:
        return UNIQUE if value == UNIQUE else Id().parse(value)

    def schema(self) -> SCHEMA:
        return {
            "type": "string",
            "pattern": rf"^(unique\(\)|{_ID})$",
            "description": "`unique()` or an id of your choice",
        }


@dataclass(frozen=True, slots=True)
class ProjectId:
    def parse(self, value: Any) -> str:
        if value == UNIQUE:
            return UNIQUE
        if not isinstance(value, str) or not is_project_id(value):
            raise ValueError(
                "Project IDs hold at most 36 chars: a-z, 0-9 and hyphen, and start with a "
                "letter or digit."
            )
        return value

    def schema(self) -> SCHEMA:
        return {
            "type": "string",
            "pattern": r"^(unique\(\)|[a-z0-9][a-z0-9-]{0,35})$",
            "description": "`unique()` or 1-36 chars of a-z, 0-9, hyphen",
        }


@dataclass(frozen=True, slots=True)
class Bool:
    """Strict: JSON true or false. Loose also takes 1, 0 and the texts of all four."""

    is_loose: bool = False

    def parse(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if self.is_loose:
            known = {"true": True, "false": False, "1": True, "0": False}
            word = str(value).lower()
            if word in known:
                return known[word]
        raise ValueError("Value must be a valid boolean")

    def schema(self) -> SCHEMA:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Range:
    """An integer from `low` to `high`; numeric text is taken too."""

    low: int
    high: int

    def parse(self, value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"Value must be a valid range between {self.low} and {self.high}")
        if not self.low <= value <= self.high:
            raise ValueError(f"Value must be a valid range between {self.low} and {self.high}")
        return value

    def schema(self) -> SCHEMA:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some words; compared without case unless strict, returned as declared."""

    words: Collection[str]
    is_strict: bool = True

    def parse(self, value: Any) -> str:
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            word = str(value)
            for known in self.words:
                if known == word or (not self.is_strict and known.lower() == word.lower()):
                    return known
        raise ValueError(f"Value must be one of ({', '.join(self.words)})")

    def schema(self) -> SCHEMA:
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class ListOf:
    each: Validator
    most: int = MAX_ARRAY

    def parse(self, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("Value must be a valid array")
        if len(value) > self.most:
            raise ValueError(f"Value must be a valid array with at most {self.most} items")
        try:
            return tuple(self.each.parse(item) for item in value)
        except ValueError as exc:
            raise ValueError(f"Value must be a valid array and {exc}") from exc

    def schema(self) -> SCHEMA:
        return {"type": "array", "maxItems": self.most, "items": self.each.schema()}


@dataclass(frozen=True, slots=True)
class Object:
    """A free JSON object; `[]` counts as the empty one."""

    most_bytes: int = 65535

    def parse(self, value: Any) -> dict[str, Any]:
        if value == []:
            value = {}
        if not isinstance(value, dict):
            raise ValueError("Value must be a valid object")
        if _is_deeper(value, MAX_NESTING):
            raise ValueError(f"Value must be an object of at most {MAX_NESTING} levels")
        if len(msgspec.json.encode(value)) > self.most_bytes:
            raise ValueError(f"Value must be an object of at most {self.most_bytes} bytes as JSON")
        return value

    def schema(self) -> SCHEMA:
        return {"type": "object"}


def _is_deeper(value: Any, most: int) -> bool:
    """Whether objects and lists lie in each other more than `most` levels deep."""
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Email:
    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or not _EMAIL.fullmatch(value) or len(value) > 320:
            raise ValueError("Value must be a valid email address")
        return value.lower()

    def schema(self) -> SCHEMA:
        return {"type": "string", "format": "email", "maxLength": 320}


_EMAIL: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)


@dataclass(frozen=True, slots=True)
class Phone:
    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"\+[1-9]\d{6,14}", value):
            raise ValueError(
                "Phone number must start with a '+', and can have 7 to 15 digits, "
                "such as +14155552671."
            )
        return value

    def schema(self) -> SCHEMA:
        return {"type": "string", "pattern": r"^\+[1-9]\d{6,14}$"}


@dataclass(frozen=True, slots=True)
class Password:
    """Length in bytes."""

    least: int = 8
    most: int = 256

    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or not self.least <= len(value.encode()) <= self.most:
            raise ValueError(
                f"Password must be between {self.least} and {self.most} characters long."
            )
        return value

    def schema(self) -> SCHEMA:
        return {
            "type": "string",
            "format": "password",
            "minLength": self.least,
            "maxLength": self.most,
        }


@dataclass(frozen=True, slots=True)
class Role:
    """An execute role, such as `any`, `users/verified` or `team:ID/ROLE`."""

    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or len(value) > 128 or not _is_role(value):
            raise ValueError(
                "Role must be one of: any, guests, users, users/verified, users/unverified, "
                "user:ID, user:ID/verified, user:ID/unverified, team:ID, team:ID/ROLE, "
                "member:ID, label:NAME."
            )
        return value

    def schema(self) -> SCHEMA:
        return {
            "type": "string",
            "maxLength": 128,
            "pattern": f"^(any|guests|users(/(un)?verified)?|user:{_ID}(/(un)?verified)?"
            f"|team:{_ID}(/{_TEAM_ROLE})?|member:{_ID}|label:[a-zA-Z0-9]{{1,36}})$",
            "description": "`any`, `guests`, `users`, `user:ID`, `team:ID/ROLE` and the like",
        }


def _is_role(text: str) -> bool:
    name, colon, rest = text.partition(":")
    if not colon:
        return text in ("any", "guests", "users", "users/verified", "users/unverified")
    item_id, slash, dimension = rest.partition("/")
    match name:
        case "user":
            return is_id(item_id) and (not slash or dimension in ("verified", "unverified"))
        case "team":
            return is_id(item_id) and (not slash or is_team_role(dimension))
        case "member":
            return is_id(item_id) and not slash
        case "label":
            return re.fullmatch(r"[A-Za-z0-9]{1,36}", rest) is not None
    return False


def is_team_role(text: str) -> bool:
    return re.fullmatch(_TEAM_ROLE, text) is not None


@dataclass(frozen=True, slots=True)
class Label:
    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9]{1,36}", value):
            raise ValueError("Labels hold 1 to 36 letters and digits")
        return value

    def schema(self) -> SCHEMA:
        return {"type": "string", "pattern": "^[A-Za-z0-9]{1,36}$"}


@dataclass(frozen=True, slots=True)
class TeamRole:
    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or not is_team_role(value):
            raise ValueError(
                "Role names hold at most 81 chars: a-z, A-Z, 0-9, period, hyphen, underscore; "
                "they start with a letter or digit."
            )
        return value

    def schema(self) -> SCHEMA:
        return {"type": "string", "pattern": f"^{_TEAM_ROLE}$"}


@dataclass(frozen=True, slots=True)
class DateTime:
    """An ISO 8601 moment; without a zone it is UTC."""

    def parse(self, value: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (TypeError, ValueError, OverflowError) as exc:
            raise ValueError("Value must be a valid ISO 8601 date and time") from exc

    def schema(self) -> SCHEMA:
        return {"type": "string", "format": "date-time"}


@dataclass(frozen=True, slots=True)
class Checked:
    """Another validator's value, checked further by a function that raises ValueError."""

    inner: Validator
    check: Callable[[Any], Any]

    def parse(self, value: Any) -> Any:
        return self.check(self.inner.parse(value))

    def schema(self) -> SCHEMA:
        return self.inner.schema()


@dataclass(frozen=True, slots=True)
class OrEmpty:
    """Another validator's value, or the empty string, which clears."""

    inner: Validator

    def parse(self, value: Any) -> Any:
        return "" if value == "" else self.inner.parse(value)

    def schema(self) -> SCHEMA:
        return {"anyOf": [{"type": "string", "maxLength": 0}, self.inner.schema()]}


@dataclass(frozen=True, slots=True)
class Declared:
    """One declared parameter."""

    field: str
    name: str
    validator: Validator
    is_required: bool
    default: Any


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


_DECLARED: Final[dict[type[Any], tuple[Declared, ...]]] = {}


def declared(kind: type[Any]) -> tuple[Declared, ...]:
    """The parameters that a dataclass declares, in order."""
    if kind in _DECLARED:
        return _DECLARED[kind]
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for item in fields(kind):
        hint = hints[item.name]
        if get_origin(hint) is not Annotated:
            raise TypeError(f"{kind.__name__}.{item.name} has no validator")
        extras = get_args(hint)[1:]
        name = next((extra.name for extra in extras if isinstance(extra, Named)), None)
        validator = next(extra for extra in extras if not isinstance(extra, Named))
        is_required = item.default is MISSING and item.default_factory is MISSING
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        found.append(Declared(item.name, name or camel(item.name), validator, is_required, default))
    _DECLARED[kind] = tuple(found)
    return _DECLARED[kind]


def parse(kind: type[P], given: Mapping[str, Any]) -> P:
    """Build `kind` from raw parameters. Raises MissingParam or InvalidParam for the first."""
    values: dict[str, Any] = {}
    for item in declared(kind):
        raw = given.get(item.name)
        if raw is None:
            if item.is_required:
                raise MissingParam(item.name)
            continue
        try:
            values[item.field] = item.validator.parse(raw)
        except ValueError as exc:
            raise InvalidParam(item.name, str(exc)) from exc
    return kind(**values)
