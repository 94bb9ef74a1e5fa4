"""Letters of a machine without a mail server: files in a folder of the data directory.

They hold what the letters hold, links and codes included, in the clear: that is their use. So
nobody else may look into the folder, and what is old or too much is deleted.
"""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from runwright.clock import Clock
from runwright.ports.carrier import Parcel
from runwright.values import dataclass

log = logging.getLogger(__name__)

FOLDER: Final = "mail"
EVERY_S: Final = 600.0
MOST_BYTES: Final = 256 * 1024 * 1024  # of all letters together
_SUFFIX: Final = ".eml"
_STAMP: Final = "%Y%m%dT%H%M%S%f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A letter in the folder."""

    id: str
    at: str  # RFC 3339
    kind: str
    project: str
    occasion: str
    to: str
    subject: str


class MailFolder:
    """`start`, then `stop`; one server writes, anybody on the machine with its rights reads."""

    def __init__(self, data_dir: Path, clock: Clock, *, most: int, keep_s: float) -> None:
        self._folder = data_dir / FOLDER
        self._clock = clock
        self._most = most
        self._keep = timedelta(seconds=keep_s)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await asyncio.to_thread(self._open)
        self._task = asyncio.create_task(self._sweep_for_ever(), name="mail-folder")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def put(self, parcel: Parcel) -> None:
        await asyncio.to_thread(self._put, parcel, self._clock.now())

    async def sweep(self) -> None:
        await asyncio.to_thread(self._sweep, self._clock.now())

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self.sweep()
            except OSError as exc:  # the disk may be well again at the next turn
                log.warning("mail folder not swept", extra={"reason": type(exc).__name__})
            await self._clock.sleep(EVERY_S)

    # on a thread

    def _open(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        for path in self._folder.glob("*.new"):  # of a server that died while writing
            path.unlink(missing_ok=True)

    def _put(self, parcel: Parcel, now: datetime) -> None:
        """Complete or not there: a letter that is put again after a crash has the same name."""
        known = next(iter(_files(self._folder, parcel.id)), None)
        path = known or self._folder / f"{now.strftime(_STAMP)}-{parcel.id}{_SUFFIX}"
        new = path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(new, flags, 0o600), "wb") as file:
            file.write(parcel.message)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        self._sweep(now)

    def _sweep(self, now: datetime) -> None:
        """Newest first, until it is too much; names begin with the time."""
        oldest = (now - self._keep).strftime(_STAMP)
        count = size = 0
        for path in sorted(_files(self._folder), reverse=True):
            with suppress(FileNotFoundError):  # another letter's sweep was faster
                count, size = count + 1, size + path.stat().st_size
                if count > self._most or size > MOST_BYTES or path.name < oldest:
                    path.unlink()


def kept_letters(data_dir: Path) -> list[Kept]:
    """What is in the folder, oldest first. Raises OSError."""
    found = []
    for path in sorted(_files(data_dir / FOLDER)):
        with suppress(FileNotFoundError):  # a server at work may delete old ones meanwhile
            found.append(_kept(path, _read(path)))
    return found


def kept_letter(data_dir: Path, letter_id: str) -> tuple[Kept, EmailMessage] | None:
    """One letter, by its id or the beginning of it. Raises OSError."""
    found = [path for path in _files(data_dir / FOLDER) if _id_of(path).startswith(letter_id)]
    if len(found) != 1:
        return None
    message = _read(found[0])
    return _kept(found[0], message), message


def _files(folder: Path, letter_id: str = "*") -> Iterator[Path]:
    return folder.glob(f"*-{letter_id}{_SUFFIX}")


def _id_of(path: Path) -> str:
    return path.stem.partition("-")[2]


def _read(path: Path) -> EmailMessage:
    message = message_from_bytes(path.read_bytes(), policy=default)
    assert isinstance(message, EmailMessage)  # what the policy makes
    return message


def _kept(path: Path, message: EmailMessage) -> Kept:
    stamp = datetime.strptime(path.name.partition("-")[0], _STAMP).replace(tzinfo=UTC)
    with suppress(ValueError, TypeError):
        stamp = parsedate_to_datetime(message["Date"])
    return Kept(
        id=_id_of(path),
        at=stamp.astimezone(UTC).isoformat(timespec="seconds"),
        kind=_header(message, "X-Runwright-Kind"),
        project=_header(message, "X-Runwright-Project"),
        occasion=_header(message, "X-Runwright-Occasion"),
        to=_header(message, "To") or _header(message, "X-Runwright-Phone"),
        subject=_header(message, "Subject"),
    )


def _header(message: EmailMessage, name: str) -> str:
    return str(message[name] or "")
