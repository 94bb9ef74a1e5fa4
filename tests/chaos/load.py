"""The client: asks, writes down what it was promised, and looks at how that goes."""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from random import Random
from typing import Any, Final

from tests.chaos.client import Answer, Connection, NoAnswer
from tests.chaos.evidence import FINAL, Kind, Promise, Repeat, Sighting, Start
from tests.chaos.ledger import Ledger
from tests.chaos.plan import Asked

CLIENTS: Final = 24
WATCHERS: Final = 4
# Promised and not begun: enough that each KILL meets many, few enough that all are begun soon.
BACKLOG: Final = 600
LOOKS_AFTER_THE_END: Final = 3
AHEAD_S: Final = 66.0  # more than the server asks of a delayed run
_ACCEPTED: Final = {Kind.RUN: 202, Kind.DELAYED: 202, Kind.USER: 201, Kind.EVENT: 202}
_MINUTE_S: Final = 60.0
_RETRY_S: Final = 0.05
_RECENT: Final = 400


class Load:
    """It asks while `is_up` is set, which says that the server serves."""

    def __init__(
        self,
        *,
        asked: Iterator[Asked],
        wanted: int,
        port: int,
        headers: Mapping[str, str],
        ledger: Ledger,
        server_time: Callable[[], float],
        listeners: Mapping[Kind, tuple[str, ...]],
    ) -> None:
        self.promises: list[Promise] = []
        self.unanswered: set[int] = set()
        self.refused: dict[int, int] = {}
        self.sightings: list[Sighting] = []
        self.repeats: list[Repeat] = []
        self.is_up = asyncio.Event()
        self._asked = asked
        self._wanted = wanted
        self._port = port
        self._headers = headers
        self._ledger = ledger
        self._server_time = server_time
        self._starts = {Kind.RUN: 1, Kind.DELAYED: 0}  # soon after a request of each kind
        self._starts |= {kind: len(functions) for kind, functions in listeners.items()}
        self._ahead = 0  # runs that are to begin and have not
        self._heard: set[str] = set()  # executions that have begun
        self._delayed: set[str] = set()
        self._recent: deque[Promise] = deque(maxlen=_RECENT)
        self._again: deque[Asked] = deque()
        self._is_over = False
        self._watched: set[str] = set()
        self._random = Random()  # who is looked at; no part of the plan

    @property
    def heard(self) -> int:
        """How many executions have begun."""
        return len(self._heard)

    @property
    def has_enough(self) -> bool:
        return len(self.promises) >= self._wanted

    def end(self) -> None:
        """Let `run` return; what is under way still gets its answer, or none."""
        self._is_over = True
        self.is_up.set()

    async def run(self) -> None:
        """Ask until `end`."""
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._ask_on(), name=f"client-{number}")

    async def watch(self) -> None:
        """Look at executions until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(WATCHERS):
                group.create_task(self._watch_on(), name=f"watcher-{number}")

    def hear(self, start: Start) -> None:
        if start.execution_id not in self._heard and start.execution_id not in self._delayed:
            self._ahead -= 1
        self._heard.add(start.execution_id)

    async def _ask_on(self) -> None:
        connection = self._connection()
        try:
            while True:
                await self.is_up.wait()
                if self._is_over:
                    return
                if self._ahead > BACKLOG:
                    await asyncio.sleep(_RETRY_S)
                    continue
                asked = self._again.popleft() if self._again else next(self._asked)
                await self._ask(connection, asked)
        finally:
            connection.close()

    async def _ask(self, connection: Connection, asked: Asked) -> None:
        path, body, due_at = self._request(asked)
        key = f"chaos-{asked.number}" if asked.is_named else ""
        try:
            answer = await connection.ask("POST", path, body, key=key)
        except NoAnswer:
            self.unanswered.add(asked.number)
            self._ledger.note({"what": "unanswered", "number": asked.number})
            if asked.is_named:
                self._again.append(asked)
            await asyncio.sleep(_RETRY_S)
            return
        if answer.status != _ACCEPTED[asked.kind]:
            await self._refused(asked, answer)
            return
        promise = Promise(
            number=asked.number,
            kind=asked.kind,
            at=time.time(),
            id=_id(asked, answer),
            function_id=asked.function_id,
            path=asked.path,
            due_at=due_at,
        )
        await self._ledger.write({"what": "promised", **asdict(promise)})
        self.promises.append(promise)
        self._ahead += self._starts[asked.kind]
        if asked.kind is Kind.DELAYED:
            self._delayed.add(promise.id)
        if asked.kind in (Kind.RUN, Kind.DELAYED):
            self._recent.append(promise)
        if asked.is_doubled:
            with contextlib.suppress(NoAnswer):
                answer = await connection.ask("POST", path, body, key=key)
                if answer.status == _ACCEPTED[asked.kind]:
                    second = _id(asked, answer)
                    self.repeats.append(
                        Repeat(number=asked.number, first=promise.id, second=second)
                    )

    async def _refused(self, asked: Asked, answer: Answer) -> None:
        # A repeat that is refused tells nothing about the first time.
        if asked.number in self.unanswered:
            self._again.append(asked)
        else:
            self.refused[asked.number] = answer.status
        text = answer.body.decode(errors="replace")[:300]
        self._ledger.note(
            {"what": "refused", "number": asked.number, "status": answer.status, "text": text}
        )
        await asyncio.sleep(_RETRY_S)

    def _request(self, asked: Asked) -> tuple[str, dict[str, Any], float]:
        """Path, body and, of a delayed run, its moment."""
        if asked.kind is Kind.USER:
            return "/users", {"userId": f"chaos-{asked.number}"}, 0.0
        if asked.kind is Kind.EVENT:
            event = {"event": event_name(asked.number), "payload": {"number": asked.number}}
            return "/events", event, 0.0
        body: dict[str, Any] = {"async": True, "path": asked.path, "body": "x" * asked.body_bytes}
        due_at = 0.0
        if asked.kind is Kind.DELAYED:
            due_at = math.ceil((self._server_time() + AHEAD_S) / _MINUTE_S) * _MINUTE_S
            moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(due_at))
            body["scheduledAt"] = moment
        return f"/functions/{asked.function_id}/executions", body, due_at

    async def _watch_on(self) -> None:
        connection = self._connection()
        try:
            while True:
                await self.is_up.wait()
                free = [item for item in self._recent if item.id not in self._watched]
                if not free:
                    await asyncio.sleep(_RETRY_S)
                    continue
                # The newest: its first GET comes right after the promise.
                promise = free[-1] if self._random.random() < 0.5 else self._random.choice(free)
                self._watched.add(promise.id)
                try:
                    await self._follow(connection, promise)
                finally:
                    self._watched.discard(promise.id)
        finally:
            connection.close()

    async def _follow(self, connection: Connection, promise: Promise) -> None:
        """Look at one until it has ended, and a few times more."""
        looks_left = LOOKS_AFTER_THE_END
        for _ in range(60):
            await self.is_up.wait()
            sent_at = time.time()
            with contextlib.suppress(NoAnswer):
                path = f"/functions/{promise.function_id}/executions/{promise.id}"
                seen = _sighting(promise.id, sent_at, await connection.ask("GET", path))
                if seen is not None:
                    self.sightings.append(seen)
                    if seen.status == "scheduled":
                        return  # others are more interesting meanwhile
                    looks_left -= seen.status in FINAL
                    if not looks_left or not seen.status:
                        return
            await asyncio.sleep(0.01 + self._random.random() * 0.1)

    def _connection(self) -> Connection:
        return Connection(self._port, self._headers)


def event_name(number: int) -> str:
    return f"custom.chaos.{number}"


def _id(asked: Asked, answer: Answer) -> str:
    if asked.kind is Kind.EVENT:
        return event_name(asked.number)
    return str(answer.json()["$id"])


def _sighting(execution_id: str, sent_at: float, answer: Answer) -> Sighting | None:
    """None when the answer says nothing about the execution."""
    at = time.time()
    if answer.status == 404:
        return Sighting(execution_id=execution_id, sent_at=sent_at, at=at, status="")
    if answer.status != 200:
        return None
    found = answer.json()
    return Sighting(
        execution_id=execution_id,
        sent_at=sent_at,
        at=at,
        status=found["status"],
        attempt=found["attempt"],
        code=found["responseStatusCode"],
        error_class=found["errorClass"] or "",
    )
