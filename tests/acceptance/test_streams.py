"""Streams in both directions and web sockets on domains, with the clients that people use."""

import select
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.typing import Subprotocol

from tests.acceptance.deploying import create, deploy, domain, execute, redeploy
from tests.acceptance.pages import run_in_browser, run_node, serving
from tests.acceptance.running import Running
from tests.acceptance.sockets import connect

MIB: Final = 1024 * 1024
WAIT_S: Final = 60.0
# What may be under way at once: windows, socket buffers, and what an allocator keeps.
SLACK_MIB: Final = 48
# A function's engine throws away when it likes: Node may have 64 MiB of buffers behind it first.
GARBAGE_MIB: Final = 96
LONG_MIB: Final = 160

NODE: Final = """
const rss = () => process.resourceUsage().maxRSS / 1024;
const gone = (signal) => new Promise((done) => {
  if (signal.aborted) done();
  else signal.addEventListener("abort", done);
});
let goOn;
const events = { "content-type": "text/event-stream", "cache-control": "no-store",
  "access-control-allow-origin": "*" };
const routes = {
  "/events": async ({ req, res, log }) => {
    res.start(200, events);
    await res.write("id: 1\\ndata: one\\n\\n");
    await res.write("id: 2\\ndata: zwö\\n\\n");
    await gone(req.signal);
    log("they left");
  },
  "/write": async ({ req, res }) => {
    res.start(200, events);
    for (;;) {
      await res.write("data: x\\n\\n");
      await new Promise((done) => setTimeout(done, 5));
    }
  },
  "/breaks": async ({ res }) => {
    await res.write("half");
    throw new Error("in the middle");
  },
  "/download": async ({ req, res, log }) => {
    const before = rss();
    res.start(200, { "content-type": "application/octet-stream" });
    for (let i = 0; i < Number(req.query.mib); i += 1) await res.write(Buffer.alloc(1048576, i));
    log(`grew ${Math.round(rss() - before)}`);
  },
  "/upload": async ({ req, res, log }) => {
    const before = rss();
    let size = 0;
    for await (const part of req.stream) size += part.length;
    return res.json({ size, grew: Math.round(rss() - before) });
  },
  "/first": async ({ req, res, log }) => {
    const first = await req.stream.read();
    log(`first ${first.length > 0}`);
    await new Promise((done) => { goOn = done; });
    try {
      for await (const part of req.stream);
    } catch (error) {
      log(error.code);
      throw error;
    }
  },
  "/waits": async ({ res }) => res.text(goOn ? "yes" : "no"),
  "/go": async ({ res }) => {
    if (!goOn) return res.text("nobody waits", 409);
    goOn();
    return res.empty();
  },
  "/both": async ({ req, res }) => {
    res.start(200, {});
    for await (const part of req.stream) await res.write(part.toString().toUpperCase());
  },
  "/ignore": async ({ res }) => res.text("not read", 403),
  "/socket": async ({ req, upgrade, log }) => {
    const offered = (req.headers["sec-websocket-protocol"] ?? "").split(", ");
    const socket = await upgrade({ protocol: offered.includes("chat") ? "chat" : undefined });
    for await (const message of socket) {
      if (message === "close") await socket.close(4001, "as asked");
      else if (message === "throw") throw new Error("in the middle");
      else if (message === "hang") await new Promise(() => {});
      else await socket.send(message);
    }
    log(`closed ${socket.code} ${socket.reason}`);
  },
};
export default async (context) => {
  const route = routes[context.req.path];
  return route ? route(context) : context.res.text("plain", 200);
};
"""

