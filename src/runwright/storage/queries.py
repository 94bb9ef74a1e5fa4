"""List queries -> SQL: filters, order, cursors, words to search for.

Comparisons never match null, as in SQL; only `isNull` does. Instants are compared in whole
milliseconds, because that is what clients are shown: a row whose `$createdAt` a client has
read is found by `equal` with that text. Text is equal when it is the same, letter for letter;
`contains`, `startsWith` and `endsWith` do not tell upper from lower case (ASCII letters in
SQLite, every letter in PostgreSQL).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Float,
    Integer,
    Text,
    and_,
    false,
    literal,
    not_,
    or_,
    type_coerce,
)

from runwright.errors import BadArgument, InvalidQuery
from runwright.model.query import Filter, Order
from runwright.storage.columns import Choice, Instant, Words
from runwright.storage.dialect import array_has
from runwright.storage.tables import SEARCH, WORD
from runwright.values import dataclass

Expression = ColumnElement[Any]
Condition = ColumnElement[bool]

ESCAPE: Final = "\\"
LARGEST_INT: Final = 2**63 - 1
MILLISECOND: Final = timedelta(milliseconds=1)
RESERVED: Final = str.maketrans(dict.fromkeys('@+-*)(<>~"', " "))
TIE_FOLLOWS: Final = frozenset({"$createdAt", "$updatedAt"})


class QueryRefused(InvalidQuery, ValueError):
    """A filter or an order that this kind of row cannot answer."""


class ValueRefused(BadArgument, ValueError):
    """A value that is not of its attribute's type."""


@dataclass(frozen=True, slots=True)
class Term:
    """One part of an order."""

    attribute: str
    expression: Expression
    is_descending: bool
    is_nullable: bool

    def sorted(self) -> Expression:
        # Null is the smallest value; databases differ in what they do when not told.
        by = self.expression.desc() if self.is_descending else self.expression.asc()
        if not self.is_nullable:
            return by
        return by.nulls_last() if self.is_descending else by.nulls_first()

    def beyond(self, value: object) -> Condition:
        """Rows that come after `value` in this order; `value` is not null."""
        bound = literal(value, self.expression.type)
        if not self.is_descending:
            return self.expression > bound
        if self.is_nullable:
            return or_(self.expression < bound, self.expression.is_(None))
        return self.expression < bound

    def reached(self, value: object) -> Condition:
        """`beyond` or the same."""
        bound = literal(value, self.expression.type)
        if not self.is_descending:
            return self.expression >= bound
        if self.is_nullable:
            return or_(self.expression <= bound, self.expression.is_(None))
        return self.expression <= bound

    def same(self, value: object) -> Condition:
        return self.expression == literal(value, self.expression.type)

    def turned(self) -> "Term":
        return Term(self.attribute, self.expression, not self.is_descending, self.is_nullable)


def expression_of(attributes: Mapping[str, Expression], attribute: str) -> Expression:
    try:
        return attributes[attribute]
    except KeyError:
        raise QueryRefused(f"The attribute '{attribute}' cannot be used in this list.") from None


def conditions(attributes: Mapping[str, Expression], filters: Iterable[Filter]) -> list[Condition]:
    return [condition(attributes, item) for item in filters]


def condition(attributes: Mapping[str, Expression], item: Filter) -> Condition:
    if item.method in ("and", "or"):
        parts = [condition(attributes, part) for part in item.values if isinstance(part, Filter)]
        if len(parts) != len(item.values) or not parts:
            raise QueryRefused(f"'{item.method}' takes filters.")
        return and_(*parts) if item.method == "and" else or_(*parts)
    expression = expression_of(attributes, item.attribute)
    if item.method in ("isNull", "isNotNull"):
        is_null = expression.is_(None)
        return is_null if item.method == "isNull" else not_(is_null)
    if not item.values:
        raise QueryRefused(f"'{item.method}' on '{item.attribute}' needs a value.")
    return _compared(item, expression)


