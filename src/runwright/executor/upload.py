"""A request body on its way into a sandbox, no faster than user code takes it.

One task per streamed request; it ends with the body, the call or the sandbox. At most
INTAKE_BYTES of it are inside, not taken, and none is read from its caller while the socket of
the sandbox is full: what the runner says it took is not believed before the socket took it.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from runwright.executor import wire
from runwright.ports.executor import RequestSource

log = logging.getLogger(__name__)

_PARTS_PER_TURN: Final = 64  # tiny ones that are there already must not hold up everybody else


class Upload:
    def __init__(
        self,
        source: RequestSource,
        request_id: int,
        send: Callable[[bytes], None],
        is_blocked: Callable[[], bool],
    ) -> None:
        self._source = source
        self._request_id = request_id
        self._send = send
        self._is_blocked = is_blocked
        self._untaken = 0  # bytes that were sent
        self._news = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(
            self._run(), name=f"upload-{request_id}"
        )

    def taken(self, size: int) -> None:
        """User code took that much. Raises WireError when there was not so much."""
        if size > self._untaken:
            raise wire.WireError("TAKEN more than was sent")
        self._untaken -= size
        self._news.set()

    def wake(self) -> None:
        """The socket of the sandbox may have room again."""
        self._news.set()

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        flags = wire.FLAG_END
        count = 0
        try:
            while part := await self._source.read():
                await self._pass_on(memoryview(part))
                count += 1
                if count % _PARTS_PER_TURN == 0:
                    await asyncio.sleep(0)
        except ConnectionError:
            flags |= wire.FLAG_BROKEN
        except Exception:  # a broken source must not leave user code waiting
            log.exception("a request could not be read", extra={"action": "source_failed"})
            flags |= wire.FLAG_BROKEN
        self._send(wire.encode_part(self._request_id, b"", flags))

    async def _pass_on(self, part: memoryview) -> None:
        while part:
            room = wire.INTAKE_BYTES - self._untaken
            if room <= 0 or self._is_blocked():
                self._news.clear()
                await self._news.wait()
                continue
            piece = part[: min(room, wire.PART_BYTES)]
            self._untaken += len(piece)
            self._send(wire.encode_part(self._request_id, piece))
            part = part[len(piece) :]
