"""One server process: its parts, started and stopped in order.

`running` enters the parts in the order in which they depend on each other and leaves them
in reverse: what accepts work stops first, what stores its results stops last.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from runwright import welcome
from runwright.executor.host import BubblewrapExecutor
from runwright.executor.spawn import SpawnFailed
from runwright.gateway.protocol import DomainProtocol
from runwright.gateway.sockets import SocketProtocol
from runwright.identity import first_start
from runwright.settings import Settings
from runwright.storage.errors import StorageRefused
from runwright.storage.lock import locked
from runwright.values import dataclass
from runwright.wiring.application import make_application, rule_projects
from runwright.wiring.containers import with_containers
from runwright.wiring.core import Core, open_core
from runwright.wiring.executions import executor_config, make_executions
from runwright.wiring.functions import make_functions, start_workers
from runwright.wiring.mail import start_mail
from runwright.wiring.mail_settings import where_mail_goes
from runwright.wiring.oauth import open_provider_poster
from runwright.wiring.realtime import start_realtime
from runwright.wiring.triggers import start_triggers
from runwright.wiring.waiting import open_waiting
from runwright.wiring.webhooks import start_courier

log = logging.getLogger(__name__)

# What adapters raise when this machine or this data folder cannot be used; the text says why.
CANNOT_START: Final = (StorageRefused, SpawnFailed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the server process needs from the wiring."""

    app: Any  # the ASGI application
    http: Any  # makes the protocol of one connection, for uvicorn
    ws: Any  # the same for a web socket
    tls: ssl.SSLContext | None
    credentials: welcome.Credentials
    mail: str  # where letters go, for people
    drain: Callable[[float], Awaitable[None]]  # ends executions within that many seconds


@asynccontextmanager
async def running(settings: Settings, *, api_port: int) -> AsyncIterator[Parts]:
    """Every part of one server process, started; `api_port` is where it listens."""
    data_dir = private_folder(settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(locked(data_dir))
        core = await open_core(settings, data_dir, stack)
        local = BubblewrapExecutor(executor_config(settings, data_dir, api_port), core.clock)
        await local.start()
        stack.push_async_callback(local.stop, 0.0)
        executor = await with_containers(settings, data_dir, core.clock, local, api_port, stack)
        waiting = await open_waiting(settings, data_dir, core, stack)
        functions = await make_functions(settings, data_dir, core, executor, api_port, stack)
        runs = await make_executions(settings, core, functions, executor, api_port, waiting, stack)
        executions, dispatcher = runs.executions, runs.dispatcher
        certificates = functions.certificates
        await start_workers(core, functions, stack)
        rule_project = rule_projects(functions.domains)
        realtime = await start_realtime(settings, core, waiting.interest, rule_project, stack)
        await start_triggers(settings, core, waiting, realtime.hub.hear, stack)
        await dispatcher.start()
        stack.push_async_callback(dispatcher.stop, settings.drain_s)
        mail = await start_mail(settings, data_dir, core, waiting, stack)
        courier = await start_courier(settings, core, functions, waiting, mail.postbox, stack)
        poster = open_provider_poster(settings, stack)
        app, door = make_application(
            settings, data_dir, core, functions, runs, realtime.sockets, mail, poster
        )
        credentials = await _credentials(settings, data_dir, core, api_port)

        async def drain(drain_s: float) -> None:
            runs.tails.stop()
            await asyncio.gather(
                executions.stop(drain_s),
                dispatcher.stop(drain_s),
                courier.stop(drain_s),
                mail.postman.stop(drain_s),
            )

        yield Parts(
            app=app,
            http=partial(DomainProtocol, door=door),
            ws=SocketProtocol,
            tls=certificates.context() if certificates is not None else None,
            credentials=credentials,
            mail=where_mail_goes(settings),
            drain=drain,
        )


async def _credentials(
    settings: Settings, data_dir: Path, core: Core, api_port: int
) -> welcome.Credentials:
    """Those of an earlier start with today's endpoint, else new ones.

    New secrets are on disk before the database knows them: a crash between the two loses none.
    """
    kept = welcome.Credentials.load(data_dir)
    login = first_start.new_first_login()
    if kept is not None:
        login = first_start.FirstLogin(
            email=kept.consoleEmail,
            password=kept.consolePassword,
            project_id=kept.projectId,
            api_key=kept.apiKey,
        )
    credentials = welcome.Credentials(
        endpoint=welcome.endpoint(settings, api_port),
        projectId=login.project_id,
        apiKey=login.api_key,
        consoleEmail=login.email,
        consolePassword=login.password,
        functions=kept.functions if kept is not None else [],
    )
    credentials.prepare(data_dir)
    made = await first_start.bootstrap(core.storage, core.passwords, core.clock, login)
    if kept is None and not made:
        log.warning(
            "the credentials file is gone and its secrets cannot be shown again",
            extra={"action": "credentials_missing"},
        )
    return credentials


def private_folder(settings: Settings) -> Path:
    """The data folder, which nobody else on this machine may look into."""
    folder = Path(settings.data_dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder
