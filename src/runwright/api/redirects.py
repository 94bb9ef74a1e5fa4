"""Addresses to which people are sent back: links in letters, ends of a sign-in elsewhere.

Such a link carries a secret, so it may lead to clients of the project only. The same list is
asked as for origins, but more care is needed before: an origin is written by a browser, these
are written by anybody. What browsers and this server might read differently is refused.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from runwright.api.cors import how_to_register
from runwright.api.routing import Call
from runwright.errors import InvalidParam

MAX_CHARS: Final = 2048

# (project id, url) -> whether it belongs to a client of the project
Allows = Callable[[str, str], Awaitable[bool]]

# Browsers take `\` for `/` and drop tabs and line ends: nothing of that belongs into a URL.
_PLAIN: Final = re.compile(r"[A-Za-z0-9!#$%&'()*+,./:;=?@\[\]_~-]+")
_PLACE: Final = re.compile(r"([A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")


class Redirects:
    def __init__(self, allows: Allows) -> None:
        self._allows = allows

    async def check(self, call: Call, url: str, *, name: str = "url") -> str:
        """The URL, when it leads to a client of the call's project.

        Raises InvalidParam, which names the parameter.
        """
        if not is_plain(url):
            raise InvalidParam(
                name,
                "Invalid URI. It must be an absolute URL of ordinary characters, without a user "
                f"name and no longer than {MAX_CHARS} chars.",
            )
        if not await self._allows(call.project_id, url):
            raise InvalidParam(name, f"Invalid URI. {how_to_register(url)}")
        return url


def is_plain(url: str) -> bool:
    """Whether every reader of the URL will find the same scheme and host in it."""
    if len(url) > MAX_CHARS or not _PLAIN.fullmatch(url):
        return False
    try:
        split = urlsplit(url)
    except ValueError:
        return False
    return bool(split.scheme) and _PLACE.fullmatch(split.netloc) is not None
