"""What can stream into a function, and which functions want it to. Pure."""

from collections.abc import Mapping
from typing import Final

VARIABLE: Final = "RUNWRIGHT_STREAM_BODIES"
_LANGUAGES: Final = frozenset({"node", "deno", "bun", "python"})
_YES: Final = frozenset({"1", "true", "on", "yes"})


def takes_streams(runtime: str) -> bool:
    """Whether functions of this runtime can read a body as it comes, and hold web sockets."""
    return runtime.partition("-")[0] in _LANGUAGES


def wants_bodies(runtime: str, env: Mapping[str, str]) -> bool:
    """Whether this function asked for request bodies as they come."""
    value = env.get(VARIABLE)
    return value is not None and value.strip().lower() in _YES and takes_streams(runtime)
