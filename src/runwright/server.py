"""The server process: start, serve, drain, stop.

Start is entering the wiring's parts in order; stop is leaving them in reverse: no new
connections, requests in flight finish within the drain time, then pools, then storage.
"""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Generator
from typing import Final

import uvicorn
import uvloop

from runwright import welcome
from runwright.realtime.socket import MESSAGE_BYTES
from runwright.settings import BadSetting, Settings, unknown_variables
from runwright.telemetry import configure_logging
from runwright.wiring import process

log = logging.getLogger(__name__)

BACKLOG: Final = 2048
# Seconds that an idle connection is kept. Clients and proxies in front (Caddy: two minutes) send
# the next request on one they hold for open, and an error comes back to whoever does so while it
# is being closed here. So they have to be the first to close it, unless there are too many
# (gateway/crowd.py).
KEEP_ALIVE_S: Final = 150
# Collecting the oldest objects takes tens of milliseconds and stops every request. What was
# made at start lives for ever, so it is left out, and the rest is looked at less often.
GC_THRESHOLDS: Final = (20_000, 20, 20)
# How long a storage thread may hold the interpreter while the event loop waits for it.
SWITCH_INTERVAL_S: Final = 0.0005


class _Listener(uvicorn.Server):
    """uvicorn without its signal handlers, as this process has its own, and without looking ten
    times a second whether it is to end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)  # which makes the headers that all its answers have
        await self._ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def run(settings: Settings) -> int:
    """Serve until INT or TERM; the process exit code.

    Raises BadSetting when the server cannot start with what it was given.
    """
    configure_logging(level=settings.log_level, as_json=settings.log_format == "json")
    for name in unknown_variables():
        log.warning(
            "no setting has this name", extra={"action": "unknown_setting", "variable": name}
        )
    try:
        return uvloop.run(_serve(settings))
    except process.CANNOT_START as exc:
        raise BadSetting(str(exc)) from exc


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        raise BadSetting(f"cannot listen on {host}:{port}: {exc.strerror}") from exc
    listener.listen(BACKLOG)
    return listener


def _listener(parts: process.Parts, drain_s: float, tls: ssl.SSLContext | None) -> _Listener:
    config = uvicorn.Config(
        parts.app,
        http=parts.http,
        ws=parts.ws,
        ws_max_size=MESSAGE_BYTES,
        # One event goes to many connections, and would be compressed for each of them.
        ws_per_message_deflate=False,
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        # By then the drain has ended every run, so this only bounds the sending of answers.
        timeout_graceful_shutdown=int(drain_s) + 1,
        timeout_keep_alive=KEEP_ALIVE_S,
        h11_max_incomplete_event_size=64 * 1024,
    )
    config.load()
    config.ssl = tls
    return _Listener(config)


def _steady_interpreter() -> None:
    """Shorten the pauses that requests see; called once, when everything has started."""
    gc.enable()
    gc.freeze()  # with what little of it is garbage: finding that takes a quarter of a second
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)


async def _serve(settings: Settings) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    sockets = [_bind(settings.host, settings.port)]
    api_port = sockets[0].getsockname()[1]
    async with process.running(settings, api_port=api_port) as parts:
        _steady_interpreter()
        listeners = [_listener(parts, settings.drain_s, None)]
        if settings.tls_port:
            sockets.append(_bind(settings.host, settings.tls_port))
            listeners.append(_listener(parts, settings.drain_s, parts.tls))
        async with asyncio.TaskGroup() as group:
            for listener, bound in zip(listeners, sockets, strict=True):
                group.create_task(listener.serve(sockets=[bound]), name="http listener")
            group.create_task(
                _watch(stopping, listeners, parts, settings.drain_s), name="stop watch"
            )
            try:
                await welcome.greet(
                    parts.credentials, settings, api_port, stopping, mail=parts.mail
                )
            except BaseException:
                stopping.set()
                raise
        log.info("server stopped", extra={"action": "server_stopped"})
    return 0


async def _watch(
    stopping: asyncio.Event, listeners: list[_Listener], parts: process.Parts, drain_s: float
) -> None:
    await stopping.wait()
    log.info("server stopping", extra={"action": "server_stopping"})
    for listener in listeners:
        listener.end()
    # While the listeners wait for requests in flight, so that no run outlasts that wait: its
    # caller is told that the server stops instead of being cut off.
    await parts.drain(drain_s)
