"""Following what an execution prints, from before its start to after its end.

A reader pulls: it takes what is new from the tail of output that is kept of a run anyway, so
nothing waits for it and nothing is kept for it. One that falls behind by more than that tail is
told how much it missed. A place is `attempt.logs.errors`: bytes of both streams that were read
of that attempt; a reader that comes back with one goes on from there.

Only keys and admins may follow, since logs are shown to nobody else.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final, Self

from runwright.clock import Clock
from runwright.errors import RateLimited, Unauthorized
from runwright.executions.history import History
from runwright.model.execution import Execution, Status
from runwright.model.identity import Principal
from runwright.ports.executor import Executor, Output
from runwright.values import dataclass

MOST: Final = 500  # readers at once
IDLE_S: Final = 15.0  # after so long without news the reader is told that there is none
LONGEST_S: Final = 3600.0  # then the reader has to come back, with credentials that still count
PART_BYTES: Final = 64 * 1024
_LOOK_EVERY_S: Final = 1.0  # at the record of an execution that has not begun
_FIRST_LOOK_S: Final = 0.005  # after a run is over; its record follows within milliseconds
_FINAL: Final = frozenset({Status.COMPLETED, Status.FAILED})
_PLACE: Final = re.compile(r"(\d{1,6})\.(\d{1,15})\.(\d{1,15})")
_CUT: Final = "[WARNING] "  # how stored text begins whose first part is no longer there


@dataclass(frozen=True, slots=True)
class Place:
    attempt: int = 0
    logs: int = 0
    errors: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """The beginning for whatever is not a place."""
        found = _PLACE.fullmatch(text)
        return cls(*(int(part) for part in found.groups())) if found else cls()

    def __str__(self) -> str:
        return f"{self.attempt}.{self.logs}.{self.errors}"

    def of(self, attempt: int) -> "Place":
        """The same place, unless another attempt has begun since."""
        return self if self.attempt == attempt else Place(attempt)

    def start(self, *, errors: bool) -> int:
        return self.errors if errors else self.logs

    def moved(self, to: int, *, errors: bool) -> "Place":
        return replace(self, errors=to) if errors else replace(self, logs=to)


@dataclass(frozen=True, slots=True)
class Printed:
    text: str
    is_error: bool
    at: datetime  # when it was taken; of a stored text, when the execution ended
    place: Place  # behind it


@dataclass(frozen=True, slots=True)
class Missed:
    """So many bytes were printed that are no longer kept."""

    count: int
    is_error: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing was printed for a while."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The last news; `execution` is as it is now, None when it was deleted meanwhile."""

    execution: Execution | None


News = Printed | Missed | Quiet | Ended


class TooManyReaders(RateLimited):
    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} readers follow executions already. Try again when some have ended.",
            headers=(("retry-after", "5"),),
        )


