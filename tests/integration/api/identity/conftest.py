"""The routes of identity over storage in memory."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.identity import World, open_world


@pytest.fixture
async def world(anyio_backend: str) -> AsyncIterator[World]:
    async with open_world() as opened:
        yield opened
