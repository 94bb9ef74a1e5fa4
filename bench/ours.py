"""Our server under measurement: started with a folder of its own, functions deployed by API."""

import time
from pathlib import Path
from typing import Any, Final

import httpx

from tests.acceptance import deploying
from tests.acceptance.deploying import BUILD_S
from tests.acceptance.running import Running

NODE_HELLO: Final = (
    "module.exports = async ({ req, res }) => res.json({ message: 'Hello World' });\n"
)
PYTHON_HELLO: Final = (
    "def main(context):\n    return context.res.json({'message': 'Hello World'})\n"
)
SOURCES: Final = {
    "node": ("main.cjs", NODE_HELLO),
    "python": ("main.py", PYTHON_HELLO),
    "python-async": ("main.py", f"async {PYTHON_HELLO}"),
}


def runtime(server: Running, language: str) -> str:
    """An installed runtime of a language; node-22 where there are several of Node."""
    with server.client() as api:
        ids = [item["$id"] for item in api.get("/functions/runtimes").json()["runtimes"]]
    mine = [item for item in ids if item.startswith(f"{language}-")]
    return "node-22" if "node-22" in mine else mine[-1]


def create(api: httpx.Client, function_id: str, runtime_id: str, kind: str) -> None:
    """Create a hello function of a kind in SOURCES and start its build."""
    name, text = SOURCES[kind]
    language = kind.partition("-")[0]
    deploying.create(api, function_id, language, runtime=runtime_id, entrypoint=name)
    deploying.upload(api, function_id, {name: text})


def wait_live(api: httpx.Client, function_id: str) -> None:
    deadline = time.monotonic() + BUILD_S
    while time.monotonic() < deadline:
        function: dict[str, Any] = api.get(f"/functions/{function_id}").json()
        if function["deploymentId"]:
            return
        if function["latestDeploymentStatus"] == "failed":
            raise RuntimeError(f"the build of {function_id} failed")
        time.sleep(0.05)
    raise RuntimeError(f"the build of {function_id} did not end")


def start(folder: Path, **settings: str) -> Running:
    return Running(folder / "data", RUNWRIGHT_LOG_LEVEL="warning", **settings).start()


def sandboxes(server: Running) -> list[int]:
    """Process ids of everything below the server process."""
    found, pending = [], [server.process.pid]
    while pending:
        for task in Path(f"/proc/{pending.pop()}/task").glob("*/children"):
            children = [int(pid) for pid in task.read_text().split()]
            found += children
            pending += children
    return found


def pss_mib(pids: list[int]) -> float:
    """Proportional set size of some processes together; those that ended count nothing."""
    total = 0
    for pid in pids:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(
            int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")
        )
    return total / 1024
