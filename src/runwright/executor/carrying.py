"""What one sandbox sends and receives: its listening sockets, connections and questions.

A sandbox begins with nothing in reach but the API, and gets what its function may reach when
it gets its code. Addresses are judged when they are connected to (`egress.py`); answers with
addresses that would be refused are kept from it as well.

The number of connections and of open questions is bounded, an idle connection ends, and a
slow reader slows its writer down: nothing is buffered beyond the transports' limits.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import field
from ipaddress import ip_address
from typing import Any, Final, cast

from runwright.executor import naming, proxying
from runwright.executor.egress import BUILD, Policy, Reach, Refused, Verdict, judge
from runwright.executor.resolving import Server, ask, framed, read_framed
from runwright.model.addresses import Place, place
from runwright.proxies import FROM_SANDBOXES
from runwright.values import dataclass

_DIAL_S: Final = 30.0
_ADDRESSES_TRIED: Final = 4
_REPORT_S: Final = 10.0
_NEXT_QUESTION_S: Final = 10.0
_QUESTIONS_PER_LINK: Final = 100
_ACCEPTS_PER_TURN: Final = 32
_BUFFER_BYTES: Final = 256 * 1024
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST
_BIND_ADDRESS_NO_PORT: Final = 24


@dataclass(slots=True)
class Rules:
    api_host: str = "127.0.0.1"
    api_port: int = 0
    resolvers: list[Server] = field(default_factory=list)
    max_connections: int = 256
    max_questions: int = 64
    idle_s: float = 600.0
    policies: Mapping[str, Policy] = field(default_factory=dict)  # by kind of sandbox
    # Of builds alone: hosts that the operator's settings for package clients name, with ports.
    index_names: Mapping[str, Collection[int]] = field(default_factory=dict)


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
        self._reach: Reach | None = None

    def follow(self, kind: str) -> None:
        """Until this is called, and for kinds without a policy, the API alone is in reach."""
        policy = self._rules.policies.get(kind)
        names = self._rules.index_names if kind == BUILD else {}
        self._reach = Reach(policy, names) if policy is not None else None

    def open(self, fds: list[int], *, is_transparent: bool) -> None:
        if is_transparent:
            listener, dns, link = fds
            self._held.append(link)
            self._listen(listener, self._carry)
        else:
            proxy, dns, api, dns_tcp = fds
            self._listen(proxy, lambda connection: proxying.serve(self, connection))
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
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            self._dialling -= 1

    def _run(self, work: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(work, name=f"carry-{self.number}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, connection: socket.socket) -> None:
        """Connect to the address the sandbox meant, and join the two."""
        address, port = connection.getsockname()[:2]
        verdict = self._judge(address, port)
        if verdict is Verdict.DNS:
            await self._serve_names(connection)
            return
        try:
            outside = await self._dial(address, port, verdict)
        except (OSError, Refused):
            _reset(connection)
            return
        await self.join(connection, outside, b"")

    def _judge(self, address: str, port: int) -> Verdict:
        return judge(address, port, api_port=self._api_port, reach=self._reach)

    async def dial_name(self, host: str, port: int) -> socket.socket:
        """Raises Refused, OSError. A name is resolved as the host does it, and judged after."""
        if self._reach is None and not _is_address(host):
            self._report(host)
            raise Refused(host)  # asking for it would tell its servers something already
        found = await self._resolve(host, port)
        addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        if self._reach is not None:
            self._reach.hears(host.lower(), map(ip_address, addresses))
        failure: Exception = OSError(f"{host} has no address")
        for address in addresses[:_ADDRESSES_TRIED]:
            try:
                return await self._dial(address, port, self._judge(address, port))
            except (OSError, Refused) as exc:
                failure = exc
        raise failure

    async def _resolve(self, host: str, port: int) -> list[Any]:
        if self._questions >= self._rules.max_questions:
            raise OSError("too many open questions")
        self._questions += 1
        try:
            return await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        finally:
            self._questions -= 1

    async def _dial(self, address: str, port: int, verdict: Verdict) -> socket.socket:
        """Raises Refused, OSError."""
        target = (address, port)
        if verdict is Verdict.API:
            target = (self._rules.api_host, self._rules.api_port)
        elif verdict is not Verdict.OUT:
            self._report(f"{address}:{port}")
            raise Refused(address)
        family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        outside = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            outside.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if verdict is Verdict.API:
                _say_who_calls(outside, target[0])
            async with asyncio.timeout(_DIAL_S):
                await self._loop.sock_connect(outside, target)
        except BaseException:
            outside.close()
            raise
        return outside

    def _report(self, address: str) -> None:
        """Say what was refused, but not as often as a sandbox can ask for it."""
        now = self._loop.time()
        if now >= self._next_report:
            self._next_report = now + _REPORT_S
            self._tell({"ev": "refused", "id": self.number, "address": address})

    async def join(self, inside: socket.socket, outside: socket.socket, first: bytes) -> None:
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

    # Names

    def _take_questions(self, datagrams: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                message, asker = datagrams.recvfrom(naming.MOST_BYTES)
            except OSError:
                return
            if self._questions < self._rules.max_questions:
                self._questions += 1
                self._run(self._reply(datagrams, message, asker))
            else:
                _send(datagrams, naming.refusal(message, naming.Code.FAILED), asker)

    async def _reply(self, datagrams: socket.socket, message: bytes, asker: Any) -> None:
        try:
            _send(datagrams, await self._answer(message, over_tcp=False), asker)
        finally:
            self._questions -= 1

    async def _serve_names(self, connection: socket.socket) -> None:
        """The same over TCP, where long answers come."""
        with connection, contextlib.suppress(OSError, EOFError, TimeoutError):
            for _ in range(_QUESTIONS_PER_LINK):
                async with asyncio.timeout(_NEXT_QUESTION_S):
                    message = await read_framed(connection, naming.MOST_BYTES)
                answer = await self._answer(message, over_tcp=True)
                async with asyncio.timeout(_NEXT_QUESTION_S):
                    await self._loop.sock_sendall(connection, framed(answer))

    async def _answer(self, message: bytes, *, over_tcp: bool) -> bytes:
        """What a sandbox hears: nothing of names that lead where it may not connect to."""
        try:
            question = naming.read_question(message)
        except naming.BadMessage:
            return naming.refusal(message, naming.Code.MALFORMED)
        if self._reach is None:
            return question.answered(naming.Code.REFUSED)
        # Who lives at a closed address is no question for the host's resolver.
        if not self._reach.hears(question.name, naming.reversed_addresses(question.name)):
            self._report(question.name)
            return question.answered()
        answer = await ask(self._rules.resolvers, question, over_tcp=over_tcp)
        if answer is None:
            return question.answered(naming.Code.FAILED)
        try:
            addresses = naming.addresses(answer)
        except naming.BadMessage:
            return question.answered(naming.Code.FAILED)
        if self._reach.hears(question.name, addresses):
            return answer
        self._report(question.name)
        return question.answered()

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


def _say_who_calls(outside: socket.socket, api_host: str) -> None:
    """To the API a sandbox is nobody who could be a trusted proxy."""
    if place(ip_address(api_host)) is Place.LOOPBACK and outside.family == socket.AF_INET:
        # The port is chosen by `connect`: else there were only as many for all callers together.
        outside.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        outside.bind((str(FROM_SANDBOXES), 0))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


def _send(datagrams: socket.socket, message: bytes, asker: Any) -> None:
    with contextlib.suppress(OSError):
        datagrams.sendto(message, asker)
