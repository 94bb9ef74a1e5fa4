"""The operator's settings of the network, as the server starts with them and the doctor tells."""

import pytest

from runwright.settings import BadSetting, Settings
from runwright.wiring.network import check_network, open_networks


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network_allow", "10.0.0.0/8:http"),
        ("network_allow", "db.example:5432"),
        ("network_allow", "127.0.0.1:5432"),
        ("network_refuse", "1.2.3.4/40"),
        ("network_dns", "resolver.example"),
    ],
)
def test_an_entry_that_cannot_be_read_stops_the_start_and_is_named(name: str, value: str) -> None:
    settings = Settings.load(flags={name: value}, environ={})
    with pytest.raises(BadSetting, match=f"RUNWRIGHT_{name.upper()}: .*"):
        check_network(settings)


def test_the_doctor_tells_what_is_open() -> None:
    closed = open_networks(Settings.load(flags={}, environ={}))
    assert (closed.level, "closed to functions." in closed.text) == ("ok", True)
    flags = {"network_allow": "10.1.0.0/16,[fd00::/8]:443", "network_dns": "10.0.0.53"}
    opened = open_networks(Settings.load(flags=flags, environ={}))
    assert opened.level == "ok"
    assert "10.1.0.0/16, [fd00::/8]:443" in opened.text
    host = open_networks(Settings.load(flags={"network_host": "on"}, environ={}))
    assert host.level == "weaker"
    assert "RUNWRIGHT_NETWORK_HOST" in host.text
