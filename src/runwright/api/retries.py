"""The `retry` parameter of a function: an object, checked field by field."""

from dataclasses import fields
from typing import Any, Final

from runwright.api.params import SCHEMA
from runwright.model.retry import (
    MAX_AGE_S,
    MAX_ATTEMPTS,
    MAX_BACKOFF_S,
    NO_RETRY,
    RETRYABLE,
    Retry,
)
from runwright.values import dataclass

_MAX_FACTOR: Final = 100.0
# wire name -> (field, least, most)
_NUMBERS: Final[dict[str, tuple[str, float, float]]] = {
    "attempts": ("attempts", 1, MAX_ATTEMPTS),
    "backoff": ("backoff_s", 0, MAX_BACKOFF_S),
    "factor": ("factor", 1, _MAX_FACTOR),
    "maxBackoff": ("backoff_max_s", 0, MAX_BACKOFF_S),
    "maxAge": ("max_age_s", 1, MAX_AGE_S),
}
_WHOLE: Final = frozenset(item.name for item in fields(Retry) if item.type is int)
_CLASSES: Final = "classes"


@dataclass(frozen=True, slots=True)
class RetryRule:
    """The empty object switches retries off. What is left out has its default."""

    def parse(self, value: Any) -> Retry:
        if value in ([], ""):  # how some clients send an empty object
            value = {}
        if not isinstance(value, dict):
            raise ValueError("Value must be a valid object")
        unknown = sorted(set(map(str, value)) - {*_NUMBERS, _CLASSES})
        if unknown:
            known = ", ".join((*_NUMBERS, _CLASSES))
            raise ValueError(f"Unknown field {unknown[0]!r}; it may hold {known}")
        if not value:
            return NO_RETRY
        if "attempts" not in value:
            raise ValueError("Field 'attempts' is needed: how often a run may start in all")
        given: dict[str, Any] = {
            field: _number(name, value[name], least, most, is_whole=field in _WHOLE)
            for name, (field, least, most) in _NUMBERS.items()
            if value.get(name) is not None
        }
        return Retry(**given, classes=_classes(value.get(_CLASSES) or []))

    def schema(self) -> SCHEMA:
        numbers: dict[str, Any] = {
            name: {
                "type": "integer" if field in _WHOLE else "number",
                "minimum": least,
                "maximum": most,
            }
            for name, (field, least, most) in _NUMBERS.items()
        }
        classes = {"type": "array", "items": {"type": "string", "enum": sorted(RETRYABLE)}}
        return {"type": "object", "properties": {**numbers, _CLASSES: classes}}


def _number(name: str, value: Any, least: float, most: float, *, is_whole: bool) -> float | int:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:  # what is no number is in no range
        raise ValueError(f"Field '{name}' must be a number between {least:g} and {most:g}")
    if not is_whole:
        return float(value)
    if value != int(value):
        raise ValueError(f"Field '{name}' must be a whole number")
    return int(value)


def _classes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or any(item not in RETRYABLE for item in map(str, value)):
        names = ", ".join(sorted(RETRYABLE))
        raise ValueError(f"Field 'classes' must be a list of some of: {names}")
    return tuple(dict.fromkeys(map(str, value)))
