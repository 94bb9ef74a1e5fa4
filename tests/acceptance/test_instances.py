"""`minInstances` and `maxInstances` on a real server: always ready, never more."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.acceptance import deploying
from tests.acceptance.processes import descendants
from tests.acceptance.running import Running

SOURCE = """
import os, time
with open("/tmp/VERSION", "w") as loaded:
    pass

def main(context):
    if context.req.path == "/slow":
        time.sleep(1)
    return context.res.text("VERSION " + os.readlink("/proc/self/ns/mnt"))
"""


def until(condition: Callable[[], bool], wait_s: float = 120.0) -> None:
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_warm(server: Running, function_id: str) -> bool:
    with server.client() as api:
        execution = deploying.execute(api, function_id)
    assert execution["status"] == "completed", execution["errors"]
    return not execution["cold"]


def sandboxes_with(server: Running, version: str) -> int:
    """Sandboxes, one or two Python processes each, that have loaded this version of the function.

    They are told to load it when they are ready for calls; its code is there before that.
    """
    found = set()
    for pid, _ in descendants(server.process.pid):
        try:
            name = Path(f"/proc/{pid}/comm").read_text()
            os.stat(Path(f"/proc/{pid}/root", "tmp", version))
            sandbox = os.readlink(f"/proc/{pid}/ns/mnt")
        except OSError:
            continue
        if name.startswith("python"):
            found.add(sandbox)
    return len(found)


def test_instances_are_ready_before_calls_after_a_switch_and_after_a_restart(
    tmp_path: Path,
) -> None:
    server = Running(tmp_path / "data").start()
    try:
        with server.client() as api:
            deploying.create(api, "kept", "python", minInstances=2, maxInstances=2)
            # Where loading takes long it would get a template, a sandbox that takes no calls.
            off = {"variableId": "off", "key": "RUNWRIGHT_PYTHON_TEMPLATE", "value": "off"}
            api.post("/functions/kept/variables", json=off).raise_for_status()
            deploying.redeploy(api, "kept", "python", SOURCE.replace("VERSION", "first"))
            until(lambda: sandboxes_with(server, "first") == 2)
            assert is_warm(server, "kept")
            deploying.redeploy(api, "kept", "python", SOURCE.replace("VERSION", "second"))
            until(lambda: sandboxes_with(server, "second") == 2)
            until(lambda: sandboxes_with(server, "first") == 0)
            assert is_warm(server, "kept")
        server.stop()
        server.start()
        until(lambda: sandboxes_with(server, "second") == 2)
        assert is_warm(server, "kept")
        with server.client() as api:
            fewer = {"name": "kept", "minInstances": 0, "maxInstances": 1}
            api.put("/functions/kept", json=fewer).raise_for_status()
        until(lambda: sandboxes_with(server, "second") == 1)
        bodies = at_once(server, 4)
        assert len(bodies) == 4
        assert len(set(bodies)) == 1  # all in the one process that there may be
    finally:
        server.stop()


def at_once(server: Running, count: int) -> list[str]:
    answers: list[str] = []

    def call() -> None:
        with server.client() as api:
            answers.append(deploying.execute(api, "kept", path="/slow")["responseBody"])

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
