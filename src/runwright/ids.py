"""New identifiers and secrets, and their legal form."""

import re
import secrets
import time
from typing import Final

UNIQUE: Final = "unique()"
ID_PATTERN: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,35}")
PROJECT_ID_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,35}")


# Random digits in stock. Fetching them one by one is a system call each, during which another
# thread takes the interpreter; on the way of every request that shows.
_SEVENS: Final[list[str]] = []
_SEVENS_AT_ONCE: Final = 512
_THIRTEEN: Final = (1 << 52) - 1


def new_id() -> str:
    """20 lower-case hex characters: 13 from the microsecond clock, 7 random."""
    try:
        seven = _SEVENS.pop()
    except IndexError:
        block = secrets.token_hex(_SEVENS_AT_ONCE * 7 // 2)
        _SEVENS.extend(block[at : at + 7] for at in range(7, len(block), 7))
        seven = block[:7]
    return f"{time.time_ns() // 1000 & _THIRTEEN:013x}{seven}"


def resolve(requested: str) -> str:
    """The id to store for a `customId` parameter."""
    return new_id() if requested == UNIQUE else requested


def is_id(text: str) -> bool:
    return ID_PATTERN.fullmatch(text) is not None


def is_project_id(text: str) -> bool:
    return PROJECT_ID_PATTERN.fullmatch(text) is not None


def new_secret(hex_chars: int = 256) -> str:
    return secrets.token_hex(hex_chars // 2)
