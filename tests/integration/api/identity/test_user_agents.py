"""What is read from User-Agent headers."""

import pytest

from runwright.user_agents import MAX_CHARS, Seen, parse_user_agent

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1"
)
TABLET = (
    "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/112.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize(
    ("text", "system", "browser", "device"),
    [
        (CHROME, ("WIN", "Windows", "10"), ("CH", "Chrome", "Blink"), "desktop"),
        (IPHONE, ("IOS", "iOS", "17.1"), ("MF", "Mobile Safari", "WebKit"), "smartphone"),
        (TABLET, ("AND", "Android", "13"), ("CH", "Chrome", "Blink"), "tablet"),
    ],
)
def test_common_browsers_are_named(
    text: str, system: tuple[str, str, str], browser: tuple[str, str, str], device: str
) -> None:
    seen = parse_user_agent(text)
    assert (seen.os_code, seen.os_name, seen.os_version) == system
    assert (seen.client_code, seen.client_name, seen.client_engine) == browser
    assert (seen.client_type, seen.device_name) == ("browser", device)


def test_nothing_is_made_up_for_programs() -> None:
    assert parse_user_agent("") == Seen()
    seen = parse_user_agent("AppwritePythonSDK/27.0.0 (Linux; x64)")
    assert (seen.client_type, seen.client_code, seen.device_name) == ("", "", "")


def test_endless_headers_are_cut() -> None:
    assert parse_user_agent(CHROME + "(" * 100_000) == parse_user_agent(
        (CHROME + "(" * 100_000)[:MAX_CHARS]
    )
