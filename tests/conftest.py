"""Fixtures that every tier shares, and how much the property tests try."""

import os

import pytest
from hypothesis import settings

# The usual run is for the moment of change; `HYPOTHESIS_PROFILE=thorough` is for a quiet hour.
settings.register_profile("quick", max_examples=40, deadline=None)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
