"""How values of the model are kept in columns.

Lists and mappings are JSON text, so that one form serves every database. Instants are whole
microseconds since 1970 in SQLite, which has no type of its own for them.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import DateTime, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import BigInteger, TypeDecorator, TypeEngine

E = TypeVar("E", bound=StrEnum)
S = TypeVar("S")

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# What `to_driver` of a type gives: a conversion of values other than None, without the two
# calls around each value that SQLAlchemy's own way costs. That of `from_driver` takes None too.
Convert = Callable[[Any], Any]

_encode: Final = msgspec.json.Encoder().encode
_decode_words: Final = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_pairs: Final = msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode
_decode_mapping: Final = msgspec.json.Decoder(dict[str, Any]).decode


def _micros(value: datetime) -> int:
    # By its parts: the division of one duration by another costs several times as much.
    since = _aware(value) - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _moment(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + timedelta(0, 0, value)


def _in_utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return value


class Instant(TypeDecorator[datetime]):
    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(DateTime(timezone=True))

    def to_driver(self, dialect: Dialect) -> Convert:
        return _micros if dialect.name == "sqlite" else _aware

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return None if value is None else self.to_driver(dialect)(value)

    def from_driver(self, dialect: Dialect) -> Convert:
        return _moment if dialect.name == "sqlite" else _in_utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        moment: datetime | None = self.from_driver(dialect)(value)
        return moment


def _list_text(value: tuple[Any, ...]) -> str:
    return _encode(value).decode() if value else "[]"


class Words(TypeDecorator[tuple[str, ...]]):
    """A list of texts."""

    impl = Text
    cache_ok = True

    def to_driver(self, dialect: Dialect) -> Convert:
        return _list_text

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        return None if value is None else _list_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...]:
        return _decode_words(value) if value else ()


class Pairs(TypeDecorator[tuple[tuple[str, str], ...]]):
    """Names and values in order, repeats allowed."""

    impl = Text
    cache_ok = True

    def to_driver(self, dialect: Dialect) -> Convert:
        return _list_text

    def process_bind_param(
        self, value: tuple[tuple[str, str], ...] | None, dialect: Dialect
    ) -> str | None:
        return None if value is None else _list_text(value)

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> tuple[tuple[str, str], ...]:
        return _decode_pairs(value) if value else ()


class Document(TypeDecorator[Mapping[str, Any]]):
    """A JSON object; the order of its keys is kept."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return _encode(dict(value)).decode() if value else "{}"

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, Any]:
        return _decode_mapping(value) if value else {}


class Struct(TypeDecorator[S]):
    """A small value of the model, as a JSON object."""

    impl = Text
    cache_ok = True

    def __init__(self, model: type[S]) -> None:
        super().__init__()
        self.model = model

    def process_bind_param(self, value: S | None, dialect: Dialect) -> str | None:
        return None if value is None else _encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> S | None:
        return None if value is None else msgspec.json.decode(value, type=self.model)


class _Texts(dict[str, str]):
    """The texts of an enum, by themselves and by its members."""

    def __init__(self, choices: type[StrEnum], items: Iterable[tuple[str, str]]) -> None:
        super().__init__(items)
        self._choices = choices

    def __missing__(self, value: str) -> str:
        return self._choices(value).value  # raises ValueError


class _Members(dict[str | None, E | None]):
    """The members of an enum by their texts."""

    def __init__(self, choices: type[E]) -> None:
        super().__init__((item.value, item) for item in choices)
        self[None] = None
        self._choices = choices

    def __missing__(self, value: str | None) -> E | None:
        return self._choices(str(value))  # raises ValueError


class Choice(TypeDecorator[E]):
    """An enum by its value."""

    impl = Text
    cache_ok = True

    def __init__(self, choices: type[E]) -> None:
        super().__init__()
        self.choices = choices
        # Looked up rather than made: calling an enum costs more than all else about a value.
        self._texts = _Texts(choices, ((item.value, item.value) for item in choices))
        self._members = _Members(choices)

    def to_driver(self, dialect: Dialect) -> Convert:
        return self._texts.__getitem__

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        return None if value is None else self._texts[value]

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        return self._members[value]

    def from_driver(self, dialect: Dialect) -> Convert:
        return self._members.__getitem__
