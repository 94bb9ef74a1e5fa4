"""List parameters -> ListQuery: query strings, search, total."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from runwright.api.params import DateTime
from runwright.errors import BadArgument
from runwright.ids import is_id
from runwright.model.query import Filter, ListQuery, Order

MAX_QUERIES: Final = 100
MAX_QUERY_CHARS: Final = 4096
MAX_VALUES: Final = 500
INTERNAL: Final = frozenset({"$id", "$createdAt", "$updatedAt", "$sequence"})

_ONE: Final = frozenset(
    {"notEqual", "lessThan", "lessThanEqual", "greaterThan", "greaterThanEqual"}
    | {"startsWith", "notStartsWith", "endsWith", "notEndsWith"}
)
_TWO: Final = frozenset({"between", "notBetween"})
_NONE: Final = frozenset({"isNull", "isNotNull"})
_MANY: Final = frozenset({"equal", "contains", "containsAny", "containsAll", "notContains"})
_ON_ARRAYS: Final = frozenset(
    {"contains", "containsAny", "containsAll", "notContains", "isNull", "isNotNull"}
)
_ORDERS: Final = frozenset({"orderAsc", "orderDesc"})
_DATES: Final = frozenset({"$createdAt", "$updatedAt"})


class Attributes:
    """What a list may be filtered and ordered by; `arrays` are list-valued ones."""

    __slots__ = ("arrays", "can_select", "dates", "names")

    def __init__(
        self,
        names: str,
        *,
        arrays: Collection[str] = (),
        dates: Collection[str] = (),
        can_select: bool = False,
    ) -> None:
        self.names = frozenset(names.split()) | INTERNAL
        self.arrays = frozenset(arrays)
        self.dates = frozenset(dates) | _DATES
        self.can_select = can_select


def parse_queries(
    raw: Sequence[str],
    allowed: Attributes,
    *,
    search: str = "",
    with_total: bool = True,
    default_limit: int = 25,
) -> ListQuery:
    """Raises BadArgument that names the offending query."""
    if len(raw) > MAX_QUERIES:
        raise _bad(f"at most {MAX_QUERIES} queries are allowed")
    state = _State(allowed, default_limit)
    for text in raw:
        state.add(_decode(text))
    return state.finish(search, with_total)


def _bad(why: str) -> BadArgument:
    return BadArgument(f"Invalid `queries` param: Invalid query: {why}")


def _decode(text: Any) -> dict[str, Any]:
    if not isinstance(text, str) or len(text) > MAX_QUERY_CHARS:
        raise _bad(f"each query is a string of at most {MAX_QUERY_CHARS} chars")
    try:
        parsed = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise _bad("it is not valid JSON") from exc
    return _checked(parsed)


def _checked(parsed: Any) -> dict[str, Any]:
    if not isinstance(parsed, dict) or not isinstance(parsed.get("method"), str):
        raise _bad(
            'expected an object such as {"method":"equal","attribute":"name","values":["x"]}'
        )
    if not isinstance(parsed.get("attribute") or "", str):
        raise _bad("`attribute` must be a string")
    if not isinstance(parsed.get("values") or [], list):
        raise _bad("`values` must be an array")
    return parsed


class _State:
    """Collects one list request; the first of limit, offset and cursor counts."""

    def __init__(self, allowed: Attributes, default_limit: int) -> None:
        self.allowed = allowed
        self.default_limit = default_limit
        self.filters: list[Filter] = []
        self.orders: list[Order] = []
        self.is_random = False
        self.limit: int | None = None
        self.offset: int | None = None
        self.cursor = ""
        self.is_before = False
        self.select: tuple[str, ...] = ()

    def add(self, query: dict[str, Any]) -> None:
        method = query["method"]
        values = query.get("values") or []
        if method in _ORDERS:
            attribute = query.get("attribute") or "$sequence"
            self._known(attribute)
            self.orders.append(Order(attribute, method == "orderDesc"))
        elif method == "orderRandom":
            self.is_random = True
        elif method == "limit":
            number = _whole(method, values, least=1)
            self.limit = number if self.limit is None else self.limit
        elif method == "offset":
            number = _whole(method, values, least=0)
            self.offset = number if self.offset is None else self.offset
        elif method in ("cursorAfter", "cursorBefore"):
            self._set_cursor(method, values)
        elif method == "select":
            self._set_select(values)
        else:
            self.filters.append(self._filter(query))

    def finish(self, search: str, with_total: bool) -> ListQuery:
        return ListQuery(
            filters=tuple(self.filters),
            orders=tuple(self.orders),
            is_random=self.is_random,
            limit=self.default_limit if self.limit is None else self.limit,
            offset=self.offset or 0,
            cursor=self.cursor,
            is_cursor_before=self.is_before,
            select=self.select,
            search=search,
            with_total=with_total,
        )

    def _known(self, attribute: str) -> None:
        if attribute not in self.allowed.names:
            raise _bad(f"Attribute not found in schema: {attribute}")

    def _set_cursor(self, method: str, values: list[Any]) -> None:
        if len(values) != 1 or not isinstance(values[0], str) or not is_id(values[0]):
            raise _bad(f"{method} needs one id")
        if not self.cursor:
            self.cursor, self.is_before = values[0], method == "cursorBefore"

    def _set_select(self, values: list[Any]) -> None:
        if not self.allowed.can_select:
            raise _bad("select is not supported on this list")
        if not values or not all(isinstance(value, str) for value in values):
            raise _bad("select needs attribute names")
        if len(set(values)) != len(values):
            raise _bad("select names an attribute twice")
        self.select = tuple(values)

    def _filter(self, query: dict[str, Any]) -> Filter:
        method, values = query["method"], query.get("values") or []
        if method in ("and", "or"):
            parts = [self._filter(_checked(value)) for value in values]
            if len(parts) < 2:
                raise _bad(f"{method} needs at least two queries")
            return Filter(method, "", tuple(parts))
        attribute = query.get("attribute") or ""
        if method not in _ONE | _TWO | _NONE | _MANY:
            raise _bad(f"Invalid query method: {method}")
        self._known(attribute)
        _count(method, values)
        if attribute in self.allowed.arrays and method not in _ON_ARRAYS:
            raise _bad(f"Cannot query {method} on the array attribute {attribute}")
        if not all(isinstance(value, (str, int, float, bool)) for value in values):
            raise _bad(f"{method} takes texts, numbers and booleans")
        if attribute in self.allowed.dates:
            values = [_moment(attribute, value) for value in values]
        return Filter(method, attribute, tuple(values))


def _count(method: str, values: list[Any]) -> None:
    wanted = {True: "exactly one value", False: "at least one value"}[method in _ONE]
    if method in _NONE:
        return
    if method in _TWO:
        if len(values) != 2:
            raise _bad(f"{method} needs exactly two values")
    elif not values or (method in _ONE and len(values) != 1):
        raise _bad(f"{method} needs {wanted}")
    elif len(values) > MAX_VALUES:
        raise _bad(f"{method} takes at most {MAX_VALUES} values")


def _whole(method: str, values: list[Any], *, least: int) -> int:
    number = values[0] if len(values) == 1 else None
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number < 2**31:
        raise _bad(f"{method} needs one whole number, at least {least}")
    return number


def _moment(attribute: str, value: Any) -> datetime:
    try:
        return DateTime().parse(value)
    except ValueError as exc:
        raise _bad(f"{attribute} is compared to ISO 8601 dates") from exc
