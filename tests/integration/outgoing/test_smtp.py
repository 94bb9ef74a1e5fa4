"""Letters that leave the server, to a real mail server; names are resolved by the test."""

import asyncio
import ssl
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import pytest

from runwright.outgoing.reach import Reach
from runwright.outgoing.smtp import SmtpCarrier
from runwright.ports.carrier import NotCarried, Parcel, Relay
from tests.authority import Authority
from tests.integration.outgoing.mailbox import a_mailbox

pytestmark = pytest.mark.anyio

HOST: Final = "mail.example.com"


async def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def a_carrier(
    authorities: ssl.SSLContext | None = None, *, allows_private: bool = True, total_s: float = 30
) -> SmtpCarrier:
    return SmtpCarrier(
        Reach(here, allows_private=allows_private, own_ports=()),
        Reach(here, allows_private=True, own_ports=()),
        own_name="api.example.com",
        total_s=total_s,
        authorities=authorities,
    )


def a_parcel(recipient: str = "ann@example.com", body: str = "Hello") -> Parcel:
    message = EmailMessage()
    message["To"], message["Subject"] = recipient, "Hi"
    message.set_content(body)
    return Parcel(id="j1", sender="hi@example.com", recipient=recipient, message=message.as_bytes())


def a_relay(port: int, **changes: Any) -> Relay:
    return replace(Relay(host=HOST, port=port), **changes)


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server with a good certificate, and of a client that knows who made it."""
    authority = Authority()
    authority.issue(tmp_path, HOST)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / f"{HOST}.crt", tmp_path / f"{HOST}.key")
    return server, authority.client()


async def test_a_letter_arrives_as_it_was_written() -> None:
    async with a_mailbox() as box:
        await a_carrier().carry(a_relay(box.port), a_parcel(body=".\nHello.\n"))
        (letter,) = box.letters
        assert letter["Subject"] == "Hi"
        assert letter.get_content() == ".\r\nHello.\r\n"
        assert box.recipients == [["ann@example.com"]]


async def test_user_and_password_are_given_and_a_wrong_one_may_be_mended() -> None:
    async with a_mailbox() as box:
        relay = a_relay(box.port, username="shop", password="pass")
        await a_carrier().carry(relay, a_parcel())
        assert (box.logins, len(box.letters)) == (["shop"], 1)
        wrong = a_relay(box.port, username="shop", password="wrong")
        with pytest.raises(NotCarried, match="refused user name and password") as caught:
            await a_carrier().greet(wrong)
        assert not caught.value.is_final


async def test_starttls_is_insisted_on_where_it_was_asked_for(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = contexts
    async with a_mailbox(starttls=server) as box:
        relay = a_relay(box.port, security="starttls")
        await a_carrier(client).carry(relay, a_parcel())
        assert box.was_encrypted == [True]
        with pytest.raises(NotCarried, match="certificate"):
            await a_carrier().carry(relay, a_parcel())
        await a_carrier().carry(a_relay(box.port), a_parcel())  # whatever the server has
        assert box.was_encrypted == [True, True]
    async with a_mailbox() as box:
        with pytest.raises(NotCarried, match="does not support"):
            await a_carrier(client).carry(a_relay(box.port, security="starttls"), a_parcel())
        assert box.letters == []


async def test_encryption_from_the_first_byte_proves_the_host(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = contexts
    async with a_mailbox(tls=server) as box:
        await a_carrier(client).carry(a_relay(box.port, security="tls"), a_parcel())
        assert box.was_encrypted == [True]
        other = a_relay(box.port, host="other.example.com", security="tls")
        with pytest.raises(NotCarried, match="certificate"):
            await a_carrier(client).carry(other, a_parcel())


async def test_a_refused_recipient_is_final_and_not_named() -> None:
    async with a_mailbox() as box:
        with pytest.raises(NotCarried, match=r"recipient \(code 550\)") as caught:
            await a_carrier().carry(a_relay(box.port), a_parcel("nobody@example.com"))
        assert caught.value.is_final
        assert "nobody" not in str(caught.value)


@pytest.mark.parametrize(("answer", "is_final"), [("451 later", False), ("554 never", True)])
async def test_whether_a_refused_letter_is_tried_again_is_the_server_s_word(
    answer: str, is_final: bool
) -> None:
    async with a_mailbox() as box:
        box.answers = [answer]
        with pytest.raises(NotCarried, match="refused the letter") as caught:
            await a_carrier().carry(a_relay(box.port), a_parcel())
        assert caught.value.is_final is is_final


async def test_a_private_address_is_for_hosts_that_the_operator_named() -> None:
    async with a_mailbox() as box:
        strict = a_carrier(allows_private=False)
        with pytest.raises(NotCarried, match="not public"):
            await strict.carry(a_relay(box.port), a_parcel())
        assert box.letters == []
        await strict.carry(a_relay(box.port, is_trusted=True), a_parcel())
        assert len(box.letters) == 1


async def test_nobody_there_and_nobody_who_speaks_are_told_apart() -> None:
    async with a_mailbox() as box:
        port = box.port
    with pytest.raises(NotCarried, match="could not be reached"):
        await a_carrier().greet(a_relay(port))

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotCarried, match=r"did not answer within 1\.5 seconds"):
            await a_carrier(total_s=1.5).greet(a_relay(port))


async def test_who_answers_something_else_is_no_mail_server() -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotCarried):
            await a_carrier().greet(a_relay(port))


async def test_a_host_that_is_no_name_is_refused_like_any_other() -> None:
    async with a_mailbox() as box:
        with pytest.raises(NotCarried, match="not one that mail can go to"):
            await a_carrier().greet(a_relay(box.port, host="mail\r\n.example.com"))
