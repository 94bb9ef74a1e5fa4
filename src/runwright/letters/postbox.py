"""Where services hand letters over: the `Mailer` port over the durable queue.

A letter is a job that is stored in the transaction of the change it tells of, so both are
there or neither. What it holds is sealed under a key of minutes.
"""

from dataclasses import replace

from runwright.clock import Clock
from runwright.ids import new_id
from runwright.letters.sealed import letter_job, seal
from runwright.letters.ways import Kind, Ways
from runwright.model.identity import CONSOLE, Project
from runwright.model.job import JobKind
from runwright.ports.mailer import Letter, TooManyLetters
from runwright.ports.queue import Queue
from runwright.ports.storage import UnitOfWork
from runwright.standing import StandingKey


class Postbox:
    def __init__(
        self, queue: Queue, key: StandingKey, clock: Clock, ways: Ways, *, queue_letters: int
    ) -> None:
        """`queue_letters`: how many of one kind may wait for one project."""
        self._queue = queue
        self._key = key
        self._clock = clock
        self._ways = ways
        self._queue_letters = queue_letters

    def require(self, project: Project | None, kind: Kind) -> None:
        """Raises SmtpDisabled, PhoneDisabled."""
        self._ways.require(project, kind)

    def post(self, uow: UnitOfWork, project: Project | None, letter: Letter) -> None:
        """Raises TooManyLetters."""
        job = letter_job(new_id(), project.id if project else CONSOLE, letter, self._clock.now())
        most = self._queue_letters
        place = (JobKind.LETTER, job.project_id, job.function_id)
        if uow.jobs.count_of(*place, most=most) >= most:
            raise TooManyLetters()
        epoch, sealer = self._key.use()
        sealed = seal(letter, sealer, job)
        self._queue.put(uow, [replace(job, epoch=epoch, sealed=sealed)])
