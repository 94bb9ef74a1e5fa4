"""What starts runs without a caller, and what is told of events."""

from contextlib import AsyncExitStack

from runwright.settings import Settings
from runwright.triggers.breaker import RateBreaker
from runwright.triggers.cron import Scheduler
from runwright.triggers.delivery import WebhookJobs
from runwright.triggers.relay import Hear, Relay
from runwright.triggers.subscriptions import Subscriptions
from runwright.wiring.core import Core
from runwright.wiring.waiting import Waiting


async def start_triggers(
    settings: Settings, core: Core, waiting: Waiting, hear: Hear, stack: AsyncExitStack
) -> None:
    relay = Relay(
        storage=core.storage,
        signals=core.signals,
        clock=core.clock,
        queue=waiting.queue,
        vault=waiting.vault,
        acceptance=waiting.acceptance,
        subscriptions=Subscriptions(core.storage, core.signals),
        breaker=RateBreaker(core.clock, most=settings.loop_breaker),
        deliveries=WebhookJobs(
            core.storage, core.clock, waiting.vault, queue_jobs=settings.webhook_queue
        ),
        hear=hear,
        is_alone=True,  # the lock on the data folder says so
    )
    relay.start()
    stack.push_async_callback(relay.stop)
    scheduler = Scheduler(
        storage=core.storage,
        signals=core.signals,
        clock=core.clock,
        queue=waiting.queue,
        acceptance=waiting.acceptance,
        keep_s=settings.execution_retention_s,
        is_alone=True,  # as above
        wants=waiting.interest.wants_inside,
    )
    scheduler.start()
    stack.push_async_callback(scheduler.stop)
