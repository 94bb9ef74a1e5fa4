"""One-time secrets: each serves one purpose, once, for a while, and cannot be guessed."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from runwright.identity.errors import InvalidToken
from runwright.identity.proofs import FORMS, TRIES, NewToken, Proofs, Purpose, drop, required
from runwright.identity.tokens import Tokens
from runwright.model.identity import User
from runwright.ports.storage import UnitOfWork
from tests.fakes.identity import KEY, PROJECT_ID, START, Bench

pytestmark = pytest.mark.anyio

T = TypeVar("T")
EMAIL = "ann@example.com"
ANN = User(id="ann", project_id=PROJECT_ID, created_at=START, updated_at=START, email=EMAIL)
CODE, LINK = Purpose.EMAIL_CODE, Purpose.RECOVERY


class Desk:
    """Each step in a transaction of its own."""

    def __init__(self, bench: Bench, user: User = ANN) -> None:
        self.bench, self.user = bench, user
        self.proofs = Proofs(Tokens(KEY, bench.clock), bench.clock)

    async def _do(self, work: Callable[[UnitOfWork], T]) -> T:
        return await self.bench.storage.write(work)

    async def issue(self, purpose: Purpose, *, sent_to: str = EMAIL, secret: str = "") -> NewToken:
        return await self._do(
            lambda uow: self.proofs.issue(uow, self.user, purpose, sent_to=sent_to, secret=secret)
        )

    async def fits(self, secret: str, *purposes: Purpose) -> bool:
        found = await self._do(lambda uow: self.proofs.redeem(uow, self.user, secret, *purposes))
        return found is not None

    async def left(self) -> int:
        return await self._do(lambda uow: len(uow.tokens.find(PROJECT_ID)))


@pytest.fixture
def desk(bench: Bench) -> Desk:
    return Desk(bench)


@pytest.mark.parametrize("purpose", list(Purpose))
async def test_a_secret_serves_its_purpose_once(desk: Desk, purpose: Purpose) -> None:
    made = await desk.issue(purpose)
    others = [other for other in Purpose if other is not purpose]
    assert not await desk.fits(made.secret, *others)
    assert await desk.fits(made.secret, purpose)
    assert not await desk.fits(made.secret, purpose)


@pytest.mark.parametrize("purpose", list(Purpose))
async def test_a_secret_ends_by_itself(desk: Desk, purpose: Purpose) -> None:
    made = await desk.issue(purpose)
    desk.bench.clock.move(FORMS[purpose].lifetime_s)
    assert not await desk.fits(made.secret, purpose)


async def test_codes_are_six_digits_and_links_are_long(desk: Desk) -> None:
    codes = {(await desk.issue(CODE)).secret for _ in range(20)}
    assert all(len(code) == 6 and code.isascii() and code.isdigit() for code in codes)
    assert len(codes) > 15
    assert len((await desk.issue(LINK)).secret) == 256
    assert len((await desk.issue(Purpose.MAGIC_URL)).secret) == 64


async def test_what_is_stored_does_not_tell_the_secret(desk: Desk, bench: Bench) -> None:
    made = await desk.issue(CODE, secret="123456")
    assert "123456" not in made.token.secret_hash
    other = Tokens(b"o" * 32, bench.clock).proof(made.token.id, "123456")
    assert other != made.token.secret_hash
    again = await desk.issue(CODE, secret="123456")
    assert again.token.secret_hash != made.token.secret_hash


async def test_a_code_ends_with_the_last_wrong_try(desk: Desk) -> None:
    made = await desk.issue(CODE, secret="123456")
    for _ in range(TRIES - 1):
        assert not await desk.fits("654321", CODE)
    assert await desk.fits(made.secret, CODE)
    made = await desk.issue(CODE, secret="123456")
    for _ in range(TRIES):
        assert not await desk.fits("654321", CODE)
    assert not await desk.fits(made.secret, CODE)
    assert await desk.left() == 0


async def test_wrong_tries_count_on_every_code_that_could_have_been_meant(desk: Desk) -> None:
    code = await desk.issue(CODE, secret="123456")
    server = await desk.issue(Purpose.SERVER, sent_to="", secret="abcdef")
    for _ in range(TRIES):
        await desk.fits("999999", CODE, Purpose.SERVER)
    assert not await desk.fits(code.secret, CODE)
    assert not await desk.fits(server.secret, Purpose.SERVER)


async def test_strangers_cannot_end_a_link_by_wrong_tries(desk: Desk) -> None:
    made = await desk.issue(LINK)
    for _ in range(3 * TRIES):
        assert not await desk.fits("0" * 256, LINK)
    assert await desk.fits(made.secret, LINK)


async def test_a_new_code_replaces_the_one_before(desk: Desk) -> None:
    first = await desk.issue(CODE, secret="111111")
    second = await desk.issue(CODE, secret="222222")
    assert not await desk.fits(first.secret, CODE)
    assert await desk.fits(second.secret, CODE)


async def test_the_newest_links_are_good_beside_each_other(desk: Desk) -> None:
    made = [await desk.issue(LINK) for _ in range(7)]
    good = [await desk.fits(link.secret, LINK) for link in made]
    assert good == [False, False, True, True, True, True, True]


async def test_secrets_that_are_over_are_cleared_away(desk: Desk) -> None:
    await desk.issue(LINK)
    desk.bench.clock.move(FORMS[LINK].lifetime_s)
    await desk.issue(CODE)
    assert await desk.left() == 1


async def test_what_was_sent_to_an_address_ends_with_the_address(desk: Desk) -> None:
    made = await desk.issue(Purpose.EMAIL_VERIFICATION)
    desk.user = replace(ANN, email="new@example.com")
    assert not await desk.fits(made.secret, Purpose.EMAIL_VERIFICATION)
    desk.user = ANN
    assert await desk.fits(made.secret, Purpose.EMAIL_VERIFICATION)


async def test_one_persons_secret_is_nothing_for_another(desk: Desk) -> None:
    made = await desk.issue(LINK)
    desk.user = replace(ANN, id="bob")
    assert not await desk.fits(made.secret, LINK)


async def test_secrets_can_be_made_worthless(desk: Desk, bench: Bench) -> None:
    link, code = await desk.issue(LINK), await desk.issue(CODE)
    await bench.storage.write(lambda uow: drop(uow, ANN, LINK, Purpose.RECOVERY_CODE))
    assert not await desk.fits(link.secret, LINK)
    assert await desk.fits(code.secret, CODE)


def test_a_wrong_secret_is_refused_in_one_way() -> None:
    with pytest.raises(InvalidToken):
        required(None)
