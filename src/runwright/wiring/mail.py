"""Sending letters."""

from contextlib import AsyncExitStack
from pathlib import Path

from runwright.letters.postbox import Postbox
from runwright.letters.postman import Postman, PostmanLimits
from runwright.letters.ways import Ways
from runwright.model.job import JobKind
from runwright.outgoing.lookup import SystemLookup
from runwright.outgoing.mail_folder import MailFolder
from runwright.outgoing.reach import Reach
from runwright.outgoing.smtp import SmtpCarrier
from runwright.ports.carrier import Carrier
from runwright.queue.rows import RowQueue
from runwright.settings import Settings
from runwright.values import dataclass
from runwright.wiring.core import Core
from runwright.wiring.mail_settings import relay, sender
from runwright.wiring.waiting import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    postbox: Postbox
    postman: Postman
    ways: Ways
    carrier: Carrier


async def start_mail(
    settings: Settings, data_dir: Path, core: Core, waiting: Waiting, stack: AsyncExitStack
) -> Mail:
    """Raises BadSetting."""
    queue = RowQueue(JobKind.LETTER)
    ways = Ways(
        sender=sender(settings),
        relay=relay(settings),
        has_folder=settings.mail_folder == "on",
        hosts=frozenset(host.lower() for host in settings.smtp_hosts),
        sealer=core.sealer,
    )
    folder = None
    if ways.has_folder:
        folder = MailFolder(
            data_dir,
            core.clock,
            most=settings.mail_folder_letters,
            keep_s=settings.mail_folder_retention_s,
        )
        await folder.start()
        stack.push_async_callback(folder.stop)
    carrier = _carrier(settings, stack)
    postman = Postman(
        storage=core.storage,
        signals=core.signals,
        clock=core.clock,
        queue=queue,
        vault=waiting.vault,
        ways=ways,
        carrier=carrier,
        shelf=folder,
        limits=PostmanLimits(
            workers=settings.mail_workers,
            per_project=settings.mail_concurrency,
            tries=settings.mail_tries,
            backoff_s=settings.mail_backoff_s,
        ),
        is_alone=True,  # the lock on the data folder says so
    )
    await postman.start()
    stack.push_async_callback(postman.stop, settings.drain_s)
    postbox = Postbox(
        queue, waiting.letter_key, core.clock, ways, queue_letters=settings.mail_queue
    )
    return Mail(postbox=postbox, postman=postman, ways=ways, carrier=carrier)


def _carrier(settings: Settings, stack: AsyncExitStack) -> SmtpCarrier:
    lookup = SystemLookup(threads=2 * settings.mail_workers)
    stack.callback(lookup.close)
    # A mail server at this machine's own public address takes letters from it as from a friend.
    return SmtpCarrier(
        Reach(lookup, allows_private=settings.smtp_allow_private == "on", own_ports=()),
        Reach(lookup, allows_private=True, own_ports=()),
        own_name=settings.domain[0],
    )
