"""Identity services over storage in memory."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.identity import Bench, open_bench


@pytest.fixture
async def bench(anyio_backend: str) -> AsyncIterator[Bench]:
    async with open_bench() as opened:
        yield opened