def _compared(item: Filter, expression: Expression) -> Condition:
    kind = expression.type
    if isinstance(kind, Words):
        return _on_list(item, expression)
    if item.method in _ON_TEXT:
        if not isinstance(kind, (Text, Choice)):
            raise QueryRefused(f"'{item.method}' needs a text; '{item.attribute}' is none.")
        texts = [_text(item, value) for value in item.values]
        return _ON_TEXT[item.method](type_coerce(expression, Text), texts)
    if isinstance(kind, Instant):
        return _on_instant(item, expression)
    if item.method not in _ON_VALUE:
        raise QueryRefused(f"'{item.method}' cannot be used on '{item.attribute}'.")
    values = [_value(item, kind, value) for value in item.values]
    plain = type_coerce(expression, Text) if isinstance(kind, Choice) else expression
    return _ON_VALUE[item.method](plain, *_exactly(item, values))


# values


def _mismatch(item: Filter, wanted: str) -> ValueRefused:
    return ValueRefused(
        f"Invalid `queries` param: Invalid query: '{item.method}' on '{item.attribute}' "
        f"takes {wanted}."
    )


def _text(item: Filter, value: object) -> str:
    if not isinstance(value, str):
        raise _mismatch(item, "a text")
    return str(value)


def _value(item: Filter, kind: object, value: object) -> object:
    if isinstance(kind, Boolean):
        if not isinstance(value, bool):
            raise _mismatch(item, "true or false")
        return literal(value, Boolean)  # a bare one cannot be compared by < in Core
    if isinstance(kind, (BigInteger, Integer, Float)):
        if item.attribute == "$sequence" and isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _mismatch(item, "a number")
        if abs(value) > LARGEST_INT:
            raise _mismatch(item, "a number of at most 64 bits")
        return value
    return _text(item, value)


def _exactly(item: Filter, values: Sequence[object]) -> Sequence[object]:
    wanted = {"equal": len(values), "between": 2, "notBetween": 2}.get(item.method, 1)
    if len(values) != wanted:
        raise QueryRefused(f"'{item.method}' on '{item.attribute}' needs {wanted} values.")
    return values


_ON_VALUE: Final[Mapping[str, Callable[..., Condition]]] = {
    "equal": lambda on, *values: on == values[0] if len(values) == 1 else on.in_(values),
    "notEqual": lambda on, value: on != value,
    "lessThan": lambda on, value: on < value,
    "lessThanEqual": lambda on, value: on <= value,
    "greaterThan": lambda on, value: on > value,
    "greaterThanEqual": lambda on, value: on >= value,
    "between": lambda on, low, high: and_(on >= low, on <= high),
    "notBetween": lambda on, low, high: or_(on < low, on > high),
}


# instants


def _on_instant(item: Filter, on: Expression) -> Condition:
    """Each value stands for its whole millisecond: [first, after)."""
    spans = [_millisecond(item, value) for value in item.values]
    if item.method == "equal":
        return or_(*(and_(on >= first, on < after) for first, after in spans))
    _exactly(item, spans)
    first, after = spans[0]
    match item.method:
        case "notEqual":
            return or_(on < first, on >= after)
        case "lessThan":
            return on < first
        case "lessThanEqual":
            return on < after
        case "greaterThan":
            return on >= after
        case "greaterThanEqual":
            return on >= first
        case "between":
            return and_(on >= first, on < spans[1][1])
        case "notBetween":
            return or_(on < first, on >= spans[1][1])
    raise QueryRefused(f"'{item.method}' cannot be used on '{item.attribute}'.")


def _millisecond(item: Filter, value: object) -> tuple[datetime, datetime]:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime):
            raise _mismatch(item, "a date")
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        first = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        return first, first + MILLISECOND
    except (ValueError, OverflowError) as exc:
        if isinstance(exc, ValueRefused):
            raise
        raise _mismatch(item, "a date") from exc


# texts


def _like(on: Expression, pattern: str) -> Condition:
    # LIKE ends at a zero character in some databases, so such a pattern would match too much.
    return false() if "\0" in pattern else on.ilike(pattern, escape=ESCAPE)


def _literally(text: str) -> str:
    for special in (ESCAPE, "%", "_"):
        text = text.replace(special, ESCAPE + special)
    return text


