"""When a failed run is tried again, and when. Pure."""

from typing import Final

from runwright.values import dataclass

# Failures that a second attempt may cure; the others would fail in the same way again.
RETRYABLE: Final = frozenset(
    {"user_exception", "exit", "timeout", "out_of_memory", "cold_start", "platform"}
)
MAX_ATTEMPTS: Final = 100
MAX_BACKOFF_S: Final = 86_400
MAX_AGE_S: Final = 604_800


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """What a function asks for. One attempt = no retry.

    The wait before attempt n + 1 is drawn between half and all of
    `min(backoff_max_s, backoff_s * factor ** (n - 1))`.
    """

    attempts: int = 1
    backoff_s: float = 10.0
    factor: float = 2.0
    backoff_max_s: float = 600.0
    classes: tuple[str, ...] = ()  # error classes; () = all of RETRYABLE
    max_age_s: int = MAX_AGE_S  # counted from the moment at which the run was due

    @property
    def is_on(self) -> bool:
        return self.attempts > 1

    def covers(self, error_class: str) -> bool:
        return error_class in RETRYABLE and (not self.classes or error_class in self.classes)

    def wait_s(self, failures: int, chance: float) -> float:
        """Seconds to wait after that many failures; `chance` is drawn from 0 to 1."""
        longest = min(self.backoff_max_s, self.backoff_s * self.factor ** min(failures - 1, 64))
        return longest * (0.5 + chance / 2)


NO_RETRY: Final = Retry()
