"""Random rows and queries, with few different values so that ties and matches are common."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st

from runwright.model.execution import Execution, Status
from runwright.model.function import Deployment
from runwright.model.identity import User
from runwright.model.query import Filter, Order
from tests.contract.storage.rows import NOW, a_deployment, a_user, an_execution

texts: Final = st.text(alphabet="aAbZ%_\\ é'\"[,", max_size=3)
moments: Final = st.sampled_from([NOW + timedelta(microseconds=n) for n in (0, 1, 999, 1000, 5000)])
numbers: Final = st.integers(-2, 3)
seconds: Final = st.sampled_from([0.0, 0.1, 1.5, -1.0])
label_lists: Final = st.lists(st.sampled_from(["a", "A", "a,b", '"', "\\", "é", ""]), max_size=3)

_COMPARE: Final = ("notEqual", "lessThan", "lessThanEqual", "greaterThan", "greaterThanEqual")
_ONE_TEXT: Final = ("startsWith", "notStartsWith", "endsWith", "notEndsWith")
_SETS: Final = ("contains", "containsAny", "containsAll", "notContains")


@st.composite
def user_rows(draw: st.DrawFn) -> list[User]:
    return [
        a_user(
            f"u{at}",
            name=draw(texts),
            email=draw(st.none() | texts.map(lambda text, at=at: f"{at}{text}")),  # type: ignore[misc]
            is_active=draw(st.booleans()),
            created_at=draw(moments),
            updated_at=draw(moments),
            registration=draw(st.none() | moments),
            labels=tuple(draw(label_lists)),
        )
        for at in range(draw(st.integers(0, 8)))
    ]


@st.composite
def execution_rows(draw: st.DrawFn) -> list[Execution]:
    return [
        an_execution(
            f"e{at}",
            status=draw(st.sampled_from(Status)),
            response_status_code=draw(numbers),
            duration_s=draw(seconds),
            request_path=draw(texts),
            created_at=draw(moments),
            updated_at=draw(moments),
        )
        for at in range(draw(st.integers(0, 8)))
    ]


@st.composite
def deployment_rows(draw: st.DrawFn) -> list[Deployment]:
    return [
        a_deployment(
            f"d{at}",
            source_bytes=draw(numbers),
            build_bytes=draw(numbers),
            is_activating=draw(st.booleans()),
            type=draw(st.sampled_from(["manual", "cli", "vcs"])),
        )
        for at in range(draw(st.integers(0, 8)))
    ]


_VALUES: Final[Mapping[str, st.SearchStrategy[Any]]] = {
    "$id": st.sampled_from(["u0", "u1", "e0", "e1", "x"]),
    "$createdAt": moments,
    "$updatedAt": moments,
    "name": texts,
    "email": texts.map(lambda text: f"0{text}"),
    "registration": moments,
    "labels": st.sampled_from(["a", "A", "b", "a,b", '"', "\\", "é", ""]),
    "responseStatusCode": numbers,
    "duration": seconds,
    "requestPath": texts,
    "totalSize": numbers,
    "sourceSize": numbers,
    "buildSize": numbers,
    "activate": st.booleans(),
    "type": st.sampled_from(["manual", "cli", "vcs"]),
}
_TEXTUAL: Final = frozenset({"$id", "name", "email", "requestPath", "type"})


def _values(attribute: str, kind: str) -> st.SearchStrategy[Any]:
    if attribute == "status":
        return st.booleans() if kind == "users" else st.sampled_from([*Status, "unheard"])
    return _VALUES[attribute]


def _filters_on(attribute: str, kind: str) -> st.SearchStrategy[Filter]:
    value = _values(attribute, kind)

    def made(methods: tuple[str, ...], least: int, most: int) -> st.SearchStrategy[Filter]:
        values = st.lists(value, min_size=least, max_size=most).map(tuple)
        return st.builds(Filter, st.sampled_from(methods), st.just(attribute), values)

    null = made(("isNull", "isNotNull"), 0, 0)
    if attribute == "labels":
        return null | made(_SETS, 1, 3)
    found = null | made(("equal",), 1, 3) | made(_COMPARE, 1, 1)
    found |= made(("between", "notBetween"), 2, 2)
    if attribute in _TEXTUAL:
        found |= made(_SETS, 1, 3) | made(_ONE_TEXT, 1, 1)
    return found


def filters(read: Mapping[str, Any], kind: str) -> st.SearchStrategy[Filter]:
    single = st.sampled_from(sorted(read)).flatmap(lambda name: _filters_on(name, kind))
    return st.recursive(
        single,
        lambda inner: st.builds(
            Filter,
            st.sampled_from(["and", "or"]),
            st.just(""),
            st.lists(inner, min_size=2, max_size=3).map(tuple),
        ),
        max_leaves=4,
    )


def orders(read: Mapping[str, Any]) -> st.SearchStrategy[tuple[Order, ...]]:
    names = st.sampled_from(sorted({*read, "$sequence"} - {"labels"}))
    return st.lists(st.builds(Order, names, st.booleans()), max_size=3).map(tuple)
