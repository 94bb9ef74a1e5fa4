"""Events of executions. Call these inside the unit of work that changes the record.

A run that an API caller waits for is announced once, as created, when it has ended. One that is
queued is announced when it is accepted and again when it has ended. Runs of events and schedules
are announced at their end only, runs of domains never. No event carries a response.
"""

from runwright.model.actor import Actor, acts
from runwright.model.event import Event
from runwright.model.execution import Execution
from runwright.model.lineage import NO_LINEAGE, Lineage
from runwright.ports.storage import UnitOfWork


def announce(uow: UnitOfWork, execution: Execution, action: str, actor: Actor) -> None:
    """`create`, `update` or `delete`, as done by `actor`."""
    path = ("functions", execution.function_id, "executions", execution.id)
    with acts(actor):
        uow.emit(execution.project_id, Event.of(action, *path), execution)


def announce_ended(uow: UnitOfWork, execution: Execution, lineage: Lineage = NO_LINEAGE) -> None:
    """The end of a queued run, which is the platform's doing on behalf of whom it ran for.

    `lineage` led to the run. A webhook that hears of its end may start the next one.
    """
    own = lineage.begun(execution.chain_id).after(execution.function_id)
    announce(uow, execution, "update", Actor(user_id=execution.user_id, lineage=own))
