"""What waits: the queue, the keys that seal it, and the outbox of events."""

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from runwright.api.shapes.events import payload
from runwright.executions.acceptance import Acceptance
from runwright.executions.interest import Interest
from runwright.executions.upkeep import QueueUpkeep
from runwright.identity.activities import ActivityLog
from runwright.model.event import Event
from runwright.ports.storage import Emit, UnitOfWork
from runwright.queue.rows import RowQueue
from runwright.settings import Settings
from runwright.standing import StandingKey
from runwright.triggers.outbox import Outbox
from runwright.values import dataclass
from runwright.vault import Vault
from runwright.wiring.core import Core


def in_turn(*parts: Emit) -> Emit:
    def emit(uow: UnitOfWork, project_id: str, event: Event, subject: object) -> None:
        for part in parts:
            part(uow, project_id, event, subject)

    return emit


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    queue: RowQueue
    vault: Vault
    acceptance: Acceptance
    outbox: Outbox
    letter_key: StandingKey
    interest: Interest


async def open_waiting(
    settings: Settings, data_dir: Path, core: Core, stack: AsyncExitStack
) -> Waiting:
    """Before the first change: each may have an event, and that goes through here."""
    queue, vault = RowQueue(), Vault(data_dir / "keys", core.clock)
    interest = Interest(core.storage, core.signals)
    stack.push_async_callback(interest.stop)
    acceptance = Acceptance(
        core.storage, queue, vault, queue_jobs=settings.queue_jobs, wants=interest.wants
    )
    shape = partial(payload, tells_secrets=settings.event_secrets == "on")
    outbox = Outbox(core.storage, core.clock, vault.events, shape)
    letter_key = StandingKey(vault.letters, lambda: core.storage.write(lambda uow: None))

    async def rotate() -> None:
        await outbox.rotate()
        await letter_key.rotate()

    upkeep = QueueUpkeep(
        core.storage,
        core.clock,
        queue,
        vault,
        acceptance,
        rotate=rotate,
        kept_jobs=settings.queue_jobs,
    )
    await upkeep.start()
    await outbox.start()
    await letter_key.start()
    core.storage.emit_by(in_turn(ActivityLog(core.clock).note, outbox.emit))
    stack.push_async_callback(upkeep.stop)
    stack.push_async_callback(letter_key.stop)
    stack.push_async_callback(outbox.stop)
    return Waiting(
        queue=queue,
        vault=vault,
        acceptance=acceptance,
        outbox=outbox,
        letter_key=letter_key,
        interest=interest,
    )
