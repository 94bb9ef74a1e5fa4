"""A short round of the crash rig; `make chaos` is the long one, docs/how-to/chaos.md tells more."""

import asyncio
from pathlib import Path
from typing import Final

from tests.chaos.__main__ import report
from tests.chaos.checker import check
from tests.chaos.evidence import Fault
from tests.chaos.round import Orders, play

SEED: Final = 20
REQUESTS: Final = 500  # at least; a quick machine gets more done in its six lives


def test_a_server_that_is_killed_torn_and_disturbed_keeps_what_it_promised(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    orders = Orders(
        seed=SEED, executions=REQUESTS, kill_every=(1.0, 2.5), folder=tmp_path, drain_s=240, lives=6
    )
    played = asyncio.run(play(orders, print))
    verdict = check(played.evidence)
    told = report(played, verdict)
    print(told)
    # How long takeovers take says much about this machine; the long round looks at that.
    assert {finding.rule for finding in verdict.findings} <= {"takeovers"}, told
    assert played.is_sound
    done = {item.fault for item in played.evidence.done}
    assert {Fault.KILL, Fault.TEAR, Fault.SANDBOX, Fault.FULL, Fault.JUMP} <= done
    assert any(start.attempt > 1 for start in played.evidence.starts), "no kill met a run; useless"
