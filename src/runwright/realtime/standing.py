"""Keeps what open connections may hear in step with what their holders may do.

A change of a user, a key or a project puts the connections that it may concern in doubt, and
one task judges each of them again, by the same rules as when it opened: the roles are the new
ones, whose session has ended is a guest, and whom the server would not let in any more is told
so and closed. Sessions and tokens also end by themselves, so every connection is looked at now
and then.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import Final

from runwright.errors import RunwrightError
from runwright.ports.signals import Signals
from runwright.realtime import frames
from runwright.realtime.admission import Admission
from runwright.realtime.errors import AgainstPolicy, SocketError
from runwright.realtime.hub import Connection, Hub

log = logging.getLogger(__name__)

LOOK_S: Final = 30.0
RETRY_S: Final = 1.0


class Standing:
    """`start`, then `stop`."""

    def __init__(
        self, hub: Hub, admission: Admission, signals: Signals, *, look_s: float = LOOK_S
    ) -> None:
        self._hub = hub
        self._admission = admission
        self._look_s = look_s
        self._doubtful: dict[Connection, None] = {}
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        signals.on("user", self._user_changed)
        signals.on("key", self._key_changed)
        signals.on("project", self._project_changed)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="realtime-standing")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    def doubt(self, connections: Iterable[Connection]) -> None:
        """Judge these again, soon."""
        self._doubtful.update(dict.fromkeys(connections))
        self._arrived.set()

    def _user_changed(self, project_id: str, item_id: str) -> None:
        """Whose user it is does not matter: an id that fits by accident costs one look."""
        if item_id:
            self.doubt(self._hub.of_user(item_id))
        else:
            self.doubt(item for item in self._hub.connections() if item.principal.user_id)

    def _key_changed(self, project_id: str, item_id: str) -> None:
        self.doubt(
            item
            for item in self._hub.connections(project_id)
            if item.principal.key_id and item_id in ("", item.principal.key_id)
        )

    def _project_changed(self, project_id: str, item_id: str) -> None:
        for name in {project_id, item_id}:
            self.doubt(self._hub.connections(name))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        look_at = loop.time() + self._look_s
        while True:
            if loop.time() >= look_at:  # also when changes come all the time
                look_at = loop.time() + self._look_s
                self.doubt(self._hub.connections())
            if not self._doubtful:
                self._arrived.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(look_at):
                        await self._arrived.wait()
                continue
            connection = next(iter(self._doubtful))
            del self._doubtful[connection]
            if not connection.outgoing.is_closing:
                await self._judge(connection)
            await asyncio.sleep(0)  # what is in memory is judged without waiting

    async def _judge(self, connection: Connection) -> None:
        visitor = connection.visitor
        try:
            principal = await self._admission.judge(visitor)
        except (SocketError, RunwrightError) as refusal:
            if connection.visitor is visitor:
                end(connection, refusal)
            return
        except Exception as exc:  # the database, perhaps: whose rights are unknown is asked again
            log.warning("connection not judged", extra={"reason": type(exc).__name__})
            await asyncio.sleep(RETRY_S)
            self.doubt([connection])
            return
        if connection.visitor is not visitor:
            self.doubt([connection])  # it signed in meanwhile
        elif connection.is_open and principal != connection.principal:
            self._hub.rebind(connection, principal)


def end(connection: Connection, refusal: SocketError | RunwrightError) -> None:
    """Say why, and close. Clients do not come back by themselves after this code."""
    code = refusal.code if isinstance(refusal, SocketError) else refusal.status
    connection.outgoing.put(frames.error(code, str(refusal)))
    connection.outgoing.close(AgainstPolicy.code, str(refusal)[:100])