PYTHON: Final = """
import asyncio
import resource

EVENTS = {"content-type": "text/event-stream", "access-control-allow-origin": "*"}


waiting = []


def rss():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def gone(context):
    while context.res.is_open:
        await asyncio.sleep(0.01)


async def main(context):
    req, res = context.req, context.res
    if req.path == "/events":
        await res.start(200, EVENTS)
        await res.write("id: 1\\ndata: one\\n\\n")
        await res.write("id: 2\\ndata: zwö\\n\\n")
        await gone(context)
        context.log("they left")
        return
    if req.path == "/write":
        await res.start(200, EVENTS)
        while True:
            await res.write("data: x\\n\\n")
            await asyncio.sleep(0.005)
    if req.path == "/breaks":
        await res.write("half")
        raise ValueError("in the middle")
    if req.path == "/download":
        before = rss()
        await res.start(200, {"content-type": "application/octet-stream"})
        for number in range(int(req.query["mib"])):
            await res.write(bytes([number]) * 1048576)
        context.log(f"grew {round(rss() - before)}")
        return
    if req.path == "/upload":
        before, size = rss(), 0
        async for part in req.stream:
            size += len(part)
        return res.json({"size": size, "grew": round(rss() - before)})
    if req.path == "/first":
        context.log(f"first {'true' if await req.stream.read() else 'false'}")
        waiting.append(asyncio.Event())
        await waiting[0].wait()
        try:
            async for part in req.stream:
                pass
        except ConnectionError:
            context.log("CALLER_GONE")
            raise
    if req.path == "/waits":
        return res.text("yes" if waiting else "no")
    if req.path == "/go":
        if not waiting:
            return res.text("nobody waits", 409)
        waiting[0].set()
        return res.empty()
    if req.path == "/both":
        await res.start(200, {})
        async for part in req.stream:
            await res.write(part.decode().upper())
        return
    if req.path == "/ignore":
        return res.text("not read", 403)
    if req.path == "/socket":
        offered = req.headers.get("sec-websocket-protocol", "").split(", ")
        socket = await context.upgrade("chat" if "chat" in offered else None)
        async for message in socket:
            if message == "close":
                await socket.close(4001, "as asked")
            elif message == "throw":
                raise ValueError("in the middle")
            elif message == "hang":
                await asyncio.sleep(3600)
            else:
                await socket.send(message)
        context.log(f"closed {socket.code} {socket.reason}")
        return
    return res.text("plain", 200)
"""
SOURCES: Final = {"node": NODE, "python": PYTHON}


class Function:
    def __init__(self, server: Running, function_id: str, host: str) -> None:
        self.server = server
        self.id = function_id
        self.host = host

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.server.port}"

    def client(self) -> httpx.Client:
        base = f"http://127.0.0.1:{self.server.port}"
        return httpx.Client(base_url=base, headers={"host": self.host}, timeout=WAIT_S)

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=WAIT_S)

    @contextmanager
    def socket(self, path: str = "/socket", **more: Any) -> Iterator[ClientConnection]:
        address = f"ws://{self.host}:{self.server.port}{path}"
        with (
            self.raw() as bare,
            connect(address, sock=bare, compression=None, max_size=None, **more) as made,
        ):
            yield made

    def ended(self, execution_id: str) -> dict[str, Any]:
        """The record of a run, once it has ended."""
        path = f"/functions/{self.id}/executions/{execution_id}"
        deadline = time.monotonic() + WAIT_S
        with self.server.client() as api:
            while True:
                found = api.get(path)
                if found.status_code == 200 and found.json()["status"] in ("completed", "failed"):
                    record: dict[str, Any] = found.json()
                    return record
                assert time.monotonic() < deadline, found.text
                time.sleep(0.05)


@pytest.fixture(scope="module", params=["node", "python"])
def function(server: Running, request: pytest.FixtureRequest) -> Function:
    name = f"streams-{request.param}"
    with server.client() as api:
        # One instance: some calls here meet what another has left in it.
        create(api, name, request.param, timeout=60, maxInstances=1)
        variable = {"variableId": "unique()", "key": "RUNWRIGHT_STREAM_BODIES", "value": "1"}
        api.post(f"/functions/{name}/variables", json=variable).raise_for_status()
        redeploy(api, name, request.param, SOURCES[request.param])
        return Function(server, name, domain(api, name))


@contextmanager
def bounded_memory(server: Running) -> Iterator[None]:
    """The server's peak stays near what it had before."""
    folder = Path(f"/proc/{server.process.pid}")
    (folder / "clear_refs").write_text("5")  # forget the peak
    before = _peak_mib(folder)
    yield
    grown = _peak_mib(folder) - before
    assert grown < SLACK_MIB, f"the server grew by {grown:.0f} MiB"


