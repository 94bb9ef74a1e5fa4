"""Where the forwarder connects to for a sandbox."""

import socket

import pytest

from runwright.executor.carrying import Box, Rules

pytestmark = pytest.mark.anyio


async def test_without_resolvers_the_name_server_port_does_not_lead_to_the_hosts_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    box = Box(1, Rules(resolvers=[]), 8080, lambda _event: None)

    def no_socket(*_: object) -> None:
        raise AssertionError("nothing may be connected")

    monkeypatch.setattr(socket, "socket", no_socket)
    assert await box._dial("127.0.0.1", 53) is None
