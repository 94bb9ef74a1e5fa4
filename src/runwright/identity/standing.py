"""Keeps what goes on for longer in step with what its callers may do.

A request is judged when it comes. Open connections, streams and uploads outlast that moment, so
they are watched: a change of a user, a key or a project puts those that it may concern in doubt,
and one task judges each of them again, by the rules by which it was let in. Sessions, keys and
tokens also end by themselves, so whatever has an end is judged again when it is reached, and
everything now and then.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from runwright.clock import Clock
from runwright.errors import RunwrightError
from runwright.model.identity import Principal
from runwright.ports.signals import Signals

log = logging.getLogger(__name__)

LOOK_S: Final = 30.0
RETRY_S: Final = 1.0
_JUST_AFTER_S: Final = 0.001

Judge = Callable[[], Awaitable[Principal]]  # raises what the caller is refused with


class Watched:
    """One thing that is under way for a caller."""

    __slots__ = ("_changed", "_refused", "_timer", "is_open", "judge", "principal", "refusals")

    def __init__(
        self,
        principal: Principal,
        judge: Judge,
        changed: Callable[[Principal], None],
        refused: Callable[[Exception], None],
        refusals: tuple[type[Exception], ...],
    ) -> None:
        self.principal = principal
        self.judge = judge
        self.is_open = True
        self.refusals = refusals
        self._changed = changed
        self._refused = refused
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, principal: Principal) -> None:
        if principal != self.principal:
            self.principal = principal
            self._changed(principal)

    def refuse(self, refusal: Exception) -> None:
        self.is_open = False
        self._refused(refusal)

    def wake_at(self, at_s: float | None, wake: Callable[[], None]) -> None:
        """Call `wake` in so many seconds, and no more when it was to be called before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if at_s is not None:
            self._timer = asyncio.get_running_loop().call_later(at_s, wake)


class Standing:
    """`start`, then `stop`."""

    def __init__(self, signals: Signals, clock: Clock, *, look_s: float = LOOK_S) -> None:
        self._clock = clock
        self._look_s = look_s
        self._by_project: dict[str, set[Watched]] = {}
        self._by_user: dict[str, set[Watched]] = {}
        self._doubtful: dict[Watched, None] = {}
        self._is_judging = False
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        signals.on("user", self._user_changed)
        signals.on("key", self._key_changed)
        signals.on("project", self._project_changed)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="standing")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    def __len__(self) -> int:
        return sum(map(len, self._by_project.values()))

    @property
    def is_settled(self) -> bool:
        """Whether nobody is in doubt at the moment."""
        return not self._doubtful and not self._is_judging

    @contextmanager
    def watch(
        self,
        principal: Principal,
        judge: Judge,
        *,
        changed: Callable[[Principal], None],
        refused: Callable[[Exception], None],
        refusals: tuple[type[Exception], ...] = (RunwrightError,),
    ) -> Iterator[Watched]:
        """Watch for as long as the block lasts.

        Whenever the caller may have lost or got something, `judge` is asked: a principal that is
        another than before goes to `changed`; a refusal that it raises goes to `refused`, after
        which nothing more is asked. Both are called from the event loop and must not block.
        """
        watched = Watched(principal, judge, changed, refused, refusals)
        self._enter(watched)
        try:
            # What changed since the caller was judged was told to those who were watched then.
            self._doubt([watched])
            yield watched
        finally:
            watched.is_open = False
            watched.wake_at(None, lambda: None)
            self._doubtful.pop(watched, None)
            self._leave(watched)

    def renew(self, watched: Watched, principal: Principal, judge: Judge) -> None:
        """The caller has shown other credentials."""
        self._leave(watched)
        watched.principal, watched.judge = principal, judge
        self._enter(watched)
        self._doubt([watched])

    def _enter(self, watched: Watched) -> None:
        principal = watched.principal
        self._by_project.setdefault(principal.project_id, set()).add(watched)
        for user_id in _users_of(principal):
            self._by_user.setdefault(user_id, set()).add(watched)

    def _leave(self, watched: Watched) -> None:
        principal = watched.principal
        _drop(self._by_project, principal.project_id, watched)
        for user_id in _users_of(principal):
            _drop(self._by_user, user_id, watched)

    def _doubt(self, several: Iterable[Watched]) -> None:
        """Judge these again, soon."""
        self._doubtful.update(dict.fromkeys(several))
        self._arrived.set()

    def _user_changed(self, project_id: str, item_id: str) -> None:
        """Whose user it is does not matter: an id that fits by accident costs one look."""
        if item_id:
            self._doubt(self._by_user.get(item_id, ()))
        else:
            self._doubt(watched for several in self._by_user.values() for watched in several)

    def _key_changed(self, project_id: str, item_id: str) -> None:
        self._doubt(
            watched
            for watched in self._by_project.get(project_id, ())
            if watched.principal.key_id and item_id in ("", watched.principal.key_id)
        )

    def _project_changed(self, project_id: str, item_id: str) -> None:
        for name in {project_id, item_id}:
            self._doubt(self._by_project.get(name, ()))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        look_at = loop.time() + self._look_s
        while True:
            if loop.time() >= look_at:  # also when changes come all the time
                look_at = loop.time() + self._look_s
                self._doubt(item for several in self._by_project.values() for item in several)
            if not self._doubtful:
                self._arrived.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(look_at):
                        await self._arrived.wait()
                continue
            watched = next(iter(self._doubtful))
            del self._doubtful[watched]
            if watched.is_open:
                self._is_judging = True
                await self._judge(watched)
                self._is_judging = False
            await asyncio.sleep(0)  # what is in memory is judged without waiting

    async def _judge(self, watched: Watched) -> None:
        judge = watched.judge
        principal = refusal = None
        try:
            principal = await judge()
        except Exception as exc:
            if not isinstance(exc, watched.refusals) or _is_ours(exc):
                # The database, perhaps: whose rights are unknown is asked again.
                log.warning("caller not judged", extra={"reason": type(exc).__name__})
                watched.wake_at(RETRY_S, lambda: self._doubt([watched]))
                return
            refusal = exc
        if not watched.is_open:
            return
        if watched.judge is not judge:
            self._doubt([watched])  # other credentials meanwhile
        elif refusal is not None:
            watched.refuse(refusal)
        elif principal is not None:
            self._leave(watched)
            watched.tell(principal)
            self._enter(watched)
            self._wake_at_the_end(watched)

    def _wake_at_the_end(self, watched: Watched) -> None:
        """An end that is far away is not waited for: there is a look before it."""
        left_s = _left_s(watched.principal.ends_at, self._clock.now())
        is_near = left_s is not None and left_s <= 2 * self._look_s
        watched.wake_at(left_s if is_near else None, lambda: self._doubt([watched]))


def _users_of(principal: Principal) -> set[str]:
    """Whose changes concern a caller: the user, and who has put that user on."""
    worn_by = principal.impersonator.user_id if principal.impersonator is not None else ""
    return {principal.user_id, worn_by} - {""}


def _is_ours(exc: Exception) -> bool:
    return isinstance(exc, RunwrightError) and exc.status >= 500


def _left_s(ends_at: datetime | None, now: datetime) -> float | None:
    if ends_at is None:
        return None
    return max(0.0, (ends_at - now).total_seconds()) + _JUST_AFTER_S


def _drop(index: dict[str, set[Watched]], name: str, watched: Watched) -> None:
    several = index.get(name)
    if several is not None:
        several.discard(watched)
        if not several:
            del index[name]
