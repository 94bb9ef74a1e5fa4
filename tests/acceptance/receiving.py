"""A receiver of webhook deliveries on loopback, in threads of the test's own process."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

WAIT_S: Final = 120.0


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]  # lower-case names
    body: bytes

    @property
    def events(self) -> list[str]:
        return self.headers["x-appwrite-webhook-events"].split(",")

    @property
    def payload(self) -> Any:
        return json.loads(self.body)

    @property
    def delivery_id(self) -> str:
        return self.headers["x-runwright-delivery-id"]

    def is_signed(self, secret: str, url: str) -> bool:
        digest = hmac.new(secret.encode(), url.encode() + self.body, hashlib.sha1).digest()
        return base64.b64encode(digest).decode() == self.headers["x-appwrite-webhook-signature"]


@dataclass
class Receiver:
    port: int = 0
    received: list[Received] = field(default_factory=list)
    statuses: dict[str, list[int]] = field(default_factory=dict)  # by path; the last one stays
    silent: threading.Event = field(default_factory=threading.Event)  # set: no answer
    over: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Received]:
        return [item for item in list(self.received) if item.path == path]

    def wait(self, path: str, wanted: Callable[[Received], bool], count: int = 1) -> list[Received]:
        """Deliveries to a path that are wanted, once there are so many."""
        deadline = time.monotonic() + WAIT_S
        while True:
            found = [item for item in self.at(path) if wanted(item)]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, [item.events[0] for item in self.at(path)]
            time.sleep(0.02)

    def take(self, item: Received) -> int:
        """The status to answer with; 0 = the test is over."""
        self.received.append(item)
        while self.silent.is_set() and not self.over.is_set():
            self.over.wait(0.02)
        statuses = self.statuses.get(item.path, [200])
        return statuses.pop(0) if len(statuses) > 1 else statuses[0]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(Received(self.path, headers, body))
            try:
                self.send_response(status)
                self.send_header("content-length", "4")
                self.end_headers()
                self.wfile.write(b"told")
            except ConnectionError:
                pass  # the server was killed meanwhile

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, name="receiver")
    thread.start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