def _contains(on: Expression, texts: Sequence[str]) -> list[Condition]:
    return [_like(on, f"%{_literally(text)}%") for text in texts]


def _starts(on: Expression, texts: Sequence[str]) -> Condition:
    return or_(*(_like(on, f"{_literally(text)}%") for text in texts))


def _ends(on: Expression, texts: Sequence[str]) -> Condition:
    return or_(*(_like(on, f"%{_literally(text)}") for text in texts))


def _none_of(on: Expression, found: Condition) -> Condition:
    return and_(on.is_not(None), not_(found))


_ON_TEXT: Final[Mapping[str, Callable[[Expression, Sequence[str]], Condition]]] = {
    "contains": lambda on, texts: or_(*_contains(on, texts)),
    "containsAny": lambda on, texts: or_(*_contains(on, texts)),
    "containsAll": lambda on, texts: and_(*_contains(on, texts)),
    "notContains": lambda on, texts: _none_of(on, or_(*_contains(on, texts))),
    "startsWith": _starts,
    "notStartsWith": lambda on, texts: _none_of(on, _starts(on, texts)),
    "endsWith": _ends,
    "notEndsWith": lambda on, texts: _none_of(on, _ends(on, texts)),
    "search": lambda on, texts: or_(*(words(on, text) for text in texts)),
    "notSearch": lambda on, texts: _none_of(on, or_(*(words(on, text) for text in texts))),
}


def _on_list(item: Filter, on: Expression) -> Condition:
    texts = [_text(item, value) for value in item.values]
    column = type_coerce(on, Text)
    found = [array_has(column, literal(text, Text)) for text in texts]
    match item.method:
        case "contains" | "containsAny":
            return or_(*found)
        case "containsAll":
            return and_(*found)
        case "notContains":
            return not_(or_(*found))
    raise QueryRefused(f"'{item.method}' cannot be used on the list '{item.attribute}'.")


# words


def words(on: Expression, text: str) -> Condition:
    """Any word of `text` occurs, the last one as the start of a word; quoted, the phrase.

    On the search column whole words are found. Any other column is not kept as words; there
    each word is found anywhere.
    """
    patterns = _word_patterns(text)
    if not patterns:
        return false()
    if getattr(on, "name", None) == SEARCH:
        return or_(*(on.like(pattern, escape=ESCAPE) for pattern in patterns))
    return or_(*(on.ilike(f"%{pattern.strip('% ')}%", escape=ESCAPE) for pattern in patterns))


def _word_patterns(text: str) -> list[str]:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        phrase = _phrase(text)
        return [f"% {phrase} %"] if phrase else []
    chunks = [phrase for part in text.translate(RESERVED).split() if (phrase := _phrase(part))]
    return [f"% {chunk} %" for chunk in chunks[:-1]] + [f"% {chunk}%" for chunk in chunks[-1:]]


def _phrase(text: str) -> str:
    return _literally(" ".join(WORD.findall(text.lower())))


# order


def terms(
    attributes: Mapping[str, Expression],
    orders: Sequence[Order],
    *,
    is_nullable: Callable[[Expression], bool],
) -> list[Term]:
    """The whole order; `$sequence` comes last and breaks ties."""
    found = []
    for order in orders:
        on = expression_of(attributes, order.attribute)
        plain = type_coerce(on, Text) if isinstance(on.type, (Words, Choice)) else on
        found.append(Term(order.attribute, plain, order.is_descending, is_nullable(on)))
        if order.attribute == "$sequence":
            return found
    follows = bool(orders) and orders[0].attribute in TIE_FOLLOWS and orders[0].is_descending
    found.append(Term("$sequence", attributes["$sequence"], follows, False))
    return found


def beyond(order: Sequence[Term], values: Sequence[object]) -> Condition:
    """Rows that come after the row with these values."""
    ways = []
    for at, term in enumerate(order):
        same = (before.same(value) for before, value in zip(order[:at], values, strict=False))
        ways.append(and_(*same, term.beyond(values[at])))
    if len(order) == 1:
        return ways[0]
    # Says nothing new, but an index can be entered with it; with the alternatives it cannot.
    return and_(order[0].reached(values[0]), or_(*ways))
