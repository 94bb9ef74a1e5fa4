"""Following what an execution prints: nothing twice, nothing left out in silence, an end."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import cast

import pytest

from runwright.errors import RunwrightError, Unauthorized
from runwright.executions import tails
from runwright.executions.tails import (
    PART_BYTES,
    Ended,
    Missed,
    News,
    Place,
    Printed,
    Quiet,
    Tails,
    TooManyReaders,
)
from runwright.model.execution import Execution, Status
from runwright.ports.storage import UnitOfWork
from tests.fakes.clock import ManualClock
from tests.fakes.user_code import Printed as Output
from tests.unit.executions.bench import (
    FUNCTION,
    NOW,
    PROJECT,
    Bench,
    a_bench,
    a_function,
    a_key,
    a_project,
    a_user,
    signed_in,
    until,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "_LOOK_EVERY_S", 0.01)


def an_execution(status: Status = Status.PROCESSING, **more: object) -> Execution:
    item = Execution(
        id="e1",
        project_id=PROJECT,
        created_at=NOW,
        updated_at=NOW,
        function_id=FUNCTION,
        status=status,
        attempt=1,
    )
    return replace(item, **more)  # type: ignore[arg-type]  # fields by name


async def put(bench: Bench, item: Execution) -> None:
    def work(uow: UnitOfWork) -> None:
        repository = uow.executions
        known = repository.get(item.project_id, item.id)
        (repository.add if known is None else repository.put)(item)

    await bench.storage.write(work)


class Reader:
    """Collects news in the background."""

    def __init__(self) -> None:
        self.news: list[News] = []

    @property
    def text(self) -> str:
        return "".join(item.text for item in self.news if isinstance(item, Printed))

    @property
    def ended(self) -> bool:
        return bool(self.news) and isinstance(self.news[-1], Ended)

    async def read(
        self, tails: Tails, *, after: Place | None = None, to_its_end: bool = True
    ) -> None:
        news = await tails.follow(
            a_key(), FUNCTION, "e1", after=after or Place(), to_its_end=to_its_end
        )
        async with aclosing(cast(AsyncGenerator[News], news)) as items:
            async for item in items:
                self.news.append(item)


async def read(bench: Bench, *, after: str = "", to_its_end: bool = True) -> Reader:
    reader = Reader()
    async with asyncio.timeout(60):
        await reader.read(bench.tails(), after=Place.parse(after), to_its_end=to_its_end)
    return reader


async def test_a_reader_waits_for_the_start_and_reads_to_the_end() -> None:
    async with a_bench() as bench, asyncio.TaskGroup() as group:
        await put(bench, an_execution(Status.WAITING, attempt=0))
        reader, tails = Reader(), bench.tails()
        group.create_task(reader.read(tails))
        await until(lambda: tails.readers == 1)
        await put(bench, an_execution())
        output = bench.code.outputs["e1"] = Output()
        output.print("one\n")
        await until(lambda: reader.text == "one\n")
        output.print("two\n")
        await until(lambda: reader.text == "one\ntwo\n")
        output.end()
        await put(bench, an_execution(Status.COMPLETED, logs="one\ntwo\n"))
        await until(lambda: reader.ended)
        assert reader.text == "one\ntwo\n"  # what was read live is not read again
        assert reader.news[-1] == Ended(an_execution(Status.COMPLETED, logs="one\ntwo\n"))
        assert [str(item.place) for item in reader.news if isinstance(item, Printed)] == [
            "1.4.0",
            "1.8.0",
        ]
        await until(lambda: tails.readers == 0)


async def test_of_an_ended_execution_the_record_is_read() -> None:
    async with a_bench() as bench:
        await put(bench, an_execution(Status.FAILED, logs="a\nb\n", errors="oh\n"))
        reader = await read(bench)
        assert [
            (item.text, item.is_error) for item in reader.news if isinstance(item, Printed)
        ] == [
            ("a\nb\n", False),
            ("oh\n", True),
        ]
        assert reader.ended


async def test_a_reader_that_comes_back_goes_on_where_it_was() -> None:
    async with a_bench() as bench:
        await put(bench, an_execution(Status.FAILED, logs="a\nb\n", errors="oh\n"))
        assert (await read(bench, after="1.2.3")).text == "b\n"
        assert (await read(bench, after="0.2.3")).text == "a\nb\noh\n"  # of another attempt
        assert (await read(bench, after="nonsense")).text == "a\nb\noh\n"
        assert (await read(bench, after="1.99.99")).text == ""


async def test_a_stored_text_that_lost_its_beginning_is_read_whole() -> None:
    async with a_bench() as bench:
        logs = "[WARNING] Logs truncated.\nb\n"
        await put(bench, an_execution(Status.COMPLETED, logs=logs))
        assert (await read(bench, after="1.5.0")).text == logs


async def test_a_slow_reader_is_told_what_it_missed() -> None:
    async with a_bench() as bench:
        await put(bench, an_execution())
        output = bench.code.outputs["e1"] = Output()
        output.print("old\nnew\n")
        output.lost = 4
        reader = await read(bench, to_its_end=False)
        assert reader.news[0] == Missed(4, False, Place(1, 4, 0))
        assert reader.text == "new\n"


async def test_without_following_what_there_is_is_read_and_no_more() -> None:
    async with a_bench() as bench:
        await put(bench, an_execution())
        output = bench.code.outputs["e1"] = Output()
        output.print("x" * (PART_BYTES - 1) + "\n" + "y\n")  # more than one part
        reader = await read(bench, to_its_end=False)
        assert reader.text.endswith("x\ny\n")
        assert len(reader.news) == 3
        assert reader.news[-1] == Ended(an_execution())
        bench.code.outputs.clear()
        assert (await read(bench, to_its_end=False)).news == [Ended(an_execution())]


async def test_another_attempt_is_read_from_its_beginning() -> None:
    async with a_bench() as bench, asyncio.TaskGroup() as group:
        await put(bench, an_execution())
        first = bench.code.outputs["e1"] = Output()
        reader = Reader()
        group.create_task(reader.read(bench.tails()))
        first.print("first\n")
        await until(lambda: reader.text == "first\n")
        first.end()
        await put(bench, an_execution(attempt=2))
        second = bench.code.outputs["e1"] = Output()
        second.print("second\n")
        await until(lambda: reader.text == "first\nsecond\n")
        second.end()
        await put(bench, an_execution(Status.COMPLETED, attempt=2, logs="second\n"))
        await until(lambda: reader.ended)
        assert reader.text == "first\nsecond\n"


async def test_between_two_attempts_the_text_of_the_last_one_is_there() -> None:
    async with a_bench() as bench:
        await put(bench, an_execution(logs="first\n"))
        reader = await read(bench, to_its_end=False)
        assert (reader.text, reader.ended) == ("first\n", True)


async def test_characters_are_never_cut_in_two() -> None:
    async with a_bench() as bench:
        text = "€" * PART_BYTES
        await put(bench, an_execution(Status.COMPLETED, logs=text))
        assert (await read(bench)).text == text


@pytest.mark.parametrize("is_live", [True, False])
async def test_from_every_place_the_rest_is_read(
    is_live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tails, "PART_BYTES", 7)
    logs, errors = "one\ntwo €€€€ 東京 🌍🌍🌍\nlong line without end", "é\noh\n"
    async with a_bench() as bench:
        status = Status.PROCESSING if is_live else Status.FAILED
        await put(bench, an_execution(status, logs=logs, errors=errors))
        if is_live:
            output = bench.code.outputs["e1"] = Output()
            output.logs += logs.encode()
            output.errors += errors.encode()

        async def texts(after: str) -> tuple[list[Printed], tuple[str, str]]:
            news = (await read(bench, after=after, to_its_end=not is_live)).news
            parts = [item for item in news if isinstance(item, Printed)]
            whole = tuple(
                "".join(item.text for item in parts if item.is_error is is_error)
                for is_error in (False, True)
            )
            return parts, (whole[0], whole[1])

        parts, whole = await texts("")
        assert whole == (logs, errors)
        assert len(parts) > 8
        for at, part in enumerate(parts):
            _, rest = await texts(str(part.place))
            read_before = ["", ""]
            for item in parts[: at + 1]:
                read_before[item.is_error] += item.text
            assert (read_before[0] + rest[0], read_before[1] + rest[1]) == (logs, errors)


async def test_silence_is_told() -> None:
    async with a_bench() as bench, asyncio.TaskGroup() as group:
        await put(bench, an_execution())
        reader, tails = Reader(), bench.tails(idle_s=0.02)
        group.create_task(reader.read(tails))
        await until(lambda: reader.news.count(Quiet()) >= 2)
        bench.code.outputs["e1"] = Output()
        seen = len(reader.news)
        await until(lambda: len(reader.news) > seen + 1)
        tails.stop()


async def test_a_deleted_execution_ends_its_readers() -> None:
    async with a_bench() as bench, asyncio.TaskGroup() as group:
        await put(bench, an_execution(Status.SCHEDULED, attempt=0))
        reader, tails = Reader(), bench.tails()
        group.create_task(reader.read(tails))
        await until(lambda: tails.readers == 1)
        await bench.executions.history.delete(a_key(), FUNCTION, "e1")
        await until(lambda: reader.news == [Ended(None)])


async def test_readers_are_bounded_in_number_and_time() -> None:
    clock = ManualClock()
    async with a_bench(clock=clock) as bench, asyncio.TaskGroup() as group:
        await put(bench, an_execution())
        tails = bench.tails(most=1, longest_s=60)
        reader = Reader()
        group.create_task(reader.read(tails))
        await until(lambda: tails.readers == 1)
        with pytest.raises(TooManyReaders):
            await Reader().read(tails)
        clock.advance(60)
        await until(lambda: tails.readers == 0)
        assert not reader.ended  # it may come back


async def test_readers_of_one_project_leave_places_for_others() -> None:
    async with a_bench() as bench, asyncio.TaskGroup() as group:
        await put(bench, an_execution())
        await bench.put(a_project("rival"), replace(a_function(), project_id="rival"))
        await put(bench, an_execution(project_id="rival"))
        tails = bench.tails(most=4)
        for _ in range(3):
            group.create_task(Reader().read(tails))
        await until(lambda: tails.readers == 3)
        with pytest.raises(TooManyReaders, match="3 readers"):
            await Reader().read(tails)
        rival = replace(a_key(), project_id="rival")
        await tails.follow(rival, FUNCTION, "e1", after=Place(), to_its_end=True)
        tails.stop()


async def test_only_keys_and_admins_may_follow_what_they_may_read() -> None:
    async with a_bench() as bench:
        done = await bench.executions.create(signed_in(a_user()), FUNCTION)
        tails = bench.tails()
        with pytest.raises(Unauthorized):
            await tails.follow(
                signed_in(a_user()), FUNCTION, done.execution.id, after=Place(), to_its_end=True
            )
        for function_id, execution_id in (("other", done.execution.id), (FUNCTION, "other")):
            with pytest.raises(RunwrightError):
                await tails.follow(
                    a_key(), function_id, execution_id, after=Place(), to_its_end=True
                )
