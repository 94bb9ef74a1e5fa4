"""Containers that do not come to life, or are not wanted any more before they have."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from runwright.clock import SystemClock
from runwright.executor.docker.container import Container, Entered, StartFailed, State, Surroundings
from runwright.executor.docker.driver import DockerConfig, DockerExecutor, DockerRefused
from runwright.executor.docker.engine import Engine
from runwright.executor.netns import Plumbing
from runwright.model.execution import ErrorClass, Invocation, Workload

DOOR = "runwright.executor.docker.container.Door.open"
STATE = {"State": {"Running": True, "Pid": 7, "ExitCode": 0, "OOMKilled": False}}


class Daemon:
    """Does what it is asked; a container runs until it is removed."""

    def __init__(self, created: object = None) -> None:
        self.created = {"Id": "box"} if created is None else created
        self.starts = 0
        self.removed: list[str] = []
        self._is_removed = asyncio.Event()

    def engine(self) -> Engine:
        return Engine("", transport=httpx.MockTransport(self._answer))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/create"):
            return httpx.Response(201, text=json.dumps(self.created))
        if path.endswith("/start"):
            self.starts += 1
        if path.endswith("/wait"):
            await self._is_removed.wait()
        if request.method == "DELETE":
            self.removed.append(path.rpartition("/")[2])
            self._is_removed.set()
        return httpx.Response(200, json=STATE)


class FakeCarrier:
    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.on_network_lost: Callable[[], None] = lambda: None

    def next_id(self) -> int:
        return 5

    def carry(self, box_id: int, plumbing: Plumbing, network: str) -> None:
        self.told.append(("carry", box_id))

    def drop(self, box_id: int) -> None:
        self.told.append(("drop", box_id))


class FakeDoor:
    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.is_closed = False

    def plumb(self, api_port: int) -> Plumbing:
        if self.fails == "plumb":
            raise OSError("in use")
        return Plumbing(True, ())

    def let_begin(self) -> None:
        if self.fails == "let_begin":
            raise FileExistsError

    def close(self) -> None:
        self.is_closed = True


def surroundings(daemon: Daemon, carrier: FakeCarrier | None = None) -> Surroundings:
    return Surroundings(
        engine=daemon.engine(),
        carrier=carrier,
        api_port=80,
        now=lambda: 0.0,
        max_body_bytes=1,
        changed=lambda: None,
    )


def a_workload(key: str = "k") -> Workload:
    return Workload(
        key=key,
        project_id="p",
        function_id="f",
        deployment_id=f"d-{key}",
        runtime="dart-3.5",
        artifact="/nowhere",
        entrypoint="x",
    )


def put_in(monkeypatch: pytest.MonkeyPatch, door: FakeDoor) -> None:
    monkeypatch.setattr(DOOR, lambda _container, _pid: door)


@pytest.mark.parametrize("step", ["plumb", "let_begin"])
async def test_a_start_that_fails_half_way_leaves_nothing_open(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, carrier, door = Daemon(), FakeCarrier(), FakeDoor(step)
    put_in(monkeypatch, door)

    with pytest.raises(StartFailed):
        await Entered.begin(surroundings(daemon, carrier), "name", {}, "egress")

    assert door.is_closed
    assert carrier.told[-1] == ("drop", 5)
    assert daemon.removed == ["box"]


@pytest.mark.parametrize("moment", ["begin", "ready"])
async def test_a_container_retired_while_it_starts_is_ended_by_its_start(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, door = Daemon(), FakeDoor()
    container = Container(surroundings(daemon, FakeCarrier()), a_workload())

    def opened(_container: str, _pid: int) -> FakeDoor:
        if moment == "begin":
            container.drain()
        return door

    async def ready(_self: Container, _entered: Entered) -> None:
        if moment == "ready":
            container.drain()
        await asyncio.sleep(0)
        assert not container.is_ending

    monkeypatch.setattr(DOOR, opened)
    monkeypatch.setattr(Container, "_until_ready", ready)
    await container.start("name", {})
    await container.end()

    assert container.state is State.GONE
    assert door.is_closed
    assert daemon.removed == ["box"]


def an_executor(daemon: Daemon, monkeypatch: pytest.MonkeyPatch, **config: Any) -> DockerExecutor:
    monkeypatch.setattr("runwright.executor.docker.driver.Engine", lambda _socket: daemon.engine())
    return DockerExecutor(
        DockerConfig(data_dir=Path("/nowhere"), api_port=80, **config), SystemClock()
    )


async def test_a_kept_container_that_dies_is_not_started_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    daemon = Daemon(created=["no", "container"])
    executor = an_executor(daemon, monkeypatch)
    names: list[str] = []
    start = Container.start

    async def counted(self: Container, name: str, recipe: dict[str, object]) -> None:
        names.append(name)
        await start(self, name, recipe)

    monkeypatch.setattr(Container, "start", counted)
    wanted = [(a_workload(), 3)]
    for _ in range(5):
        executor.keep(wanted)
        container = executor._containers["k"]
        assert container.starting is not None
        await asyncio.wait({container.starting})
        assert container.state is State.GONE

    assert len(names) == 1
    executor.retire("d-k")
    assert executor._keeping.all() == []
    await executor.stop()


async def test_a_kept_container_does_not_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    put_in(monkeypatch, FakeDoor())
    monkeypatch.setattr(FakeDoor, "light", lambda _self: None, raising=False)

    async def ready(_self: Container, _entered: Entered) -> None: ...

    monkeypatch.setattr(Container, "_until_ready", ready)
    executor = an_executor(Daemon(), monkeypatch, containers=1)
    executor.keep([(a_workload("kept"), 1)])
    kept = executor._containers["kept"]
    assert kept.starting is not None
    await kept.starting

    assert executor._begin_container(a_workload("other")) is None
    assert kept.state is State.READY
    executor.keep([])
    assert executor._begin_container(a_workload("other")) is None
    assert kept.is_ending
    await executor.stop()


@pytest.mark.parametrize("created", [{}, [], "x"])
async def test_a_call_ends_when_the_daemon_answers_nonsense(
    created: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = an_executor(Daemon(created=created), monkeypatch)

    outcome = await executor.run(
        a_workload(), Invocation(execution_id="e", method="GET", target="/", headers=())
    )

    assert outcome.error_class is ErrorClass.COLD_START
    await executor.stop()


async def test_the_api_may_not_have_the_port_on_which_functions_listen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = DockerConfig(data_dir=Path("/nowhere"), api_port=3000)
    executor = DockerExecutor(config, SystemClock(), FakeCarrier())
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(DockerRefused, match="RUNWRIGHT_PORT is 3000"):
        await executor.start()
    await executor.stop()
