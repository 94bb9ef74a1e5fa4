"""One server per user that runs it; every attack goes against it."""

import os
from collections.abc import Iterator

import pytest

from tests.acceptance.attacks.rows import Row
from tests.acceptance.attacks.stand import Stand, can_judge


@pytest.fixture(scope="session", params=["root", "ordinary"])
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    if os.geteuid() != 0 and request.param == "root":
        pytest.skip("only root can run the server as root")
    stand = Stand(request.param)
    try:
        stand.start()
        yield stand
    finally:
        stand.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rows that cannot be judged for a user say why."""
    for item in items:
        if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
            continue
        params = item.callspec.params
        row, who = params.get("row"), params.get("stand")
        if isinstance(row, Row) and isinstance(who, str) and (why := can_judge(row, who)):
            item.add_marker(pytest.mark.skip(reason=why))
