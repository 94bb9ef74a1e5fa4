"""The warm sandboxes of one workload, and the calls that wait for one."""

import json
import os
from collections import deque
from functools import cached_property
from typing import Final

from runwright.executor.bubblewrap import FUNCTION_DIR
from runwright.executor.call import Call
from runwright.executor.sandbox import Sandbox, State
from runwright.executor.spawn import Mount
from runwright.executor.stock import Key
from runwright.model.execution import Workload
from runwright.model.network import Network

_RESOLV_CONF: Final = "/etc/resolv.conf"  # sandboxes' own names the forwarder


class Group:
    def __init__(self, workload: Workload, key: Key, code_dir: str) -> None:
        self.workload = workload
        self.key = key
        self._code_dir = code_dir
        # The launcher follows no link.
        self.mounts = [Mount(os.path.realpath(workload.artifact), FUNCTION_DIR)]
        if workload.network is Network.HOST:
            self.mounts.append(Mount(os.path.realpath(_RESOLV_CONF), _RESOLV_CONF))
        self.members: list[Sandbox] = []
        self.waiters: deque[Call] = deque()
        self.starting = 0
        self.most = workload.max_instances  # 0 = any number
        self.is_over = False  # what is being started for it serves those who wait, and ends

    @cached_property
    def load(self) -> bytes:
        """What a runner is told; needed after the launcher was asked, so made after that."""
        workload = self.workload
        return json.dumps(
            {
                "root": self._code_dir,
                "entrypoint": workload.entrypoint,
                "env": dict(workload.env),
                "cpus": workload.cpus,
            }
        ).encode()

    def live(self) -> int:
        """Sandboxes that take calls, or soon will."""
        return self.starting + sum(item.state is State.ASSIGNED for item in self.members)

    def is_provided(self) -> bool:
        """Whether all that can be done for those who wait is under way."""
        return not self.members and len(self.waiters) <= self.starting

    def may_grow(self) -> bool:
        return not self.most or len(self.members) + self.starting < self.most
