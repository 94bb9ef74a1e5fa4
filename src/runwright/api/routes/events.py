"""Events that other systems send in, and the servers that may send them with a signature.

One address takes three forms: JSON of our own, CloudEvents, and webhook deliveries of an Appwrite
server. The first two need a key with the scope `events.write`. A delivery cannot carry one,
so the route is open to everybody and the handler asks for the scope or for a signature.
"""

from typing import Annotated, Any, Final

import msgspec

from runwright.api import forms
from runwright.api.lists import Listing, cursor_errors, listed
from runwright.api.params import Checked, CustomId, Id, Text, parse
from runwright.api.queries import Attributes
from runwright.api.routes.executions import REPEATED
from runwright.api.routing import Answer, Call, Route, empty
from runwright.api.shapes import sources as shapes
from runwright.executions.repeats import caller_of, checked_key
from runwright.identity.access import require_scope
from runwright.ids import resolve
from runwright.model.event import MAX_CHARS
from runwright.triggers import cloudevents
from runwright.triggers.errors import BadEvent
from runwright.triggers.ingest import NO_PAYLOAD, PAYLOAD_BYTES, Ingest, Receipt, Sent, named
from runwright.triggers.sources import EventSources
from runwright.values import dataclass

WRITE: Final = "events.write"
BODY_BYTES: Final = 4 * PAYLOAD_BYTES
FILTERS: Final = Attributes("name url")
_ACCEPTED: Final = 202


@dataclass(frozen=True, kw_only=True)
class SendEvent:
    """In the query; the body is the event, see `_Event`."""

    source: Annotated[str | None, Id()] = None


@dataclass(frozen=True, kw_only=True)
class _Event:
    event: Annotated[str, Text(MAX_CHARS)]
    user_id: Annotated[str | None, Id()] = None


def _address(text: str) -> str:
    is_clean = text.isprintable() and not any(char.isspace() for char in text)
    if not is_clean or not text.startswith(("http://", "https://")):
        raise ValueError("Value must be a valid URL with http or https")
    return text


@dataclass(frozen=True, kw_only=True)
class CreateSource:
    source_id: Annotated[str, CustomId()]
    name: Annotated[str, Text(128)]
    url: Annotated[str | None, Checked(Text(2048), _address)] = None
    secret: Annotated[str | None, Text(256, least=8)] = None


@dataclass(frozen=True, kw_only=True)
class OneSource:
    source_id: Annotated[str, Id()]


class EventHandlers:
    def __init__(self, ingest: Ingest, sources: EventSources) -> None:
        self._ingest = ingest
        self._sources = sources

    async def send(self, call: Call, params: SendEvent) -> Answer:
        if params.source is not None:
            sent = await self._sources.delivered(
                call.project_id, params.source, call.headers, call.body
            )
            return _receipt(await self._ingest.take(call.project_id, [sent]))
        require_scope(call.principal, (WRITE,), call.host)
        kind = forms.content_type(call.headers.get("content-type", "")).lower()
        if kind == cloudevents.BATCH:
            several = await self._ingest.take(call.project_id, cloudevents.batch(call.body))
            events = [shapes.receipt(item) for item in several]
            return Answer(content={"total": len(events), "events": events}, model="sentEventList")
        user_id = ""
        if kind == cloudevents.STRUCTURED:
            sent = cloudevents.structured(call.body)
        elif cloudevents.HEADER in call.headers:
            sent = cloudevents.binary(call.headers, kind, call.body)
        else:
            sent, user_id = _plain(call)
        return _receipt(await self._ingest.take(call.project_id, [sent], user_id=user_id))

    async def create_source(self, call: Call, params: CreateSource) -> Answer:
        source_id = resolve(params.source_id)
        made = await self._sources.create(
            call.project_id,
            source_id=source_id,
            name=params.name,
            url=params.url or _own_address(call, source_id),
            secret=params.secret or "",
        )
        return Answer(content=shapes.new_source(made))

    async def list_sources(self, call: Call, params: Listing) -> Answer:
        with cursor_errors("Event source"):
            page = await self._sources.list(call.project_id, params.query(FILTERS))
        return listed("eventSourceList", "sources", page, shapes.source)

    async def get_source(self, call: Call, params: OneSource) -> Answer:
        found = await self._sources.get(call.project_id, params.source_id)
        return Answer(content=shapes.source(found))

    async def delete_source(self, call: Call, params: OneSource) -> Answer:
        await self._sources.delete(call.project_id, params.source_id)
        return empty()


def _plain(call: Call) -> tuple[Sent, str]:
    """`{"event": name, "payload": any JSON, "userId": id}`; the payload stays as it is written."""
    if not isinstance(cloudevents.checked_json(call.body), dict):
        raise BadEvent('The body is a JSON object with the members "event" and "payload".')
    members = msgspec.json.decode(call.body, type=dict[str, msgspec.Raw])
    payload = bytes(members.pop("payload", msgspec.Raw(NO_PAYLOAD)))
    given: dict[str, Any] = {name: msgspec.json.decode(raw) for name, raw in members.items()}
    params = parse(_Event, given)
    key = call.headers.get("idempotency-key")
    name = () if key is None else ("key", *caller_of(call.principal), checked_key(key))
    sent = Sent(event=named(params.event), payload=payload, name=name, is_name_of_call=True)
    return sent, params.user_id or ""


def _receipt(receipts: list[Receipt]) -> Answer:
    [item] = receipts
    headers = REPEATED if item.is_repeated else ()
    return Answer(content=shapes.receipt(item), headers=headers)


def _own_address(call: Call, source_id: str) -> str:
    """Where a sender calls us when it uses the same address as this caller."""
    host = call.headers.get("host", call.host)
    return f"{call.scheme}://{host}/v1/events?source={source_id}&project={call.project_id}"


def event_routes(ingest: Ingest, sources: EventSources) -> list[Route]:
    handlers = EventHandlers(ingest, sources)
    many, one = "/v1/events/sources", "/v1/events/sources/{sourceId}"
    return [
        Route(
            name="events.create",
            method="POST",
            paths=("/v1/events",),
            scopes=("public",),
            handler=handlers.send,
            params=SendEvent,
            status=_ACCEPTED,
            model="sentEvent",
            other_models=("sentEventList",),
            group="project",
            body_bytes=BODY_BYTES,
            body_types=(forms.JSON, cloudevents.STRUCTURED, cloudevents.BATCH),
            headers=("Idempotency-Key",),
        ),
        Route(
            name="events.createSource",
            method="POST",
            paths=(many,),
            scopes=(WRITE,),
            handler=handlers.create_source,
            params=CreateSource,
            status=201,
            model="eventSource",
            group="project",
        ),
        Route(
            name="events.listSources",
            method="GET",
            paths=(many,),
            scopes=("events.read",),
            handler=handlers.list_sources,
            params=Listing,
            model="eventSourceList",
            group="project",
        ),
        Route(
            name="events.getSource",
            method="GET",
            paths=(one,),
            scopes=("events.read",),
            handler=handlers.get_source,
            params=OneSource,
            model="eventSource",
            group="project",
        ),
        Route(
            name="events.deleteSource",
            method="DELETE",
            paths=(one,),
            scopes=(WRITE,),
            handler=handlers.delete_source,
            params=OneSource,
            status=204,
            group="project",
        ),
    ]
