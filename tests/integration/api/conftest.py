from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.api.world import World, a_world


@pytest.fixture
async def world(anyio_backend: str, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(str(tmp_path)) as made:
        yield made
