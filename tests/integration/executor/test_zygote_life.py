"""When a zygote ends, and what the launcher does then: real sockets, processes that sleep."""

import errno
import fcntl
import json
import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from runwright.executor import launcher as launching
from runwright.executor import networks, programs, zygote
from runwright.executor.cgroups import Group
from runwright.executor.children import Child
from runwright.executor.launcher import Launcher
from runwright.executor.processes import end_strays
from runwright.executor.starting import Start
from runwright.executor.zygote import Birth, Zygote, Zygotes

REQUEST: Final[dict[str, Any]] = {
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
        self.one = Zygote(zygote._kind_of(REQUEST), self.pid, ours, now, now, now)
        self.zygotes._used[self.one.kind] = self.one
        self.zygotes._watch(ours.fileno(), self.one)
        self.fd = ours.fileno()

    def has_ended(self) -> bool:
        with pytest.raises(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return self.zygotes.pause() == -1


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
    assert bench.zygotes.pause() > zygote._ANSWER_S
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


def test_who_waits_for_one_birth_hears_of_those_before_it(bench: Bench) -> None:
    born: list[int] = []
    for number in (7, 8, 9):
        bench.one.births[number] = Birth(born.append, pytest.fail)
        bench.theirs.send(json.dumps({"id": number, "pid": number * 10}).encode())
    bench.zygotes.wait_for(9)
    assert born == [70, 80, 90]


def test_a_birth_is_waited_for_at_a_descriptor_of_any_number(bench: Bench) -> None:
    high = fcntl.fcntl(bench.fd, fcntl.F_DUPFD_CLOEXEC, 1024)  # more than `select` can take
    bench.zygotes._forget(bench.fd)
    bench.one.link.close()
    bench.one.link = socket.socket(fileno=high)
    bench.one.link.setblocking(False)
    bench.zygotes._watch(high, bench.one)
    born: list[int] = []
    bench.one.births[7] = Birth(born.append, pytest.fail)
    bench.theirs.send(b'{"id": 7, "pid": 70}')
    bench.zygotes.wait_for(7)
    assert born == [70]


def test_what_one_said_before_it_ended_is_heard(bench: Bench) -> None:
    born: list[int] = []
    failed: list[str] = []
    for number in (7, 8):
        bench.one.births[number] = Birth(born.append, failed.append)
        bench.one.link.send(b"an order")
    bench.theirs.recv(64)
    bench.theirs.send(b'{"id": 7, "pid": 70}')
    os.kill(bench.pid, signal.SIGKILL)
    os.waitid(os.P_PID, bench.pid, os.WEXITED | os.WNOWAIT)  # its copy is closed, too
    bench.theirs.close()  # with the second order unread
    while bench.zygotes.pause() != -1:
        assert select.select([bench.fd], [], [], 30)[0]
        bench.zygotes.arrived(bench.fd)
    assert (born, failed) == ([70], ["it ended"])


def test_one_that_does_not_answer_is_given_up(bench: Bench) -> None:
    failed: list[str] = []
    bench.one.births[7] = Birth(lambda _: None, failed.append)
    assert bench.zygotes.pause() == zygote._ANSWER_S
    bench.zygotes.sweep()
    assert failed == []
    bench.one.heard_at -= zygote._ANSWER_S + 1
    bench.zygotes.sweep()
    assert failed == ["no answer"]
    assert bench.has_ended()


def test_one_that_was_not_listened_to_is_kept(bench: Bench) -> None:
    born: list[int] = []
    bench.one.births[7] = Birth(born.append, pytest.fail)
    bench.theirs.send(b'{"id": 7, "pid": 70}')
    bench.one.heard_at -= zygote._ANSWER_S + 1
    bench.zygotes.sweep()
    assert bench.zygotes.arrived(bench.fd)
    assert born == [70]


def refuse(*_: object) -> int:
    raise OSError(errno.EMFILE, "too many open files")


def test_a_rehearsal_that_cannot_be_watched_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.zygotes._coming[bench.one.kind] = bench.zygotes._used.pop(bench.one.kind)
    rehearsal = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "60")
    bench.theirs.send(json.dumps({"id": 0, "pid": rehearsal}).encode())
    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert bench.zygotes.arrived(bench.fd)
    assert [news["ev"] for news in bench.told] == ["zygote"]
    with pytest.raises(ChildProcessError):
        os.waitpid(rehearsal, os.WNOHANG)
    assert bench.has_ended()


@pytest.fixture
def launcher() -> Iterator[tuple[Launcher, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.settimeout(30)
    with ours, theirs:
        yield Launcher(ours), theirs


def test_a_birth_that_cannot_be_watched_is_ended_and_told(
    launcher: tuple[Launcher, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, server = launcher
    births: list[Birth] = []
    monkeypatch.setattr(one._zygotes, "bear", lambda _request, _fds, birth: births.append(birth))
    read, write = os.pipe()
    start = Start(
        request=REQUEST, group=Group({}, is_v2=False), network=None, forwarder=None, program=b"",
        launcher=0, frames=write, output=write, status=write,
    )  # fmt: skip
    one._fork(start, read)
    os.close(write)
    pid = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "60")
    monkeypatch.setattr(os, "pidfd_open", refuse)
    births[0].born(pid)
    news = json.loads(server.recv(4096))
    assert (news["ev"], news["id"], news["step"]) == ("failed", 7, "start")
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(read)


def test_a_start_that_waits_for_its_network_can_be_ended(
    launcher: tuple[Launcher, socket.socket],
) -> None:
    one, server = launcher
    read, write = os.pipe()
    one._unborn.append((REQUEST, [write]))
    one._do_signal({"id": 8, "signal": signal.SIGKILL}, [])
    assert len(one._unborn) == 1
    one._do_signal({"id": 7, "signal": signal.SIGKILL}, [])
    assert not one._unborn
    assert json.loads(server.recv(4096))["ev"] == "failed"
    assert os.read(read, 1) == b""  # no end is left that could write
    os.close(read)


def test_one_that_never_gets_ready_makes_room_for_another(bench: Bench) -> None:
    bench.zygotes._coming[bench.one.kind] = bench.zygotes._used.pop(bench.one.kind)
    bench.zygotes.sweep()
    assert not bench.told
    bench.one.heard_at -= zygote._READY_S + 1
    bench.zygotes.sweep()
    assert [news["ev"] for news in bench.told] == ["zygote"]
    assert bench.zygotes._coming == {}
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


def in_a_fork(work: Callable[[], None]) -> None:
    """In a process that has no other children."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def children() -> list[int]:
    return [int(word) for word in Path("/proc/thread-self/children").read_text().split()]


def sleeper() -> int:
    return os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "60")


def test_what_a_zygote_bore_and_could_not_tell_of_is_ended_and_reaped(
    launcher: tuple[Launcher, socket.socket],
) -> None:
    one, server = launcher

    def lose_one() -> None:
        bench = Bench(one._poll)
        bench.zygotes._tell = one._lost_zygote
        one._zygotes = bench.zygotes
        failed: list[str] = []
        bench.one.births[7] = Birth(lambda _: None, failed.append)
        sandbox = sleeper()
        handle = os.pidfd_open(sandbox)
        one._children.watch(Child(6, handle, sandbox, -1, Group({}, is_v2=False)))
        one._has_strays = True
        untold = [sleeper(), os.spawnlp(os.P_NOWAIT, "true", "true")]
        one._sweep()  # they may be told of as long as one is being born
        assert set(children()) == {bench.pid, sandbox, *untold}
        one._has_strays = False
        os.kill(bench.pid, signal.SIGKILL)
        bench.theirs.close()
        assert select.select([bench.fd], [], [], 30)[0]
        assert bench.zygotes.arrived(bench.fd)
        assert failed == ["it ended"]
        while one._pause() >= 0:
            one._sweep()
            time.sleep(0.01)
        assert children() == [sandbox]
        os.kill(sandbox, signal.SIGKILL)

    in_a_fork(lose_one)
    assert json.loads(server.recv(4096))["ev"] == "zygote"


def test_a_copier_of_a_program_is_no_stray_and_may_be_reaped_by_others(
    launcher: tuple[Launcher, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = launcher

    def copy_one() -> None:
        monkeypatch.setattr(programs, "_put_copy", lambda _program: time.sleep(30))
        one._programs._start_copier("/usr/bin/node", 1)
        one._has_strays = True
        stray = sleeper()
        while one._pause() >= 0:
            one._sweep()
            time.sleep(0.01)
        [copier] = children()
        assert copier != stray
        os.kill(copier, signal.SIGKILL)
        os.waitpid(copier, 0)
        [(watch, _)] = one._poll.poll(30)
        one._arrived(watch)
        assert one._programs.copiers == []

    in_a_fork(copy_one)


@pytest.mark.parametrize("way", ["a start", "a move", "a copier"])
def test_a_child_that_cannot_be_watched_is_ended_and_reaped(
    way: str, launcher: tuple[Launcher, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = launcher
    group = Group({}, is_v2=False)

    def lack_descriptors() -> None:
        monkeypatch.setattr(os, "pidfd_open", refuse)
        monkeypatch.setattr(launching, "become_sandbox", lambda _start: time.sleep(30))
        monkeypatch.setattr(programs, "_put_copy", lambda _program: time.sleep(30))
        monkeypatch.setattr(group, "join", lambda _pid: time.sleep(30))
        start = Start(
            request={**REQUEST, "files": 64}, group=group, network=None, forwarder=None,
            program=b"", launcher=0, frames=-1, output=-1, status=-1,
        )  # fmt: skip
        ways: dict[str, Callable[[], None]] = {
            "a start": lambda: one._start_anew(start, -1),
            "a move": lambda: one._move(Child(6, -1, 0, -1, group)),
            "a copier": lambda: one._programs._start_copier("/usr/bin/node", 1),
        }
        with pytest.raises(OSError, match="too many open files"):
            ways[way]()
        assert children() == []

    in_a_fork(lack_descriptors)


@pytest.mark.usefixtures("without_a_list_of_children")
def test_a_kernel_that_does_not_tell_of_children_has_no_strays() -> None:
    assert end_strays(())


@pytest.fixture
def without_a_list_of_children(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_text(path: Path, *_: object) -> str:
        raise FileNotFoundError(errno.ENOENT, "no such file", str(path))

    monkeypatch.setattr(Path, "read_text", read_text)


def test_starts_do_not_wait_for_a_network_that_is_not_made(
    launcher: tuple[Launcher, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, server = launcher

    def hang() -> None:
        monkeypatch.setattr(networks, "a_network", lambda _port: time.sleep(30))
        one._networks.fill(8080)
        begun: list[object] = []
        monkeypatch.setattr(one, "_begin", lambda request, fds, way: begun.append(way))
        one._unborn.append(({**REQUEST, "network": {"api_port": 8080}}, []))
        one._start_unborn()
        one._sweep()
        assert begun == []
        one._networks._heard_at -= networks.MADE_S
        while one._pause() >= 0:
            one._sweep()
            time.sleep(0.01)
        assert begun == [one._start_anew]
        assert children() == []

    in_a_fork(hang)
    assert json.loads(server.recv(4096))["ev"] == "network"
