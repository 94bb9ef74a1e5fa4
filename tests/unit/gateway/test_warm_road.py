"""Plain calls of guests: known by their bytes, and no different for it."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from runwright.executions.plain import Fields, plain_attempt
from runwright.gateway.protocol import DomainProtocol
from runwright.model.execution import ErrorClass, Execution, Outcome, request_head
from runwright.model.function import RuleStatus
from runwright.model.lineage import Lineage
from tests.fakes.user_code import answering
from tests.unit.executions.bench import FUNCTION, NOW, PROJECT, a_function, a_project, until
from tests.unit.gateway.door import HOST, Door, a_door, a_rule

pytestmark = pytest.mark.anyio

HOST_LINE = f"Host: {HOST}\r\n"


class Socket:
    """The transport of a connection: what was written to it, and whether it is open."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self.sent = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.sent += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": (self._peer, 4711), "sockname": ("127.0.0.1", 80)}.get(name, default)

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_protocol(self, protocol: object) -> None: ...


class Counting(DomainProtocol):
    """Counts the heads that its parser has read."""

    parsed = 0

    def on_headers_complete(self) -> None:
        self.parsed += 1
        super().on_headers_complete()


@dataclass
class Line:
    """One connection."""

    door: Door
    protocol: Counting
    socket: Socket

    @property
    def parsed(self) -> int:
        return self.protocol.parsed

    async def ask(self, request: str | bytes) -> tuple[int, dict[str, str], bytes]:
        self.protocol.data_received(request if isinstance(request, bytes) else request.encode())
        return await self.answer()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer, which states its length."""
        await until(lambda: b"\r\n\r\n" in self.socket.sent)
        head, _, rest = self.socket.sent.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {name: value for name, _, value in (line.partition(": ") for line in lines)}
        size = int(headers.get("content-length", "0"))
        await until(lambda: len(self.socket.sent) >= len(head) + 4 + size)
        self.socket.sent = rest[size:]
        return int(status.split()[1]), headers, rest[:size]

    async def get(self, target: str = "/", lines: str = HOST_LINE) -> tuple[int, bytes]:
        status, _, body = await self.ask(f"GET {target} HTTP/1.1\r\n{lines}\r\n")
        return status, body


@asynccontextmanager
async def a_line(**options: Any) -> AsyncIterator[Line]:
    async with a_door(**options) as door:
        await door.hosts.find(HOST.encode())
        line = connected(door)
        await line.get()  # the function is at hand from now on
        await line.get()  # and so are these headers
        line.protocol.parsed = 0
        door.bench.code.calls.clear()
        yield line
        line.protocol.connection_lost(None)


def connected(door: Door, peer: str = "198.51.100.7") -> Line:
    config = uvicorn.Config(door.app, loop="none", lifespan="off", log_config=None)
    config.load()
    protocol = Counting(config=config, server_state=ServerState(), app_state={}, door=door.quick)
    socket = Socket(peer)
    protocol.connection_made(socket)  # type: ignore[arg-type]  # all of a transport that is used
    return Line(door, protocol, socket)


async def records(door: Door) -> list[Execution]:
    await door.bench.recorder.flush()
    return await door.bench.storage.read(lambda uow: uow.executions.find(PROJECT))


async def test_headers_that_came_before_are_not_read_again() -> None:
    async with a_line() as line:
        assert await line.get("/a?b=c") == (200, b"hello")
        assert await line.get("/d") == (200, b"hello")
        assert line.parsed == 0
        assert [call.target for _, call in line.door.bench.code.calls] == ["/a?b=c", "/d"]


@pytest.mark.parametrize("lines", [HOST_LINE, f"{HOST_LINE}x-appwrite-user-jwt: none\r\n"])
async def test_a_closed_connection_leaves_nothing_for_the_collector(lines: str) -> None:
    async with a_door() as door:
        line = connected(door)
        for _ in range(3):
            await line.get(lines=lines)
        gone = weakref.ref(line.protocol)
        gc.disable()
        try:
            line.protocol.connection_lost(None)
            await asyncio.sleep(0)
            del line
            assert gone() is None
        finally:
            gc.enable()


async def test_what_the_function_sees_does_not_depend_on_the_road() -> None:
    sent = (("x-odd", "a b"), ("x-appwrite-trigger", "forged"), ("cookie", "a_session_x=1; b=2"))
    lines = "".join(f"{name.title()}:  {value}\r\n" for name, value in sent)
    request = f"POST /p?q HTTP/1.1\r\n{HOST_LINE}{lines}\r\n"
    async with a_line() as line:
        first = await line.ask(request)
        second = await line.ask(request)
        assert line.parsed == 1
        await line.door.call("POST", "/p?q", headers=sent)
        calls = [call for _, call in line.door.bench.code.calls]
        found = await records(line.door)
    ours = ("x-appwrite-execution-id", "x-appwrite-key")
    seen = [[pair for pair in call.headers if pair[0] not in ours] for call in calls]
    assert seen[0] == seen[1] == seen[2]
    assert [name for name, _ in calls[0].headers] == [name for name, _ in calls[2].headers]
    assert {(call.method, call.target) for call in calls} == {("POST", "/p?q")}
    assert {item.request_headers for item in found[-3:]} == {found[-1].request_headers}
    assert first[1].keys() == second[1].keys()
    assert first[1]["x-appwrite-execution-id"] != second[1]["x-appwrite-execution-id"]


async def test_the_frame_of_a_plain_call_says_what_its_headers_say() -> None:
    async with a_door() as door:
        await door.call()
        runnable = door.bench.executions.runnables.known(PROJECT, FUNCTION)
        assert runnable is not None
        headers = (("host", HOST), ("x-raw", "\udcff \u00e9:;"))
        lineage = Lineage(("other",), "chain")
        plain = plain_attempt(
            runnable, Fields(headers), lineage, "id", "GET", "/x", "192.0.2.1", NOW, _NOWHERE
        )
        usual = door.bench.executions.attempt(
            runnable,
            execution_id="id",
            method="GET",
            path="/x",
            headers=headers,
            body=b"",
            client_ip="192.0.2.1",
            user_id="",
            user_jwt="",
            lineage=lineage,
        )
    key = dict(plain.invocation.headers)["x-appwrite-key"]
    expected = tuple(
        (name, key if name == "x-appwrite-key" else value)
        for name, value in usual.invocation.headers
    )
    assert plain.invocation.headers == expected
    assert plain.invocation.head == request_head("GET", "/x", expected)
    end = Outcome(status_code=200)
    usual.started_at = usual.created_at = NOW
    assert plain.finished(end, NOW) == usual.finished(end, NOW)
    assert plain.invocation.timeout_s == usual.invocation.timeout_s
    assert plain.invocation.is_logging == usual.invocation.is_logging


class _Nowhere:
    def start(self, status_code: int, headers: object) -> None: ...

    async def write(self, chunk: bytes) -> None: ...


_NOWHERE = _Nowhere()


async def test_each_caller_is_recorded_under_its_own_address() -> None:
    async with a_line() as line:
        other = connected(line.door, "203.0.113.9")
        await line.get()
        await other.get()
        assert other.parsed == 0
        found = await records(line.door)
    addresses = [dict(item.request_headers)["x-appwrite-client-ip"] for item in found[-2:]]
    assert addresses == ["198.51.100.7", "203.0.113.9"]


async def test_a_change_counts_from_the_very_next_call() -> None:
    changes: tuple[object, ...] = (
        a_rule(status=RuleStatus.CREATED),
        replace(a_function(), is_enabled=False),
        replace(a_function(), execute=("users",)),
        replace(a_project(), disabled_services=("proxy",)),
        replace(a_function(), loop_limit=1),
    )
    async with a_line() as line:
        for change in changes:
            await line.door.bench.put(change)
            status, _ = await line.get()
            assert status >= 400, change
            assert line.door.bench.code.calls == []
            await line.door.bench.put(a_rule(), a_function(), a_project())
            assert await line.get() == (200, b"hello")
            line.door.bench.code.calls.clear()


async def test_new_settings_of_a_function_reach_the_next_call() -> None:
    async with a_line() as line:
        await line.door.bench.put(replace(a_function(), timeout_s=77))
        await line.get()
        [(_, invocation)] = line.door.bench.code.calls
        assert invocation.timeout_s == 77


async def test_only_plain_request_lines_pass_the_parser_by() -> None:
    odd = (
        "get / HTTP/1.1",
        "GET http://elsewhere.example/ HTTP/1.1",
        "GET /#x HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.0",
        "GET /\x7f HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "TRACE / HTTP/1.1",
        "",
    )
    async with a_line() as known:
        for request_line in odd:
            line = connected(known.door)
            line.protocol.data_received(f"{request_line}\r\n{HOST_LINE}\r\n".encode())
            await until(lambda line=line: b"\r\n\r\n" in line.socket.sent)  # type: ignore[misc]
            assert line.parsed == 1 or line.socket.is_closed, request_line
            line.protocol.connection_lost(None)


async def test_headers_that_ask_for_more_are_never_kept() -> None:
    extras = (
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Expect: 100-continue\r\n",
        "Upgrade: h2c\r\nConnection: upgrade\r\n",
        "Connection: close\r\n",
        "X-Appwrite-User-JWT: x\r\n",
        "X-Appwrite-Key: x\r\n",
        f"X-Long: {'x' * 5000}\r\n",
    )
    async with a_line() as known:
        callers = known.door.quick.warm.known("http", is_direct=True).found
        before = set(callers)
        for extra in extras:
            line = connected(known.door)
            line.protocol.data_received(f"POST / HTTP/1.1\r\n{HOST_LINE}{extra}\r\n".encode())
            assert set(callers) == before, extra
            line.protocol.connection_lost(None)
            await asyncio.sleep(0)


async def test_requests_that_come_together_or_in_pieces_are_the_parsers() -> None:
    async with a_line() as line:
        whole = f"GET / HTTP/1.1\r\n{HOST_LINE}\r\n".encode()
        line.protocol.data_received(whole + whole)
        assert [(await line.answer())[0] for _ in range(2)] == [200, 200]
        line.protocol.data_received(whole[:20])
        # The rest of a request that looks like one by itself must not be taken for it.
        assert (await line.ask(whole[20:]))[0] == 200
        line.protocol.data_received(b"GET /1 HTTP/1.1\r\nX-First: ")
        assert (await line.ask(whole))[0] >= 200
        targets = [call.target for _, call in line.door.bench.code.calls]
    assert targets[-1] == "/1"


async def test_a_second_request_before_the_first_answer_waits_its_turn() -> None:
    go_on = asyncio.Event()

    async def slow(invocation: Any, sink: Any) -> Outcome:
        await go_on.wait()
        return Outcome(status_code=200, body=invocation.target.encode())

    async with a_line() as line:
        line.door.bench.code.run_next = slow
        for target in ("/1", "/2", "/3"):
            line.protocol.data_received(f"GET {target} HTTP/1.1\r\n{HOST_LINE}\r\n".encode())
        go_on.set()
        assert [(await line.answer())[2] for _ in range(3)] == [b"/1", b"/2", b"/3"]
        assert await line.get("/4") == (200, b"/4")


async def test_every_kind_of_answer_is_the_one_of_the_long_road() -> None:
    outcomes = (
        Outcome(status_code=200, body=b"x"),
        Outcome(status_code=204, headers=(("x-a", "1"),)),
        Outcome(status_code=302, headers=(("location", "/b"), ("connection", "close"))),
        Outcome(status_code=200, body=b"b" * 5000),
        Outcome(status_code=500, headers=(("x-a", "1"),), body=b"x"),
        Outcome(status_code=500, error_class=ErrorClass.TIMEOUT),
        Outcome(status_code=404),
    )
    async with a_line() as line:
        for outcome in outcomes:
            line.door.bench.code.run_next = answering(outcome)
            status, headers, body = await line.ask(f"GET / HTTP/1.1\r\n{HOST_LINE}\r\n")
            reply = await line.door.call()
            expected = {name.decode(): value.decode() for name, value in reply.headers}
            assert (status, body) == (reply.status, reply.body)
            assert list(headers) == list(expected)
            del headers["x-appwrite-execution-id"], expected["x-appwrite-execution-id"]
            assert headers == expected
        assert line.parsed == 0


async def test_a_fault_of_the_quick_answer_is_answered_by_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*parts: object) -> bytes:
        raise RuntimeError

    async with a_line() as line:
        monkeypatch.setattr("runwright.gateway.outgoing.plain", broken)
        assert await line.get() == (200, b"hello")
        monkeypatch.setattr("runwright.gateway.plain.plain_attempt", broken)
        assert await line.get() == (200, b"hello")


async def test_a_server_that_stops_says_so_with_its_last_answer() -> None:
    async with a_line() as line:
        line.protocol.data_received(f"GET / HTTP/1.1\r\n{HOST_LINE}\r\n".encode())
        line.protocol.shutdown()
        status, headers, _ = await line.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert line.socket.is_closed


async def test_a_head_request_gets_a_length_and_no_body() -> None:
    async with a_line() as line:
        line.protocol.data_received(f"HEAD / HTTP/1.1\r\n{HOST_LINE}\r\n".encode())
        await until(lambda: line.socket.sent.endswith(b"\r\n\r\n"))
        assert b"content-length: 5" in line.socket.sent
        assert line.parsed == 0


PROXY = "198.51.100.7"
SAID = (
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", HOST),
)
SAID_LINES = "Host: inner\r\n" + "".join(f"{name}: {value}\r\n" for name, value in SAID)


async def test_who_comes_by_a_trusted_proxy_is_known_as_well() -> None:
    async with a_door(trusted=(PROXY,)) as door:
        await door.hosts.find(HOST.encode())
        line = connected(door, PROXY)
        for _ in range(2):
            assert await line.get(lines=SAID_LINES) == (200, b"hello")
        line.protocol.parsed = 0
        assert await line.get(lines=SAID_LINES) == (200, b"hello")
        assert line.parsed == 0
        await door.call(host="inner", headers=SAID, peer=PROXY)
        *_, (_, quick), (_, long) = door.bench.code.calls
        own = {"x-appwrite-execution-id", "x-appwrite-key"}
        assert [pair for pair in quick.headers if pair[0] not in own] == [
            pair for pair in long.headers if pair[0] not in own
        ]
        assert ("x-appwrite-client-ip", "203.0.113.9") in quick.headers
        assert ("x-forwarded-proto", "https") in quick.headers
        line.protocol.connection_lost(None)


async def test_what_a_proxy_may_say_is_not_believed_from_others() -> None:
    lines = f"{HOST_LINE}X-Forwarded-For: 203.0.113.9\r\n"
    async with a_door(trusted=(PROXY,)) as door:
        await door.hosts.find(HOST.encode())
        seen = []
        for peer in (PROXY, "192.0.2.5", PROXY, "192.0.2.6"):
            line = connected(door, peer)
            for _ in range(3):
                assert (await line.get(lines=lines))[0] == 200
            headers = dict(door.bench.code.calls[-1][1].headers)
            seen.append(headers["x-appwrite-client-ip"])
            line.protocol.connection_lost(None)
        assert seen == ["203.0.113.9", "192.0.2.5", "203.0.113.9", "192.0.2.6"]


async def test_a_proxy_that_names_nobody_is_the_caller_itself() -> None:
    async with a_door(trusted=("198.51.100.0/24",)) as door:
        await door.hosts.find(HOST.encode())
        for peer in ("198.51.100.7", "198.51.100.8"):
            line = connected(door, peer)
            for _ in range(3):
                assert (await line.get())[0] == 200
            headers = dict(door.bench.code.calls[-1][1].headers)
            assert headers["x-appwrite-client-ip"] == peer
            line.protocol.connection_lost(None)


async def test_who_came_to_a_proxy_without_https_is_sent_to_it() -> None:
    async with a_door(trusted=(PROXY,), forces_https=True) as door:
        await door.hosts.find(HOST.encode())
        line = connected(door, PROXY)
        for scheme, status in (("https", 200), ("http", 301), ("https", 200)):
            for _ in range(3):
                lines = f"{HOST_LINE}X-Forwarded-Proto: {scheme}\r\n"
                assert (await line.get(lines=lines))[0] == status
        line.protocol.connection_lost(None)


async def test_known_callers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_line() as line:
        known = line.door.quick.warm.known("http", is_direct=True).found
        for number in range(3):
            await line.get(lines=f"{HOST_LINE}X-N: {number}\r\n")
        assert len(known) == 4
        monkeypatch.setattr("runwright.gateway.plain.CALLERS", 2)
        await line.get(lines=f"{HOST_LINE}X-N: a\r\n")
        assert len(known) == 2
        monkeypatch.setattr("runwright.gateway.plain.CALLERS_BYTES", 60)
        await line.get(lines=f"{HOST_LINE}X-N: b\r\n")
        assert len(known) == 1


async def test_nothing_of_a_call_waits_for_the_garbage_collector() -> None:
    async with a_line() as line:
        gc.disable()
        try:
            await line.get("/a")
            call = weakref.ref(line.protocol.cycle)
            assert call() is not None
            await line.get("/b")
            assert call() is None
        finally:
            gc.enable()
