"""The subscriptions that a client asks for in the address of its connection. Pure.

`channels[]` names channels. Queries follow under the name of their channel, with dots written as
underscores, and the number of a slot: `executions[0][]=<query>`. Each slot is one subscription,
to all channels that have queries in it; channels without queries share one that takes
everything.
"""

import re
from collections.abc import Iterable
from typing import Final

_CHANNELS: Final = re.compile(r"channels(?:\[\d{0,4}\])?")
_SLOT: Final = re.compile(r"([^\[\]]+)\[(\d{1,4})\](?:\[\d{0,4}\])?")

Asked = tuple[tuple[str, ...], tuple[str, ...]]  # channels, queries


def asked(pairs: Iterable[tuple[str, str]]) -> list[Asked]:
    channels: dict[str, None] = {}
    slots: dict[str, dict[int, list[str]]] = {}  # by channel as written, by number
    for key, value in pairs:
        if _CHANNELS.fullmatch(key):
            channels[value] = None
        elif match := _SLOT.fullmatch(key):
            slots.setdefault(match[1], {}).setdefault(int(match[2]), []).append(value)
    plain: list[str] = []
    shared: dict[int, tuple[list[str], dict[str, None]]] = {}
    for channel in channels:
        own = slots.get(channel.replace(".", "_"))
        if not own:
            plain.append(channel)
            continue
        for number, queries in own.items():
            names, texts = shared.setdefault(number, ([], {}))
            names.append(channel)
            texts.update(dict.fromkeys(queries))
    found: list[Asked] = [(tuple(plain), ())] if plain else []
    found += [(tuple(names), tuple(texts)) for _, (names, texts) in sorted(shared.items())]
    return found
