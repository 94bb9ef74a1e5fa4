"""What is under way at a started server ends with the right to it, and not when it is over.

Every stream, run and upload here would go on for minutes; each test waits for its end.
"""

import collections
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.acceptance.console import Console
from tests.acceptance.deploying import (
    create,
    deploy,
    domain,
    on_domain,
    upload,
    wait_built,
)
from tests.acceptance.running import Running

WAIT_S: Final = 60.0
PADDING: Final = 11 * 1024 * 1024  # more than fits into the buffers between two sockets
CODE: Final = """
export default async ({ req, res, log }) => {
  log("begun");
  if (req.path === "/key") return res.text(req.headers["x-appwrite-key"]);
  if (req.path === "/stream") { res.start(200); res.write("part"); }
  await new Promise((done) => setTimeout(done, 600000));
  return res.text("done");
};
"""
SCOPES: Final = ["executions.read", "executions.write", "functions.read", "functions.write"]


@dataclass
class Place:
    """A project of its own, with a key that may do everything and a function that takes long."""

    server: Running
    console: Console
    project: str
    api: httpx.Client
    host: str

    def key(self) -> tuple[str, httpx.Client]:
        """A key of its own, by its id, and a client that has it."""
        body = {"keyId": "unique()", "name": "Key", "scopes": SCOPES}
        path = f"/projects/{self.project}/keys"
        made = self.console.api.post(path, json=body).json()
        return made["$id"], self.client({"x-appwrite-key": made["secret"]})

    def client(self, headers: dict[str, str]) -> httpx.Client:
        sent = {"x-appwrite-project": self.project, **headers}
        small = httpx.HTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)])
        return httpx.Client(
            base_url=self.server.endpoint, headers=sent, timeout=WAIT_S, transport=small
        )

    def revoke(self, key_id: str) -> None:
        answer = self.console.api.delete(f"/projects/{self.project}/keys/{key_id}")
        assert answer.status_code == 204, answer.text

    def user(self, name: str) -> str:
        """A user who is signed in; the value of the session."""
        self.api.post("/users", json={"userId": name}).raise_for_status()
        return str(self.api.post(f"/users/{name}/sessions").raise_for_status().json()["secret"])

    def delete(self) -> None:
        assert self.console.api.delete(f"/projects/{self.project}").status_code == 204

    def begun(self) -> str:
        """A queued run that goes on for minutes; its path among the executions."""
        made = self.api.post("/functions/slow/executions", json={"async": True}).json()
        return f"/functions/slow/executions/{made['$id']}"


@contextlib.contextmanager
def a_place(server: Running) -> Iterator[Place]:
    console = Console(server)
    with contextlib.closing(console.api):
        project = console.new_project()
        known = console.api.get("/console/scopes/project").json()["scopes"]
        secret = console.new_key(project, [scope["$id"] for scope in known])
        headers = {"x-appwrite-project": project, "x-appwrite-key": secret}
        with httpx.Client(base_url=server.endpoint, headers=headers, timeout=60) as api:
            host = deploy(api, "slow", "node", CODE, timeout=900, execute=["any"])
            yield Place(server, console, project, api, host)


@pytest.fixture(scope="module")
def place(server: Running) -> Iterator[Place]:
    with a_place(server) as made:
        yield made


def until_cut(lines: Iterator[Any]) -> None:
    """Read to the end, which has to be none."""
    with pytest.raises(httpx.RemoteProtocolError):
        for _ in lines:
            pass


def test_a_log_stream_ends_with_its_key(place: Place) -> None:
    run = place.begun()
    key_id, client = place.key()
    with client, client.stream("GET", f"{run}/logs", params={"follow": "1"}) as answer:
        lines = answer.iter_lines()
        assert any("begun" in line for line in lines)
        place.revoke(key_id)
        until_cut(lines)
    again = client.build_request("GET", f"{run}/logs", params={"follow": "1"})
    with place.client({}) as fresh:
        refused = fresh.send(again)
    assert (refused.status_code, refused.json()["type"]) == (401, "user_unauthorized")
    assert place.api.post(f"{run}/cancel").json()["status"] == "failed"  # it was running still


def test_a_log_stream_of_the_console_ends_with_its_session(place: Place) -> None:
    run, other = place.begun(), Console(place.server)
    headers = {"x-appwrite-project": place.project, "x-appwrite-mode": "admin"}
    with contextlib.closing(other.api):
        request = {"params": {"follow": "1"}, "headers": headers}
        with other.api.stream("GET", f"{run}/logs", **request) as answer:  # type: ignore[arg-type]
            lines = answer.iter_lines()
            assert any("begun" in line for line in lines)
            signed_out = other.api.delete("/account/sessions/current")
            assert signed_out.status_code == 204
            until_cut(lines)
    place.api.post(f"{run}/cancel").raise_for_status()


def test_a_download_ends_with_its_key(place: Place) -> None:
    create(place.api, "large", "node")
    files: dict[str, str | bytes] = {"main.mjs": CODE, "padding.bin": os.urandom(PADDING)}
    made = upload(place.api, "large", files)
    size = wait_built(place.api, "large", made["$id"])["sourceSize"]
    key_id, client = place.key()
    path = f"/functions/large/deployments/{made['$id']}/download"
    with client, client.stream("GET", path) as answer:
        assert int(answer.headers["content-length"]) == size > PADDING
        parts = answer.iter_raw(64 * 1024)
        next(parts)
        place.revoke(key_id)
        until_cut(parts)


