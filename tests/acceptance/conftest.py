"""One server for the whole tier; tests make functions and projects of their own in it."""

from collections.abc import Iterator

import pytest

from tests.acceptance.running import Running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("acceptance") / "data").start()
    try:
        yield running
    finally:
        assert running.stop() == 0, running.tail()
