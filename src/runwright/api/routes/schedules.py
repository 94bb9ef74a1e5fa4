"""When functions come due: of a stored schedule, and of one that is only being thought about."""

from typing import Annotated, Final

from runwright.api.params import Id, Range, Text
from runwright.api.routing import Answer, Call, Route
from runwright.api.shapes import schedules as shapes
from runwright.errors import InvalidParam
from runwright.functions.settings import MAX_INTERVAL_MIN
from runwright.functions.timers import Schedules
from runwright.model.schedule import MAX_CHARS, BadSchedule, UnknownZone
from runwright.values import dataclass

MOST: Final = 100


@dataclass(frozen=True, kw_only=True)
class OfFunction:
    function_id: Annotated[str, Id()]
    count: Annotated[int, Range(1, MOST)] = 10


@dataclass(frozen=True, kw_only=True)
class PreviewSchedule:
    schedule: Annotated[str, Text(MAX_CHARS, least=0)] = ""
    timezone: Annotated[str, Text(64, least=0)] = ""
    interval: Annotated[int, Range(0, MAX_INTERVAL_MIN)] = 0
    count: Annotated[int, Range(1, MOST)] = 10


class ScheduleHandlers:
    def __init__(self, schedules: Schedules) -> None:
        self._schedules = schedules

    async def of_function(self, call: Call, params: OfFunction) -> Answer:
        found = await self._schedules.of_function(call.project_id, params.function_id, params.count)
        return Answer(content=shapes.preview(found))

    async def preview(self, call: Call, params: PreviewSchedule) -> Answer:
        if params.schedule and params.interval:
            raise InvalidParam("interval", "It cannot be combined with `schedule`.")
        try:
            found = self._schedules.preview(
                params.schedule, params.interval, params.timezone, params.count
            )
        except UnknownZone as exc:
            raise InvalidParam("timezone", f"{exc}.") from exc
        except BadSchedule as exc:
            raise InvalidParam("schedule", f"{exc}.") from exc
        return Answer(content=shapes.preview(found))


def schedule_routes(schedules: Schedules) -> list[Route]:
    handlers = ScheduleHandlers(schedules)
    return [
        Route(
            name="functions.getSchedule",
            method="GET",
            paths=("/v1/functions/{functionId}/schedule",),
            scopes=("functions.read",),
            handler=handlers.of_function,
            params=OfFunction,
            model="schedulePreview",
            group="functions",
            service="functions",
        ),
        Route(
            name="schedules.preview",
            method="GET",
            paths=("/v1/schedules/preview",),
            scopes=("functions.read",),
            handler=handlers.preview,
            params=PreviewSchedule,
            model="schedulePreview",
            group="functions",
            service="functions",
        ),
    ]
