"""`minInstances` and `maxInstances` on a real server: always ready, never more."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.acceptance import deploying
from tests.acceptance.running import Running

SOURCE = """
import os, time
def main(context):
    if context.req.path == "/slow":
        time.sleep(1)
    return context.res.text("VERSION " + str(os.getpid()))
"""


def until(condition: Callable[[], bool], wait_s: float = 60.0) -> None:
    deadline = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_warm(server: Running, function_id: str) -> bool:
    with server.client() as api:
        execution = deploying.execute(api, function_id)
    assert execution["status"] == "completed", execution["errors"]
    return not execution["cold"]


def sandboxes_with(server: Running, text: str) -> int:
    """Sandboxes, one or two Python processes each, whose function's source holds a text."""
    found = set()
    for pid in _descendants(server.process.pid):
        try:
            name = Path(f"/proc/{pid}/comm").read_text()
            root = Path(f"/proc/{pid}/root")
            code = (root / "usr/local/server/src/function/main.py").read_text()
            sandbox = os.readlink(f"/proc/{pid}/ns/mnt")
        except OSError:
            continue
        if text in code and name.startswith("python"):
            found.add(sandbox)
    return len(found)


def _descendants(pid: int) -> list[int]:
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for word in children.read_text().split():
            found += [int(word), *_descendants(int(word))]
    return found


def test_instances_are_ready_before_calls_after_a_switch_and_after_a_restart(
    tmp_path: Path,
) -> None:
    server = Running(tmp_path / "data").start()
    try:
        with server.client() as api:
            first = SOURCE.replace("VERSION", "first")
            deploying.deploy(api, "kept", "python", first, minInstances=2, maxInstances=2)
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
            off = {"name": "kept", "minInstances": 0, "maxInstances": 1}
            api.put("/functions/kept", json=off).raise_for_status()
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
