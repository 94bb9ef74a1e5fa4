"""Start, stop, kill: nothing is lost and nothing is left behind."""

import contextlib
import os
import re
import signal
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from runwright.executor.stage import ASSEMBLY_FOLDERS
from tests.acceptance.deploying import deploy, execute, newest
from tests.acceptance.processes import Process, alive, descendants
from tests.acceptance.running import STOP_S, Running

HELLO = "export default ({res}) => res.text('hello');"


def wait_gone(processes: set[Process]) -> set[Process]:
    deadline = time.monotonic() + STOP_S
    while (left := alive(processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def cgroups_of(processes: set[Process]) -> set[str]:
    """Names of the server's own groups, as its processes tell them."""
    found: set[str] = set()
    for pid, _ in processes:
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


def mounts(server: Running, groups: set[str]) -> list[str]:
    """Those that name its folder or its groups: what else is mounted is not all its doing."""
    names = {str(server.data_dir), *groups}
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if any(name in line for name in names)]


def stages() -> list[str]:
    """Mounts where a launcher makes its stage, which nobody else mounts anything on: a stage that
    is seen from here has left the launcher's namespace, whoever's launcher it was."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if line.split()[4] in ASSEMBLY_FOLDERS]


def test_a_stop_leaves_nothing_behind_and_the_next_start_finds_everything(tmp_path: Path) -> None:
    staged = stages()
    server = Running(tmp_path / "data").start()
    try:
        with server.client() as api:
            deploy(api, "one", "node", HELLO)
            deploy(api, "kept", "python", "def main(c):\n    return c.res.text('kept')\n")
            assert execute(api, "one")["responseBody"] == "hello"
            before = execute(api, "kept")
        first = dict(server.credentials)
        stops_clean(server, signal.SIGTERM)
        server.start()
        assert server.credentials["apiKey"] == first["apiKey"]
        assert server.credentials["consolePassword"] == first["consolePassword"]
        with server.client() as api:
            assert execute(api, "kept")["responseBody"] == "kept"
            record = api.get(f"/functions/kept/executions/{before['$id']}").json()
            assert record["status"] == "completed"
        stops_clean(server, signal.SIGINT)
        assert stages() == staged
    finally:
        server.stop()


def stops_clean(server: Running, number: int) -> None:
    children = descendants(server.process.pid)
    groups = cgroups_of(children)
    assert children
    assert groups or os.geteuid() != 0
    server.process.send_signal(number)
    assert server.process.wait(STOP_S) == 0, server.tail()
    assert wait_gone(children) == set()
    assert existing(groups) == set()
    assert mounts(server, groups) == []


def test_after_a_kill_the_next_start_cleans_up_and_tells_what_became_of_all(
    tmp_path: Path,
) -> None:
    sleeps = "export default () => new Promise((done) => setTimeout(done, 600000));"
    server = Running(tmp_path / "data").start()
    try:
        with server.client() as api:
            deploy(api, "survivor", "node", HELLO)
            deploy(api, "sleeper", "node", sleeps, timeout=900)
            done = [execute(api, "survivor")["$id"] for _ in range(5)]
            with contextlib.closing(HTTPConnection("127.0.0.1", server.port)) as leaver:
                headers = {**api.headers, "content-type": "application/json"}
                leaver.request("POST", "/v1/functions/sleeper/executions", "{}", headers)
                running = newest(api, "sleeper")
            assert running["status"] == "processing"
        children = descendants(server.process.pid)
        groups = cgroups_of(children)
        server.kill()
        server.start()
        assert wait_gone(children) == set()
        groups |= cgroups_of(descendants(server.process.pid))
        with server.client() as api:
            (record,) = api.get("/functions/sleeper/executions").json()["executions"]
            assert (record["status"], record["errorClass"]) == ("failed", "platform")
            assert record["$id"] == running["$id"]
            for execution_id in done:
                record = api.get(f"/functions/survivor/executions/{execution_id}").json()
                assert record["status"] == "completed"
            assert execute(api, "survivor")["responseBody"] == "hello"
    finally:
        assert server.stop() == 0
    assert existing(groups) == set()


def test_a_second_server_on_the_same_folder_refuses_to_start(server: Running) -> None:
    with pytest.raises(AssertionError, match="already"):
        Running(server.data_dir).start()
    with server.client() as api:
        assert api.get("/health/version").is_success


def test_the_credentials_are_for_their_owner_only(server: Running) -> None:
    for name in ("credentials.json", "master.key"):
        assert (server.data_dir / name).stat().st_mode & 0o777 == 0o600, name
