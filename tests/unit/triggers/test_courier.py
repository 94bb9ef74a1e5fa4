"""Deliveries to webhooks: what is sent, what follows from the answer, who waits for whom."""

import asyncio
import base64
import hashlib
import hmac
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from runwright.model.event import Event
from runwright.model.identity import CONSOLE, Membership, Project, User
from runwright.model.job import Job, JobKind
from runwright.model.lineage import Lineage
from runwright.model.outbox import Announcement
from runwright.model.webhook import Webhook
from runwright.ports.poster import AddressRefused, NotPosted, Post, Posted
from runwright.ports.storage import UnitOfWork
from runwright.queue.rows import RowQueue
from runwright.sealing import Sealer
from runwright.signals.local import LocalSignals
from runwright.storage.database import Database, open_memory
from runwright.triggers.courier import BACKOFF_MAX_S, Courier, CourierLimits
from runwright.triggers.delivery import WebhookJobs
from runwright.triggers.webhooks import Webhooks, WebhookSeal, WebhookSettings
from runwright.vault import Vault
from tests.fakes.clock import START, ManualClock
from tests.fakes.mailer import KeptLetters

pytestmark = pytest.mark.anyio

PROJECT: Final = "shop"
SECRET: Final = "s3cret-s3cret"
LIMITS: Final = CourierLimits(workers=8, per_webhook=2, tries=3, backoff_s=60, failed_attempts=10)
Answer = Callable[[Post], Posted | Exception]


@dataclass
class FakePoster:
    """Answers as a test says; `open` holds back every answer until it is set."""

    answer: Answer = lambda post: Posted(200, b"")
    posts: list[Post] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    closed_urls: set[str] = field(default_factory=set)

    async def post(self, post: Post) -> Posted:
        self.posts.append(post)
        if post.url in self.closed_urls:
            await self.open.wait()
        answered = self.answer(post)
        if isinstance(answered, Exception):
            raise answered
        return answered


@dataclass
class Office:
    storage: Database
    clock: ManualClock
    vault: Vault
    webhooks: Webhooks
    poster: FakePoster
    courier: Courier
    jobs: WebhookJobs
    queue: RowQueue
    letters: KeptLetters

    async def hook(self, webhook_id: str = "hook", **changes: Any) -> Webhook:
        wanted: dict[str, Any] = {
            "name": "Hook",
            "url": f"https://{webhook_id}.example.com/in?a=b",
            "events": ("users.*",),
        }
        settings = WebhookSettings(**(wanted | changes))
        return (await self.webhooks.create(PROJECT, webhook_id, settings, SECRET)).webhook

    async def tell(self, *webhooks: Webhook, payload: Any = None, **changes: Any) -> int:
        """Queue an event for each; how many were taken."""
        self.told = getattr(self, "told", 0) + 1
        announcement = Announcement(
            id=f"event{self.told}",
            project_id=PROJECT,
            at=self.clock.now(),
            event=Event.parse("users.u1.create"),
            body=json.dumps({} if payload is None else payload).encode(),
        )
        announcement = replace(announcement, **changes)
        async with self.jobs.jobs([(webhook, announcement) for webhook in webhooks]) as made:
            await self.storage.write(lambda uow: self.queue.put(uow, [job for _, job in made]))
        return len(made)

    async def settle(self) -> None:
        """Until everything that may be sent now has been, and its outcome is stored."""
        async with asyncio.timeout(60):
            while True:
                if await self.courier.rounds.turn():
                    continue
                if not all(self._is_held(job) for job in self.courier.rounds.under_way):
                    await asyncio.sleep(0.001)
                elif (
                    not await self.courier.rounds.turn()
                ):  # what ended since the last one made room
                    return

    def _is_held(self, job: Job) -> bool:
        """Whether its receiver has it and does not answer."""
        if self.poster.open.is_set():
            return False
        held = [post for post in self.poster.posts if post.url in self.poster.closed_urls]
        return job.id in [dict(post.headers)["X-Runwright-Delivery-Id"] for post in held]

    async def waiting(self) -> list[Job]:
        return await self.storage.read(lambda uow: uow.jobs.find(PROJECT, kind=JobKind.DELIVERY))

    async def stored(self, webhook_id: str = "hook") -> Webhook:
        found = await self.storage.read(lambda uow: uow.webhooks.get(PROJECT, webhook_id))
        assert found is not None
        return found


