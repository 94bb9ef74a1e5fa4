"""Who listens to what, and the way of an event to those who hear it.

The hub holds one room per project that has connections, the console included, and in it an index
from channel to listeners, so an event costs what its own listeners cost. Everything here runs
on the event loop without waiting: to tell a client is to put a frame into its queue.

An event of a project is told in the room of that project, and events that administrators care
for in the console's room too, which takes the project's organization, and that may have to be
read. So each kind has a queue and a task of its own, which between two events lets the others
on the loop go on: clients that read are sent what they are due before the next event comes.
When a queue is full, those who would miss an event are closed; they know then, and come back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import Any, Final, Protocol

from runwright.errors import RunwrightError
from runwright.identity.standing import Watched
from runwright.ids import new_id
from runwright.model.identity import CONSOLE, Principal
from runwright.model.outbox import Announcement
from runwright.realtime import channels, frames
from runwright.realtime.admission import Visitor
from runwright.realtime.channels import Audience
from runwright.realtime.errors import AgainstPolicy, BadMessage, TooMuch
from runwright.realtime.filters import Fits, compiled
from runwright.realtime.outgoing import Outgoing
from runwright.values import dataclass

log = logging.getLogger(__name__)

MOST_CONNECTIONS: Final = 20_000
MOST_SUBSCRIPTIONS: Final = 256  # of one connection
MOST_CHANNELS: Final = 1024  # of one connection, in all its subscriptions
CHANNEL_CHARS: Final = 512
ID_CHARS: Final = 64
AT_ONCE: Final = 250  # listeners told before others on the loop have their turn
WAITING_EVENTS: Final = 1000  # on their way to either kind of listeners

TeamOf = Callable[[str], Awaitable[str]]  # project id -> id of its organization, "" = gone


class Interest(Protocol):
    """Told for which projects executions have listeners here."""

    def add_listener(self, project_id: str) -> None: ...

    def drop_listener(self, project_id: str) -> None: ...


@dataclass(slots=True)
class Subscription:
    id: str
    asked: tuple[str, ...]  # as the client named them
    channels: tuple[str, ...]  # what that means for this client
    queries: tuple[str, ...] = ()
    fits: Fits | None = None  # None = everything


@dataclass(eq=False, slots=True)
class Connection:
    """One client. The hub alone changes `principal` and `subscriptions`."""

    visitor: Visitor
    project_id: str
    principal: Principal
    outgoing: Outgoing = field(default_factory=Outgoing)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    is_open: bool = False  # known to the hub
    watched: Watched | None = None  # judges the client again

    def end(self, refusal: Exception) -> None:
        """Say why, and close. Clients do not come back by themselves after this code."""
        code = refusal.status if isinstance(refusal, RunwrightError) else AgainstPolicy.code
        self.outgoing.put(frames.error(code, str(refusal)))
        self.outgoing.close(AgainstPolicy.code, str(refusal)[:100])

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for each in self._all for name in each.channels))

    @property
    def _all(self) -> Collection[Subscription]:
        return self.subscriptions.values()


# Channel -> who listens, with the ids of its subscriptions that have the channel.
_Index = dict[str, dict[Connection, dict[str, None]]]


@dataclass(slots=True)
class _Room:
    connections: set[Connection] = field(default_factory=set)
    index: _Index = field(default_factory=dict)


class Hub:
    """`start`, then `stop`, which ends every connection."""

    def __init__(
        self, interest: Interest, team_of: TeamOf, *, most_connections: int = MOST_CONNECTIONS
    ) -> None:
        self._interest = interest
        self._team_of = team_of
        self._most_connections = most_connections
        self._rooms: dict[str, _Room] = {}
        self._count = 0
        self._for_projects: asyncio.Queue[Announcement] = asyncio.Queue(WAITING_EVENTS)
        self._for_console: asyncio.Queue[Announcement] = asyncio.Queue(WAITING_EVENTS)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._tasks = {
            asyncio.create_task(self._tell_projects(), name="realtime-projects"),
            asyncio.create_task(self._tell_console(), name="realtime-console"),
        }

    async def stop(self) -> None:
        for connection in self.connections():
            connection.outgoing.close(1012, "The server restarts")
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = set()

    def connections(self, project_id: str | None = None) -> list[Connection]:
        """Those of one project, or all."""
        if project_id is not None:
            room = self._rooms.get(project_id)
            return list(room.connections) if room else []
        return [item for room in self._rooms.values() for item in room.connections]

    def counts(self) -> dict[str, int]:
        """Connections by project, without the console's own."""
        return {
            name: len(room.connections) for name, room in self._rooms.items() if name != CONSOLE
        }

    # Coming and going

    @contextmanager
    def open(self, connection: Connection) -> Iterator[None]:
        """The connection is listening inside. Raises TooMuch."""
        if self._count >= self._most_connections:
            raise TooMuch("The server has as many connections as it can hold. Try again later.")
        room = self._rooms.setdefault(connection.project_id, _Room())
        room.connections.add(connection)
        connection.is_open = True
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            connection.is_open = False
            for subscription in connection.subscriptions.values():
                self._unlist(connection, subscription)
            room.connections.discard(connection)
            if not room.connections:
                self._rooms.pop(connection.project_id, None)

    def subscribe(
        self,
        connection: Connection,
        asked: Iterable[str],
        queries: Iterable[str] | None = (),
        subscription_id: str = "",
    ) -> Subscription:
        """Listen to more channels; under an id in use they join those that it has.

        Queries that come with an id in use take the place of its earlier ones, None leaves them.
        Raises BadMessage, and then nothing has changed.
        """
        wanted = tuple(asked)
        _check(wanted, subscription_id)
        known = connection.subscriptions.get(subscription_id)
        if queries is None and known is not None:
            texts, fits = known.queries, known.fits
        else:
            texts = tuple(queries or ())
            fits = compiled(texts)
        names = tuple(dict.fromkeys((*(known.asked if known else ()), *wanted)))
        others = sum(
            len(each.asked) for each in connection.subscriptions.values() if each is not known
        )
        is_over = known is None and len(connection.subscriptions) >= MOST_SUBSCRIPTIONS
        if is_over or others + len(names) > MOST_CHANNELS:
            raise BadMessage(
                f"A connection has at most {MOST_SUBSCRIPTIONS} subscriptions with "
                f"{MOST_CHANNELS} channels in all. Open another one."
            )
        if known is not None:
            self._unlist(connection, known)
        made = Subscription(
            subscription_id or new_id(),
            names,
            channels.bound(names, connection.principal),
            texts,
            fits,
        )
        connection.subscriptions[made.id] = made
        self._list(connection, made)
        return made

    def unsubscribe(self, connection: Connection, subscription_id: str) -> bool:
        """Whether there was such a subscription."""
        subscription = connection.subscriptions.pop(subscription_id, None)
        if subscription is not None:
            self._unlist(connection, subscription)
        return subscription is not None

    def rebind(self, connection: Connection, principal: Principal) -> None:
        """The client is somebody else now, or may do other things."""
        connection.principal = principal
        for subscription in connection.subscriptions.values():
            self._unlist(connection, subscription)
            subscription.channels = channels.bound(subscription.asked, principal)
            self._list(connection, subscription)

    def _list(self, connection: Connection, subscription: Subscription) -> None:
        index = self._rooms[connection.project_id].index
        for channel in subscription.channels:
            listeners = index.setdefault(channel, {})
            listeners.setdefault(connection, {})[subscription.id] = None
            for project_id in _runs_of(connection, channel):
                self._interest.add_listener(project_id)

    def _unlist(self, connection: Connection, subscription: Subscription) -> None:
        index = self._rooms[connection.project_id].index
        for channel in subscription.channels:
            listeners = index[channel]
            listeners[connection].pop(subscription.id)
            if not listeners[connection]:
                del listeners[connection]
            if not listeners:
                del index[channel]
            for project_id in _runs_of(connection, channel):
                self._interest.drop_listener(project_id)

    # Telling

    def hear(self, announcement: Announcement) -> None:
        """Tell an event to everybody who listens to it, soon."""
        project_id = announcement.project_id
        for room_id, queue in (
            (project_id, self._for_projects),
            (CONSOLE, self._for_console),
        ):
            room = self._rooms.get(room_id)
            if room is None or not room.index:
                continue
            try:
                queue.put_nowait(announcement)
            except asyncio.QueueFull:
                log.warning("events come too fast for listeners", extra={"project_id": room_id})
                for connection in room.connections:
                    connection.outgoing.close(TooMuch.code, "Events were missed")

    async def tell(self, room_id: str, audience: Audience, announcement: Announcement) -> None:
        room = self._rooms.get(room_id)
        if room is None:
            return
        frame = frames.EventFrame(announcement, audience.channels)
        for count, (connection, ids) in enumerate(_listeners(room.index, audience).items(), 1):
            if count % AT_ONCE == 0:
                await asyncio.sleep(0)
            if not audience.admits(connection.principal):
                continue  # not any more
            # What a console account may hear of a project at all, it may see in full.
            is_trusted = room_id == CONSOLE or connection.principal.is_trusted
            payload = frame.payload(is_trusted=is_trusted)
            fitting = [
                subscription_id
                for subscription_id in ids
                if _fits(connection.subscriptions.get(subscription_id), payload)
            ]
            if fitting:
                connection.outgoing.put(frame.for_(fitting, is_trusted=is_trusted))

    def say(self, room_id: str, audience: Audience, data: dict[str, Any]) -> None:
        """Send something that is no event of a project; `data` lacks the subscriptions."""
        room = self._rooms.get(room_id)
        for connection, ids in _listeners(room.index, audience).items() if room else ():
            connection.outgoing.put(frames.text("event", {**data, "subscriptions": list(ids)}))

    def is_heard(self, room_id: str, channel: str) -> bool:
        room = self._rooms.get(room_id)
        return room is not None and channel in room.index

    async def _tell_projects(self) -> None:
        while True:
            announcement = await self._for_projects.get()
            try:
                project_id, payload = announcement.project_id, announcement.payload
                heard_by = channels.audience(announcement.event, project_id, payload)
                if heard_by is not None:
                    await self.tell(project_id, heard_by, announcement)
            except Exception:  # the next event may be better formed
                log.exception("event not told", extra={"event_id": announcement.id})
            await asyncio.sleep(0)

    async def _tell_console(self) -> None:
        while True:
            announcement = await self._for_console.get()
            try:
                await self._tell_readers(announcement)
            except Exception as exc:  # the next event may have a project that can be read
                log.warning("console not told of an event", extra={"reason": type(exc).__name__})
            await asyncio.sleep(0)

    async def _tell_readers(self, announcement: Announcement) -> None:
        project_id = announcement.project_id
        told = channels.console_audience(announcement.event, project_id, "")
        if told is None or not any(self.is_heard(CONSOLE, name) for name in told.channels):
            return
        team_id = await self._team_of(project_id)
        told = channels.console_audience(announcement.event, project_id, team_id)
        if team_id and told is not None:
            await self.tell(CONSOLE, told, announcement)


