"""What strangers name is remembered only while it is short: else they choose our memory."""

import pytest

from runwright.errors import BadRequest
from runwright.gateway import incoming, outgoing
from runwright.gateway.incoming import Incoming
from runwright.gateway.router import normal_host


def test_no_host_longer_than_a_domain_name_is_looked_up() -> None:
    longest = ".".join(["a" * 62] * 4)
    assert normal_host(f"{longest}.:65535") == longest
    assert normal_host("a" * 300) is None
    assert normal_host(f"{'a' * 60_000}.functions.localhost") is None


def test_long_header_names_of_callers_pass_and_are_not_kept() -> None:
    name = b"x-" + b"a" * 60_000
    assert Incoming([(name, b"1")]).passed == ((name.decode(), "1"),)
    assert max(map(len, incoming._NAMES_KNOWN), default=0) <= 64


def test_long_header_names_of_functions_are_dropped_and_not_kept() -> None:
    lines = outgoing.head((("a" * 4_000_000, "1"), ("x-" + "b" * 200, "2")), "e")
    assert lines == [(b"x-" + b"b" * 200, b"2"), (b"x-appwrite-execution-id", b"e")]
    assert max(map(len, outgoing._names_known), default=0) <= 64


def test_reserved_names_stay_reserved_at_any_length() -> None:
    name = b"X-Appwrite-" + b"a" * 500
    assert Incoming([(name, b"1")]).passed == ()


def test_a_length_that_two_readers_could_take_for_two_is_refused_next_to_long_names() -> None:
    with pytest.raises(BadRequest):
        Incoming([(b"x" * 500, b""), (b"content-length", b"1"), (b"transfer-encoding", b"chunked")])
