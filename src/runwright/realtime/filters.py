"""Queries of a subscription: which events of its channels it wants. Pure.

All queries of a subscription must hold. They look at top-level fields of the payload, values
compare within one type, and a field that is missing fits no query.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from runwright.realtime.errors import BadMessage

MAX_QUERIES: Final = 100
MAX_QUERY_CHARS: Final = 4096
MAX_VALUES: Final = 100
MAX_DEPTH: Final = 3  # of queries in queries

Fits = Callable[[Mapping[str, Any]], bool]
_Compare = Callable[[Any, Any], bool]

_COMPARE: Final[dict[str, _Compare]] = {
    "equal": lambda left, right: bool(left == right),
    "notEqual": lambda left, right: bool(left != right),
    "lessThan": lambda left, right: bool(left < right),
    "lessThanEqual": lambda left, right: bool(left <= right),
    "greaterThan": lambda left, right: bool(left > right),
    "greaterThanEqual": lambda left, right: bool(left >= right),
}
_ORDERED: Final = frozenset(_COMPARE) - {"equal", "notEqual"}
METHODS: Final = (*_COMPARE, "isNull", "isNotNull", "and", "or", "select")


def compiled(queries: Sequence[Any]) -> Fits | None:
    """One test for all of them; None when everything fits. Raises BadMessage."""
    if len(queries) > MAX_QUERIES:
        raise BadMessage(f"A subscription has at most {MAX_QUERIES} queries.")
    tests = [test for query in queries if (test := _compiled(_parsed(query), 1)) is not None]
    return _every(tests) if tests else None


def _parsed(query: Any) -> Any:
    if not isinstance(query, str):
        return query
    if len(query) > MAX_QUERY_CHARS:
        raise BadMessage(f"A query has at most {MAX_QUERY_CHARS} characters.")
    try:
        return msgspec.json.decode(query)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise BadMessage("Query is not valid: it is no JSON.") from exc


def _compiled(query: Any, depth: int) -> Fits | None:
    method = query.get("method") if isinstance(query, dict) else None
    if not isinstance(method, str) or method not in METHODS:
        known = ", ".join(METHODS)
        raise BadMessage(f"Query method is not supported by realtime. Supported are: {known}.")
    values = query.get("values", [])
    if not isinstance(values, list) or len(values) > MAX_VALUES:
        raise BadMessage(f"The values of a query are a list of at most {MAX_VALUES}.")
    match method:
        case "select":
            if values != ["*"]:
                raise BadMessage('Query select takes nothing but ["*"] here.')
            return None
        case "and" | "or":
            return _joined(method, values, depth)
    attribute = query.get("attribute")
    if not isinstance(attribute, str) or not attribute:
        raise BadMessage(f"Query {method} needs the name of an attribute.")
    return _test(method, attribute, values)


def _joined(method: str, values: list[Any], depth: int) -> Fits | None:
    if not values:
        raise BadMessage(f"Query {method} needs queries as its values.")
    if depth >= MAX_DEPTH:
        raise BadMessage(f"Queries stand in each other at most {MAX_DEPTH} deep.")
    tests = [_compiled(_parsed(value), depth + 1) for value in values]
    narrow = [test for test in tests if test is not None]
    if method == "and":
        return _every(narrow) if narrow else None
    # One that takes everything makes the whole take everything.
    return _any(narrow) if len(narrow) == len(tests) else None


def _test(method: str, attribute: str, values: list[Any]) -> Fits:
    if method == "isNull":
        return lambda payload: attribute in payload and payload[attribute] is None
    if method == "isNotNull":
        return lambda payload: payload.get(attribute) is not None
    if not values:
        raise BadMessage(f"Query {method} needs a value.")
    compare = _COMPARE[method]
    is_ordered = method in _ORDERED
    wants_all = method == "notEqual"

    def fits(payload: Mapping[str, Any]) -> bool:
        if attribute not in payload:
            return False
        value = payload[attribute]
        found = (
            compare(value, wanted)
            if _kind(value) == _kind(wanted) and (not is_ordered or _kind(value) in _SORTABLE)
            else wants_all
            for wanted in values
        )
        return all(found) if wants_all else any(found)

    return fits


_SORTABLE: Final = frozenset({"number", "str"})


def _kind(value: Any) -> str:
    """Numbers are one type, and truth values are no numbers."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number else type(value).__name__


def _every(tests: list[Fits]) -> Fits:
    return lambda payload: all(test(payload) for test in tests)


def _any(tests: list[Fits]) -> Fits:
    return lambda payload: any(test(payload) for test in tests)
