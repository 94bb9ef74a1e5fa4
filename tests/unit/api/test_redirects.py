"""Addresses that people may be sent to."""

import pytest

from runwright.api.redirects import is_plain
from runwright.identity.links import with_query


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "https://app.example.com:8443/join?from=mail#top",
        "http://[::1]:3000/",
        "appwrite-callback-shop://",
        "exp://192.0.2.7:19000/--/join",
    ],
)
def test_addresses_that_everybody_reads_alike_are_plain(url: str) -> None:
    assert is_plain(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/join",
        "//evil.example/join",
        "http://evil.example\\@localhost/",  # a browser goes to evil.example
        "http://localhost:80@evil.example/",
        "http://user@localhost/",
        "http://local\thost/",
        "http://localhost/a b",
        "http://localhost/\r\nBcc: everybody@example.com",
        "http://evil%2f.example.com/",
        "http://localhost:port/",
        "http://[::1/",
        "https://bücher.example/",
        "http://localhost/" + "a" * 2048,
    ],
)
def test_an_address_that_could_be_read_in_two_ways_is_not_plain(url: str) -> None:
    assert not is_plain(url)


@pytest.mark.parametrize(
    ("url", "linked"),
    [
        ("http://localhost/a", "http://localhost/a?userId=u+1&secret=s%26"),
        (
            "http://localhost/?b=2&userId=old#top",
            "http://localhost/?b=2&userId=u+1&secret=s%26#top",
        ),
        ("appwrite-callback-shop://", "appwrite-callback-shop://?userId=u+1&secret=s%26"),
    ],
)
def test_a_link_keeps_what_the_address_has_and_says_each_value_once(url: str, linked: str) -> None:
    assert with_query(url, userId="u 1", secret="s&") == linked