def test_an_upload_is_refused_with_its_key(place: Place) -> None:
    create(place.api, "never", "node")
    key_id, client = place.key()
    head = '--x\r\ncontent-disposition: form-data; name="code"; filename="c.tar.gz"\r\n\r\n'
    with client, socket.create_connection(("127.0.0.1", place.server.port), WAIT_S) as line:
        request = client.build_request("POST", "/functions/never/deployments")
        headers = {
            **request.headers,
            "content-type": "multipart/form-data; boundary=x",
            "content-length": "10000000",
        }
        text = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        line.sendall(f"POST {request.url.raw_path.decode()} HTTP/1.1\r\n{text}\r\n".encode())
        line.sendall(head.encode() + os.urandom(500_000))
        wait_for(lambda: any((place.server.data_dir / "uploads").glob("upload-*")))
        place.revoke(key_id)
        answer = b""
        while b"}" not in answer:
            answer += (part := line.recv(65536))
            assert part, answer
    assert answer.startswith(b"HTTP/1.1 401 "), answer
    assert b'"type":"user_unauthorized"' in answer
    wait_for(lambda: not any((place.server.data_dir / "uploads").glob("upload-*")))
    assert place.api.get("/functions/never/deployments").json()["total"] == 0


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


ENDS: Final[dict[str, Callable[[httpx.Client, str], httpx.Response]]] = {
    "the session is deleted": lambda api, name: api.delete(f"/users/{name}/sessions"),
    "the password is changed": lambda api, name: api.patch(
        f"/users/{name}/password", json={"password": "another password"}
    ),
    "the user is blocked": lambda api, name: api.patch(
        f"/users/{name}/status", json={"status": False}
    ),
    "the user is deleted": lambda api, name: api.delete(f"/users/{name}"),
    "the label is taken": lambda api, name: api.put(f"/users/{name}/labels", json={"labels": []}),
}


@pytest.mark.parametrize("what", ENDS)
def test_a_stream_of_a_function_ends_with_the_right_to_it(place: Place, what: str) -> None:
    api, name = place.api, f"reader{list(ENDS).index(what)}"
    host = vip(place)
    place.user(name)
    api.put(f"/users/{name}/labels", json={"labels": ["vip"]}).raise_for_status()
    jwt = api.post(f"/users/{name}/jwts").json()["jwt"]
    with on_domain(place.server, host) as web:
        headers = {"x-appwrite-user-jwt": jwt}
        with web.stream("GET", "/stream", headers=headers) as answer:
            parts = answer.iter_raw()
            assert next(parts) == b"part"
            ENDS[what](api, name).raise_for_status()
            until_cut(parts)
        assert web.get("/stream", headers=headers).status_code in (401, 403)


def vip(place: Place) -> str:
    """The domain of a function for holders of a label."""
    if place.api.get("/functions/vip").status_code == 404:
        return deploy(place.api, "vip", "node", CODE, timeout=900, execute=["label:vip"])
    return domain(place.api, "vip")


@pytest.mark.parametrize("what", ["key", "JWT", "project"])
def test_a_socket_ends_with_what_it_was_opened_with(server: Running, what: str) -> None:
    with a_place(server) as place:
        place.user("ann")
        key_id, client = place.key()
        client.close()
        jwt = place.api.post("/users/ann/jwts").json()["jwt"]
        headers = {
            "key": {"x-appwrite-key": client.headers["x-appwrite-key"]},
            "JWT": {"x-appwrite-jwt": jwt},
            "project": {},
        }[what]
        headers["x-appwrite-project"] = place.project
        url = f"{server.endpoint.replace('http', 'ws', 1)}/realtime?project={place.project}"
        # What the machine is slow at must not close it: neither the opening nor a ping.
        url = f"{url}&channels[]=executions"
        with connect(
            url, additional_headers=headers, open_timeout=WAIT_S, ping_interval=None
        ) as opened:
            assert json.loads(opened.recv(WAIT_S))["type"] == "connected"
            if what == "key":
                place.revoke(key_id)
            elif what == "JWT":
                place.api.patch("/users/ann/status", json={"status": False}).raise_for_status()
            else:
                place.delete()
            assert json.loads(opened.recv(WAIT_S))["type"] == "error"
            with pytest.raises(ConnectionClosed):
                opened.recv(WAIT_S)
            assert opened.close_code == 1008


def test_a_deleted_project_takes_along_what_runs_in_it(server: Running) -> None:
    with a_place(server) as place, on_domain(server, place.host) as web:
        inner = web.get("/key").text
        with place.client({"x-appwrite-key": inner}) as within:
            assert within.get("/functions").status_code == 401  # it has no scopes, but is one
            answers: list[httpx.Response] = []
            with place.client({"x-appwrite-key": place.api.headers["x-appwrite-key"]}) as caller:
                path = "/functions/slow/executions"
                call = threading.Thread(target=lambda: answers.append(caller.post(path, json={})))
                run = place.begun()
                with (
                    place.api.stream("GET", f"{run}/logs", params={"follow": "1"}) as logs,
                    web.stream("GET", "/stream") as stream,
                ):
                    lines, parts = logs.iter_lines(), stream.iter_raw()
                    assert any("begun" in line for line in lines)
                    assert next(parts) == b"part"
                    call.start()
                    wait_for(lambda: len(running(place)) == 3)  # queued, streamed, called
                    place.delete()
                    with contextlib.suppress(httpx.RemoteProtocolError):  # unless its run has ended
                        collections.deque(lines, 0)
                    until_cut(parts)
                    call.join(WAIT_S)
            assert (answers[0].status_code, answers[0].json()["type"]) == (404, "project_not_found")
            refused = within.get("/functions")
        assert (refused.status_code, refused.json()["type"]) == (404, "project_not_found")


def running(place: Place) -> list[Any]:
    query = '{"method":"equal","attribute":"status","values":["processing"]}'
    found = place.api.get("/functions/slow/executions", params={"queries[0]": query})
    items: list[Any] = found.json()["executions"]
    return items
