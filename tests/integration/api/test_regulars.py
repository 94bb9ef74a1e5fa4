"""Callers who are known by their headers: answered as ever, refused as ever."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runwright.api import regulars
from runwright.api.app import Api, ApiOptions
from runwright.api.limits import Limiter
from runwright.api.regulars import Regular
from runwright.api.routes.executions import ExecutionRoutes
from runwright.clock import SystemClock
from runwright.identity.tokens import hash_secret
from runwright.model.execution import ErrorClass, Outcome
from runwright.model.identity import CONSOLE, ApiKey
from tests.fakes.user_code import answering
from tests.unit.executions.bench import (
    FUNCTION,
    NOW,
    PROJECT,
    Bench,
    a_bench,
    a_function,
    a_project,
)

pytestmark = pytest.mark.anyio
KEY = "standard_" + "k" * 64
PATH = f"/v1/functions/{FUNCTION}/executions"
PEER = "203.0.113.9"
HEADERS = {
    "host": "localhost",
    "content-type": "application/json",
    "x-appwrite-project": PROJECT,
    "x-appwrite-key": KEY,
    "user-agent": "queueing/1",
}
Told = tuple[int, dict[str, str], Any]


class Ahead(SystemClock):
    by = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by


@dataclass
class Shop:
    bench: Bench
    api: Api
    key: ApiKey

    def known(self, headers: dict[str, str] = HEADERS, path: str = PATH) -> Regular | None:
        return self.api.regulars.find("POST", path, raw(headers), "http", PEER)

    async def ask(
        self,
        body: dict[str, Any],
        headers: dict[str, str] = HEADERS,
        *,
        path: str = PATH,
        query: bytes = b"",
        peer: str = PEER,
    ) -> Told:
        """By the general way."""
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": json.dumps(body).encode()}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": raw(headers),
            "client": (peer, 4711),
        }
        await self.api(scope, receive, send)
        given = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], given, json.loads(sent[1]["body"])

    async def again(
        self, body: dict[str, Any], headers: dict[str, str] = HEADERS, *, path: str = PATH
    ) -> Told | None:
        """As somebody who is known; None = the general way has to answer."""
        regular = self.known(headers, path)
        assert regular is not None
        got = await regular.answer(json.dumps(body).encode())
        if got is None:
            return None
        status, lines, content = got
        pairs = [line.split(": ", 1) for line in lines.decode().split("\r\n")[:-1]]
        assert len({name for name, _ in pairs}) == len(pairs)
        return status, dict(pairs), json.loads(content)

    async def change_key(self, **changes: Any) -> None:
        def work(uow: Any) -> None:
            uow.keys.put(replace(self.key, **changes))
            uow.touch("key", PROJECT, self.key.id)

        await self.bench.storage.write(work)


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def same(told: Told) -> Told:
    """What is the same for two runs that are alike."""
    status, headers, content = told
    own = {"x-request-id", "content-length"}
    moving = {"$id", "$createdAt", "$updatedAt", "duration", "phases", "responseHeaders"}
    return (
        status,
        {name: value for name, value in headers.items() if name not in own},
        {name: value for name, value in content.items() if name not in moving},
    )


@pytest.fixture
async def shop(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(tmp_path) as made:
        yield made


@asynccontextmanager
async def a_shop(folder: Path, **options: Any) -> AsyncIterator[Shop]:
    async with a_bench(**options) as bench:
        key = ApiKey(
            id="k",
            project_id=PROJECT,
            created_at=NOW,
            updated_at=NOW,
            name="k",
            scopes=("executions.read", "executions.write"),
            secret_hash=hash_secret(KEY),
            accessed_at=datetime.now(UTC),
        )
        await bench.storage.write(lambda uow: uow.keys.add(key))
        routes = ExecutionRoutes(bench.executions, bench.cancelling(), bench.tails()).routes()
        api = Api(
            routes,
            bench.authenticator,
            Limiter(SystemClock()),
            ApiOptions(upload_dir=str(folder), trusted_proxies=("198.51.100.1",)),
        )
        yield Shop(bench, api, key)


@pytest.mark.parametrize(
    "body",
    [
        {"async": True, "body": "x" * 200, "path": "/a?b=c", "headers": {"x-a": "1"}},
        {"async": True, "scheduledAt": "2999-01-01T00:00:00.000+00:00"},
        {"body": "k\u00e4se", "method": "PUT"},
        {"async": True, "path": "/" + "long" * 300},  # more than goes without compression
        {"async": True, "headers": {"x-appwrite-key": "no"}},
        {"scheduledAt": "2999-01-01T00:00:00.000+00:00"},
    ],
)
@pytest.mark.parametrize(
    "more", [{}, {"x-appwrite-response-format": "1.4.0"}, {"x-sdk-name": "Go"}]
)
async def test_who_comes_again_gets_the_same_answer(
    shop: Shop, body: dict[str, Any], more: dict[str, str]
) -> None:
    outcome = Outcome(status_code=200, headers=(("x-b", "2"),), body=b"out", logs="log")
    shop.bench.code.run_next = answering(outcome)
    headers = HEADERS | more
    assert shop.known(headers) is None
    await shop.ask({"async": True}, headers)
    first = await shop.ask(body, headers)
    second = await shop.again(body, headers)
    assert second is not None
    assert same(second) == same(first)
    assert second[1]["x-request-id"] != first[1]["x-request-id"]


async def test_an_accepted_call_of_somebody_known_is_queued_with_its_own_request(
    shop: Shop,
) -> None:
    await shop.ask({"async": True})
    told = [await shop.again({"async": True, "path": f"/{at}"}) for at in range(3)]
    ids = [item[2]["$id"] for item in told if item is not None]
    assert len(set(ids)) == 3
    stored = await shop.bench.storage.read(
        lambda uow: [uow.executions.get(PROJECT, item) for item in ids]
    )
    assert [item.request_path for item in stored if item] == ["/0", "/1", "/2"]
    jobs = await shop.bench.storage.read(lambda uow: uow.jobs.find(PROJECT))
    assert {job.id for job in jobs} >= set(ids)


async def test_a_revoked_key_is_not_known_any_more(shop: Shop) -> None:
    await shop.ask({"async": True})
    assert await shop.again({"async": True}) is not None

    def work(uow: Any) -> None:
        uow.keys.remove(PROJECT, "k")
        uow.touch("key", PROJECT, "k")

    await shop.bench.storage.write(work)
    assert await shop.again({"async": True}) is None
    assert (await shop.ask({"async": True}))[0] == 401


async def test_a_key_with_fewer_scopes_is_judged_anew(shop: Shop) -> None:
    await shop.ask({"async": True})
    await shop.change_key(scopes=("executions.read",))
    assert await shop.again({"async": True}) is None
    assert (await shop.ask({"async": True}))[0] == 401


async def test_a_key_whose_time_has_ended_is_judged_anew(tmp_path: Path) -> None:
    clock = Ahead()
    async with a_shop(tmp_path, clock=clock) as shop:
        await shop.change_key(expires_at=datetime.now(UTC) + timedelta(hours=1))
        await shop.ask({"async": True})
        assert await shop.again({"async": True}) is not None
        clock.by = timedelta(hours=2)
        assert await shop.again({"async": True}) is None
        assert (await shop.ask({"async": True}))[0] == 401


async def test_a_changed_project_is_judged_anew(shop: Shop) -> None:
    await shop.ask({"async": True})

    def work(uow: Any) -> None:
        uow.projects.put(replace(a_project(), name="another"))
        uow.touch("project", CONSOLE, PROJECT)

    await shop.bench.storage.write(work)
    assert await shop.again({"async": True}) is None
    assert (await shop.ask({"async": True}))[0] == 202
    assert await shop.again({"async": True}) is not None


async def test_a_function_that_is_gone_is_refused_in_the_same_words(shop: Shop) -> None:
    await shop.ask({"async": True})

    def work(uow: Any) -> None:
        uow.functions.remove(PROJECT, FUNCTION)
        uow.touch("function", PROJECT, FUNCTION)

    await shop.bench.storage.write(work)
    second = await shop.again({"async": True})
    assert second is not None
    assert second[0] == 404
    assert same(second) == same(await shop.ask({"async": True}))


async def test_a_failed_run_is_told_as_ever(shop: Shop) -> None:
    outcome = Outcome(status_code=500, errors="boom", error_class=ErrorClass.USER_EXCEPTION)
    shop.bench.code.run_next = answering(outcome)
    await shop.ask({})
    second = await shop.again({})
    assert second is not None
    assert (second[0], second[2]["status"], second[2]["errors"]) == (201, "failed", "boom")


async def test_bytes_that_are_no_text_are_refused_as_ever(shop: Shop) -> None:
    shop.bench.code.run_next = answering(Outcome(status_code=200, body=b"\xff"))
    await shop.ask({"async": True})
    second = await shop.again({})
    assert second is not None
    assert (second[0], second[2]["type"]) == (400, "general_unknown")


@pytest.mark.parametrize(
    "body", [{"project": "another"}, {"method": "BREW"}, {"async": "perhaps"}, {"path": {}}]
)
async def test_what_is_not_plain_goes_the_general_way(shop: Shop, body: dict[str, Any]) -> None:
    await shop.ask({"async": True})
    assert await shop.again(body) is None


@pytest.mark.parametrize(
    "more",
    [
        {"origin": "http://localhost"},
        {"cookie": "a=b"},
        {"idempotency-key": "once"},
        {"x-appwrite-mode": "admin"},
        {"x-appwrite-session": "e30="},
        {"x-appwrite-response-format": "9.0.0"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"x-a": "b" * 5000},
    ],
)
async def test_others_are_never_known(shop: Shop, more: dict[str, str]) -> None:
    headers = HEADERS | more
    await shop.ask({"async": True}, headers)
    assert shop.known(headers) is None


async def test_guests_queries_and_proxies_are_never_known(shop: Shop) -> None:
    await shop.bench.put(a_function(execute=("any",)))
    guest = {name: value for name, value in HEADERS.items() if name != "x-appwrite-key"}
    assert (await shop.ask({"async": True}, guest))[0] == 202
    assert shop.known(guest) is None
    await shop.ask({"async": True}, query=b"a=b")
    assert shop.known() is None
    await shop.ask({"async": True}, peer="198.51.100.1")
    assert shop.api.regulars.find("POST", PATH, raw(HEADERS), "http", "198.51.100.1") is None


async def test_it_takes_the_same_address_headers_and_path_to_be_known(shop: Shop) -> None:
    await shop.ask({"async": True})
    assert shop.known() is not None
    assert shop.known(HEADERS | {"content-length": "12"}) is not None
    assert shop.known(HEADERS | {"x-appwrite-key": KEY[:-1] + "l"}) is None
    assert shop.known(path=f"{PATH}/") is None
    assert shop.api.regulars.find("GET", PATH, raw(HEADERS), "http", PEER) is None
    assert shop.api.regulars.find("POST", PATH, raw(HEADERS), "https", PEER) is None
    assert shop.api.regulars.find("POST", PATH, raw(HEADERS), "http", "203.0.113.8") is None


async def test_who_is_known_at_one_function_is_known_at_another(shop: Shop) -> None:
    other = a_function("another")
    await shop.bench.storage.write(lambda uow: uow.functions.add(other))
    await shop.ask({"async": True})
    path = PATH.replace(FUNCTION, "another")
    got = await shop.again({"async": True}, path=path)
    assert got is not None
    assert got[2]["resourceId"] == "another"
    assert same(got) == same(await shop.ask({"async": True}, path=path))


async def test_a_changed_key_is_judged_anew_everywhere(shop: Shop) -> None:
    await shop.ask({"async": True})
    await shop.change_key(scopes=("executions.read",))
    path = PATH.replace(FUNCTION, "another")
    assert await shop.again({"async": True}, path=path) is None


@pytest.mark.parametrize(
    "path",
    [
        f"{PATH}?a=b",
        f"{PATH}/",
        f"/{PATH}",
        "/v1/functions/%61/executions",
        "/v1/functions",
        f"/v1/functions/{FUNCTION}/deployments",
        f"/v1/projects/{PROJECT}/keys",
        "/v1/nowhere",
    ],
)
async def test_another_route_or_a_path_that_is_not_plain_is_not_known(
    shop: Shop, path: str
) -> None:
    await shop.ask({"async": True})
    assert shop.known(path=path) is None


async def test_only_so_many_are_known_and_the_newest_stay(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regulars, "REGULARS", 3)
    for at in range(5):
        await shop.ask({"async": True}, HEADERS | {"x-at": str(at)})
    known = [shop.known(HEADERS | {"x-at": str(at)}) is not None for at in range(5)]
    assert known == [False, False, True, True, True]
    monkeypatch.setattr(regulars, "REGULARS_BYTES", 1000)
    await shop.ask({"async": True}, HEADERS | {"x-at": "b" * 700})
    assert shop.known(HEADERS | {"x-at": "b" * 700}) is not None
    assert shop.known(HEADERS | {"x-at": "4"}) is None


async def test_a_place_that_is_taken_anew_is_given_up_without_an_error(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regulars, "REGULARS", 2)
    other = PATH.replace(FUNCTION, "another")
    await shop.ask({"async": True})
    assert shop.known(path=other) is not None
    await shop.change_key(name="renamed")
    assert await shop.again({"async": True}) is None
    await shop.ask({"async": True})
    told = [await shop.ask({"async": True}, HEADERS | {"x-at": str(at)}) for at in range(2)]
    assert [status for status, _, _ in told] == [202, 202]  # those who take the places


async def test_the_places_are_lost_in_the_order_in_which_they_were_taken(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regulars, "REGULARS", 2)
    for more in ({}, {"x-at": "0"}, {}, {"x-at": "1"}):
        await shop.ask({"async": True}, HEADERS | more)
    known = [shop.known(HEADERS | more) is not None for more in ({}, {"x-at": "0"}, {"x-at": "1"})]
    assert known == [True, False, True]
