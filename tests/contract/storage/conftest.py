"""Every adapter of the storage port; a new one is one more line here."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, TypeVar

import pytest

from runwright.ports.storage import Storage, UnitOfWork
from runwright.storage.database import Database, open_memory
from tests.contract.files import open_empty

R = TypeVar("R")


def _open(adapter: str, folder: Path) -> AbstractAsyncContextManager[Database]:
    match adapter:
        case "sqlite-memory":
            return open_memory()
        case "sqlite-file":
            return open_empty(folder / "runwright.db")
    raise AssertionError(adapter)


ADAPTERS: Final = ["sqlite-memory", "sqlite-file"]


class Bench:
    """The same without await: hypothesis draws and stops examples outside of event loops."""

    def __init__(self, runner: asyncio.Runner, storage: Storage) -> None:
        self._runner = runner
        self._storage = storage

    def write(self, work: Callable[[UnitOfWork], R]) -> R:
        return self._runner.run(self._storage.write(work))

    def read(self, work: Callable[[UnitOfWork], R]) -> R:
        return self._runner.run(self._storage.read(work))


@pytest.fixture(params=ADAPTERS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with asyncio.Runner() as runner:
        opened = _open(request.param, tmp_path)
        yield Bench(runner, runner.run(opened.__aenter__()))
        runner.run(opened.__aexit__(None, None, None))


@pytest.fixture(params=ADAPTERS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with _open(request.param, tmp_path) as database:
        yield database
