"""What one sandbox sends and receives: its listening sockets, connections and questions.

The number of connections and of open questions is bounded, an idle connection ends, and a
slow reader slows its writer down: nothing is buffered beyond the transports' limits.
"""

import asyncio
import contextlib
import os
import re
import socket
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, cast

from runwright.executor.egress import Address, Verdict, judge

_DIAL_S: Final = 30.0
_DNS_S: Final = 3.0
_HEAD_S: Final = 10.0
_REPORT_S: Final = 10.0
_MAX_HEAD_BYTES: Final = 16 * 1024
_MAX_DATAGRAM: Final = 4096
_ACCEPTS_PER_TURN: Final = 32
_BUFFER_BYTES: Final = 256 * 1024
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST
_PROXY_LINE: Final = re.compile(rb"([A-Z]+) (\S+) (HTTP/1\.[01])\r\n")


@dataclass(slots=True)
class Rules:
    api_host: str = "127.0.0.1"
    api_port: int = 0
    resolvers: list[tuple[str, int]] = field(default_factory=list)
    max_connections: int = 256
    max_questions: int = 64
    idle_s: float = 600.0
    own: frozenset[Address] = frozenset()
    reachable: frozenset[tuple[Address, int]] = frozenset()


class Pipe(asyncio.Protocol):
    """One direction's reader: what arrives here is written to the partner."""

    def __init__(self, box: "Box") -> None:
        self.box = box
        self.partner: Pipe | None = None
        self.transport: asyncio.Transport | None = None
        self.used_at = 0.0
        self._early = b""  # came before the partner; some event loops read in spite of a pause
        self._is_early_end = False
        self._has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_BUFFER_BYTES)
        self.transport.pause_reading()  # until both sides are there

    def join(self, partner: "Pipe") -> None:
        self.partner, partner.partner = partner, self
        for pipe in (self, partner):
            assert pipe.transport is not None
            pipe.transport.resume_reading()
            if pipe._early:
                pipe.data_received(pipe._early)
            if pipe._is_early_end:
                pipe.eof_received()

    def data_received(self, data: bytes) -> None:
        self.used_at = asyncio.get_running_loop().time()
        if self.partner is None:
            self._early += data
        elif self.partner.transport is not None:
            self.partner.transport.write(data)

    def pause_writing(self) -> None:
        self._control_partner("pause_reading")

    def resume_writing(self) -> None:
        self._control_partner("resume_reading")

    def _control_partner(self, order: str) -> None:
        if self.partner is not None and self.partner.transport is not None:
            with contextlib.suppress(RuntimeError):
                getattr(self.partner.transport, order)()

    def eof_received(self) -> bool:
        if self.partner is None:
            self._is_early_end = True
            return True
        self._has_ended = True
        if self.partner.transport is not None:
            with contextlib.suppress(OSError):
                self.partner.transport.write_eof()
            if self.partner._has_ended:
                # Nothing comes any more from either side, so nobody else would close them.
                self.partner.transport.close()
                if self.transport is not None:
                    self.transport.close()
        return True  # the other direction may go on

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.partner is None or self.partner.transport is None:
            self.box.forget(self)
        else:
            if exc is not None:
                self.partner.transport.abort()
            else:
                self.partner.transport.close()

    def last_used(self) -> float:
        return max(self.used_at, self.partner.used_at if self.partner else 0.0)


