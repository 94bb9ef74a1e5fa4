"""Ends of connections over TLS, whose other side need not answer our goodbye."""

import asyncio
import http.client
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from uvicorn.server import ServerState

from runwright.gateway.protocol import GOODBYE_S, DomainProtocol
from runwright.gateway.tls import Certificates
from runwright.model.execution import Outcome
from tests.authority import Authority
from tests.fakes.loop_time import pass_by
from tests.fakes.user_code import answering
from tests.unit.executions.bench import until
from tests.unit.gateway.door import HOST, a_door

pytestmark = pytest.mark.anyio
NEVER_S = 3600.0  # how long TLS waits for a goodbye here
LARGE = 8 * 1024 * 1024


@dataclass
class Talk:
    """A client that reads answers and nothing else, so that it hears no goodbye."""

    client: http.client.HTTPConnection
    protocol: DomainProtocol
    state: ServerState

    async def ask(self, **headers: str) -> http.client.HTTPResponse:
        def asked() -> http.client.HTTPResponse:
            self.client.request("GET", "/", headers={"host": HOST, **headers})
            return self.client.getresponse()

        return await asyncio.to_thread(asked)

    async def ends(self) -> None:
        await until(lambda: not self.state.connections)


@asynccontextmanager
async def a_talk(folder: Path, body: bytes = b"hello") -> AsyncIterator[Talk]:
    authority, state = Authority(), ServerState()
    authority.issue(folder, HOST)
    certificates = Certificates(folder)
    certificates.load()
    made: list[DomainProtocol] = []
    async with a_door() as door:
        await door.hosts.find(HOST.encode())
        door.bench.code.run_next = answering(Outcome(status_code=200, body=body))
        config = uvicorn.Config(door.app, loop="none", lifespan="off", log_config=None)
        config.load()

        def accepted() -> DomainProtocol:
            made.append(
                DomainProtocol(config=config, server_state=state, app_state={}, door=door.quick)
            )
            return made[-1]

        server = await asyncio.get_running_loop().create_server(
            accepted,
            "127.0.0.1",
            0,
            ssl=certificates.context(),
            ssl_shutdown_timeout=NEVER_S,
        )
        client = http.client.HTTPConnection(HOST)

        def connected() -> None:
            plain = socket.create_connection(server.sockets[0].getsockname(), timeout=60)
            client.sock = authority.client().wrap_socket(plain, server_hostname=HOST)

        await asyncio.to_thread(connected)
        try:
            yield Talk(client, made[0], state)
        finally:
            client.close()
            server.close()


async def test_a_stop_does_not_wait_for_the_goodbye_of_an_idle_client(tmp_path: Path) -> None:
    async with a_talk(tmp_path) as talk:
        assert (await talk.ask()).read() == b"hello"
        talk.protocol.shutdown()
        await talk.ends()


async def test_nor_does_the_end_of_a_connection_that_was_idle_for_long(tmp_path: Path) -> None:
    async with a_talk(tmp_path) as talk:
        assert (await talk.ask()).read() == b"hello"
        talk.protocol.timeout_keep_alive = 0
        talk.protocol._end_if_idle()
        await talk.ends()


async def test_nor_does_the_end_after_a_last_answer(tmp_path: Path) -> None:
    async with a_talk(tmp_path) as talk:
        answer = await talk.ask(connection="close")
        await talk.ends()
        assert answer.read() == b"hello"


async def test_who_reads_slowly_gets_all_of_the_last_answer(tmp_path: Path) -> None:
    async with a_talk(tmp_path, bytes(LARGE)) as talk:
        answer = await talk.ask(connection="close")
        await until(talk.protocol.transport.is_closing)
        for _ in range(3):
            await pass_by(GOODBYE_S)
        assert len(await asyncio.to_thread(answer.read)) == LARGE
        await talk.ends()
