"""One running runner for each interpreter found, shared by the tests that do it no harm."""

from collections.abc import Iterator

import pytest

from tests.integration.runners.harness import ENV, Runner, Variant, started, variants


@pytest.fixture(scope="session", params=variants(), ids=lambda variant: variant.id)
def variant(request: pytest.FixtureRequest) -> Variant:
    found: Variant = request.param
    return found


@pytest.fixture(scope="session")
def runner(variant: Variant) -> Iterator[Runner]:
    with started(variant, ENV) as runner:
        runner.call("text")  # the first call gets what the module printed, whichever test it is of
        yield runner


@pytest.fixture
def own(variant: Variant) -> Iterator[Runner]:
    """A runner of the test's own, which it may end."""
    with started(variant, ENV) as runner:
        yield runner
