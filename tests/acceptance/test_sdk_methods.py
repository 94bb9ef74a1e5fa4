"""Every method of the official SDKs: the scenario of `sdk/`, through each of them.

The table of docs/reference/compatibility.md is made from the same steps. Here they are run, and
each method that the table calls tested must have been answered, or refused as the step says.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

import pytest

import tests.acceptance.sdk
from tests.acceptance.console import Console
from tests.acceptance.running import Running
from tests.acceptance.sdk.driver import SDKS, Driver
from tests.acceptance.sdk.world import Record, World
from tools.sdk_methods import PENDING, PREFIX, Status, methods

Part = Callable[[World], None]
LEAST_TESTED: Final = 0.9  # of the methods that an SDK has


def _parts() -> Iterator[Part]:
    for found in pkgutil.iter_modules(tests.acceptance.sdk.__path__):
        if found.name.startswith(PREFIX):
            module = importlib.import_module(f"tests.acceptance.sdk.{found.name}")
            for name, part in inspect.getmembers(module, inspect.isfunction):
                if part.__module__ == module.__name__ and not name.startswith("_"):
                    yield part


PARTS: Final = sorted(_parts(), key=lambda part: (part.__module__, part.__name__))


class Run:
    """The scenario through one SDK; a part runs once, whoever asks for it first."""

    def __init__(self, server: Running, console: Console, driver: Driver) -> None:
        self.record = Record()
        self.driver = driver
        self._server = server
        self._console = console
        self._failures: dict[Part, Exception | None] = {}

    def go(self, part: Part) -> None:
        if part not in self._failures:
            world = World(self._server, self._console, self.driver, self.record)
            self._failures[part] = None
            try:
                part(world)
            except Exception as exc:
                self._failures[part] = exc
        failure = self._failures[part]
        if failure is not None:
            raise failure


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that trusts this machine: a mail server and an identity provider run on it."""
    settings = dict.fromkeys(
        ("RUNWRIGHT_SMTP_ALLOW_PRIVATE", "RUNWRIGHT_OAUTH_ALLOW_PRIVATE"), "on"
    )
    running = Running(tmp_path_factory.mktemp("sdk") / "data", **settings).start()
    try:
        yield running
    finally:
        assert running.stop() == 0, running.tail()


@pytest.fixture(scope="session", params=SDKS)
def run(
    request: pytest.FixtureRequest, home: Running, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    log = tmp_path_factory.mktemp("sdk") / f"{request.param}.log"
    console = Console(home)
    with Driver(request.param, log) as driver, closing(console.api):
        yield Run(home, console, driver)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_the_sdk_is_served(run: Run, part: Part) -> None:
    run.go(part)


def test_every_method_is_tested_as_the_table_says(run: Run) -> None:
    for part in PARTS:
        run.go(part)
    table = {method.plain: method for method in methods()}
    assert run.driver.methods - set(table) == set(), "the table does not have them"
    own = [table[name] for name in run.driver.methods]
    tested = [method for method in own if method.status is Status.TESTED]
    refused = [method for method in own if method.status is Status.REFUSED]
    assert {method.name for method in tested if method.plain not in run.record.answered} == set()
    assert {method.name for method in refused if method.plain not in run.record.refused} == set()
    assert {method.name for method in own if method.about == PENDING} == set()
    assert len(tested) + len(refused) >= LEAST_TESTED * len(own), f"{len(tested)} of {len(own)}"
