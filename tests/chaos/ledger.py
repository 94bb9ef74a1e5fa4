"""The client's own log. What is in it is on disk, so a promise that it names was made."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Self


class Ledger:
    """`start`, then `stop`. Those who write at the same time share one flush."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lines: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="ledger")
        return self

    async def stop(self) -> None:
        if self._task is not None:
            await self.write({"what": "end"})
            self._task.cancel()
            await asyncio.wait({self._task})
        os.close(self._file)

    async def write(self, entry: dict[str, Any]) -> None:
        """Returns when the entry is on disk."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self.note(entry)
        await future

    def note(self, entry: dict[str, Any]) -> None:
        """Goes to disk with the next one that somebody waits for."""
        self._lines.append(json.dumps(entry).encode() + b"\n")
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            lines, self._lines = self._lines, []
            waiting, self._waiting = self._waiting, []
            await asyncio.to_thread(self._store, b"".join(lines), is_awaited=bool(waiting))
            for future in waiting:
                if not future.done():
                    future.set_result(None)

    def _store(self, text: bytes, *, is_awaited: bool) -> None:
        while text:
            text = text[os.write(self._file, text) :]
        if is_awaited:
            os.fsync(self._file)
