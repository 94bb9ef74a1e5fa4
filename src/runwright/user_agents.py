"""What a User-Agent header says about the client, for people who look at their sessions."""

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from runwright.values import dataclass

MAX_CHARS: Final = 512  # longer ones are cut; the rules are regular expressions

_OS: Final = {
    "Android": "AND",
    "Arch Linux": "ARL",
    "Chrome OS": "COS",
    "Debian": "DEB",
    "Fedora": "FED",
    "FreeBSD": "BSD",
    "Linux": "LIN",
    "Mac OS X": "MAC",
    "Ubuntu": "UBT",
    "Windows": "WIN",
    "iOS": "IOS",
}
# Family -> the short code and name that clients know, and the engine.
_BROWSERS: Final = {
    "Chrome": ("CH", "Chrome", "Blink"),
    "Chrome Mobile": ("CM", "Chrome Mobile", "Blink"),
    "Chrome Mobile iOS": ("CI", "Chrome Mobile iOS", "WebKit"),
    "Chromium": ("CR", "Chromium", "Blink"),
    "Edge": ("PS", "Microsoft Edge", "Blink"),
    "Edge Mobile": ("PS", "Microsoft Edge", "Blink"),
    "Firefox": ("FF", "Firefox", "Gecko"),
    "Firefox Mobile": ("FM", "Firefox Mobile", "Gecko"),
    "Firefox iOS": ("FI", "Firefox Mobile iOS", "WebKit"),
    "HeadlessChrome": ("HC", "Headless Chrome", "Blink"),
    "IE": ("IE", "Internet Explorer", "Trident"),
    "Mobile Safari": ("MF", "Mobile Safari", "WebKit"),
    "Opera": ("OP", "Opera", "Blink"),
    "Opera Mobile": ("OM", "Opera Mobile", "Blink"),
    "Safari": ("SF", "Safari", "WebKit"),
    "Samsung Internet": ("SB", "Samsung Browser", "Blink"),
    "Vivaldi": ("VI", "Vivaldi", "Blink"),
}
_DESKTOPS: Final = frozenset(_OS) - {"Android", "iOS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Empty strings where the header says nothing."""

    os_code: str = ""
    os_name: str = ""
    os_version: str = ""
    client_type: str = ""
    client_code: str = ""
    client_name: str = ""
    client_version: str = ""
    client_engine: str = ""
    device_name: str = ""
    device_brand: str = ""
    device_model: str = ""


async def learn_user_agents(texts: Iterable[str]) -> None:
    """Parse them on another thread, so that `parse_user_agent` knows them.

    On the event loop the first would hold up everybody else's calls for a third of a second and
    each further one for some ten milliseconds.
    """
    await asyncio.to_thread(lambda: [parse_user_agent(text) for text in set(texts)])


@lru_cache(maxsize=1024)
def parse_user_agent(text: str) -> Seen:
    """What a header says. Slow for one that it has not seen: see `learn_user_agents`."""
    if not text:
        return Seen()
    from ua_parser import parse  # here: its rules take a third of a second to load

    found = parse(text[:MAX_CHARS])
    family = found.os.family if found.os else ""
    browser = found.user_agent.family if found.user_agent else ""
    code, name, engine = _BROWSERS.get(browser, ("", browser, ""))
    return Seen(
        os_code=_OS.get(family, ""),
        os_name="Mac" if family == "Mac OS X" else family,
        os_version=_version(found.os.major, found.os.minor, found.os.patch) if found.os else "",
        client_type="browser" if code else "",
        client_code=code,
        client_name=name,
        client_version=(
            _version(found.user_agent.major, found.user_agent.minor) if found.user_agent else ""
        ),
        client_engine=engine,
        device_name=_device(family, text) if code else "",
        device_brand=(found.device.brand or "") if found.device else "",
        device_model=(found.device.model or "") if found.device else "",
    )


def _version(*parts: str | None) -> str:
    known: list[str] = []
    for part in parts:
        if part is None:
            break
        known.append(part)
    return ".".join(known)


def _device(os_family: str, text: str) -> str:
    if os_family in _DESKTOPS:
        return "desktop"
    if os_family not in ("Android", "iOS"):
        return ""
    is_tablet = "iPad" in text or (os_family == "Android" and "Mobile" not in text)
    return "tablet" if is_tablet else "smartphone"
