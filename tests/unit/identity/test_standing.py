"""Whoever has something under way is judged again, whatever else goes on."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from anyio.lowlevel import checkpoint

from runwright.clock import SystemClock
from runwright.errors import ServiceUnavailable, Unauthorized
from runwright.identity import standing as standings
from runwright.identity.standing import Standing, Watched
from runwright.model.identity import Principal
from runwright.signals.local import LocalSignals
from tests.unit.realtime.callers import PROJECT, guest, key, user

pytestmark = pytest.mark.anyio


@dataclass
class Case:
    """Something under way, and what came of it."""

    verdict: Principal | Exception
    asked: int = 0
    changes: list[Principal] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)

    async def judge(self) -> Principal:
        self.asked += 1
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


@dataclass
class Court:
    signals: LocalSignals
    standing: Standing
    stack: ExitStack

    def watch(self, principal: Principal, case: Case | None = None) -> tuple[Case, Watched]:
        made = case or Case(principal)
        watched = self.stack.enter_context(
            self.standing.watch(
                principal,
                made.judge,
                changed=made.changes.append,
                refused=made.refusals.append,
            )
        )
        return made, watched

    async def settled(self, *cases: Case) -> None:
        """Wait until everybody has been judged once, on entering."""
        await until(lambda: all(case.asked for case in cases))


@pytest.fixture
async def court(request: pytest.FixtureRequest) -> AsyncIterator[Court]:
    signals = LocalSignals()
    look_s = getattr(request, "param", 60.0)
    standing = Standing(signals, SystemClock(), look_s=look_s)
    with ExitStack() as stack:
        standing.start()
        yield Court(signals, standing, stack)
        await standing.stop()
    assert len(standing) == 0


async def until(holds: Callable[[], object]) -> None:
    with anyio.fail_after(60):
        while not holds():
            await checkpoint()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await checkpoint()


def a_key(key_id: str) -> Principal:
    return replace(key(), key_id=key_id)


async def test_who_is_watched_is_judged_once_more(court: Court) -> None:
    """What has changed since a caller was let in was told to those who were watched then."""
    case, _ = court.watch(user("ann"), Case(guest()))
    await until(lambda: case.changes)
    assert case.changes == [guest()]


@pytest.mark.parametrize("court", [0.02], indirect=True)
async def test_what_ends_by_itself_is_noticed_while_others_change_all_the_time(
    court: Court,
) -> None:
    one, _ = court.watch(user("ann"))
    other, _ = court.watch(user("bob"))
    await court.settled(one, other)
    other.verdict = guest()
    with anyio.fail_after(60):
        while not other.changes:
            court.signals.announce("user", PROJECT, "ann")
            await checkpoint()


async def test_a_change_of_a_user_concerns_all_that_this_user_does(court: Court) -> None:
    several = [court.watch(user("ann"))[0] for _ in range(2)]
    await court.settled(*several)
    court.signals.announce("user", PROJECT, "bob")
    await turns()
    assert [case.asked for case in several] == [1, 1]
    court.signals.announce("user", PROJECT, "ann")
    await until(lambda: all(case.asked == 2 for case in several))
    court.signals.announce("user", PROJECT, "")
    await until(lambda: all(case.asked == 3 for case in several))


async def test_who_acts_as_another_user_is_judged_for_both(court: Court) -> None:
    worn = replace(user("ann"), impersonator=user("eve"))
    case, _ = court.watch(worn)
    await court.settled(case)
    court.signals.announce("user", PROJECT, "ann")
    await until(lambda: case.asked == 2)
    court.signals.announce("user", PROJECT, "eve")
    await until(lambda: case.asked == 3)


async def test_a_change_of_a_key_concerns_its_holders(court: Court) -> None:
    (one, _), (other, _), (nobody, _) = map(court.watch, (a_key("one"), a_key("other"), guest()))
    await court.settled(one, other, nobody)
    court.signals.announce("key", PROJECT, "one")
    court.signals.announce("key", "elsewhere", "other")
    await until(lambda: one.asked == 2)
    await turns()
    assert (other.asked, nobody.asked) == (1, 1)
    court.signals.announce("key", PROJECT, "")
    await until(lambda: (one.asked, other.asked) == (3, 2))
    assert nobody.asked == 1


async def test_a_change_of_a_project_concerns_everybody_in_it(court: Court) -> None:
    (inside, _), (outside, _) = court.watch(guest()), court.watch(guest("elsewhere"))
    await court.settled(inside, outside)
    court.signals.announce("project", PROJECT, PROJECT)
    await until(lambda: inside.asked == 2)
    await turns()
    assert outside.asked == 1


@pytest.mark.parametrize("after_s", [-1.0, 0.05])
async def test_credentials_are_judged_when_their_time_is_over(court: Court, after_s: float) -> None:
    ends_at = datetime.now(UTC) + timedelta(seconds=after_s)
    case, _ = court.watch(user("ann"), Case(replace(user("ann"), ends_at=ends_at)))
    await court.settled(case)
    case.verdict = guest()
    await until(lambda: guest() in case.changes)
    assert datetime.now(UTC) > ends_at


async def test_who_is_refused_is_told_once_and_not_judged_again(court: Court) -> None:
    case, _ = court.watch(user("ann"))
    await court.settled(case)
    case.verdict = Unauthorized("not any more")
    court.signals.announce("user", PROJECT, "ann")
    await until(lambda: case.refusals)
    court.signals.announce("user", PROJECT, "ann")
    await turns()
    assert (case.refusals, case.asked) == ([case.verdict], 2)


@pytest.mark.parametrize("fault", [OSError("the disk is away"), ServiceUnavailable("full")])
async def test_who_could_not_be_judged_is_judged_again(
    court: Court, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(standings, "RETRY_S", 0.0)
    case, _ = court.watch(user("ann"), Case(fault))
    await until(lambda: case.asked > 1)
    assert case.refusals == []
    case.verdict = guest()
    await until(lambda: case.changes)


async def test_others_are_judged_while_one_cannot_be(court: Court) -> None:
    broken, _ = court.watch(user("ann"), Case(OSError("the disk is away")))
    other, _ = court.watch(user("bob"), Case(guest()))
    await until(lambda: broken.asked and other.changes)


async def test_a_verdict_on_credentials_that_were_replaced_meanwhile_does_not_count(
    court: Court,
) -> None:
    case, watched = court.watch(guest())
    await court.settled(case)
    slow, may_end = Case(Unauthorized("the old ones are over")), anyio.Event()

    async def judge() -> Principal:
        await may_end.wait()
        return await slow.judge()

    court.standing.renew(watched, user("ann"), judge)
    await turns()
    fresh = Case(user("bob"))
    court.standing.renew(watched, user("bob"), fresh.judge)
    may_end.set()
    await until(lambda: fresh.asked)
    assert (slow.asked, case.refusals) == (1, [])
    before = fresh.asked
    court.signals.announce("user", PROJECT, "ann")
    await turns()
    assert fresh.asked == before
    court.signals.announce("user", PROJECT, "bob")
    await until(lambda: fresh.asked > before)


async def test_what_has_ended_is_not_judged(court: Court) -> None:
    case = Case(user("ann"))
    with court.standing.watch(
        user("ann"), case.judge, changed=case.changes.append, refused=case.refusals.append
    ):
        pass
    court.signals.announce("user", PROJECT, "ann")
    await turns()
    assert case.asked == 0