def _peak_mib(folder: Path) -> float:
    line = next(
        line for line in (folder / "status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


# --- downloads ---


def test_events_come_as_they_are_written_and_the_function_hears_when_they_are_left(
    function: Function,
) -> None:
    with function.client() as client, client.stream("GET", "/events") as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(5)] == ["id: 1", "data: one", "", "id: 2", "data: zwö"]
        headers = answer.headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-encoding" not in headers
    record = function.ended(headers["x-appwrite-execution-id"])
    assert (record["status"], record["responseStatusCode"]) == ("completed", 200)
    assert record["logs"].strip().endswith("they left")


def test_a_write_to_nobody_ends_a_function_and_is_no_failure(function: Function) -> None:
    with function.client() as client, client.stream("GET", "/write") as answer:
        assert next(answer.iter_lines()) == "data: x"
        execution_id = answer.headers["x-appwrite-execution-id"]
    record = function.ended(execution_id)
    assert (record["status"], record["responseStatusCode"]) == ("completed", 200)


def test_curl_shows_the_first_event_at_once(function: Function) -> None:
    curl = shutil.which("curl")
    assert curl is not None
    address = f"http://127.0.0.1:{function.server.port}/events"
    command = [curl, "-sN", "-H", f"Host: {function.host}", address]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"id: 1\n"
        process.terminate()


def test_an_exception_in_the_middle_cuts_the_answer(function: Function) -> None:
    with function.client() as client, client.stream("GET", "/breaks") as answer:
        execution_id = answer.headers["x-appwrite-execution-id"]
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
    record = function.ended(execution_id)
    assert (record["status"], record["errorClass"]) == ("failed", "user_exception")
    assert "in the middle" in record["errors"]


def test_a_long_download_needs_no_memory(function: Function) -> None:
    size = 0
    with (
        bounded_memory(function.server),
        function.client() as client,
        client.stream("GET", f"/download?mib={LONG_MIB}") as answer,
    ):
        execution_id = answer.headers["x-appwrite-execution-id"]
        for part in answer.iter_raw():
            size += len(part)
    assert size == LONG_MIB * MIB
    grown = int(function.ended(execution_id)["logs"].split("grew ")[1])
    assert grown < GARBAGE_MIB


def test_a_streaming_function_can_be_called_in_one_piece(function: Function) -> None:
    with function.server.client() as api:
        execution = execute(api, function.id, path="/download?mib=1")
        assert len(execution["responseBody"]) > 0
        assert (execution["status"], execution["responseStatusCode"]) == ("completed", 200)
    with function.client() as client:
        answer = client.head("/download?mib=1")
        assert (answer.status_code, answer.content) == (200, b"")
        assert client.get("/plain").text == "plain"


# --- uploads ---


def parts(mib: int) -> Iterator[bytes]:
    for number in range(mib):
        yield bytes([number % 256]) * MIB


def test_a_long_upload_needs_no_memory(function: Function) -> None:
    with bounded_memory(function.server), function.client() as client:
        chunked = client.post("/upload", content=parts(LONG_MIB)).json()
        length = {"content-length": str(20 * MIB)}
        counted = client.post("/upload", content=parts(20), headers=length).json()
    assert (chunked["size"], counted["size"]) == (LONG_MIB * MIB, 20 * MIB)
    assert max(chunked["grew"], counted["grew"]) < GARBAGE_MIB


def test_a_function_that_does_not_read_stops_its_caller_and_hears_of_the_end(
    function: Function,
) -> None:
    head = f"POST /first HTTP/1.1\r\nhost: {function.host}\r\ncontent-length: {1024 * MIB}\r\n\r\n"
    deadline = time.monotonic() + WAIT_S
    with function.raw() as caller, function.client() as client:
        caller.sendall(head.encode())
        caller.setblocking(False)
        sent = 0
        while True:
            if select.select([], [caller], [], 1.0)[1]:
                sent += caller.send(bytes(256 * 1024))
                assert sent < 64 * MIB
            elif client.get("/waits").text == "yes":
                break
            assert time.monotonic() < deadline, "it never began to read"
    with function.client() as client:
        while (answer := client.get("/go")).status_code != 204:
            assert (answer.status_code, time.monotonic() < deadline) == (409, True), answer.text
            time.sleep(0.05)
    with function.server.client() as api:
        while not (found := _newest_of(api, function.id, "/first")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    record = function.ended(found)
    assert "first true" in record["logs"]
    assert "CALLER_GONE" in record["logs"]
    assert (record["status"], record["errorClass"]) == ("failed", "user_exception")


def _newest_of(api: httpx.Client, function_id: str, path: str) -> str:
    runs = api.get(f"/functions/{function_id}/executions").json()["executions"]
    return next((str(item["$id"]) for item in runs if item["requestPath"] == path), "")


def test_request_and_answer_stream_at_the_same_time(function: Function) -> None:
    head = f"POST /both HTTP/1.1\r\nhost: {function.host}\r\ntransfer-encoding: chunked\r\n\r\n"
    with function.raw() as caller, caller.makefile("rb") as answer:
        caller.sendall(head.encode())
        assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
        while answer.readline() != b"\r\n":
            pass
        for word in (b"first", b"second"):
            caller.sendall(b"%x\r\n%b\r\n" % (len(word), word))
            assert answer.readline() == b"%x\r\n" % len(word)
            assert answer.readline() == word.upper() + b"\r\n"
        caller.sendall(b"0\r\n\r\n")
        assert answer.readline() == b"0\r\n"


def test_who_asks_before_sending_is_told_to_go_on(function: Function) -> None:
    head = (
        f"POST /upload HTTP/1.1\r\nhost: {function.host}\r\nexpect: 100-continue\r\n"
        "content-length: 5\r\nconnection: close\r\n\r\n"
    )
    with function.raw() as caller, caller.makefile("rb") as answer:
        caller.sendall(head.encode())
        assert answer.readline() == b"HTTP/1.1 100 Continue\r\n"
        caller.sendall(b"hello")
        assert b'"size":5' in answer.read()


def test_an_answer_before_the_end_of_the_request_ends_the_connection(function: Function) -> None:
    head = f"POST /ignore HTTP/1.1\r\nhost: {function.host}\r\ncontent-length: {64 * MIB}\r\n\r\n"
    with function.raw() as caller:
        caller.sendall(head.encode() + b"beginning")
        answer = b""
        while part := caller.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert answer.endswith(b"not read")
    assert b"connection: close" in answer


# --- web sockets ---


def test_messages_go_both_ways_until_the_function_closes(function: Function) -> None:
    big = bytes(range(256)) * 4096
    with function.socket(subprotocols=[Subprotocol("x"), Subprotocol("chat")]) as made:
        assert made.subprotocol == "chat"
        assert made.response is not None
        execution_id = made.response.headers["x-appwrite-execution-id"]
        for message in ("héllo", b"\0\xff", "", big):
            made.send(message)
            assert made.recv(WAIT_S) == message
        made.ping().wait(WAIT_S)
        made.send("close")
        with pytest.raises(ConnectionClosed) as closed:
            made.recv(WAIT_S)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as asked")
    record = function.ended(execution_id)
    assert (record["status"], record["responseStatusCode"]) == ("completed", 101)
    assert "closed 4001" in record["logs"]
    assert record["duration"] > 0


def test_the_function_learns_how_its_client_closed(function: Function) -> None:
    with function.socket() as made:
        assert made.response is not None
        execution_id = made.response.headers["x-appwrite-execution-id"]
        made.send("x")
        assert made.recv(WAIT_S) == "x"
        made.close(4321, "bye")
    assert "closed 4321 bye" in function.ended(execution_id)["logs"]


def test_a_function_that_fails_closes_its_socket_with_1011(function: Function) -> None:
    with function.socket() as made:
        made.send("throw")
        with pytest.raises(ConnectionClosed) as closed:
            made.recv(WAIT_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011


def test_a_message_that_is_too_large_ends_the_socket(function: Function) -> None:
    with function.socket() as made:
        made.send(bytes(MIB + 1))
        with pytest.raises(ConnectionClosed) as closed:
            made.recv(WAIT_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_a_function_that_does_not_accept_refuses(function: Function) -> None:
    with pytest.raises(InvalidStatus) as refused, function.socket("/plain"):
        pass
    answer = refused.value.response
    assert answer.status_code == 400
    assert b"does not accept web sockets" in (answer.body or b"")
    with pytest.raises(InvalidStatus) as refused, function.socket("/ignore"):
        pass
    assert (refused.value.response.status_code, refused.value.response.body) == (403, b"not read")


def test_who_may_not_call_may_not_connect_and_a_timeout_closes(server: Running) -> None:
    with server.client() as api:
        host = deploy(api, "streams-users", "node", NODE, execute=["users"], timeout=3)
        deadline = time.monotonic() + WAIT_S
        # The time is for the socket, not for a start.
        while execute(api, "streams-users", path="/plain")["status"] != "completed":
            assert time.monotonic() < deadline
        api.post("/users", json={"userId": "streamer"}).raise_for_status()
        jwt = api.post("/users/streamer/jwts").json()["jwt"]
    closed_to_guests = Function(server, "streams-users", host)
    with pytest.raises(InvalidStatus) as refused, closed_to_guests.socket():
        pass
    assert refused.value.response.status_code == 401
    with closed_to_guests.socket(additional_headers={"x-appwrite-user-jwt": jwt}) as made:
        made.send("hang")
        with pytest.raises(ConnectionClosed) as closed:
            made.recv(WAIT_S)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
        1011,
        "The function reached its timeout.",
    )


def test_browsers_and_node_speak_to_it(function: Function) -> None:
    talk = {
        "protocol": "chat",
        "messages": ["héllo", [0, 255]],
        "closed": [4001, "as asked", True],
    }
    if function.id == "streams-python":  # a browser is slow to start, and sees no difference
        with serving() as port:
            page = f"http://localhost:{port}/listen.html"
            seen = run_in_browser(page, "streams", {"domain": function.url})
        assert seen == {"events": [["1", "one"], ["2", "zwö"]], **talk}
    assert run_node("talk.mjs", f"ws://{function.host}:{function.server.port}/socket") == talk
