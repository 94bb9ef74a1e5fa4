"""The server's side of a launcher that is gone before anybody has noticed."""

import asyncio
import socket
from collections.abc import Coroutine
from pathlib import Path

import pytest

from runwright.executor.cgroups import Limits
from runwright.executor.channel import Channel
from runwright.executor.control import Control, ControlConfig
from runwright.executor.spawn import Exit, SpawnFailed
from runwright.executor.stage import Plan
from runwright.model.network import Network

pytestmark = pytest.mark.anyio


class Unreplaced(Control):
    def _run_task(self, work: Coroutine[object, object, None], name: str) -> None:
        work.close()


async def test_what_is_asked_of_a_launcher_that_has_just_died_fails_at_once(
    tmp_path: Path,
) -> None:
    plan = Plan(bwrap_dir="", bwrap_libs="", runners="", ca_file="", zoneinfo="", trees=())
    config = ControlConfig(run_dir=tmp_path, instance="a", plan=plan, forwarder={}, api_port=80)
    control, ends = Unreplaced(config), list[Exit]()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control._launcher.channel = Channel(ours, control._from_launcher, control._launcher_closed)
    control._alive[1] = ends.append
    theirs.close()  # and the loop has not turned yet
    with pytest.raises(SpawnFailed) as refusal:
        await control.assign(1, [], Limits(64, 64), Network.EGRESS)
    assert refusal.value.reason == "the sandbox ended"
    assert [end.is_platform for end in ends] == [True]
    await asyncio.sleep(0)
    assert not control._assigning
