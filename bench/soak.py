"""Load for long: does memory grow, do answers get slower, is anything left behind?

`python -m bench soak --minutes 30`. The load is 70 % of what the server answers at most, on the
domains of a Node and a Python function, beside calls by API, queued calls and new deployments.
What it answers at most is found beside the same work, over some rounds of it.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, TypeVar

import httpx
import uvloop

from bench import driver, leaks, ours
from tests.acceptance import deploying
from tests.acceptance.running import Running

R = TypeVar("R")

MINUTES: Final = 30.0
LOAD: Final = 0.7
CONNECTIONS: Final = 32
# The load is cut into so many parts. The first fifth is warming up; the medians of the last are
# held against those of the second. Two deployments fall into each part of half a minute.
PARTS: Final = 60
CAPACITY_S: Final = 60.0
DEPLOY_EVERY_S: Final = 15.0
SETTINGS: Final = {
    "RUNWRIGHT_POOL_IDLE_S": "3",
    "RUNWRIGHT_POOL_MAX": "0",  # so that the pool is as large at the end as at the beginning
    "RUNWRIGHT_EXECUTION_RETENTION_COUNT": "5000",
}


@dataclass(frozen=True, slots=True)
class Part:
    p99_s: float
    failed: int
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Soaked:
    rate: float
    parts: Sequence[Part]
    before: leaks.Held
    after: leaks.Held

    def growth(self) -> float:
        """Of the server's and its helpers' memory, after warming up; 0.03 = 3 %."""
        return self._change([part.memory_mib for part in self.parts])

    def drift(self) -> float:
        return self._change([part.p99_s for part in self.parts])

    def _change(self, values: list[float]) -> float:
        count = max(len(values) // 5, 1)
        return median(values[-count:]) / median(values[count : 2 * count]) - 1

    @property
    def failed(self) -> int:
        return sum(part.failed for part in self.parts)


def run(minutes: float = MINUTES) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        server = ours.start(Path(temporary), **SETTINGS)
        try:
            result = soak(server, minutes * 60)
        finally:
            server.stop()
    left = result.after.more_than(result.before)
    print(
        f"\n{minutes:g} minutes at {result.rate:.0f} requests/s: "
        f"{result.failed} failed, memory {result.growth():+.1%} "
        f"(last {result.parts[-1].memory_mib:.0f} MiB), p99 {result.drift():+.1%} "
        f"(last {result.parts[-1].p99_s * 1e3:.1f} ms), left behind: {left or 'nothing'}"
    )


def soak(server: Running, seconds: float, *, rate: float = 0.0, count: int = PARTS) -> Soaked:
    """Load the server; without a rate for 70 % of what it can answer."""
    with server.client() as api:
        hosts = []
        for language in ("node", "python"):
            ours.create(api, f"soak-{language}", ours.runtime(server, language), language)
            ours.wait_live(api, f"soak-{language}")
            hosts.append(deploying.domain(api, f"soak-{language}"))
        requests = [driver.request("/", {"host": host}, method="GET") for host in hosts]
        uvloop.run(driver.at_rate(server.port, requests, 4, 50, 1.0))
        for number in (0, 1):
            other_work(api, number)
        before = leaks.steady(server)
        if not rate:
            fastest = driver.as_fast_as_answered(server.port, requests, CONNECTIONS, CAPACITY_S)
            rate = uvloop.run(beside(api, fastest, CAPACITY_S, 0)) * LOAD
        parts = [
            one_part(server, api, requests, rate, seconds / count, number)
            for number in range(count)
        ]
        after = leaks.settled(server, lambda found: not found.more_than(before), 180.0)
    return Soaked(rate, parts, before, after)


def one_part(
    server: Running,
    api: httpx.Client,
    requests: list[bytes],
    rate: float,
    seconds: float,
    number: int,
) -> Part:
    load = driver.at_rate(server.port, requests, CONNECTIONS, rate, seconds)
    times = uvloop.run(beside(api, load, seconds, number))
    return Part(times.p(99), times.failed, ours.pss_mib(leaks.main_processes(server)))


async def beside(api: httpx.Client, load: Awaitable[R], seconds: float, number: int) -> R:
    """What the load gives, while the other work is done."""
    work = asyncio.create_task(work_beside(api, seconds, number))
    try:
        return await load
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def work_beside(api: httpx.Client, seconds: float, number: int) -> None:
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end:
        await asyncio.to_thread(other_work, api, number + turn)
        turn += 1
        await asyncio.sleep(DEPLOY_EVERY_S)


def other_work(api: httpx.Client, number: int) -> None:
    """A call by API, one that is queued, one that fails, and a new deployment."""
    language = ("node", "python")[number % 2]
    name = f"soak-{language}"
    deploying.execute(api, name)
    api.post(f"/functions/{name}/executions", json={"async": True}).raise_for_status()
    file, text = ours.SOURCES[language]
    made = deploying.upload(api, name, {file: text})
    deploying.wait_built(api, name, made["$id"])
    old = [
        item["$id"]
        for item in api.get(f"/functions/{name}/deployments").json()["deployments"]
        if item["$id"] != made["$id"]
    ]
    for deployment in old:
        api.delete(f"/functions/{name}/deployments/{deployment}").raise_for_status()
