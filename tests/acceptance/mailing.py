"""A mail server beside the tested one: real SMTP on a thread of its own."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

WAIT_S: Final = 120.0
PASSWORD: Final = "p@ss:w/ord"


@dataclass
class Mailbox:
    """Takes letters while `is_open`; answers that it is busy else."""

    letters: list[EmailMessage] = field(default_factory=list)
    refused: int = 0
    is_open: bool = True
    port: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        assert session.authenticated
        with self._changed:
            if self.is_open:
                self.letters.append(message)
            else:
                self.refused += 1
            self._changed.notify_all()
            return "250 taken" if self.is_open else "451 busy"

    def to(self, address: str) -> EmailMessage:
        """The letter to an address, once it is there."""
        sent = self.wait(lambda: [item for item in self.letters if address in str(item["To"])])
        letter: EmailMessage = sent[-1]
        return letter

    def wait(self, wanted: Any) -> Any:
        deadline = time.monotonic() + WAIT_S
        with self._changed:
            while not (found := wanted()):
                left = deadline - time.monotonic()
                assert left > 0, [str(item["To"]) for item in self.letters]
                self._changed.wait(left)
            return found


@contextmanager
def a_mailbox() -> Iterator[Mailbox]:
    box = Mailbox()

    def sign_in(server: SMTP, session: Session, envelope: Envelope, how: str, data: Any) -> Any:
        assert isinstance(data, LoginPassword)
        is_right = (data.login, data.password) == (b"run@wright", PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)

    def session() -> SMTP:
        return SMTP(box, authenticator=sign_in, auth_require_tls=False)

    is_up, is_over = threading.Event(), threading.Event()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(session, "127.0.0.1", 0)
        async with server:
            box.port = server.sockets[0].getsockname()[1]
            is_up.set()
            await loop.run_in_executor(None, is_over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="mail-server")
    thread.start()
    try:
        assert is_up.wait(WAIT_S)
        yield box
    finally:
        is_over.set()
        thread.join(WAIT_S)


def text_of(letter: EmailMessage) -> str:
    part = letter.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def link_in(text: str) -> dict[str, str]:
    """The query of the link in a letter."""
    (line,) = [line for line in text.splitlines() if line.startswith("http")]
    return dict(parse_qsl(urlsplit(line).query))
