"""A mail server on this machine, over aiosmtpd, that keeps what it takes."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Mailbox:
    """`answers` are given to the next letters instead of taking them."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    password: str = "pass"
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if address.startswith("nobody@"):
            return "550 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        async with self.arrived:
            self.letters.append(message)
            self.recipients.append(list(envelope.rcpt_tos))
            encrypted = server.transport.get_extra_info("ssl_object") if server.transport else None
            self.was_encrypted.append((encrypted or session.ssl) is not None)
            self.arrived.notify_all()
        return "250 taken"

    def login(self, server: SMTP, session: Session, envelope: Envelope, how: str, data: Any) -> Any:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password.decode() == self.password, handled=False)

    async def count(self, letters: int) -> list[EmailMessage]:
        """Wait for that many."""
        async with asyncio.timeout(60), self.arrived:
            await self.arrived.wait_for(lambda: len(self.letters) >= letters)
        return self.letters


@asynccontextmanager
async def a_mailbox(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Mailbox]:
    """Signing in is offered always; encryption from the first byte, on demand, or not."""
    box = Mailbox()

    def session() -> SMTP:
        return SMTP(
            box,
            hostname="mail.example.com",
            tls_context=starttls,
            authenticator=box.login,
            auth_require_tls=False,
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=tls)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
