"""Telling webhooks of events."""

from contextlib import AsyncExitStack

from runwright import API_VERSION
from runwright.model.function import RuleStatus
from runwright.model.job import JobKind
from runwright.model.lineage import Lineage
from runwright.outgoing.lookup import SystemLookup
from runwright.outgoing.poster import HttpPoster
from runwright.queue.rows import RowQueue
from runwright.settings import Settings
from runwright.triggers.courier import Courier, CourierLimits, Trace
from runwright.triggers.webhooks import WebhookSeal
from runwright.wiring.core import Core
from runwright.wiring.functions import Functions
from runwright.wiring.waiting import Waiting

_TRACE_S = 60.0  # how long the key is good that tells a function of ours which runs led to it


async def start_courier(
    settings: Settings, core: Core, functions: Functions, waiting: Waiting, stack: AsyncExitStack
) -> Courier:
    # A look-up may outlive the delivery that waited for it, so there are more threads than
    # deliveries.
    lookup = SystemLookup(threads=2 * settings.webhook_workers)
    stack.callback(lookup.close)
    courier = Courier(
        storage=core.storage,
        signals=core.signals,
        clock=core.clock,
        queue=RowQueue(JobKind.DELIVERY),
        vault=waiting.vault,
        seal=WebhookSeal(core.sealer),
        poster=HttpPoster(lookup, allows_private=settings.webhooks_allow_private == "on"),
        trace=_trace(core, functions),
        limits=CourierLimits(
            workers=settings.webhook_workers,
            per_webhook=settings.webhook_concurrency,
            tries=settings.webhook_tries,
            backoff_s=settings.webhook_backoff_s,
            failed_attempts=settings.webhook_max_failed_attempts,
        ),
        user_agent=_user_agent(settings),
        is_alone=True,  # the lock on the data folder says so
    )
    await courier.start()
    stack.push_async_callback(courier.stop, settings.drain_s)
    return courier


def _user_agent(settings: Settings) -> str:
    email = settings.abuse_email or f"abuse@{settings.domain[0]}"
    return f"Appwrite-Server v{API_VERSION}. Please report abuse at {email}"


def _trace(core: Core, functions: Functions) -> Trace:
    async def trace(host: str, project_id: str, lineage: Lineage) -> tuple[tuple[str, str], ...]:
        """A key without rights, for functions of the same project only: on their domains it
        says which runs led here, so that a loop through a webhook is seen."""
        if not lineage.functions:
            return ()
        rule = await functions.domains.by_host(host)
        if rule is None or rule.project_id != project_id or rule.status is not RuleStatus.VERIFIED:
            return ()
        return (("X-Appwrite-Key", core.tokens.execution_key(project_id, (), _TRACE_S, lineage)),)

    return trace