def _listeners(index: _Index, audience: Audience) -> dict[Connection, dict[str, None]]:
    """Who may hear it and listens, with the subscriptions by which it does."""
    found: dict[Connection, dict[str, None]] = {}
    refused: set[Connection] = set()
    for channel in audience.channels:
        for connection, ids in index.get(channel, {}).items():
            if connection in found:
                found[connection] |= ids
            elif connection not in refused:
                if audience.admits(connection.principal):
                    found[connection] = dict(ids)
                else:
                    refused.add(connection)
    return found


def _fits(subscription: Subscription | None, payload: Any) -> bool:
    """A subscription may have ended since its listeners were looked up."""
    return subscription is not None and (subscription.fits is None or subscription.fits(payload))


def _runs_of(connection: Connection, channel: str) -> Iterable[str]:
    """Projects whose executions somebody hears on a channel."""
    if connection.project_id != CONSOLE:
        return (connection.project_id,) if channels.tells_of_runs(channel) else ()
    first, _, project_id = channel.partition(".")
    return (project_id,) if first == "projects" and project_id else ()


def _check(asked: tuple[str, ...], subscription_id: str) -> None:
    """Raises BadMessage."""
    if not all(isinstance(name, str) and 0 < len(name) <= CHANNEL_CHARS for name in asked):
        raise BadMessage(f"Channels are names of at most {CHANNEL_CHARS} characters.")
    if len(subscription_id) > ID_CHARS:
        raise BadMessage(f"The id of a subscription has at most {ID_CHARS} characters.")
