from ipaddress import ip_address

import pytest

from runwright.executor.egress import Verdict, judge

OWN = frozenset({ip_address("192.0.2.2"), ip_address("2001:db8::2")})
TABLE = [
    ("93.184.216.34", 443, Verdict.OUT),
    ("10.1.2.3", 5432, Verdict.OUT),
    ("2606:2800:220:1::1", 443, Verdict.OUT),
    ("127.0.0.1", 8080, Verdict.API),
    ("127.0.0.1", 53, Verdict.DNS),
    ("127.0.0.1", 22, Verdict.REFUSED),
    ("127.1.2.3", 8080, Verdict.REFUSED),
    ("::1", 8080, Verdict.REFUSED),
    ("::ffff:127.0.0.1", 22, Verdict.REFUSED),
    ("::ffff:192.0.2.2", 80, Verdict.REFUSED),
    ("64:ff9b::7f00:1", 80, Verdict.REFUSED),
    ("2002:7f00:1::", 80, Verdict.REFUSED),
    ("192.0.2.2", 8080, Verdict.REFUSED),
    ("2001:db8::2", 80, Verdict.REFUSED),
    ("0.0.0.0", 80, Verdict.REFUSED),
    ("::", 80, Verdict.REFUSED),
    ("169.254.169.254", 80, Verdict.REFUSED),
    ("fd00:ec2::254", 80, Verdict.REFUSED),
    ("100.100.100.200", 80, Verdict.REFUSED),
    ("fe80::1", 80, Verdict.REFUSED),
    ("224.0.0.251", 5353, Verdict.REFUSED),
    ("ff02::fb", 5353, Verdict.REFUSED),
    ("255.255.255.255", 80, Verdict.REFUSED),
    ("localhost", 80, Verdict.REFUSED),
    ("", 80, Verdict.REFUSED),
]


@pytest.mark.parametrize(("address", "port", "expected"), TABLE)
def test_where_functions_may_connect_to(address: str, port: int, expected: Verdict) -> None:
    assert judge(address, port, api_port=8080, own=OWN) is expected


def test_what_the_operator_opened_is_open_on_that_port_alone() -> None:
    opened = frozenset({(ip_address("192.0.2.2"), 5432)})
    assert judge("192.0.2.2", 5432, api_port=1, own=OWN, reachable=opened) is Verdict.OUT
    assert judge("192.0.2.2", 5433, api_port=1, own=OWN, reachable=opened) is Verdict.REFUSED
