"""Every adapter of the storage port; a new one is one more line here."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from runwright.storage.database import Database, open_database, open_memory


def _open(adapter: str, folder: Path) -> AbstractAsyncContextManager[Database]:
    match adapter:
        case "sqlite-memory":
            return open_memory()
        case "sqlite-file":
            return open_database(folder / "runwright.db")
    raise AssertionError(adapter)


@pytest.fixture(params=["sqlite-memory", "sqlite-file"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with _open(request.param, tmp_path) as database:
        yield database
