"""Rate limits: fixed windows, counted in the memory of this process."""

import math
import re
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from runwright.api.guessing import Guesses, KnownPlaces
from runwright.api.routing import Limit
from runwright.clock import Clock
from runwright.errors import RateLimited
from runwright.model.execution import Headers
from runwright.values import dataclass

MAX_COUNTERS: Final = 100_000
_PLACEHOLDER: Final = re.compile(r"\{([a-zA-Z-]+)\}")


@dataclass(frozen=True, slots=True)
class Counted:
    """Where a request stands: the headers to send, the counters it used."""

    headers: Headers = ()
    keys: tuple[str, ...] = ()


@dataclass(slots=True)
class _Window:
    ends_at: float
    used: int = 0


class Limiter:
    """At most `MAX_COUNTERS` windows are kept; past that the ones counted on longest ago go.

    With `is_on=False` nothing is counted, refused or announced.
    """

    def __init__(self, clock: Clock, *, is_on: bool = True) -> None:
        self.guesses = Guesses(clock)
        self.known_places = KnownPlaces(clock)
        self.is_on = is_on
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def count(self, limit: Limit, facts: Mapping[str, Any], *, is_exempt: bool) -> Counted:
        """Count one call of a caller. `facts` fill the placeholders of the keys.

        An exempt caller is told the state but is neither counted nor refused.
        Raises RateLimited, with the headers.
        """
        if not self.is_on or limit.calls <= 0:
            return Counted()
        is_exempt = is_exempt and not limit.for_everyone
        keys = tuple(f"{limit.window_s}|{_fill(key, facts)}" for key in limit.keys)
        windows = [self._window(key, limit.window_s) for key in keys]
        is_over = not is_exempt and any(window.used >= limit.calls for window in windows)
        if not is_exempt and not is_over:
            for window in windows:
                window.used += 1
        headers = _headers(limit, max(windows, key=lambda window: window.used))
        if is_over:
            raise self._refusal(limit, windows, headers)
        return Counted(headers, keys)

    def reset(self, counted: Counted) -> None:
        """Forget the counters that a request used."""
        for key in counted.keys:
            self._windows.pop(key, None)

    def __len__(self) -> int:
        return len(self._windows)

    def _window(self, key: str, window_s: int) -> _Window:
        now = self._clock.now().timestamp()
        window = self._windows.get(key)
        if window is None or window.ends_at <= now:
            window = self._windows[key] = _Window((now // window_s + 1) * window_s)
        self._windows.move_to_end(key)
        if len(self._windows) > MAX_COUNTERS:
            self._windows.popitem(last=False)
        return window

    def _refusal(self, limit: Limit, windows: list[_Window], headers: Headers) -> RateLimited:
        ends_at = max(window.ends_at for window in windows if window.used >= limit.calls)
        wait_s = max(1, math.ceil(ends_at - self._clock.now().timestamp()))
        return RateLimited(
            f"Rate limit exceeded: at most {limit.calls} calls in {limit.window_s} seconds. "
            f"Try again in {wait_s} seconds.",
            headers=(*headers, ("retry-after", str(wait_s))),
        )


@cache
def counted_params(limit: Limit) -> tuple[str, ...]:
    """The parameters that its keys are made of."""
    found = (name for key in limit.keys for name in _PLACEHOLDER.findall(key))
    return tuple(name.removeprefix("param-") for name in found if name.startswith("param-"))


def _fill(key: str, facts: Mapping[str, Any]) -> str:
    return _PLACEHOLDER.sub(lambda found: str(facts.get(found[1], "")), key)


def _headers(limit: Limit, tightest: _Window) -> Headers:
    return (
        ("x-ratelimit-limit", str(limit.calls)),
        ("x-ratelimit-remaining", str(max(0, limit.calls - tightest.used))),
        ("x-ratelimit-reset", str(int(tightest.ends_at))),
    )
