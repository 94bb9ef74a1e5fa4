"""Signals inside one process: a call per listener."""

import logging
from collections import defaultdict

from runwright.ports.signals import Hear

log = logging.getLogger(__name__)


class LocalSignals:
    def __init__(self) -> None:
        self._listeners: dict[str, list[Hear]] = defaultdict(list)

    def on(self, kind: str, hear: Hear) -> None:
        self._listeners[kind].append(hear)

    def announce(self, kind: str, project_id: str, item_id: str) -> None:
        for hear in self._listeners[kind]:
            try:
                hear(project_id, item_id)
            except Exception:  # one listener's fault must not keep others from hearing
                log.exception("signal listener failed", extra={"kind": kind})
