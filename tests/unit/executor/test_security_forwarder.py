"""Where the forwarder connects to for a sandbox."""

import socket

import pytest

from runwright.executor.carrying import Box, Rules
from runwright.executor.egress import EGRESS, Policy, Refused, Verdict

pytestmark = pytest.mark.anyio


async def test_the_name_server_port_never_leads_to_the_hosts_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = Policy(lambda _address: False)
    box = Box(1, Rules(policies={EGRESS: policy}), 8080, lambda _event: None)
    box.follow(EGRESS)

    def no_socket(*_: object) -> None:
        raise AssertionError("nothing may be connected")

    monkeypatch.setattr(socket, "socket", no_socket)
    assert box._judge("127.0.0.1", 53) is Verdict.DNS
    with pytest.raises(Refused):
        await box._dial("127.0.0.1", 53, Verdict.DNS)


async def test_a_sandbox_that_was_given_no_code_yet_reaches_the_api_alone() -> None:
    policy = Policy(lambda _address: False)
    box = Box(1, Rules(policies={EGRESS: policy}), 8080, lambda _event: None)
    assert box._judge("8.8.8.8", 443) is Verdict.REFUSED
    box.follow(EGRESS)
    assert box._judge("8.8.8.8", 443) is Verdict.OUT
    for kind in ("none", "host", "unknown"):
        box.follow(kind)
        assert box._judge("8.8.8.8", 443) is Verdict.REFUSED
        assert box._judge("127.0.0.1", 8080) is Verdict.API
