"""Fixtures that every tier shares, and how much the property tests try."""

import gc
import os
import sys
from typing import Final
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis.internal import charmap
from hypothesis.internal.conjecture import providers
from hypothesis.internal.intervalsets import IntervalSet

# The usual run is for the moment of change; `HYPOTHESIS_PROFILE=thorough` is for a quiet hour.
PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "quick")
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=2000, deadline=None)
settings.load_profile(PROFILE)
if PROFILE == "quick":
    # Hypothesis parses every module of ours for constants to try, in each process anew, and draws
    # one in twenty times: seconds of work for hardly an example among 25.
    mock.patch.object(providers, "is_local_module_file", return_value=False).start()

# What UTF-8 can write, which is all but surrogates, Hypothesis finds out by writing each character:
# two seconds of the first test in a process that asks for any text, if no earlier run left a file.
_UTF_8: Final = (IntervalSet(((0, 0xD7FF), (0xE000, sys.maxunicode))), IntervalSet(()))
_written = charmap.intervals_from_codec
mock.patch.object(
    charmap, "intervals_from_codec", lambda name: _UTF_8 if name == "utf-8" else _written(name)
).start()

gc.disable()  # until all tests are collected: hardly anything of what that makes is garbage


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_finish() -> None:
    """What collection made stays to the end; the collector need not look at it again."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # as in the server
    gc.enable()
