"""Parsing in the forwarder, and the shape of the program that steers connections."""

import struct
from pathlib import Path

import pytest

from runwright.executor.host import parse_endpoint
from runwright.executor.netns import steering_program
from runwright.executor.proxying import split_url, without_hop_headers
from runwright.executor.resolving import resolvers


def test_every_jump_of_the_steering_program_stays_inside() -> None:
    program = steering_program(3, local_ports=(8080, 53))
    code = list(struct.iter_unpack("=BBhi", program))
    for at, (operation, _, offset, _) in enumerate(code):
        if operation & 0x07 in (0x05, 0x06) and operation not in (0x85, 0x95):
            assert 0 <= at + 1 + offset < len(code)
    assert code[-1][0] == 0x95


def test_the_hosts_resolvers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("# nameserver 9.9.9.9\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n")
    assert resolvers(path) == [("192.0.2.53", 53), ("2001:db8::53", 53)]
    assert resolvers(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://example.com/a?b", ("example.com", 80, "/a?b")),
        ("http://example.com:8080", ("example.com", 8080, "/")),
        ("http://user:pw@example.com/x", ("example.com", 80, "/x")),
        ("http://[2001:db8::1]:81/", ("2001:db8::1", 81, "/")),
    ],
)
def test_proxy_targets(text: str, expected: tuple[str, int, str]) -> None:
    assert split_url(text) == expected


def test_only_plain_http_goes_through_the_proxy_unwrapped() -> None:
    with pytest.raises(ValueError, match="not an http"):
        split_url("ftp://example.com/")


@pytest.mark.parametrize("port", ["0", "65536", "99999999999999999999", "-1", "x"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(ValueError, match=r"port|invalid literal"):
        split_url(f"http://example.com:{port}/")


def test_hop_headers_stay_at_the_proxy() -> None:
    head = b"host: a\r\nProxy-Authorization: x\r\nconnection: keep-alive\r\n\r\nbody"
    assert without_hop_headers(head) == b"host: a\r\n\r\nbody"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
    ],
)
def test_endpoints_are_read_in_every_form(text: str, expected: tuple[str, int]) -> None:
    assert parse_endpoint(text) == expected
