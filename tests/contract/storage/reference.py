"""List queries over plain Python lists: what SQL must agree with."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from runwright.model.query import Filter, Order

Row = Any
Read = Callable[[Row], Any]

USERS: Final[Mapping[str, Read]] = {
    "$id": lambda row: row.id,
    "$createdAt": lambda row: row.created_at,
    "$updatedAt": lambda row: row.updated_at,
    "name": lambda row: row.name,
    "email": lambda row: row.email,
    "status": lambda row: row.is_active,
    "registration": lambda row: row.registration,
    "labels": lambda row: row.labels,
}
EXECUTIONS: Final[Mapping[str, Read]] = {
    "$id": lambda row: row.id,
    "$createdAt": lambda row: row.created_at,
    "$updatedAt": lambda row: row.updated_at,
    "status": lambda row: row.status,
    "responseStatusCode": lambda row: row.response_status_code,
    "duration": lambda row: row.duration_s,
    "requestPath": lambda row: row.request_path,
}
DEPLOYMENTS: Final[Mapping[str, Read]] = {
    "totalSize": lambda row: row.source_bytes + row.build_bytes,
    "sourceSize": lambda row: row.source_bytes,
    "buildSize": lambda row: row.build_bytes,
    "activate": lambda row: row.is_activating,
    "type": lambda row: row.type,
}

_FOLD: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def fold(text: str) -> str:
    return text.translate(_FOLD)


def plain(value: Any) -> Any:
    """As filters see it: milliseconds, enum values."""
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value.value if isinstance(value, StrEnum) else value


def matches(read: Mapping[str, Read], row: Row, item: Filter) -> bool:
    if item.method == "and":
        return all(matches(read, row, part) for part in item.values)  # type: ignore[arg-type]
    if item.method == "or":
        return any(matches(read, row, part) for part in item.values)  # type: ignore[arg-type]
    value = plain(read[item.attribute](row))
    if item.method in ("isNull", "isNotNull"):
        return (value is None) == (item.method == "isNull")
    if value is None:
        return False
    wanted = [plain(each) for each in item.values]
    if isinstance(value, tuple):
        return _LIST[item.method](set(value), set(wanted))
    return _SINGLE[item.method](value, wanted)


_LIST: Final[Mapping[str, Callable[[set[str], set[str]], bool]]] = {
    "contains": lambda have, wanted: bool(have & wanted),
    "containsAny": lambda have, wanted: bool(have & wanted),
    "containsAll": lambda have, wanted: wanted <= have,
    "notContains": lambda have, wanted: not have & wanted,
}
_SINGLE: Final[Mapping[str, Callable[[Any, Sequence[Any]], bool]]] = {
    "equal": lambda value, wanted: value in wanted,
    "notEqual": lambda value, wanted: value != wanted[0],
    "lessThan": lambda value, wanted: value < wanted[0],
    "lessThanEqual": lambda value, wanted: value <= wanted[0],
    "greaterThan": lambda value, wanted: value > wanted[0],
    "greaterThanEqual": lambda value, wanted: value >= wanted[0],
    "between": lambda value, wanted: wanted[0] <= value <= wanted[1],
    "notBetween": lambda value, wanted: not wanted[0] <= value <= wanted[1],
    "contains": lambda value, wanted: any(fold(each) in fold(value) for each in wanted),
    "containsAny": lambda value, wanted: any(fold(each) in fold(value) for each in wanted),
    "containsAll": lambda value, wanted: all(fold(each) in fold(value) for each in wanted),
    "notContains": lambda value, wanted: all(fold(each) not in fold(value) for each in wanted),
    "startsWith": lambda value, wanted: fold(value).startswith(fold(wanted[0])),
    "notStartsWith": lambda value, wanted: not fold(value).startswith(fold(wanted[0])),
    "endsWith": lambda value, wanted: fold(value).endswith(fold(wanted[0])),
    "notEndsWith": lambda value, wanted: not fold(value).endswith(fold(wanted[0])),
}


def ordered(read: Mapping[str, Read], rows: Sequence[Row], orders: Sequence[Order]) -> list[Row]:
    """`rows` come in order of creation."""
    found = list(rows)
    if orders and orders[0].attribute in ("$createdAt", "$updatedAt"):
        found.sort(key=rows.index, reverse=orders[0].is_descending)
    for order in reversed(orders):
        if order.attribute == "$sequence":
            found.sort(key=rows.index, reverse=order.is_descending)
        else:
            found.sort(key=_key(read[order.attribute]), reverse=order.is_descending)
    return found


def _key(read: Read) -> Callable[[Row], Any]:
    """Null is smaller than every value. Unlike filters, order sees whole microseconds."""

    def key(row: Row) -> Any:
        value = read(row)
        value = value.value if isinstance(value, StrEnum) else value
        return (value is not None, value)

    return key


def searched(text: str, query: str) -> bool:
    """Whether `query` finds a row whose search words are `text`."""
    have = re.findall(r"\w+", text.lower())
    query = query.strip()
    if len(query) > 1 and query[0] == query[-1] == '"':
        phrase = re.findall(r"\w+", query.lower())
        return bool(phrase) and _follows(have, phrase, is_prefix=False)
    chunks = []
    for chunk in re.sub(r'[@+\-*)(<>~"]', " ", query).split():
        chunks += [found] if (found := re.findall(r"\w+", chunk.lower())) else []
    return any(
        _follows(have, chunk, is_prefix=at == len(chunks) - 1) for at, chunk in enumerate(chunks)
    )


def _follows(have: Sequence[str], wanted: Sequence[str], *, is_prefix: bool) -> bool:
    for start in range(len(have) - len(wanted) + 1):
        *firsts, last = have[start : start + len(wanted)]
        if firsts == list(wanted[:-1]) and (
            last.startswith(wanted[-1]) if is_prefix else last == wanted[-1]
        ):
            return True
    return False
