"""Fixtures that every tier shares, and how much the property tests try."""

import gc
import os

import pytest
from hypothesis import settings

# The usual run is for the moment of change; `HYPOTHESIS_PROFILE=thorough` is for a quiet hour.
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

gc.disable()  # until all tests are collected: hardly anything of what that makes is garbage


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_finish() -> None:
    """What collection made stays to the end; the collector need not look at it again."""
    gc.freeze()
    gc.enable()
