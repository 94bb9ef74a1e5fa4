"""Open connections are judged again, whatever else goes on."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any, cast

import anyio
import pytest
from anyio.lowlevel import checkpoint

from runwright.errors import Unauthorized
from runwright.identity.authentication import Credentials
from runwright.model.identity import Principal
from runwright.realtime import standing as standings
from runwright.realtime.admission import Admission, Visitor
from runwright.realtime.hub import Connection, Hub
from runwright.realtime.standing import Standing
from runwright.signals.local import LocalSignals
from tests.unit.realtime.callers import PROJECT, guest, user

pytestmark = pytest.mark.anyio


class Judge:
    """Says who the connections are from now on."""

    def __init__(self) -> None:
        self.verdict: Principal | Exception = user("ann")
        self.asked = 0

    async def judge(self, visitor: Visitor) -> Principal:
        self.asked += 1
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


class Court:
    def __init__(self, stack: ExitStack, look_s: float) -> None:
        self.signals, self.judge = LocalSignals(), Judge()
        self.hub = Hub(cast(Any, None), cast(Any, None))
        admission = cast(Admission, self.judge)
        self.standing = Standing(self.hub, admission, self.signals, look_s=look_s)
        visitor = Visitor(credentials=Credentials(project_id=PROJECT))
        self.one, self.other = (Connection(visitor, PROJECT, user("ann")) for _ in range(2))
        for connection in (self.one, self.other):
            stack.enter_context(self.hub.open(connection))


@pytest.fixture
async def court(request: pytest.FixtureRequest) -> AsyncIterator[Court]:
    with ExitStack() as stack:
        made = Court(stack, getattr(request, "param", 60.0))
        made.standing.start()
        yield made
        await made.standing.stop()


async def until_judged(connection: Connection) -> None:
    with anyio.fail_after(5):
        while connection.principal.user_id:
            await anyio.sleep(0.001)


@pytest.mark.parametrize("court", [0.02], indirect=True)
async def test_what_ends_by_itself_is_noticed_while_others_change_all_the_time(
    court: Court,
) -> None:
    court.judge.verdict = guest()
    with anyio.fail_after(5):
        while court.other.principal.user_id:
            court.standing.doubt([court.one])
            await checkpoint()


async def test_a_change_of_a_user_concerns_all_connections_of_that_user(court: Court) -> None:
    court.judge.verdict = guest()
    court.signals.announce("user", PROJECT, "bob")
    for _ in range(10):
        await checkpoint()
    assert court.judge.asked == 0
    assert court.one.principal.user_id == "ann"
    court.signals.announce("user", PROJECT, "ann")
    await until_judged(court.one)
    await until_judged(court.other)


async def test_who_could_not_be_judged_is_judged_again(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standings, "RETRY_S", 0.0)
    court.judge.verdict = OSError("the disk is away")
    court.standing.doubt([court.one])
    with anyio.fail_after(5):
        while not court.judge.asked:
            await checkpoint()
    court.judge.verdict = guest()
    await until_judged(court.one)


async def test_a_refusal_is_told_before_the_close(court: Court) -> None:
    court.judge.verdict = Unauthorized("not any more")
    court.standing.doubt([court.one])
    with anyio.fail_after(5):
        assert '"code":401' in str(await court.one.outgoing.next())
    assert court.one.outgoing.is_closing
    assert not court.other.outgoing.is_closing