async def no_trace(host: str, project_id: str, lineage: Lineage) -> tuple[tuple[str, str], ...]:
    return (("X-Trace", f"{host} {lineage.functions}"),) if lineage.functions else ()


@asynccontextmanager
async def an_office(
    limits: CourierLimits = LIMITS, *, queue_jobs: int = 100
) -> AsyncIterator[Office]:
    clock, signals, poster = ManualClock(), LocalSignals(), FakePoster()
    letters = KeptLetters()
    with tempfile.TemporaryDirectory() as folder:
        async with open_memory() as storage:
            storage.listen(signals.announce)
            vault = Vault(Path(folder), clock)
            await vault.start()
            seal = WebhookSeal(Sealer(b"k" * 32))
            queue = RowQueue(JobKind.DELIVERY)
            courier = Courier(
                storage=storage,
                signals=signals,
                clock=clock,
                queue=queue,
                vault=vault,
                seal=seal,
                poster=poster,
                trace=no_trace,
                mailer=letters,
                limits=limits,
                user_agent="Appwrite-Server v1. Please report abuse at abuse@localhost",
                is_alone=True,
                chance=lambda: 0.5,
            )
            yield Office(
                storage=storage,
                clock=clock,
                vault=vault,
                webhooks=Webhooks(storage, clock, seal, allows_private=False),
                poster=poster,
                courier=courier,
                jobs=WebhookJobs(storage, clock, vault, queue_jobs=queue_jobs),
                queue=queue,
                letters=letters,
            )
            poster.open.set()
            await courier.stop(5)


async def test_a_delivery_has_every_header_and_signs_its_very_bytes() -> None:
    async with an_office() as office:
        hook = await office.hook(auth_username="ann", auth_password="pass:wörd", name="Hök")
        await office.tell(hook, payload={"url": "a/b", "name": "é", "prefs": {}}, user_id="u9")
        await office.settle()
        (post,) = office.poster.posts
        assert post.body == rb'{"url":"a\/b","name":"\u00e9","prefs":[]}'
        digest = hmac.new(SECRET.encode(), hook.url.encode() + post.body, hashlib.sha1).digest()
        (job_id,) = [value for name, value in post.headers if name == "X-Runwright-Delivery-Id"]
        assert post.headers == (
            ("Content-Type", "application/json"),
            ("User-Agent", "Appwrite-Server v1. Please report abuse at abuse@localhost"),
            ("X-Appwrite-Webhook-Id", "hook"),
            ("X-Appwrite-Webhook-Name", "Hök"),
            ("X-Appwrite-Webhook-Project-Id", PROJECT),
            ("X-Appwrite-Webhook-User-Id", "u9"),
            ("X-Appwrite-Webhook-Events", "users.u1.create,users.*.create,users.u1,users.*"),
            ("X-Appwrite-Webhook-Signature", base64.b64encode(digest).decode()),
            ("X-Runwright-Delivery-Id", job_id),
            ("X-Runwright-Delivery-Attempt", "1"),
            ("Authorization", "Basic " + base64.b64encode("ann:pass:wörd".encode()).decode()),
        )
        assert (post.url, post.is_tls_verified) == (hook.url, False)
        assert await office.waiting() == []


async def test_a_user_without_a_password_is_not_sent() -> None:
    async with an_office() as office:
        await office.tell(await office.hook(auth_username="ann", is_tls_verified=True))
        await office.settle()
        (post,) = office.poster.posts
        assert "Authorization" not in dict(post.headers)
        assert post.is_tls_verified


async def test_a_failure_is_counted_shown_and_tried_again_later() -> None:
    async with an_office() as office:
        hook = await office.hook()
        office.poster.answer = lambda post: Posted(500, b"no\0 way \xff" + b"x" * 20_000)
        await office.tell(hook)
        await office.settle()
        stored = await office.stored()
        assert (stored.attempts, stored.is_enabled) == (1, True)
        assert "Attempt 1 of 3. Tried again at 2026-10-05T08:00:45.000+00:00." in stored.logs
        assert f"URL: {hook.url}\nMethod: POST\nEvents: users.u1.create, " in stored.logs
        assert "Status code: 500\nBody:\nno\ufffd way \ufffd" in stored.logs
        (job,) = await office.waiting()
        assert (job.failures, job.owner) == (1, "")
        office.clock.advance(44.9)
        await office.settle()
        assert len(office.poster.posts) == 1
        office.poster.answer = lambda post: Posted(204, b"")
        office.clock.advance(0.1)
        await office.settle()
        first, second = office.poster.posts
        assert (second.body, second.url) == (first.body, first.url)
        assert dict(second.headers) == dict(first.headers) | {"X-Runwright-Delivery-Attempt": "2"}
        assert await office.waiting() == []
        assert (await office.stored()).attempts == 0


