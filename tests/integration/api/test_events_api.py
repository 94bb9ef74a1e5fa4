"""Events that are sent in: what is taken, under which name, from whom, and how often."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest

from runwright.api.routes.events import event_routes
from runwright.model.actor import Actor, acting
from runwright.model.event import Event
from runwright.model.outbox import OutboxEvent
from runwright.ports.storage import UnitOfWork
from runwright.sealing import Sealer
from runwright.triggers.ingest import PAYLOAD_BYTES, Ingest
from runwright.triggers.outbox import Custom
from runwright.triggers.sources import EventSources, signature
from tests.unit.api.world import KEY, PROJECT, START, World, a_key, a_user, about, cookie, problem

pytestmark = pytest.mark.anyio

OTHER_KEY = "standard_" + "ef" * 128
MOST = 4


@dataclass
class Desk:
    world: World
    client: httpx.AsyncClient
    told: list[tuple[str, bytes, Actor]] = field(default_factory=list)  # in committed order
    origins: list[str] = field(default_factory=list)

    async def send(self, body: Any, *, key: str = KEY, query: str = "", **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post(
            f"/v1/events{query}", content=content, headers=about(x_appwrite_key=key, **headers)
        )

    def emit(self, uow: UnitOfWork, project_id: str, event: Event, subject: object) -> None:
        assert isinstance(subject, Custom)
        self.origins.append(subject.origin)
        self.told.append((event.full_name, bytes(subject.payload), acting()))
        uow.outbox.add(a_row(subject.id, event))


def a_row(event_id: str, event: Event) -> OutboxEvent:
    return OutboxEvent(
        id=event_id,
        project_id=PROJECT,
        created_at=START,
        updated_at=START,
        path=event.path,
        action=event.action,
        attribute=event.attribute,
        user_id="",
        session_id="",
        chain_id="",
        lineage=(),
        origin="",
        epoch="e-1",
        sealed=b"",
    )


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    ingest = Ingest(world.storage, world.clock, b"d" * 32, most_waiting=MOST)
    sources = EventSources(world.storage, world.clock, Sealer(b"s" * 32))
    await world.put(
        a_key("events.write", "events.read"),
        a_key("users.read", id="other", secret=OTHER_KEY),
        a_user("ann"),
    )
    async with world.client(*event_routes(ingest, sources)) as client:
        made = Desk(world, client)
        world.database.emit_by(made.emit)
        yield made


async def test_an_event_is_stored_under_its_name_with_its_payload_as_written(desk: Desk) -> None:
    body = b'{"payload": {"n": 12345678901234567890123, "a":  1.50}, "event": "custom.orders.paid"}'
    answer = await desk.send(body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["event"] == "custom.orders.paid"
    rows = await desk.world.database.read(lambda uow: uow.outbox.oldest(limit=9))
    assert [row.id for row in rows] == [answer.json()["$id"]]
    [(name, payload, actor)] = desk.told
    assert (name, payload) == (
        "custom.orders.paid",
        b'{"n": 12345678901234567890123, "a":  1.50}',
    )
    assert actor.user_id == ""
    assert desk.origins == ["key"]


async def test_names_of_another_server_are_taken_and_a_user_of_this_one_is_named(
    desk: Desk,
) -> None:
    name = "databases.d.tables.t.rows.r.update"
    answer = await desk.send({"event": name, "userId": "ann"})
    assert (answer.status_code, answer.json()["event"]) == (202, name)
    assert desk.told[0][1] == b"{}"
    assert desk.told[0][2].user_id == "ann"
    unknown = await desk.send({"event": name, "userId": "bob"})
    assert problem(unknown) == (404, "user_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"event": "functions.f.executions.e.create"},
        {"event": "orders.paid"},
        {"event": "users.u"},
        {"event": "users.*.create"},
        {"event": "custom.*"},
        {"event": "custom.a,b"},
        {"event": "custom.a\x01"},
        {"event": "custom.ü"},
        {"event": "custom.a", "userId": "../x"},
        {"payload": {}},
        ["custom.a"],
        b"{",
        b'{"event": "custom.a", "payload": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        {"event": "custom.a", "payload": "x" * PAYLOAD_BYTES},
        b" " * (4 * PAYLOAD_BYTES + 1),
    ],
)
async def test_what_is_no_event_is_refused_and_stores_nothing(desk: Desk, body: Any) -> None:
    answer = await desk.send(body)
    assert problem(answer)[0] == 400
    assert not desk.told


async def test_only_a_key_with_the_scope_may_send(desk: Desk) -> None:
    await desk.world.put(a_user("eve"))
    body = json.dumps({"event": "custom.a"})
    for headers in (about(x_appwrite_key=OTHER_KEY), {**about(), **cookie("eve")}, about()):
        answer = await desk.client.post("/v1/events", content=body, headers=headers)
        assert problem(answer) == (401, "general_unauthorized_scope")
    assert problem(await desk.client.post("/v1/events", content=body))[0] == 401
    assert not desk.told


async def test_a_repeated_call_gets_the_same_answer_for_a_day(desk: Desk) -> None:
    body = {"event": "custom.orders.paid", "payload": 1}
    first = await desk.send(body, idempotency_key="k1")
    again = await desk.send(body, idempotency_key="k1")
    assert (first.json()["repeated"], again.json()["repeated"]) == (False, True)
    assert again.json() == {**first.json(), "repeated": True}
    assert again.headers["x-runwright-idempotent-replay"] == "true"
    other = await desk.send({**body, "payload": 2}, idempotency_key="k1")
    assert problem(other) == (409, "general_argument_invalid")
    assert len(desk.told) == 1
    third = "standard_" + "12" * 128
    await desk.world.put(a_key("events.write", id="third", secret=third))
    assert (await desk.send(body, key=third, idempotency_key="k1")).json()["repeated"] is False
    assert len(desk.told) == 2
    desk.world.clock.move(timedelta(hours=24, seconds=1).total_seconds())
    later = await desk.send({**body, "payload": 2}, idempotency_key="k1")
    assert later.json()["$id"] != first.json()["$id"]
    assert len(desk.told) == 3


async def test_a_full_outbox_refuses_with_a_time_to_come_back(desk: Desk) -> None:
    for at in range(MOST):
        assert (await desk.send({"event": f"custom.n{at}"})).status_code == 202
    answer = await desk.send({"event": "custom.more"})
    assert problem(answer) == (429, "general_rate_limit_exceeded")
    assert answer.headers["retry-after"] == "5"


CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "A-1",
    "source": "https://shop.example/orders",
    "type": "com.example.order paid",
    "datacontenttype": "application/json",
    "data": {"total": 12},
}
STRUCTURED = "application/cloudevents+json; charset=utf-8"


async def test_a_cloud_event_is_announced_once_however_it_is_carried(desk: Desk) -> None:
    first = await desk.send(CLOUD_EVENT, content_type=STRUCTURED)
    assert (first.status_code, first.json()["event"]) == (202, "custom.com.example.order_paid")
    binary = await desk.send(
        {"total": 12},
        content_type="application/json",
        ce_specversion="1.0",
        ce_id="A-1",
        ce_source="https://shop.example/orders",
        ce_type="com.example.order%20paid",
    )
    batch = await desk.send(
        [CLOUD_EVENT, {**CLOUD_EVENT, "id": "A-2", "type": "users.u.create", "data": None}],
        content_type="application/cloudevents-batch+json",
    )
    assert [item["repeated"] for item in batch.json()["events"]] == [True, False]
    assert binary.json()["$id"] == batch.json()["events"][0]["$id"] == first.json()["$id"]
    assert [(name, payload) for name, payload, _ in desk.told] == [
        ("custom.com.example.order_paid", b'{"total": 12}'),
        ("users.u.create", b"{}"),
    ]


@pytest.mark.parametrize(
    ("change", "payload"),
    [
        ({"data": None, "data_base64": "AAEC"}, b'"AAEC"'),
        ({"type": "custom.mine"}, b'{"total": 12}'),
    ],
)
async def test_other_data_and_names_of_cloud_events(
    desk: Desk, change: dict[str, Any], payload: bytes
) -> None:
    event = {key: value for key, value in {**CLOUD_EVENT, **change}.items() if value is not None}
    assert (await desk.send(event, content_type=STRUCTURED)).status_code == 202
    assert desk.told[0][1] == payload
    assert desk.told[0][0].startswith("custom.")


@pytest.mark.parametrize(
    "change",
    [
        {"specversion": "0.3"},
        {"id": ""},
        {"source": None},
        {"type": 7},
        {"type": "x" * 300},
        {"data_base64": "AAEC"},
        {"data": None, "data_base64": "%"},
    ],
)
async def test_a_cloud_event_that_is_incomplete_is_refused(
    desk: Desk, change: dict[str, Any]
) -> None:
    event = {key: value for key, value in {**CLOUD_EVENT, **change}.items() if value is not None}
    answer = await desk.send(event, content_type=STRUCTURED)
    assert problem(answer) == (400, "general_argument_invalid")
    assert not desk.told


async def test_a_cloud_event_with_text_or_bytes_becomes_a_json_string(desk: Desk) -> None:
    attributes = {"ce_specversion": "1.0", "ce_source": "s", "ce_type": "t"}
    await desk.send("grüße".encode(), content_type="text/plain", ce_id="1", **attributes)
    await desk.send(b"\x00\x01", content_type="image/png", ce_id="2", **attributes)
    assert [payload for _, payload, _ in desk.told] == ['"grüße"'.encode(), b'"AAE="']


# A delivery as Appwrite 1.9 sends it; the names are those of an update of an e-mail address.
SECRET = "whsec-0123456789"
URL = "https://runs.example/v1/events?source=main&project=shop"
NAMES = "users.u1.update,users.*.update,users.u1.update.email,users.*.update.email,users.u1,users.*"
BODY = b'{"$id":"u1","email":"ann@example.com","prefs":[]}'


async def a_source(desk: Desk, **changes: Any) -> Any:
    body = {"sourceId": "main", "name": "Main", "url": URL, "secret": SECRET, **changes}
    return await desk.client.post(
        "/v1/events/sources", json=body, headers=about(x_appwrite_key=KEY)
    )


async def deliver(desk: Desk, body: bytes = BODY, **headers: str) -> Any:
    given = {
        "content-type": "application/json",
        "x-appwrite-webhook-id": "w1",
        "x-appwrite-webhook-events": NAMES,
        "x-appwrite-webhook-user-id": "ann",
        "x-appwrite-webhook-signature": signature(SECRET.encode(), URL, BODY).decode(),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    query = given.pop("query", "?source=main&project=shop")
    return await desk.client.post(f"/v1/events{query}", content=body, headers=given)


def test_the_signature_is_the_senders() -> None:
    """From `printf %s "$URL$BODY" | openssl dgst -sha1 -hmac "$SECRET" -binary | base64`."""
    assert signature(b"key", "https://a.example/", b"{}") == b"wEu33wblUI9z87RRMmrdq/sDx0M="


async def test_a_signed_delivery_needs_no_key_and_keeps_its_name_and_body(desk: Desk) -> None:
    assert (await a_source(desk)).status_code == 201
    answer = await deliver(desk)
    assert (answer.status_code, answer.json()["event"]) == (202, "users.u1.update.email")
    [(_, payload, actor)] = desk.told
    assert payload == BODY
    assert desk.origins == ["source:main"]
    assert actor.user_id == ""  # the one that the sender names is not a user of this server


async def test_a_delivery_that_is_tried_again_is_announced_once_where_its_sender_numbers_it(
    desk: Desk,
) -> None:
    await a_source(desk)
    for _ in range(2):
        assert (await deliver(desk, x_runwright_delivery_id="d1")).status_code == 202
    assert len(desk.told) == 1
    await deliver(desk, x_runwright_delivery_id="d2")
    await deliver(desk)
    assert len(desk.told) == 3  # nothing is known of the last one, so it is another event


async def test_a_delivery_that_is_not_signed_by_its_source_is_refused(desk: Desk) -> None:
    await a_source(desk)
    wrong = signature(b"another secret", URL, BODY).decode()
    for answer in (
        await deliver(desk, BODY + b" "),
        await deliver(desk, x_appwrite_webhook_signature=wrong),
        await deliver(desk, x_appwrite_webhook_signature=""),
        await deliver(desk, x_appwrite_webhook_signature="?"),
        await deliver(desk, query="?source=unknown&project=shop"),
        await deliver(desk, query="?source=main&project=bakery"),
        await deliver(desk, query="?project=shop"),
    ):
        assert problem(answer) == (401, "general_unauthorized_scope")
    assert not desk.told


async def test_events_that_only_the_sender_knows_go_below_custom(desk: Desk) -> None:
    await a_source(desk)
    for names, expected in (
        ("functions.f.create,functions.*.create,functions.f", "custom.functions.f.create"),
        ("presences.p.create,presences.*.create,presences.p", "custom.presences.p.create"),
    ):
        answer = await deliver(desk, x_appwrite_webhook_events=names)
        assert answer.json()["event"] == expected
    assert problem(await deliver(desk, x_appwrite_webhook_events=""))[0] == 400


async def test_a_sources_secret_is_shown_once(desk: Desk) -> None:
    given = await a_source(desk)
    assert given.json()["secret"] == SECRET
    made = await a_source(desk, sourceId="second", url=None, secret=None)
    assert len(made.json()["secret"]) == 64
    assert made.json()["url"] == "http://localhost/v1/events?source=second&project=shop"
    assert problem(await a_source(desk)) == (409, "event_source_already_exists")
    headers = about(x_appwrite_key=KEY)
    listed = await desk.client.get("/v1/events/sources", headers=headers)
    assert [item["secret"] for item in listed.json()["sources"]] == ["", ""]
    one = "/v1/events/sources/main"
    assert (await desk.client.get(one, headers=headers)).json()["url"] == URL
    assert (await desk.client.delete(one, headers=headers)).status_code == 204
    assert problem(await desk.client.get(one, headers=headers)) == (404, "event_source_not_found")
    assert problem(await desk.client.delete(one, headers=headers))[0] == 404
    assert problem(await deliver(desk))[0] == 401
