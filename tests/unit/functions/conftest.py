"""One desk per test."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.functions.desk import Desk, open_desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with open_desk() as opened:
        yield opened
