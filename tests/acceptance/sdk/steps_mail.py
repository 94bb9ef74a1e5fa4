"""The words of a project's letters, and the server that they leave by."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.acceptance.mailbox import ARRIVE_S, Mailbox
from tests.acceptance.sdk.world import World
from tests.ports import reserved_port

ANN = "ann@example.com"


def words_of_letters(world: World) -> None:
    key, one = world.key, {"templateId": "recovery", "locale": "en"}
    before = key("project.getEmailTemplate", **one)
    assert before["subject"] != "Anew"
    changed = key("project.updateEmailTemplate", **one, subject="Anew", message="{{redirect}}")
    assert (changed["subject"], changed["message"]) == ("Anew", "{{redirect}}")
    listed = key("project.listEmailTemplates")["templates"]
    assert [item["subject"] for item in listed if item["templateId"] == "recovery"] == ["Anew"]
    world.key("users.create", userId="ann", email=ANN)
    world.guest("account.createRecovery", email=ANN, url="http://localhost/app")
    letter = Mailbox(world.server.data_dir, world.project_id).next()
    assert letter.message["subject"] == "Anew"


def a_mail_server_that_is_tried(world: World) -> None:
    with _mail_server() as (port, taken):
        sender = {"senderEmail": "shop@example.com", "senderName": "Shop"}
        changed = world.key(
            "project.updateSMTP", host="127.0.0.1", port=port, enabled=True, **sender
        )
        assert changed["smtpEnabled"] is True
        world.key("project.createSMTPTest", emails=[ANN])
        assert taken.get(timeout=ARRIVE_S) == [ANN]


class _Taking:
    def __init__(self) -> None:
        self.taken: Queue[list[str]] = Queue()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.taken.put(list(envelope.rcpt_tos))
        return "250 taken"


@contextmanager
def _mail_server() -> Iterator[tuple[int, "Queue[list[str]]"]]:
    taking = _Taking()
    with reserved_port() as port:
        controller = Controller(taking, hostname="127.0.0.1", port=port, ready_timeout=60)
        controller.start()
        try:
            yield port, taking.taken
        finally:
            controller.stop()