async def test_waits_grow_and_the_last_failure_ends_the_delivery() -> None:
    limits = replace(LIMITS, tries=5, failed_attempts=100)
    async with an_office(limits) as office:
        office.poster.answer = lambda post: NotPosted("The host refused the connection.")
        await office.tell(await office.hook())
        waits_s = []
        for _ in range(4):
            await office.settle()
            (job,) = await office.waiting()
            waits_s.append((job.ready_at - office.clock.now()).total_seconds())
            office.clock.advance(waits_s[-1])
        assert waits_s == [0.75 * longest for longest in (60, 300, 1500, BACKOFF_MAX_S)]
        await office.settle()
        assert await office.waiting() == []
        stored = await office.stored()
        assert stored.attempts == 5
        assert "Attempt 5 of 5. Not tried again." in stored.logs
        assert "Error: The host refused the connection." in stored.logs


async def test_a_retry_waits_under_a_key_of_its_own() -> None:
    async with an_office() as office:
        office.poster.answer = lambda post: Posted(503, b"")
        hook = await office.hook()
        await office.tell(hook, payload={"marker": "planted"})
        (job,) = await office.waiting()
        assert not job.epoch.startswith("d-")
        await office.settle()
        (later,) = await office.waiting()
        assert later.epoch.startswith("d-")
        assert b"planted" not in job.sealed + later.sealed
        in_use = {later.epoch}

        async def needed() -> set[str]:
            return in_use

        assert await office.vault.sweep(needed) == 1  # the key of the first attempt
        office.poster.answer = lambda post: Posted(200, b"")
        office.clock.advance(60)
        await office.settle()
        assert office.poster.posts[1].body == b'{"marker":"planted"}'


async def test_a_webhook_is_switched_off_after_failures_in_a_row() -> None:
    async with an_office(replace(LIMITS, tries=1, failed_attempts=3)) as office:
        hook = await office.hook()
        for status, attempts in ((500, 1), (404, 2), (302, 0), (400, 1), (401, 2), (499, 3)):
            office.poster.answer = lambda post, status=status: Posted(status, b"")  # type: ignore[misc]
            await office.tell(hook)
            await office.settle()
            assert (await office.stored()).attempts == attempts
        stored = await office.stored()
        assert not stored.is_enabled
        assert "Switched off after 3 failures in a row." in stored.logs
        await office.tell(hook)
        await office.settle()
        assert (len(office.poster.posts), await office.waiting()) == (6, [])
        settings = WebhookSettings(name="x", url=hook.url, events=("users.*",))
        shown = await office.webhooks.update(PROJECT, "hook", settings)
        assert (shown.webhook.is_enabled, shown.webhook.attempts) == (True, 0)


async def test_what_waits_for_a_deleted_webhook_is_gone_with_it() -> None:
    async with an_office() as office:
        hook, other = await office.hook(), await office.hook("other")
        await office.tell(hook, other)
        await office.webhooks.delete(PROJECT, "hook")
        await office.tell(hook)  # by a relay that had not heard of it yet
        await office.settle()
        assert [post.url for post in office.poster.posts] == [other.url]
        assert await office.waiting() == []


async def test_a_refused_address_is_shown_but_counts_as_nobody_s_failure() -> None:
    async with an_office() as office:
        office.poster.answer = lambda post: AddressRefused("It leads to a private address.")
        await office.tell(await office.hook())
        await office.settle()
        stored = await office.stored()
        assert (stored.attempts, stored.is_enabled) == (0, True)
        assert "It leads to a private address." in stored.logs
        assert await office.waiting() == []


async def test_a_slow_receiver_holds_up_its_own_deliveries_only() -> None:
    async with an_office() as office:
        slow, quick = await office.hook("slow"), await office.hook("quick")
        office.poster.closed_urls = {slow.url}
        for _ in range(6):
            await office.tell(slow, quick)
        await office.settle()
        urls = [post.url for post in office.poster.posts]
        assert (urls.count(slow.url), urls.count(quick.url)) == (LIMITS.per_webhook, 6)
        office.poster.closed_urls = set()
        office.poster.open.set()
        await office.settle()
        assert [post.url for post in office.poster.posts].count(slow.url) == 6


