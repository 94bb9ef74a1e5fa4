"""Start, stop, kill: nothing is lost and nothing is left behind."""

import os
import re
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.acceptance.deploying import deploy, execute, newest
from tests.acceptance.running import STOP_S, Running

HELLO = "export default ({res}) => res.text('hello');"


def descendants(pid: int) -> set[int]:
    found: set[int] = set()
    pending = [pid]
    while pending:
        for task in Path(f"/proc/{pending.pop()}/task").glob("*/children"):
            children = {int(child) for child in task.read_text().split()} - found
            found |= children
            pending += children
    return found


def alive(pids: set[int]) -> set[int]:
    """Those of `pids` that still run; zombies are gone."""
    running = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            running.add(pid)
    return running


def wait_gone(pids: set[int], seconds: float) -> set[int]:
    deadline = time.monotonic() + seconds
    while (left := alive(pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def cgroups_of(pids: set[int]) -> set[str]:
    """Names of the server's own groups, as its processes tell them."""
    found: set[str] = set()
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            continue
        found |= set(re.findall(r"runwright-[0-9a-f]+", text))
    return found


def existing(groups: set[str]) -> set[str]:
    """Folders of these groups that are still there."""
    return {
        os.path.join(root, name)
        for root, folders, _ in os.walk("/sys/fs/cgroup")
        for name in folders
        if name in groups
    }


def mounts() -> set[str]:
    return set(Path("/proc/self/mountinfo").read_text().splitlines())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean_and_leaves_nothing_behind(tmp_path: Path, number: int) -> None:
    mounted = mounts()
    server = Running(tmp_path / "data").start()
    with server.client() as api:
        deploy(api, "one", "node", HELLO)
        assert execute(api, "one")["responseBody"] == "hello"
    children = descendants(server.process.pid)
    groups = cgroups_of(children)
    assert children
    assert groups or os.geteuid() != 0
    server.process.send_signal(number)
    assert server.process.wait(STOP_S) == 0, server.tail()
    assert wait_gone(children, STOP_S) == set()
    assert existing(groups) == set()
    assert mounts() == mounted


def test_a_second_start_finds_everything_as_it_was(tmp_path: Path) -> None:
    server = Running(tmp_path / "data").start()
    with server.client() as api:
        deploy(api, "kept", "python", "def main(c):\n    return c.res.text('kept')\n")
        before = execute(api, "kept")
    first = dict(server.credentials)
    assert server.stop() == 0
    server.start()
    try:
        assert server.credentials["apiKey"] == first["apiKey"]
        assert server.credentials["consolePassword"] == first["consolePassword"]
        with server.client() as api:
            assert execute(api, "kept")["responseBody"] == "kept"
            record = api.get(f"/functions/kept/executions/{before['$id']}").json()
            assert record["status"] == "completed"
    finally:
        server.stop()


def test_after_a_kill_the_next_start_cleans_up_and_goes_on(tmp_path: Path) -> None:
    server = Running(tmp_path / "data").start()
    with server.client() as api:
        deploy(api, "survivor", "node", HELLO)
        done = [execute(api, "survivor")["$id"] for _ in range(5)]
    children = descendants(server.process.pid)
    groups = cgroups_of(children)
    server.kill()
    server.start()
    try:
        assert wait_gone(children, STOP_S) == set()
        groups |= cgroups_of(descendants(server.process.pid))
        with server.client() as api:
            for execution_id in done:
                record = api.get(f"/functions/survivor/executions/{execution_id}").json()
                assert record["status"] == "completed"
            assert execute(api, "survivor")["responseBody"] == "hello"
    finally:
        assert server.stop() == 0
    assert existing(groups) == set()


def test_a_run_that_dies_with_the_server_is_recorded_as_failed(tmp_path: Path) -> None:
    source = "export default () => new Promise((done) => setTimeout(done, 600000));"
    server = Running(tmp_path / "data").start()
    with server.client() as api:
        deploy(api, "sleeper", "node", source, timeout=900)
        with pytest.raises(httpx.ReadTimeout):
            api.post("/functions/sleeper/executions", json={}, timeout=2.5)
        listed = [newest(api, "sleeper")]
        assert [item["status"] for item in listed] == ["processing"]
    server.kill()
    server.start()
    try:
        with server.client() as api:
            record = api.get("/functions/sleeper/executions").json()["executions"][0]
        assert (record["status"], record["errorClass"]) == ("failed", "platform")
        assert record["$id"] == listed[0]["$id"]
    finally:
        server.stop()


def test_a_second_server_on_the_same_folder_refuses_to_start(server: Running) -> None:
    with pytest.raises(AssertionError, match="already"):
        Running(server.data_dir).start()
    with server.client() as api:
        assert api.get("/health/version").is_success


def test_the_credentials_are_for_their_owner_only(server: Running) -> None:
    for name in ("credentials.json", "master.key"):
        assert (server.data_dir / name).stat().st_mode & 0o777 == 0o600, name
