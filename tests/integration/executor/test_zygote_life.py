"""When a zygote ends, and what the launcher does then: real sockets, processes that sleep."""

import os
import select
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from runwright.executor import zygote
from runwright.executor.zygote import Birth, Zygote, Zygotes

REQUEST = {
    "root": "python", "argv": ["python"], "env": {}, "cwd": "/tmp", "profile": "function",
    "is_forkable": True, "uid": 70000, "id": 7,
}  # fmt: skip


class Bench:
    """The launcher's side, with a process that only sleeps for a zygote."""

    def __init__(self, poll: select.epoll) -> None:
        self.told: list[Mapping[str, Any]] = []
        self.zygotes = Zygotes(poll, [], {}, self.told.append)
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self.pid = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "60")
        now = time.monotonic()
        self.one = Zygote(zygote._kind_of(REQUEST), self.pid, ours, now, now)
        self.zygotes._used[self.one.kind] = self.one
        self.zygotes._watch(ours.fileno(), self.one)
        self.fd = ours.fileno()

    def has_ended(self) -> bool:
        with pytest.raises(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return not self.zygotes.any()


@pytest.fixture
def bench() -> Iterator[Bench]:
    with select.epoll() as poll:
        made = Bench(poll)
        try:
            yield made
        finally:
            made.zygotes.stop()
            made.theirs.close()


def test_where_there_is_nothing_to_hear_nobody_waits(bench: Bench) -> None:
    assert bench.zygotes.arrived(bench.fd)
    assert not bench.zygotes.arrived(bench.fd + 1000)


def test_one_that_nobody_wants_ends(bench: Bench) -> None:
    bench.zygotes.sweep()
    assert bench.zygotes.any()
    bench.one.used_at -= zygote.IDLE_S + 1
    bench.zygotes.sweep()
    assert bench.has_ended()


def test_the_loss_of_one_fails_what_was_ordered_and_is_told(bench: Bench) -> None:
    failed: list[str] = []
    bench.one.births[7] = Birth(lambda _: None, failed.append)
    bench.theirs.close()
    assert select.select([bench.fd], [], [], 30)[0]  # the process closes its copy as it begins
    assert bench.zygotes.arrived(bench.fd)
    assert failed == ["it ended"]
    assert [news["ev"] for news in bench.told] == ["zygote"]
    assert bench.has_ended()


@pytest.mark.skipif(os.geteuid() != 0, reason="zygotes are root's")
def test_a_worn_one_serves_until_its_successor_is_ready(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []
    monkeypatch.setattr(Zygotes, "_begin", lambda _self, kind, *_: begun.append(kind))
    assert bench.zygotes.want(REQUEST)
    assert bench.zygotes.want(REQUEST)
    assert begun == []
    bench.one.forks = zygote.MOST_FORKS
    assert bench.zygotes.want(REQUEST)
    assert begun == [bench.one.kind]
