"""The executions of one executor by id: to cancel them, and to read along while they run."""

import asyncio
from collections.abc import Callable

from runwright.executor.call import Call
from runwright.model.execution import Invocation, Outcome
from runwright.ports.executor import OnEnd, Output, ResponseSink


class Calls:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._calls: dict[str, Call] = {}  # of every execution, the newest
        self._expected: dict[str, list[asyncio.Future[Call]]] = {}  # readers wait for these

    def add(self, invocation: Invocation, on_end: OnEnd, sink: ResponseSink | None) -> Call:
        """A call that has just been asked for; it leaves this list when it ends."""
        execution_id = invocation.execution_id
        calls = self._calls
        call = calls[execution_id] = Call(invocation, sink, on_end, self._now(), calls)
        for expected in self._expected.pop(execution_id, []) if self._expected else ():
            if not expected.done():
                expected.set_result(call)
        return call

    def get(self, execution_id: str) -> Call | None:
        return self._calls.get(execution_id)

    def all(self) -> list[Call]:
        return list(self._calls.values())

    async def output(self, execution_id: str, *, wait_s: float) -> Output | None:
        """What `Executor.output` promises."""
        call = self._calls.get(execution_id)
        if call is not None:
            return call
        expected: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
        self._expected.setdefault(execution_id, []).append(expected)
        try:
            async with asyncio.timeout(wait_s):
                return await expected
        except TimeoutError:
            return None
        finally:
            others = self._expected.get(execution_id, [])
            if expected in others:
                others.remove(expected)
            if not others:
                self._expected.pop(execution_id, None)


def waiter() -> tuple["asyncio.Future[Outcome]", OnEnd]:
    """A future, and what settles it."""
    ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def on_end(end: Outcome | Exception) -> None:
        if ended.done():
            return
        if isinstance(end, Exception):
            ended.set_exception(end)
        else:
            ended.set_result(end)

    return ended, on_end