async def test_a_server_that_died_in_the_middle_sends_again() -> None:
    async with an_office() as office:
        hook = await office.hook()
        office.poster.closed_urls = {hook.url}
        await office.tell(hook)
        await office.settle()
        assert len(office.poster.posts) == 1
        await office.storage.write(
            lambda uow: office.queue.release_all(uow, now=office.clock.now())
        )
        other = office.courier.rounds
        other.lose()
        office.poster.closed_urls = set()
        await other.turn()
        office.poster.open.set()
        await office.settle()
        first, second = office.poster.posts
        assert second.headers == first.headers
        assert await office.waiting() == []


async def test_leases_are_extended_while_a_receiver_thinks() -> None:
    async with an_office() as office:
        hook = await office.hook()
        office.poster.closed_urls = {hook.url}
        await office.tell(hook)
        await office.settle()
        for _ in range(4):
            office.clock.advance(20)
            await office.courier.rounds.extend()
        (job,) = await office.waiting()
        assert job.ready_at == office.clock.now() + timedelta(seconds=30)


async def test_no_more_than_its_bound_waits_for_a_webhook() -> None:
    async with an_office(queue_jobs=3) as office:
        hook, other = await office.hook(), await office.hook("other")
        taken = [await office.tell(hook) for _ in range(5)]
        assert taken == [1, 1, 1, 0, 0]
        assert await office.tell(other) == 1
        assert (await office.stored()).logs.startswith("Not queued since 2026-10-05T08:00:00")
        assert (await office.stored("other")).logs == ""
        await office.settle()
        assert await office.tell(hook) == 1


async def test_functions_of_ours_are_told_which_runs_led_to_them() -> None:
    async with an_office() as office:
        lineage = Lineage(("a", "b"), "chain")
        await office.tell(await office.hook(), lineage=lineage)
        await office.settle()
        (post,) = office.poster.posts
        assert dict(post.headers)["X-Trace"] == "hook.example.com ('a', 'b')"


async def test_rows_of_tables_are_told_without_their_second_prefix() -> None:
    async with an_office() as office:
        event = Event.of("create", "databases", "d", "tables", "t", "rows", "r")
        await office.tell(await office.hook(), event=event)
        await office.settle()
        (post,) = office.poster.posts
        names = dict(post.headers)["X-Appwrite-Webhook-Events"].split(",")
        assert names[0].startswith("databases.")
        assert not [name for name in names if name.startswith("tablesdb.")]
        assert [name for name in event.names if name.startswith("tablesdb.")]


async def test_the_owners_are_written_to_when_a_webhook_is_switched_off() -> None:
    async with an_office(replace(LIMITS, tries=1, failed_attempts=2)) as office:
        await office.storage.write(_add_people)
        office.poster.answer = lambda post: Posted(500, b"")
        hook = await office.hook()
        for _ in range(2):
            await office.tell(hook)
            await office.settle()
        assert not (await office.stored()).is_enabled
        assert sorted(letter.to for letter in office.letters.letters) == [
            "ann@example.com",
            "bob@example.com",
        ]
        facts = office.letters.facts()
        assert (facts["webhook"], facts["project"], facts["attempts"]) == ("Hook", "Shop", 2)
        assert facts["url"] == hook.url


async def test_a_webhook_is_switched_off_though_nobody_can_be_written_to() -> None:
    async with an_office(replace(LIMITS, tries=1, failed_attempts=1)) as office:
        await office.storage.write(_add_people)
        office.letters.off = {"email"}
        office.poster.answer = lambda post: Posted(500, b"")
        await office.tell(await office.hook())
        await office.settle()
        assert not (await office.stored()).is_enabled
        assert office.letters.letters == []


def _add_people(uow: UnitOfWork) -> None:
    """A project whose team has two owners, a developer, and somebody who was invited to own it."""
    dates: dict[str, Any] = {"created_at": START, "updated_at": START}
    uow.projects.add(Project(id=PROJECT, name="Shop", team_id="org", **dates))
    for name, role, is_confirmed in (
        ("ann", "owner", True),
        ("bob", "owner", True),
        ("dev", "developer", True),
        ("eve", "owner", False),
    ):
        uow.users.add(User(id=name, project_id=CONSOLE, email=f"{name}@example.com", **dates))
        uow.memberships.add(
            Membership(
                id=name,
                project_id=CONSOLE,
                team_id="org",
                user_id=name,
                roles=(role,),
                invited_at=START,
                is_confirmed=is_confirmed,
                **dates,
            )
        )