class Box:
    """One sandbox's sockets and connections."""

    def __init__(self, number: int, rules: Rules, api_port: int, tell: Callable[..., None]) -> None:
        self.number = number
        self._rules = rules
        self._api_port = api_port
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._held: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._pipes: set[Pipe] = set()
        self._dialling = 0
        self._questions = 0
        self._next_report = 0.0

    def open(self, fds: list[int], *, is_transparent: bool) -> None:
        if is_transparent:
            listener, dns, link = fds
            self._held.append(link)
            self._listen(listener, self._carry)
        else:
            proxy, dns, api, dns_tcp = fds
            self._listen(proxy, self._proxy)
            self._listen(api, self._carry)
            self._listen(dns_tcp, self._carry)
        datagrams = socket.socket(fileno=dns)
        datagrams.setblocking(False)
        self._sockets.append(datagrams)
        self._loop.add_reader(datagrams.fileno(), self._take_questions, datagrams)

    def _listen(self, fd: int, serve: Callable[..., Any]) -> None:
        listener = socket.socket(fileno=fd)
        listener.setblocking(False)
        self._sockets.append(listener)
        self._loop.add_reader(listener.fileno(), self._accept, listener, serve)

    def _accept(self, listener: socket.socket, serve: Callable[..., Any]) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setblocking(False)
            if self._dialling + len(self._pipes) >= self._rules.max_connections:
                _reset(connection)
                continue
            self._dialling += 1
            self._run(self._serve(connection, serve))

    async def _serve(self, connection: socket.socket, serve: Callable[..., Any]) -> None:
        try:
            await serve(connection)
        finally:
            self._dialling -= 1

    def _run(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work, name=f"carry-{self.number}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, connection: socket.socket) -> None:
        """Connect to the address the sandbox meant, and join the two."""
        address, port = connection.getsockname()[:2]
        outside = await self._dial(address, port)
        if outside is None:
            _reset(connection)
            return
        await self._join(connection, outside, b"")

    async def _dial(self, address: str, port: int) -> socket.socket | None:
        rules = self._rules
        verdict = judge(
            address,
            port,
            api_port=self._api_port,
            own=rules.own,
            reachable=rules.reachable,
        )
        if verdict is Verdict.REFUSED:
            self._report(f"{address}:{port}")
            return None
        target = (address, port)
        if verdict is Verdict.API:
            target = (rules.api_host, rules.api_port)
        elif verdict is Verdict.DNS:
            if not rules.resolvers:
                return None  # never whatever listens on this port of the host's loopback
            target = rules.resolvers[0]
        family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        outside = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            outside.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(_DIAL_S):
                await self._loop.sock_connect(outside, target)
        except (OSError, TimeoutError):
            outside.close()
            return None
        except asyncio.CancelledError:
            outside.close()
            raise
        return outside

    def _report(self, address: str) -> None:
        """Say what was refused, but not as often as a sandbox can ask for it."""
        now = self._loop.time()
        if now >= self._next_report:
            self._next_report = now + _REPORT_S
            self._tell({"ev": "refused", "id": self.number, "address": address})

    async def _join(self, inside: socket.socket, outside: socket.socket, first: bytes) -> None:
        near, far = Pipe(self), Pipe(self)
        try:
            inside.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(lambda: near, inside)
            await self._loop.connect_accepted_socket(lambda: far, outside)
        except (OSError, ValueError):
            inside.close()
            outside.close()
            return
        near.used_at = self._loop.time()
        self._pipes.add(near)
        if first and far.transport is not None:
            far.transport.write(first)
        if near.transport is None or far.transport is None:
            self.forget(near)
            for pipe in (near, far):
                if pipe.transport is not None:
                    pipe.transport.abort()
            return
        near.join(far)

    def forget(self, pipe: Pipe) -> None:
        self._pipes.discard(pipe)
        if pipe.partner is not None:
            self._pipes.discard(pipe.partner)

    # HTTP proxy, for hosts where connections cannot be steered

    async def _proxy(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(_HEAD_S):
                head = await self._read_head(connection)
            await self._serve_proxy(connection, head)
        except (OSError, TimeoutError, ValueError):
            connection.close()

    async def _read_head(self, connection: socket.socket) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head:
            data = await self._loop.sock_recv(connection, 4096)
            head += data
            if not data or len(head) > _MAX_HEAD_BYTES:
                raise ValueError("no request")
        return head

    async def _serve_proxy(self, connection: socket.socket, head: bytes) -> None:
        line = _PROXY_LINE.match(head)
        if line is None:
            raise ValueError("not a proxy request")
        method, target, version = line.groups()
        if method == b"CONNECT":
            host, port, path = *_split_host(target.decode("ascii"), 0), ""
        else:
            host, port, path = _split_url(target.decode("ascii"))
        outside = await self._dial_name(host, port)
        if outside is None:
            await self._loop.sock_sendall(
                connection, b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"
            )
            connection.close()
            return
        rest = head[line.end() :]
        if method == b"CONNECT":
            _, _, first = rest.partition(b"\r\n\r\n")
            await self._loop.sock_sendall(connection, b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            first = b"%s %s %s\r\n" % (method, path.encode("ascii"), version)
            first += b"connection: close\r\n" + _without_hop_headers(rest)
        await self._join(connection, outside, first)

    async def _dial_name(self, host: str, port: int) -> socket.socket | None:
        try:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            return None
        for _, _, _, _, address in found:
            outside = await self._dial(str(address[0]), port)
            if outside is not None:
                return outside
        return None

    # DNS

    def _take_questions(self, datagrams: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                question, asker = datagrams.recvfrom(_MAX_DATAGRAM)
            except OSError:
                return
            if self._questions < self._rules.max_questions and len(question) >= 12:
                self._questions += 1
                self._run(self._answer(datagrams, question, asker))

    async def _answer(self, datagrams: socket.socket, question: bytes, asker: Any) -> None:
        try:
            for resolver in self._rules.resolvers:
                answer = await self._resolve(resolver, question)
                if answer is not None:
                    with contextlib.suppress(OSError):
                        datagrams.sendto(answer, asker)
                    return
        finally:
            self._questions -= 1

    async def _resolve(self, resolver: tuple[str, int], question: bytes) -> bytes | None:
        """Ask from a fresh port; only an answer from the resolver with the same id counts."""
        family = socket.AF_INET6 if ":" in resolver[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as asking:
            try:
                asking.connect(resolver)
                await self._loop.sock_sendall(asking, question)
                async with asyncio.timeout(_DNS_S):
                    while True:
                        answer = await self._loop.sock_recv(asking, 65535)
                        if answer[:2] == question[:2]:
                            return answer
            except (OSError, TimeoutError):
                return None

    # The end

    def sweep(self, now: float) -> None:
        for pipe in list(self._pipes):
            partner = pipe.partner
            is_over = pipe.transport is None and (partner is None or partner.transport is None)
            if not is_over and now - pipe.last_used() < self._rules.idle_s:
                continue
            self._pipes.discard(pipe)
            for end in (pipe, partner):
                if end is not None and end.transport is not None:
                    end.transport.abort()

    def close(self) -> None:
        for item in self._sockets:
            self._loop.remove_reader(item.fileno())
            item.close()
        for fd in self._held:
            os.close(fd)
        for task in self._tasks:
            task.cancel()
        self.sweep(float("inf"))


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


def _split_host(text: str, default_port: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(default_port)
    return host.strip("[]"), int(port)


def _split_url(text: str) -> tuple[str, int, str]:
    scheme, _, rest = text.partition("://")
    if scheme.lower() != "http":
        raise ValueError("not an http address")
    authority, slash, path = rest.partition("/")
    return *_split_host(authority.rpartition("@")[2], 80), slash + path or "/"


def _without_hop_headers(head: bytes) -> bytes:
    lines, _, body = head.partition(b"\r\n\r\n")
    kept = [
        line
        for line in lines.split(b"\r\n")
        if not line.lower().startswith((b"connection:", b"proxy-", b"keep-alive:"))
    ]
    return b"\r\n".join([*kept, b"", body])