class Tails:
    """`stop` ends every reader, at the latest after a second."""

    def __init__(
        self,
        history: History,
        executor: Executor,
        clock: Clock,
        *,
        most: int = MOST,
        idle_s: float = IDLE_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._history = history
        self._executor = executor
        self._clock = clock
        self._most = most
        self._idle_s = idle_s
        self._longest_s = longest_s
        self._is_stopping = False
        self.readers = 0
        self._by_project: Counter[str] = Counter()

    def stop(self) -> None:
        self._is_stopping = True

    async def follow(
        self,
        principal: Principal,
        function_id: str,
        execution_id: str,
        *,
        after: Place,
        to_its_end: bool,
    ) -> AsyncIterator[News]:
        """News of an execution; without `to_its_end` only what there is now.

        Raises, before any news, Unauthorized, ExecutionNotFound, TooManyReaders.
        """
        if not principal.is_trusted:
            raise Unauthorized("Only API keys and admins may read what executions print.")
        execution = await self._history.get(principal, function_id, execution_id)
        project_id = execution.project_id
        if self.readers >= self._most:
            raise TooManyReaders(self._most)
        if self._by_project[project_id] >= self._most_of_one_project:
            raise TooManyReaders(self._most_of_one_project)
        news = _Reader(self, execution, after).run(to_its_end=to_its_end)
        return self._counted(project_id, news)

    async def _counted(self, project_id: str, news: AsyncGenerator[News]) -> AsyncIterator[News]:
        self.readers += 1
        self._by_project[project_id] += 1
        try:
            async for item in news:
                yield item
        finally:
            self.readers -= 1
            self._by_project[project_id] -= 1
            if not self._by_project[project_id]:
                del self._by_project[project_id]
            await news.aclose()

    @property
    def _most_of_one_project(self) -> int:
        """Some places are out of one project's reach, so that it cannot shut out the others."""
        return max(1, self._most - self._most // 4)

    @property
    def is_stopping(self) -> bool:
        return self._is_stopping


class _Reader:
    def __init__(self, tails: Tails, execution: Execution, place: Place) -> None:
        self._tails = tails
        self._execution = execution
        self._place = place
        self._heard_at = self._give_up_at = 0.0
        self._read_whole = 0  # the attempt whose output was read to its end

    async def run(self, *, to_its_end: bool) -> AsyncGenerator[News]:
        tails, execution = self._tails, self._execution
        monotonic = tails._clock.monotonic
        self._heard_at = monotonic()
        self._give_up_at = self._heard_at + tails._longest_s
        last: Output | None = None
        pause_s = _LOOK_EVERY_S
        while not self._is_over():
            if execution.status in _FINAL:
                for item in self._stored(execution):
                    yield item
                break
            output = await tails._executor.output(
                execution.id, wait_s=pause_s if to_its_end else 0.0
            )
            if output is not None and output is not last:
                # The record says which attempt this is; it was stored before the run began.
                execution = await self._newest() or execution
                async for item in self._live(output, execution.attempt, to_its_end=to_its_end):
                    yield item
                last, pause_s = output, _FIRST_LOOK_S
            elif output is not None:
                await asyncio.sleep(_FIRST_LOOK_S)  # over, and about to be forgotten
            if not to_its_end:
                if output is None:  # it waits for its next attempt, or for its first
                    for item in self._stored(execution):
                        yield item
                break
            found = await self._newest()
            if found is None:
                yield Ended(None)
                return
            execution, pause_s = found, min(pause_s * 2, _LOOK_EVERY_S)
            if self._was_quiet():
                yield Quiet()
        if execution.status in _FINAL or not to_its_end:
            yield Ended(execution)

    async def _live(
        self, output: Output, attempt: int, *, to_its_end: bool
    ) -> AsyncGenerator[News]:
        self._place = self._place.of(attempt)
        while True:
            is_last = output.is_over or not to_its_end  # asked before reading, so none is missed
            is_news = False
            for errors in (False, True):
                for item in self._take(output, errors=errors):
                    is_news = True
                    yield item
            if is_news:
                self._heard_at = self._tails._clock.monotonic()
                continue
            if is_last or self._is_over():
                break
            if self._was_quiet():
                yield Quiet()
            await output.news(_LOOK_EVERY_S)
        if output.is_over:
            self._read_whole = attempt

    def _take(self, output: Output, *, errors: bool) -> Iterator[News]:
        """The next part of one stream, if there is one."""
        wanted = self._place.start(errors=errors)
        start, data = output.read(errors=errors, start=wanted, most=PART_BYTES)
        if start > wanted:
            self._place = self._place.moved(start, errors=errors)
            yield Missed(start - wanted, errors, self._place)
        if data:
            data = _in_whole_lines(data)
            self._place = self._place.moved(start + len(data), errors=errors)
            text = data.decode("utf-8", "replace")
            yield Printed(text, errors, self._tails._clock.now(), self._place)

    def _stored(self, execution: Execution) -> Iterator[News]:
        """What the record holds beyond what was read already."""
        if execution.attempt == self._read_whole and self._read_whole:
            return
        place = self._place.of(execution.attempt)
        for errors, text in ((False, execution.logs), (True, execution.errors)):
            data = text.encode()
            start = place.start(errors=errors)
            if start and text.startswith(_CUT):
                start = 0  # its bytes are no longer counted from the beginning of the run
            while start < len(data):
                part = _in_whole_lines(data[start : start + PART_BYTES])
                start += len(part)
                place = place.moved(start, errors=errors)
                yield Printed(part.decode("utf-8", "replace"), errors, execution.updated_at, place)

    async def _newest(self) -> Execution | None:
        item = self._execution
        return await self._tails._history.newest(item.project_id, item.id)

    def _is_over(self) -> bool:
        return self._tails.is_stopping or self._tails._clock.monotonic() >= self._give_up_at

    def _was_quiet(self) -> bool:
        now = self._tails._clock.monotonic()
        if now - self._heard_at < self._tails._idle_s:
            return False
        self._heard_at = now
        return True


def _in_whole_lines(data: bytes) -> bytes:
    """A part that was cut by its size, shortened to its last line, or at least character."""
    if len(data) < PART_BYTES:
        return data
    lines = data.rfind(b"\n") + 1
    if lines:
        return data[:lines]
    end = len(data)
    while end > len(data) - 4 and data[end - 1] & 0xC0 == 0x80:
        end -= 1
    # The byte before is a character's first, whose others may have been cut off.
    return data[: end - 1] if data[end - 1] >= 0xC0 else data
