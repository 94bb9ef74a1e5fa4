"""What ends once and is told to one function."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Ending(Generic[T]):
    """What is used of a future, without the turn of the event loop that a future takes to tell
    and without anybody who waits. `on_end` gets the result or the error; it must not raise."""

    def __init__(self, on_end: Callable[[T | Exception], None]) -> None:
        self._on_end: Callable[[T | Exception], None] | None = on_end

    def done(self) -> bool:
        return self._on_end is None

    def set_result(self, result: T) -> None:
        self._end(result)

    def set_exception(self, error: Exception) -> None:
        self._end(error)

    def cancel(self) -> None:
        """Nobody wants to hear of the end any more."""
        if self._on_end is not None:
            self._forget()

    def _end(self, end: T | Exception) -> None:
        on_end = self._on_end
        assert on_end is not None, "it has ended already"
        self._forget()
        on_end(end)

    def _forget(self) -> None:
        self._on_end = None
