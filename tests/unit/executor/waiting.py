"""A call whose end can be waited for."""

import asyncio

from runwright.executor.call import Call
from runwright.model.execution import Invocation, Outcome
from runwright.ports.executor import ResponseSink


class WaitedCall(Call):
    def __init__(self, invocation: Invocation, sink: ResponseSink | None, asked_at: float) -> None:
        self.future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        super().__init__(invocation, sink, self._told, asked_at)

    def _told(self, end: Outcome | Exception) -> None:
        if isinstance(end, Exception):
            self.future.set_exception(end)
        else:
            self.future.set_result(end)
