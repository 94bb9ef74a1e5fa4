"""Which way a letter goes, and who it comes from."""

from datetime import UTC, datetime
from typing import Any

import pytest

from runwright.identity.errors import PhoneDisabled, SmtpDisabled
from runwright.letters.ways import Sender, Ways, relay_from, sender_from
from runwright.model.identity import Project
from runwright.ports.carrier import Relay
from runwright.sealing import Sealer

NOW = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
SEALER = Sealer(b"k" * 32)
RELAY = Relay(host="mail.example.com", port=25, is_trusted=True)


def ways(**changes: Any) -> Ways:
    values: dict[str, Any] = {"sender": Sender(email="no-reply@localhost"), "sealer": SEALER}
    return Ways(**(values | changes))


def shop(**mail: Any) -> Project:
    return Project(
        id="shop",
        created_at=NOW,
        updated_at=NOW,
        name="Shop",
        team_id="org",
        mail=mail,
        sealed_mail_password=SEALER.seal(b"pass", "mail:shop"),
    )


OWN: dict[str, Any] = {
    "is_enabled": True,
    "host": "smtp.shop.example",
    "port": 465,
    "username": "shop",
    "secure": "ssl",
    "sender_email": "hi@shop.example",
    "sender_name": "The Shop",
    "reply_to_email": "help@shop.example",
}


def test_a_project_s_own_mail_server_goes_first() -> None:
    way = ways(relay=RELAY).of(shop(**OWN), "email")
    assert way is not None
    assert way.is_own
    assert way.sender.email == "hi@shop.example"
    assert way.relay == Relay(
        host="smtp.shop.example", port=465, username="shop", password="pass", security="tls"
    )


def test_then_that_of_the_installation_under_the_project_s_name() -> None:
    way = ways(relay=RELAY).of(shop(**OWN | {"is_enabled": False}), "email")
    assert way is not None
    assert (way.relay, way.is_own) == (RELAY, False)
    assert way.sender == Sender(email="no-reply@localhost", name="Shop")


def test_then_the_folder_and_text_messages_go_there_always() -> None:
    for found in (ways().of(shop(), "email"), ways(relay=RELAY).of(shop(**OWN), "sms")):
        assert found is not None
        assert found.relay is None


def test_without_any_way_each_kind_is_refused_by_its_name() -> None:
    nowhere = ways(has_folder=False)
    with pytest.raises(SmtpDisabled):
        nowhere.require(shop(), "email")
    with pytest.raises(PhoneDisabled):
        nowhere.require(shop(**OWN), "sms")
    with pytest.raises(SmtpDisabled):
        nowhere.require(None, "email")
    nowhere.require(shop(**OWN), "email")
    ways(has_folder=False, relay=RELAY).require(None, "email")
    ways().require(None, "sms")
    assert nowhere.of(shop(), "email") is None


def test_a_password_that_cannot_be_opened_is_none() -> None:
    other = ways(sealer=Sealer(b"o" * 32), relay=RELAY)
    way = other.of(shop(**OWN), "email")
    assert way is not None
    assert way.relay is not None
    assert way.relay.password == ""


def test_hosts_that_the_operator_listed_are_trusted() -> None:
    way = ways(hosts=frozenset({"maildev"})).of(shop(**OWN | {"host": "MailDev"}), "email")
    assert way is not None
    assert way.relay is not None
    assert way.relay.is_trusted


@pytest.mark.parametrize(
    ("url", "host", "port", "security", "username", "password"),
    [
        ("smtp://mail.example.com", "mail.example.com", 25, "any", "", ""),
        ("smtps://a%40b:p%3Aw@mail.example.com", "mail.example.com", 465, "tls", "a@b", "p:w"),
        ("starttls://u:p@127.0.0.1:2525/", "127.0.0.1", 2525, "starttls", "u", "p"),
        ("smtp://[::1]:1025", "::1", 1025, "any", "", ""),
    ],
)
def test_a_url_names_a_mail_server(
    url: str, host: str, port: int, security: Any, username: str, password: str
) -> None:
    assert relay_from(url) == Relay(
        host=host,
        port=port,
        username=username,
        password=password,
        security=security,
        is_trusted=True,
    )


@pytest.mark.parametrize(
    "url",
    ["mail.example.com", "http://u:secret@m", "smtp://", "smtp://m:x", "smtp://u:secret@m/inbox"],
)
def test_a_bad_url_is_refused_without_repeating_what_is_in_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"scheme|URL") as caught:
        relay_from(url)
    assert "secret" not in str(caught.value)


def test_a_sender_may_have_a_name() -> None:
    assert sender_from("Shop <hi@shop.example>") == Sender(email="hi@shop.example", name="Shop")
    assert sender_from("hi@shop.example") == Sender(email="hi@shop.example")
    for bad in ("Shop", "", "a@b\nBcc: c@d", "a@b c@d"):
        with pytest.raises(ValueError, match="address"):
            sender_from(bad)
