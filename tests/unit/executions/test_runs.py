"""How long a caller waits for its answer."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from runwright.clock import SystemClock
from runwright.executions.errors import SynchronousTimeout
from runwright.executions.runs import Runs
from tests.unit.executions.bench import until

pytestmark = pytest.mark.anyio


@dataclass
class Source:
    is_over: bool = False


@dataclass(eq=False)
class Waiting:
    """An attempt, as far as a wait is concerned."""

    source: Source | None
    execution_id: str = "e"
    has_row: bool = True
    is_sending: bool = False
    is_streaming: bool = False
    is_slow: bool = False
    told: list[Any] = field(default_factory=list)
    runnable: Any = None
    invocation: Any = None
    sink: Any = None
    on_answer: Any = None

    def __post_init__(self) -> None:
        self.runnable = self

    @property
    def workload(self) -> None: ...

    def tell(self, end: Any) -> None:
        self.told.append(end)


class Endless:
    """An executor whose runs do not end."""

    def begin(self, *_: Any, **__: Any) -> None: ...


async def test_a_request_that_ended_just_now_has_its_whole_wait_before_it() -> None:
    executor: Any = Endless()
    runs = Runs(
        executor=executor,
        recorder=executor,
        clock=SystemClock(),
        sync_timeout_s=30,
        shown_after_s=1,
    )
    source = Source()
    sending: Any = Waiting(source)
    runs.begin(sending, lambda end: None)
    runs._on_slow(sending)
    source.is_over = True
    runs._give_up_waiting(sending)
    assert (sending.told, len(runs._late._items)) == ([], 1)
    runs._give_up_waiting(sending)
    assert isinstance(sending.told[0], SynchronousTimeout)
    runs._slow.close()
    runs._late.close()


async def test_looking_again_at_a_request_leaves_the_loop_to_others() -> None:
    executor: Any = Endless()
    runs = Runs(
        executor=executor,
        recorder=executor,
        clock=SystemClock(),
        sync_timeout_s=0.01,
        shown_after_s=0.01,
    )
    source = Source()
    sending: Any = Waiting(source)
    runs.begin(sending, lambda end: None)
    await until(lambda: sending.is_slow)
    await asyncio.sleep(0)
    assert sending.told == []
    source.is_over = True
    await until(lambda: bool(sending.told))
    runs._slow.close()
    runs._late.close()
