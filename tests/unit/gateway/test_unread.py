"""Connections that nobody reads, and those that say nothing of use."""

import asyncio
from typing import Any

import pytest

from runwright.gateway import unread
from runwright.gateway.exchange import Exchange
from runwright.gateway.unread import UnreadWatch
from tests.unit.executions.bench import until
from tests.unit.gateway.test_warm_road import HOST_LINE, a_line

pytestmark = pytest.mark.anyio


class Pipe:
    """A transport that holds as much as the test says."""

    def __init__(self) -> None:
        self.held = 0
        self.is_cut = False

    def get_write_buffer_size(self) -> int:
        return self.held

    def get_extra_info(self, name: str) -> None: ...

    def abort(self) -> None:
        self.is_cut = True


def a_watch(pipe: Pipe, *, can_grow: bool = False) -> UnreadWatch:
    transport: Any = pipe
    return UnreadWatch(asyncio.get_running_loop(), transport, lambda: can_grow)


async def looks(watch: UnreadWatch, pipe: Pipe, *sizes: int) -> bool:
    """Whether the connection is cut, after a look at each size."""
    for size in sizes:
        pipe.held = size
        watch.look()
    watch.close()
    return pipe.is_cut


@pytest.mark.parametrize(
    ("sizes", "is_cut"),
    [
        ((0, 0, 0), False),
        ((9, 8, 7), False),
        ((9, 0, 9), False),
        ((9, 9), True),
        ((9, 8, 8), True),
    ],
)
async def test_only_a_connection_of_which_nothing_was_taken_is_cut(
    sizes: tuple[int, ...], is_cut: bool
) -> None:
    pipe = Pipe()
    assert await looks(a_watch(pipe), pipe, *sizes) is is_cut


async def test_one_that_was_written_to_meanwhile_goes_on() -> None:
    pipe = Pipe()
    assert not await looks(a_watch(pipe, can_grow=True), pipe, 9, 9, 10)
    watch = a_watch(pipe)
    for _ in range(3):
        watch.moved()
        watch.look()
    assert not pipe.is_cut
    assert await looks(watch, pipe, 10)


async def test_a_closed_connection_that_nobody_reads_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "UNREAD_WAIT_S", 0.02)
    lost = asyncio.Event()

    class Closing(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.watch = UnreadWatch(asyncio.get_running_loop(), transport, lambda: False)
            transport.write(bytes(32 * 1024 * 1024))
            transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self.watch.close()
            lost.set()

    server = await asyncio.get_running_loop().create_server(Closing, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    _, writer = await asyncio.open_connection(*address, limit=1)
    async with asyncio.timeout(60):
        await lost.wait()
    writer.close()
    server.close()


async def test_bytes_that_begin_no_request_do_not_keep_a_connection_open() -> None:
    async with a_line() as line:
        protocol = line.protocol
        protocol.timeout_keep_alive = 1
        await line.get()
        assert protocol.idle_since
        before = protocol.idle_since
        protocol.data_received(b"\r\n")
        assert protocol.idle_since == before
        protocol.idle_since -= 2
        protocol._end_if_idle()
        assert line.socket.is_closed


async def test_the_beginning_of_a_request_keeps_it_open() -> None:
    async with a_line() as line:
        protocol = line.protocol
        protocol.data_received(b"\r\nGE")
        assert not protocol.idle_since
        protocol.data_received(f"T / HTTP/1.1\r\n{HOST_LINE}\r\n".encode())
        assert (await line.answer())[0] == 200
        await until(lambda: protocol.idle_since != 0.0)


async def test_a_stream_hears_of_its_end_though_another_request_stands_behind_it() -> None:
    async with a_line() as line:
        stream = Exchange(line.protocol, "GET", "host")
        stream.start(200, [])
        await stream.write(b"part")
        line.socket.close()
        with pytest.raises(ConnectionError):
            await stream.write(b"part")


async def test_a_connection_that_was_lost_before_the_end_of_its_answer_has_no_timer_any_more() -> (
    None
):
    async with a_line() as line:
        stream = Exchange(line.protocol, "GET", "host")
        stream.start(200, [])
        line.socket.close()
        line.protocol.connection_lost(None)
        line.protocol.on_response_complete()
        assert line.protocol._cut is None


async def test_an_answer_that_waits_for_its_reader_ends_with_the_watch_of_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_line() as line:
        watch = line.protocol._unread
        assert watch is not None
        cut: list[bool] = []
        monkeypatch.setattr(line.socket, "get_write_buffer_size", lambda: 9, raising=False)
        monkeypatch.setattr(line.socket, "abort", lambda: cut.append(True), raising=False)
        watch.look()  # after the requests that have been made
        await line.get()
        watch.look()
        assert not cut
        line.protocol.pause_writing()
        watch.look()
        assert not cut
        watch.look()
        assert cut
