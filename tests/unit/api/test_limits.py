import pytest

from runwright.api import limits
from runwright.api.limits import Limiter
from runwright.api.routing import Answer, Limit
from runwright.errors import RateLimited
from tests.unit.api.world import (
    KEY,
    HandClock,
    World,
    a_key,
    a_route,
    about,
    problem,
)

pytestmark = pytest.mark.anyio

THREE = Limit(calls=3, window_s=60)


async def test_calls_are_counted_down_and_refused_until_the_window_ends(world: World) -> None:
    async with world.client(a_route(world.seen, limit=THREE)) as client:
        answers = [await client.get("/v1/things", headers=about()) for _ in range(4)]
        *fine, refused = answers
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == list("2100")
        assert all(answer.headers["x-ratelimit-limit"] == "3" for answer in answers)
        assert all(answer.status_code == 200 for answer in fine)
        assert problem(refused) == (429, "general_rate_limit_exceeded")
        wait_s = int(refused.headers["retry-after"])
        assert int(refused.headers["x-ratelimit-reset"]) == int(
            world.clock.now().timestamp() + wait_s
        )
        world.clock.move(wait_s - 1)
        again = await client.get("/v1/things", headers=about())
        assert problem(again) == (429, "general_rate_limit_exceeded")
        world.clock.move(1)
        assert (await client.get("/v1/things", headers=about())).status_code == 200


async def test_each_address_has_a_window_of_its_own(world: World) -> None:
    route = a_route(world.seen, limit=Limit(calls=1))
    limiter = Limiter(world.clock)
    async with world.client(route, limiter=limiter, peer=("192.0.2.1", 1)) as client:
        assert (await client.get("/v1/things", headers=about())).status_code == 200
        assert (await client.get("/v1/things", headers=about())).status_code == 429
    async with world.client(route, limiter=limiter, peer=("192.0.2.2", 1)) as client:
        assert (await client.get("/v1/things", headers=about())).status_code == 200


async def test_keys_are_told_and_not_counted(world: World) -> None:
    await world.put(a_key())
    async with world.client(a_route(world.seen, limit=THREE)) as client:
        for _ in range(5):
            answer = await client.get("/v1/things", headers=about(x_appwrite_key=KEY))
            assert answer.status_code == 200
            assert answer.headers["x-ratelimit-remaining"] == "3"


async def test_a_limit_for_everyone_counts_keys_too(world: World) -> None:
    await world.put(a_key())
    limit = Limit(calls=1, keys=("projectId:{projectId}",), for_everyone=True)
    async with world.client(a_route(world.seen, limit=limit)) as client:
        headers = about(x_appwrite_key=KEY)
        assert (await client.get("/v1/things", headers=headers)).status_code == 200
        refused = await client.get("/v1/things", headers=headers)
    assert problem(refused) == (429, "general_rate_limit_exceeded")


async def test_parameters_can_be_part_of_a_limit(world: World) -> None:
    limit = Limit(calls=1, keys=("url:{url},email:{param-email}",))
    route = a_route(world.seen, method="POST", limit=limit)
    async with world.client(route) as client:

        async def status(email: str) -> int:
            body = {"email": email}
            return (await client.post("/v1/things", json=body, headers=about())).status_code

        assert [await status("a"), await status("b"), await status("a")] == [200, 200, 429]


async def test_neither_the_name_of_the_host_nor_an_older_path_gives_more_calls(
    world: World,
) -> None:
    limit = Limit(calls=1)
    route = a_route(world.seen, paths=("/v1/things", "/v1/old-things"), limit=limit)
    async with world.client(route) as client:
        assert (await client.get("/v1/things", headers=about())).status_code == 200
        for path, host in (("things", "other.example.com"), ("old-things", "localhost")):
            refused = await client.get(f"/v1/{path}", headers=about(host=host))
            assert problem(refused) == (429, "general_rate_limit_exceeded")


async def test_calls_that_do_something_else_at_the_same_path_count_for_themselves(
    world: World,
) -> None:
    read, delete = (
        a_route(world.seen, name=f"things.{method}", method=method, limit=Limit(calls=1))
        for method in ("GET", "DELETE")
    )
    async with world.client(read, delete) as client:
        for method in ("GET", "DELETE"):
            answer = await client.request(method, "/v1/things", headers=about())
            assert answer.status_code == 200


async def test_the_answer_of_success_can_clear_the_counter(world: World) -> None:
    limit = Limit(calls=2, resets_on=201)
    async with world.client(a_route(world.seen, limit=limit)) as client:
        await client.get("/v1/things", headers=about())
        world.seen.answer = lambda: Answer(content={}, status=201)
        await client.get("/v1/things", headers=about())
        after = await client.get("/v1/things", headers=about())
    assert after.headers["x-ratelimit-remaining"] == "1"


async def test_switched_off_limits_say_and_refuse_nothing(world: World) -> None:
    limiter = Limiter(world.clock, is_on=False)
    route = a_route(world.seen, limit=Limit(calls=1))
    async with world.client(route, limiter=limiter) as client:
        for _ in range(3):
            answer = await client.get("/v1/things", headers=about())
            assert answer.status_code == 200
            assert "x-ratelimit-limit" not in answer.headers


def test_of_several_keys_the_tightest_is_told_and_refuses() -> None:
    limiter = Limiter(HandClock())
    limit = Limit(calls=2, keys=("ip:{ip}", "user:{userId}"))
    limiter.count(limit, {"ip": "1", "userId": "ann"}, is_exempt=False)
    counted = limiter.count(limit, {"ip": "2", "userId": "ann"}, is_exempt=False)
    assert dict(counted.headers)["x-ratelimit-remaining"] == "0"
    with pytest.raises(RateLimited, match="at most 2 calls in 3600 seconds"):
        limiter.count(limit, {"ip": "3", "userId": "ann"}, is_exempt=False)
    assert limiter.count(limit, {"ip": "3", "userId": "bob"}, is_exempt=False).keys


def test_the_number_of_counters_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_COUNTERS", 100)
    limiter = Limiter(HandClock())
    for number in range(110):
        limiter.count(Limit(calls=1, keys=("{ip}",)), {"ip": number}, is_exempt=False)
    assert len(limiter) == 100
