"""A loaded server leaves nothing behind; `python -m bench soak` is the long form."""

from pathlib import Path

from bench import ours, soak

SECONDS = 12.0
RATE = 30.0  # far from what any machine bears: this is about leaks, not about speed
PARTS = 6
MOST_GROWTH = 0.15  # caches still fill up within so short a time


def test_load_and_new_deployments_leave_nothing_behind(tmp_path: Path) -> None:
    server = ours.start(tmp_path, **soak.SETTINGS)
    try:
        soaked = soak.soak(server, SECONDS, rate=RATE, count=PARTS)
    finally:
        server.stop()
    assert soaked.failed == 0, server.tail()
    assert soaked.after.more_than(soaked.before) == {}
    assert soaked.growth() < MOST_GROWTH, [part.memory_mib for part in soaked.parts]
