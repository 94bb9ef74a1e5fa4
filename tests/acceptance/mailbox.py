"""Letters of a started server that has no mail server: files in a folder, read as they come."""

import re
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from runwright.outgoing.mail_folder import kept_letter, kept_letters

ARRIVE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Received:
    kind: str  # email, sms
    occasion: str
    to: str
    message: EmailMessage

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    @property
    def code(self) -> str:
        (found,) = set(re.findall(r"(?<!\d)\d{6}(?!\d)", self.text))
        return str(found)

    @property
    def url(self) -> str:
        return str(re.findall(r"https?://\S+", self.text)[0])

    @property
    def link(self) -> dict[str, str]:
        """The query of the link in it."""
        return dict(parse_qsl(urlsplit(self.url).query))


@dataclass(slots=True)
class Mailbox:
    """The letters of one project. Each is given out once, the oldest first."""

    data_dir: Path
    project_id: str
    _seen: set[str] = field(default_factory=set)

    def next(self, to: str = "") -> Received:
        """The next letter, or the next one to somebody; waits for it."""
        deadline = time.monotonic() + ARRIVE_S
        while True:
            for kept in kept_letters(self.data_dir):
                is_new = kept.project == self.project_id and kept.id not in self._seen
                if is_new and to in kept.to:
                    self._seen.add(kept.id)
                    found = kept_letter(self.data_dir, kept.id)
                    assert found is not None
                    return Received(kept.kind, kept.occasion, kept.to, found[1])
            assert time.monotonic() < deadline, "no letter came"
            time.sleep(0.02)

    def skip(self) -> None:
        """Leave aside what is there already."""
        self._seen.update(kept.id for kept in kept_letters(self.data_dir))

    def is_empty(self) -> bool:
        return all(
            kept.id in self._seen
            for kept in kept_letters(self.data_dir)
            if kept.project == self.project_id
        )
