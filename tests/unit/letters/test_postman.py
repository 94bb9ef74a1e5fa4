"""Letters from the transaction to the mail server: none is lost, none is sent for ever."""

import asyncio
import logging
from dataclasses import replace

import pytest

from runwright.model.identity import CONSOLE
from runwright.model.job import JobKind
from runwright.model.mail import MailTemplate
from runwright.ports.carrier import NotCarried
from runwright.ports.mailer import TooManyLetters
from runwright.ports.storage import UnitOfWork
from tests.fakes.clock import START
from tests.unit.letters.office import LIMITS, SHOP, a_letter, an_office

pytestmark = pytest.mark.anyio


async def test_a_letter_goes_to_the_mail_server_and_leaves_the_queue() -> None:
    async with an_office() as office:
        await office.post(a_letter())
        assert len(await office.waiting()) == 1
        await office.settle()
        (parcel,) = office.carrier.parcels
        assert (parcel.recipient, parcel.sender) == ("ann@example.com", "no-reply@localhost")
        assert b"secret=3Ds3cret" in parcel.message
        assert await office.waiting() == []
        assert office.shelf.parcels == []


async def test_without_a_mail_server_it_goes_to_the_folder_and_a_text_message_always_does() -> None:
    async with an_office() as office:
        await office.post(a_letter(kind="sms", to="+14155552671", facts=(("otp", "123456"),)))
        await office.settle()
        assert office.carrier.parcels == []
        assert [parcel.recipient for parcel in office.shelf.parcels] == ["+14155552671"]
    async with an_office(relay=None) as office:
        await office.post(a_letter(), project=None)
        await office.settle()
        assert len(office.shelf.parcels) == 1
        assert await office.waiting(CONSOLE) == []


async def test_a_change_that_is_undone_takes_its_letter_along() -> None:
    async with an_office() as office:

        def work(uow: UnitOfWork) -> None:
            office.postbox.post(uow, SHOP, a_letter())
            raise RuntimeError("changed its mind")

        with pytest.raises(RuntimeError):
            await office.storage.write(work)
        assert await office.waiting() == []


async def test_nothing_of_a_letter_can_be_read_in_the_queue() -> None:
    async with an_office() as office:
        await office.post(a_letter(name="Ann Other"))
        (job,) = await office.waiting()
        assert b"s3cret" not in job.sealed
        assert b"Ann" not in job.sealed
        assert job.epoch.startswith("m-")


async def test_what_a_mail_server_does_not_take_now_is_tried_again_later() -> None:
    async with an_office() as office:
        office.carrier.fault = lambda parcel: NotCarried("busy")
        await office.post(a_letter())
        await office.settle()
        (job,) = await office.waiting()
        assert (job.failures, job.owner, job.epoch[:2]) == (1, "", "d-")
        office.clock.advance(44.9)
        await office.settle()
        assert len(office.carrier.parcels) == 1
        office.carrier.fault = lambda parcel: None
        office.clock.advance(0.1)
        await office.settle()
        first, second = office.carrier.parcels
        assert first == second
        assert await office.waiting() == []


