"""Ping and health."""

from typing import Annotated, Any, Final

from runwright import API_VERSION
from runwright.api.health import Health, Reading
from runwright.api.params import OneOf, Range
from runwright.api.routing import Answer, Call, Route
from runwright.errors import RunwrightError
from runwright.identity.errors import ProjectNotFound
from runwright.identity.pings import Pings
from runwright.model.identity import CONSOLE
from runwright.values import dataclass

QUEUES: Final = (
    "v1-audits",
    "v1-builds",
    "v1-certificates",
    "v1-database",
    "v1-deletes",
    "v1-functions",
    "v1-mails",
    "v1-messaging",
    "v1-migrations",
    "v1-screenshots",
    "v1-stats-resources",
    "v1-stats-usage",
    "v1-webhooks",
)
TEXT: Final = "text/plain; charset=UTF-8"


class QueueTooLong(RunwrightError):
    type, status = "health_queue_size_exceeded", 503

    def __init__(self, size: int, threshold: int) -> None:
        super().__init__(
            f"The queue holds {size} failed jobs; the threshold of this check is {threshold}."
        )


@dataclass(frozen=True, kw_only=True)
class FailedJobs:
    name: Annotated[str, OneOf(QUEUES)]
    threshold: Annotated[int, Range(0, 2**31 - 1)] = 5000


class SystemHandlers:
    def __init__(self, health: Health, pings: Pings) -> None:
        self._health = health
        self._pings = pings

    async def ping(self, call: Call, params: Any) -> Answer:
        if call.project is None:
            raise ProjectNotFound(CONSOLE)
        await self._pings.ping(call.project)
        return Answer(content="Pong!", media_type=TEXT)

    async def get(self, call: Call, params: Any) -> Answer:
        """That this is answered at all is the finding; nothing else is probed."""
        return Answer(content=_status("http", 0))

    async def version(self, call: Call, params: Any) -> Answer:
        return Answer(content={"version": API_VERSION})

    async def database(self, call: Call, params: Any) -> Answer:
        return Answer(content=_statuses(await self._health.database()))

    async def signals(self, call: Call, params: Any) -> Answer:
        return Answer(content=_statuses(await self._health.signals()))

    async def disk(self, call: Call, params: Any) -> Answer:
        reading = await self._health.disk()
        return Answer(content=_status(reading.name, reading.ping_ms))

    async def places(self, call: Call, params: Any) -> Answer:
        """There is no table of addresses and countries, so no address has one."""
        return Answer(content={"name": "geo", "ping": 0, "status": "fail"})

    async def anti_virus(self, call: Call, params: Any) -> Answer:
        return Answer(content={"version": "", "status": "disabled"})

    async def time(self, call: Call, params: Any) -> Answer:
        times = self._health.times()
        content = {
            "remoteTime": int(times.expected_at.timestamp()),
            "localTime": int(times.local_at.timestamp()),
            "diff": round(times.drift.total_seconds()),
        }
        return Answer(content=content)

    async def failed_jobs(self, call: Call, params: FailedJobs) -> Answer:
        """Always none: a job that fails becomes a failed execution, build or delivery, where its
        owner sees it, and no queue keeps it."""
        size = 0
        if size >= params.threshold:
            raise QueueTooLong(size, params.threshold)
        return Answer(content={"size": size})


def _status(name: str, ping_ms: int) -> dict[str, Any]:
    return {"name": name, "ping": ping_ms, "status": "pass"}


def _statuses(*readings: Reading) -> dict[str, Any]:
    shown = [_status(reading.name, reading.ping_ms) for reading in readings]
    return {"total": len(shown), "statuses": shown}


def system_routes(health: Health, pings: Pings) -> list[Route]:
    handlers = SystemHandlers(health, pings)

    def probe(
        method: str, path: str, handler: Any, model: str, params: type[Any] | None = None
    ) -> Route:
        return Route(
            name=f"health.{method}",
            method="GET",
            paths=(f"/v1/health{path}",),
            scopes=("health.read",),
            handler=handler,
            params=params,
            model=model,
            service="health",
        )

    return [
        Route(
            name="ping.get",
            method="GET",
            paths=("/v1/ping",),
            scopes=("global",),
            handler=handlers.ping,
            media_types=(TEXT,),
        ),
        Route(
            name="health.getVersion",
            method="GET",
            paths=("/v1/health/version",),
            scopes=("public",),
            handler=handlers.version,
            model="healthVersion",
        ),
        probe("get", "", handlers.get, "healthStatus"),
        probe("getDB", "/db", handlers.database, "healthStatusList"),
        probe("getCache", "/cache", handlers.signals, "healthStatusList"),
        probe("getPubSub", "/pubsub", handlers.signals, "healthStatusList"),
        probe("getStorage", "/storage", handlers.disk, "healthStatus"),
        probe("getStorageLocal", "/storage/local", handlers.disk, "healthStatus"),
        probe("getGeo", "/geo", handlers.places, "healthStatus"),
        probe("getAntivirus", "/anti-virus", handlers.anti_virus, "healthAntivirus"),
        probe("getTime", "/time", handlers.time, "healthTime"),
        probe(
            "getFailedJobs", "/queue/failed/{name}", handlers.failed_jobs, "healthQueue", FailedJobs
        ),
    ]
