"""Hears from functions that they begin, and writes it down before it nods."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.chaos.evidence import Start


class Witness:
    """`start`, then `stop`."""

    def __init__(self, log: Path, hear: Callable[[Start], None]) -> None:
        self.starts: list[Start] = []
        self._tell = hear
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._server: asyncio.Server | None = None

    async def start(self) -> Self:
        self._server = await asyncio.start_server(self._hear, "127.0.0.1", 0, backlog=4096)
        return self

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        os.close(self._log)

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            words = line.decode(errors="replace").split()
            if len(words) == 3 and words[1].isdecimal() and line.endswith(b"\n"):
                at = time.time()
                os.write(self._log, f"{at:.6f} {line.decode()}".encode())
                start = Start(
                    execution_id=words[0], attempt=int(words[1]), function_id=words[2], at=at
                )
                self.starts.append(start)
                self._tell(start)
                writer.write(b"+")
                await writer.drain()
        except ConnectionError:
            pass  # whoever spoke was killed
        finally:
            writer.close()
