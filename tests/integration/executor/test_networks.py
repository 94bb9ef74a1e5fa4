"""Namespaces in stock: the making is a fake, the handing over is real."""

import os
import resource
import select
import signal
import time
from collections.abc import Iterator

import pytest

from runwright.executor import netns, networks
from runwright.executor.networks import FEW, READY, Network, Networks


@pytest.fixture
def poll() -> Iterator[select.epoll]:
    with select.epoll() as made:
        yield made


def a_fake(api_port: int) -> Network:
    if api_port == 1:
        raise OSError("no namespaces here")
    read, write = os.pipe()
    os.write(write, str(api_port).encode())
    return Network(netns.Plumbing(True, (read, write)))


def turn(poll: select.epoll, made: Networks) -> bool:
    """Hear a maker once; whether one was under way."""
    found = poll.poll(60.0 if made._coming else 0.0)
    return any(made.arrived(fd) for fd, _ in found)


def test_a_stock_is_made_by_one_maker_and_filled_up_again(
    poll: select.epoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "a_network", a_fake)
    made = Networks(poll)
    assert made.take() is None  # nobody said yet what to make
    made.fill(8080)
    assert made.take() is None
    makers = set()
    turns = 0
    while turn(poll, made):
        turns += 1
        makers |= {pid for _, pid in made._coming.values()}
    assert (turns, len(made._ready), len(makers)) == (READY + 1, READY, 1)  # and its end
    taken = made.take()
    assert taken is not None
    assert not made.is_making  # for one
    while len(made._ready) > FEW:
        another = made.take()
        assert another is not None
        another.close()
    while turn(poll, made):
        pass
    assert len(made._ready) == READY
    assert os.read(taken.plumbing.fds[0], 16) == b"8080"
    taken.close()
    while (rest := made.take()) is not None:
        rest.close()
    while turn(poll, made):
        pass
    for network in made._ready:
        network.close()


def test_one_maker_serves_many_orders(poll: select.epoll, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "a_network", a_fake)
    monkeypatch.setattr(networks, "_STAYS_S", 60.0)
    made = Networks(poll)
    made.fill(8080)
    ((link, maker),) = made._coming.values()
    for _ in range(3 * READY):
        while not made._ready:
            assert turn(poll, made)
        taken = made.take()
        assert taken is not None
        taken.close()
        assert list(made._coming.values()) == [(link, maker)]
    link.close()
    assert os.waitpid(maker, 0) == (maker, 0)
    for network in made._ready:
        network.close()


def test_an_order_that_crosses_the_makers_word_is_done(
    poll: select.epoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "a_network", a_fake)
    made = Networks(poll)
    made.fill(8080)
    while len(made._ready) < READY:
        assert turn(poll, made)
    assert poll.poll(60.0)  # it has said that it has nothing to do
    while len(made._ready) > FEW:
        taken = made.take()
        assert taken is not None
        taken.close()
    assert made.is_making
    while turn(poll, made):
        pass
    assert len(made._ready) == READY
    for network in made._ready:
        network.close()


def test_a_maker_is_sent_home_whoever_else_holds_its_link(
    poll: select.epoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "a_network", a_fake)
    made = Networks(poll)
    made.fill(8080)
    holder = os.fork()
    if holder == 0:
        time.sleep(600.0)
        os._exit(0)
    try:
        while turn(poll, made):
            pass
        assert os.waitpid(holder, os.WNOHANG) == (0, 0)
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
    for network in made._ready:
        network.close()


def test_a_maker_that_fails_is_not_repeated_until_one_is_wanted(
    poll: select.epoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "a_network", a_fake)
    made = Networks(poll)
    made.fill(1)
    assert made.is_making
    assert turn(poll, made)
    assert not turn(poll, made)
    assert not made.is_making
    assert made.take() is None
    assert made.is_making
    assert turn(poll, made)
    assert not made.arrived(0)


def test_one_that_there_is_no_room_for_is_let_go(
    poll: select.epoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "a_network", a_fake)
    made = Networks(poll)
    made.fill(8080)
    assert poll.poll(60.0)
    (fd,) = made._coming
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(fd)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))  # of three
    try:
        assert made.arrived(fd)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not made._ready
    assert os.dup(fd) == free
    os.close(free)
    while turn(poll, made):
        pass
    for network in made._ready:
        network.close()


def hanging(api_port: int) -> Network:
    time.sleep(600)
    raise AssertionError("it is killed before")


def test_a_maker_that_hangs_is_given_up_and_replaced(
    poll: select.epoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "a_network", hanging)
    made = Networks(poll)
    made.fill(8080)
    (hung,) = made.makers
    assert 0 < made.pause() <= networks.MADE_S
    assert not made.sweep()
    made._heard_at -= networks.MADE_S
    assert made.sweep()
    assert not made.is_making  # what waited for it need not any more
    assert (made.makers, made.pause()) == ([], -1)
    os.waitid(os.P_PID, hung, os.WEXITED)
    monkeypatch.setattr(networks, "a_network", a_fake)
    assert made.take() is None
    (another,) = made.makers
    assert another != hung
    while turn(poll, made):
        pass
    assert len(made._ready) == READY
    for network in made._ready:
        network.close()


def test_a_maker_that_was_not_listened_to_is_kept(
    poll: select.epoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "a_network", a_fake)
    made = Networks(poll)
    made.fill(8080)
    assert poll.poll(30.0)
    made._heard_at -= networks.MADE_S
    assert not made.sweep()
    while turn(poll, made):
        pass
    assert len(made._ready) == READY
    for network in made._ready:
        network.close()
