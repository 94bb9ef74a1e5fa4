"""Live logs: from the moment at which user code prints a line to the moment at which a client of
the event stream has it. Both clocks are this machine's."""

import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx

from bench import ours
from tests.acceptance import deploying
from tests.acceptance.running import Running

LINES: Final = 200
EVERY_MS: Final = 20
READERS: Final = (1, 20)
SOURCES: Final = {
    "node": f"""
export default async ({{ res, log }}) => {{
  for (let n = 0; n < {LINES}; n += 1) {{
    log(`at ${{Date.now()}}`);
    await new Promise((done) => setTimeout(done, {EVERY_MS}));
  }}
  return res.text("");
}};
""",
    "python": f"""
import time

def main(context):
    for _ in range({LINES}):
        context.log(f"at {{time.time() * 1000:.3f}}")
        time.sleep({EVERY_MS / 1000})
    return context.res.text("")
""",
}


def run() -> None:
    print(f"\nLive logs: {LINES} lines, one every {EVERY_MS} ms, print -> client, milliseconds\n")
    print(f"{'function':10} {'readers':>8} {'p50':>8} {'p95':>8} {'max':>8}")
    with tempfile.TemporaryDirectory() as folder:
        server = ours.start(Path(folder))
        try:
            for language, source in SOURCES.items():
                with server.client() as api:
                    deploying.deploy(api, f"live-{language}", language, source, timeout=60)
                for readers in READERS:
                    waits = sorted(_measured(server, f"live-{language}", readers))
                    print(
                        f"{language:10} {readers:8} {_at(waits, 0.5):8.1f} {_at(waits, 0.95):8.1f} "
                        f"{waits[-1]:8.1f}"
                    )
        finally:
            server.stop()


def _measured(server: Running, function_id: str, readers: int) -> list[float]:
    """How long each line took to each reader; every reader must get every line."""
    with server.client() as api, ThreadPoolExecutor(readers) as pool:
        made = api.post(f"/functions/{function_id}/executions", json={"async": True}).json()
        url = f"/functions/{function_id}/executions/{made['$id']}/logs"
        found = list(pool.map(lambda _: _read(server, url), range(readers)))
    return [wait for waits in found for wait in waits]


def _read(server: Running, url: str) -> list[float]:
    """The waits for lines that were printed when this reader was there already."""
    waits, lines, name = [], 0, ""
    params, timeout = {"follow": ""}, httpx.Timeout(60)
    with (
        server.client() as api,
        api.stream("GET", url, params=params, timeout=timeout) as answer,
    ):
        here_since = time.time() * 1000
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data" and name == "log":
                now = time.time() * 1000
                for text in json.loads(value)["text"].splitlines():
                    lines += 1
                    printed_at = float(text.removeprefix("at "))
                    if printed_at >= here_since:
                        waits.append(now - printed_at)
    if lines != LINES:
        raise RuntimeError(f"{LINES - lines} of {LINES} lines are missing")
    return waits


def _at(waits: list[float], part: float) -> float:
    return waits[min(int(len(waits) * part), len(waits) - 1)]