async def test_the_last_try_ends_a_letter_and_the_log_names_no_recipient(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with an_office() as office:
        office.carrier.fault = lambda parcel: NotCarried("busy")
        await office.post(a_letter())
        with caplog.at_level(logging.WARNING):
            for _ in range(4):
                await office.settle()
                office.clock.advance(1800)
        assert len(office.carrier.parcels) == LIMITS.tries
        assert await office.waiting() == []
        given_up = caplog.records[-1]
        assert (given_up.message, given_up.levelname) == ("letter given up", "ERROR")
        assert "ann@example.com" not in str([vars(record) for record in caplog.records])


async def test_what_is_refused_for_good_is_not_tried_again() -> None:
    async with an_office() as office:
        office.carrier.fault = lambda parcel: NotCarried("no such mailbox", is_final=True)
        await office.post(a_letter())
        await office.settle()
        assert await office.waiting() == []


async def test_a_fault_of_ours_is_tried_again_and_ends_too() -> None:
    async with an_office() as office:
        office.carrier.fault = lambda parcel: RuntimeError("oops")
        await office.post(a_letter())
        await office.settle()
        assert [job.failures for job in await office.waiting()] == [1]


async def test_a_letter_to_an_address_that_is_none_ends_at_once() -> None:
    async with an_office() as office:
        await office.post(a_letter("not an address"))
        await office.settle()
        assert office.carrier.parcels == []
        assert await office.waiting() == []


async def test_letters_of_a_deleted_project_are_not_sent() -> None:
    async with an_office() as office:
        gone = replace(SHOP, id="gone")
        await office.post(a_letter(), project=gone)
        await office.settle()
        assert office.carrier.parcels == []
        assert await office.waiting("gone") == []


async def test_one_project_has_a_share_of_the_workers_only() -> None:
    async with an_office() as office:
        office.carrier.open.clear()
        await office.post(*(a_letter(f"u{at}@example.com") for at in range(5)))
        await office.post(a_letter("console@example.com"), project=None)
        while await office.postman.rounds.turn():
            pass
        async with asyncio.timeout(60):
            while len(office.carrier.parcels) < 3:
                await asyncio.sleep(0.001)
        assert len(office.postman.rounds.under_way) == 3
        assert "console@example.com" in [parcel.recipient for parcel in office.carrier.parcels]


async def test_more_letters_than_may_wait_are_refused() -> None:
    async with an_office(queue_letters=2) as office:
        await office.post(a_letter(), a_letter())
        with pytest.raises(TooManyLetters):
            await office.post(a_letter())
        await office.post(a_letter(), project=None)
        await office.post(a_letter(kind="sms", to="+14155552671"))


async def test_a_lost_key_ends_a_letter() -> None:
    async with an_office() as office:
        await office.post(a_letter())
        (job,) = await office.waiting()
        await office.storage.write(lambda uow: uow.jobs.put(replace(job, epoch="m-gone")))
        await office.settle()
        assert await office.waiting() == []


async def test_a_stop_gives_back_what_was_under_way_and_the_next_one_sends_it() -> None:
    async with an_office() as office:
        office.carrier.open.clear()
        await office.post(a_letter())
        await office.postman.rounds.turn()
        await office.postman.stop(0.01)
        (job,) = await office.waiting()
        assert job.owner == ""
        found = await office.storage.read(
            lambda uow: uow.jobs.ready(JobKind.LETTER, "shop", "email", office.clock.now(), limit=5)
        )
        assert len(found) == 1


async def test_keys_of_letters_end_when_the_letters_have() -> None:
    async with an_office() as office:
        await office.post(a_letter())
        (job,) = await office.waiting()
        await office.key.rotate()

        async def in_use() -> frozenset[str]:
            return await office.storage.read(lambda uow: uow.jobs.epochs())

        await office.vault.sweep(in_use)
        await office.vault.sealer(job.epoch)  # still there
        await office.settle()
        assert await office.vault.sweep(in_use) == 1


async def test_words_of_a_project_are_used_where_it_answers_for_them() -> None:
    words = MailTemplate(
        id="recovery-de",
        project_id="shop",
        created_at=START,
        updated_at=START,
        occasion="recovery",
        locale="de",
        subject="Neu",
    )
    letters = (a_letter(locale="de-at"), a_letter(locale="fr"))
    async with an_office(relay=None) as office:
        await office.storage.write(lambda uow: uow.mail_templates.add(words))
        await office.post(*letters)
        await office.settle()
        subjects = [parcel.message.count(b"Subject: Neu") for parcel in office.shelf.parcels]
        assert sorted(subjects) == [0, 1]
    async with an_office() as office:  # by the installation's mail server
        await office.storage.write(lambda uow: uow.mail_templates.add(words))
        await office.post(*letters)
        await office.settle()
        assert not any(b"Subject: Neu" in parcel.message for parcel in office.carrier.parcels)
