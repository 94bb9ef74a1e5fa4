"""The routes of identity over storage in memory."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.identity import World, open_world
from tests.integration.api.identity.oauth_world import Provider, ready_provider


@pytest.fixture
async def world(anyio_backend: str) -> AsyncIterator[World]:
    async with open_world() as opened:
        yield opened


@pytest.fixture
async def provider(world: World) -> Provider:
    """An OpenID Connect provider that is enabled in the project."""
    return await ready_provider(world)
