"""Telling webhooks of events."""

from contextlib import AsyncExitStack

from runwright import API_VERSION
from runwright.model.job import JobKind
from runwright.outgoing.lookup import SystemLookup
from runwright.outgoing.poster import WEB_PORTS, HttpPoster
from runwright.ports.mailer import Mailer
from runwright.queue.rows import RowQueue
from runwright.settings import Settings
from runwright.triggers.courier import Courier, CourierLimits
from runwright.triggers.trace import traced
from runwright.triggers.webhooks import WebhookSeal
from runwright.wiring.core import Core
from runwright.wiring.functions import Functions
from runwright.wiring.waiting import Waiting


async def start_courier(
    settings: Settings,
    core: Core,
    functions: Functions,
    waiting: Waiting,
    mailer: Mailer,
    stack: AsyncExitStack,
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
        poster=HttpPoster(
            lookup,
            allows_private=settings.webhooks_allow_private == "on",
            own_ports=WEB_PORTS | {settings.port, settings.tls_port},
        ),
        mailer=mailer,
        trace=traced(functions.domains.by_host, core.tokens),
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
