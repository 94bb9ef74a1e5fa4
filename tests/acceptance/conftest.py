"""One server for the whole tier; tests make functions and projects of their own in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.running import Running

# The longest first, so that the processes that share the tier come to its end together.
LONG: Final = (
    "openapi", "lifecycle", "chaos", "mail", "deployments", "async", "cron", "webhooks", "control",
    "secrets", "soak", "instances", "loops", "events", "command_line", "sdk_methods",
)  # fmt: skip
RANKS: Final = {Path(__file__).with_name(f"test_{name}.py"): at for at, name in enumerate(LONG)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: RANKS.get(item.path, len(RANKS)))  # the rest stays as it is


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("acceptance") / "data").start()
    try:
        yield running
    finally:
        assert running.stop() == 0, running.tail()
