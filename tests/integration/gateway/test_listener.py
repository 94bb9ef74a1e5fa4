"""How the server listens, without a server."""

from types import SimpleNamespace
from typing import Any, Final, cast

from runwright import server
from runwright.gateway.protocol import DomainProtocol

PROXY_S: Final = 120  # Caddy keeps idle connections so long; nginx, SDKs and browsers do for less


def test_clients_and_proxies_close_idle_connections_before_the_server_does() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    parts = cast(Any, SimpleNamespace(app=app, http=DomainProtocol, ws="none"))
    assert server._listener(parts, 8.0, None).config.timeout_keep_alive > PROXY_S
