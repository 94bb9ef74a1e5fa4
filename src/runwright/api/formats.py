"""Older shapes of answers and parameters, chosen by `X-Appwrite-Response-Format`.

Handlers know only the newest shapes. A request that asks for format V has every filter applied
whose version is above V: to its parameters oldest first, to its answer newest first.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from runwright.api.routing import Version

NEWEST: Final[Version] = (2, 5, 0)
_VERSION: Final = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:[-+].*)?")


def parse_version(text: str) -> Version | None:
    """None for no version, or something that is none: the newest shapes."""
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        return None
    return int(found[1]), int(found[2]), int(found[3] or 0)


def adapt_params(route: str, given: Mapping[str, Any], version: Version | None) -> dict[str, Any]:
    return dict(given)


def adapt_answer(model: str, content: Any, version: Version | None) -> Any:
    return content
