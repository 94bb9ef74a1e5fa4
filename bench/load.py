"""Load from wrk, and the numbers in what it prints."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Load:
    """One wrk run. Times in seconds."""

    rate: float
    p50_s: float
    p99_s: float
    failed: int


def drive(
    url: str, host: str, connections: int, seconds: float, *, script: Path | None = None
) -> Load:
    """Keep-alive requests from one wrk thread: GETs, or what the script says."""
    done = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds:g}s",
            "--latency",
            "-H",
            f"Host: {host}",
            *(("-s", str(script)) if script is not None else ()),
            url,
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds + 30,
    )
    return parse(done.stdout)


def parse(text: str) -> Load:
    def moment(percent: str) -> float:
        found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text)
        assert found, text
        return float(found[1]) * _UNITS[found[2]]

    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate, text
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    sockets = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text
    )
    failed = (int(wrong[1]) if wrong else 0) + sum(map(int, sockets.groups() if sockets else ()))
    return Load(float(rate[1]), moment("50"), moment("99"), failed)


def middle(loads: Sequence[Load]) -> Load:
    """The median of each figure; failures add up."""
    return Load(
        median(load.rate for load in loads),
        median(load.p50_s for load in loads),
        median(load.p99_s for load in loads),
        sum(load.failed for load in loads),
    )
