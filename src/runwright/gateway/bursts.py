"""What comes in one turn of the event loop is done in one go, step by step.

A busy server reads from many connections in a turn. Working on each request between two reads,
and writing each answer between two others, makes the interpreter and the kernel push each
other's code and data out of the processor's caches, dozens of times in a turn. So requests are
only taken when they are read and begun together; answers are only made when functions give
them and written together.
"""

import asyncio
import logging
from typing import Protocol

log = logging.getLogger(__name__)


class Failing(Protocol):
    def fail(self) -> None:
        """End the connection at once."""


class Line(Failing, Protocol):
    """A connection."""

    def begin_held(self) -> None:
        """Begin the request that was taken, unless that has been done."""


class Asked(Failing, Protocol):
    """A request that is being answered."""

    def send_whole(self, answer: bytes) -> None:
        """Send all of its answer."""


class Bursts:
    """Those of one event loop."""

    __slots__ = ("_answers", "_is_due", "_requests", "running")

    def __init__(self) -> None:
        self.running = 0  # requests that were begun and have no answer yet
        self._requests: list[Line] = []
        self._answers: list[tuple[Asked, bytes]] = []
        self._is_due = False

    def begin(self, line: Line) -> None:
        if not self.running and not self._requests:
            line.begin_held()
            return
        self._requests.append(line)
        if not self._is_due:
            self._wait()

    def send(self, asked: Asked, answer: bytes) -> None:
        if not self.running and not self._answers:
            asked.send_whole(answer)
            return
        self._answers.append((asked, answer))
        if not self._is_due:
            self._wait()

    def _wait(self) -> None:
        self._is_due = True
        asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        requests, self._requests = self._requests, []
        answers, self._answers = self._answers, []
        self._is_due = False
        # One connection's fault must not be the others'.
        for line in requests:
            try:
                line.begin_held()
            except Exception:
                log.exception("a request could not be begun", extra={"action": "request_failed"})
                line.fail()
        for asked, answer in answers:
            try:
                asked.send_whole(answer)
            except Exception:
                log.exception("an answer could not be sent", extra={"action": "answer_failed"})
                asked.fail()
