"""What the reader of code finds out about the errors of a function."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

import pytest

from runwright.errors import BadRequest, Conflict, NotFound, RunwrightError
from tools import refusals
from tools.refusals import refusals as found_in


@pytest.fixture(autouse=True)
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions of this module are read like those of the server."""
    monkeypatch.setattr(refusals, "_is_ours", lambda value: hasattr(value, "__module__"))


class Store(Protocol):
    def get(self, name: str) -> str:
        """Raises NotFound."""

    def read(self, work: Callable[["Store"], str]) -> str: ...


class Service:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, name: str) -> str:
        return self._store.get(name)

    def refusal(self) -> BadRequest:
        return BadRequest("no")

    async def raise_what_is_returned(self) -> None:
        raise self.refusal()

    async def inside_a_lambda(self) -> str:
        return self._store.read(lambda store: store.get("a"))


async def by_a_helper(service: Service) -> str:
    return await service.get("a")


async def turned_into_another(service: Service) -> str:
    try:
        return await service.get("a")
    except NotFound as exc:
        raise Conflict from exc


async def passed_on(service: Service) -> str:
    try:
        return await service.get("a")
    except NotFound:
        raise


async def swallowed(service: Service) -> str:
    try:
        return await service.get("a")
    except RunwrightError:
        return ""


async def in_an_inner_function(service: Service) -> None:
    async def work(other: Service) -> str:
        return await other.get("a")

    await work(service)


async def around_itself(count: int) -> None:
    if count:
        await around_itself(count - 1)
    raise Conflict


async def kept_for_later() -> tuple[str, RunwrightError]:
    with suppress(ValueError):
        int("x")
    return "", Conflict()


_SERVICE: Any = Service.__new__(Service)


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (_SERVICE.get, {NotFound}),
        (_SERVICE.raise_what_is_returned, {BadRequest}),
        (_SERVICE.inside_a_lambda, {NotFound}),
        (by_a_helper, {NotFound}),
        (turned_into_another, {Conflict}),
        (passed_on, {NotFound}),
        (swallowed, set()),
        (in_an_inner_function, {NotFound}),
        (around_itself, {Conflict}),
        (kept_for_later, {Conflict}),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_errors_are_followed_to_where_they_come_from(
    function: Callable[..., Awaitable[Any]], kinds: set[type[RunwrightError]]
) -> None:
    assert found_in(function) == kinds
