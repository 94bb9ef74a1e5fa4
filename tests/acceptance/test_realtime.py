"""Open connections: the official web SDK, a plain client, and what happens to both."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.acceptance.deploying import deploy, execute, on_domain, upload, wait_built
from tests.acceptance.pages import run_in_browser, run_node, serving
from tests.acceptance.running import Running
from tests.acceptance.sockets import connect

PASSWORD: Final = "correct horse"
HEAR_S: Final = 60.0
CODE: Final = """
def main(context):
    context.log("printed")
    return context.res.text("ok")
"""


@pytest.fixture(scope="module")
def listened(server: Running) -> str:
    """The domain of a function that everybody signed in may run."""
    with server.client() as api:
        return deploy(api, "listened", "python", CODE, execute=["any"])


class Listener:
    """One connection; `hear` and `say` have a deadline."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.greeting = self.hear("connected")

    def hear(self, kind: str = "event") -> dict[str, Any]:
        message = json.loads(self.socket.recv(HEAR_S))
        assert message["type"] == kind, message
        data: dict[str, Any] = message["data"]
        return data

    def hear_of(self, name: str, value: Any) -> dict[str, Any]:
        """The first event that says so; those of a moment before may come first, and on a wide
        channel those of other tests."""
        while (event := self.hear())["payload"].get(name) != value:
            pass
        return event

    def say(self, kind: str, data: Any) -> dict[str, Any]:
        """The answer to a message; events that come before it are left aside."""
        self.socket.send(json.dumps({"type": kind, "data": data}))
        while (message := json.loads(self.socket.recv(HEAR_S)))["type"] == "event":
            pass
        assert message["type"] == "response", message
        answer: dict[str, Any] = message["data"]
        return answer

    def closed(self) -> int:
        """The code with which the server ends the connection."""
        with pytest.raises(ConnectionClosed):
            self.socket.recv(HEAR_S)
        assert self.socket.close_code is not None
        return self.socket.close_code


@contextmanager
def listening(
    server: Running, *channels: str, headers: dict[str, str] | None = None, project: str = ""
) -> Iterator[Listener]:
    asked = "".join(f"&channels[]={name}" for name in channels)
    address = server.endpoint.replace("http", "ws", 1)
    url = f"{address}/realtime?project={project or server.project_id}{asked}"
    with connect(url, additional_headers=headers, max_size=None) as opened:
        yield Listener(opened)


def key_headers(server: Running, key: str = "") -> dict[str, str]:
    return {"x-appwrite-project": server.project_id, "x-appwrite-key": key or server.api_key}


def signed_in(server: Running, user_id: str) -> tuple[httpx.Client, dict[str, str]]:
    """A new user: its client, and the headers that make a connection its own."""
    headers = {"x-appwrite-project": server.project_id}
    client = httpx.Client(base_url=server.endpoint, headers=headers, timeout=60)
    email = f"{user_id}@example.com"
    client.post("/account", json={"userId": user_id, "email": email, "password": PASSWORD})
    client.post("/account/sessions/email", json={"email": email, "password": PASSWORD})
    name = f"a_session_{server.project_id}"
    return client, {"cookie": f"{name}={client.cookies[name]}"}


def options(server: Running, user: str) -> dict[str, Any]:
    return {
        "endpoint": server.endpoint,
        "project": server.project_id,
        "user": user,
        "email": f"{user}@example.com",
        "password": PASSWORD,
        "functionId": "listened",
    }


def check_listened(seen: dict[str, Any]) -> None:
    """What `listen.mjs` tells; users see nothing of what their runs printed."""
    run = f"functions.listened.executions.{seen['id']}"
    assert seen["executions"] == [
        [f"{run}.create", "waiting", seen["id"], ""],
        [f"{run}.update", "completed", seen["id"], ""],
    ]
    assert len(seen["account"]) == 1
    assert seen["account"][0][0].endswith(".update")
    assert seen["narrow"] == ["completed"]


def test_the_web_sdk_hears_runs_and_account_in_node(server: Running, listened: str) -> None:
    check_listened(run_node("listen_in_node.mjs", json.dumps(options(server, "ann-in-node"))))


def test_the_web_sdk_hears_runs_and_account_in_a_browser(server: Running, listened: str) -> None:
    with serving() as port:
        page = f"http://127.0.0.1:{port}/listen.html"
        check_listened(run_in_browser(page, "listen", options(server, "ann-in-chromium")))


def test_a_key_hears_runs_that_no_user_started(server: Running, listened: str) -> None:
    with (
        server.client() as api,
        listening(server, "executions", headers=key_headers(server)) as listener,
    ):
        run = api.post("/functions/listened/executions", json={"async": True}).json()
        created, ended = (listener.hear_of("$id", run["$id"]) for _ in range(2))
        assert [created["payload"]["status"], ended["payload"]["status"]] == [
            "waiting",
            "completed",
        ]
        assert ended["payload"]["$permissions"] == []
        assert ended["payload"]["logs"] == "printed\n"
        assert f"executions.{run['$id']}.update" in ended["channels"]
        listener.hear_of("$id", execute(api, "listened")["$id"])


def test_a_key_hears_runs_that_an_event_started(server: Running) -> None:
    channel = "functions.on-event.update"
    with server.client() as api:
        deploy(api, "on-event", "python", CODE, events=["teams.*.create"])
        with listening(server, channel, headers=key_headers(server)) as listener:
            api.post("/teams", json={"teamId": "heard", "name": "Heard"})
            run = listener.hear()["payload"]
            while run.get("trigger") != "event":  # the deployment's own changes
                run = listener.hear()["payload"]
            assert (run["status"], run["logs"]) == ("completed", "printed\n")


def test_what_a_response_held_is_not_told(server: Running, listened: str) -> None:
    with (
        server.client() as api,
        listening(server, "functions.listened", headers=key_headers(server)) as listener,
    ):
        done = execute(api, "listened")
        assert done["responseBody"] == "ok"
        heard = listener.hear_of("$id", done["$id"])["payload"]
        assert (heard["responseBody"], heard["responseHeaders"]) == ("", [])


def test_the_console_hears_runs_and_deployments_of_its_project(
    server: Running, listened: str
) -> None:
    console = httpx.Client(
        base_url=server.endpoint, headers={"x-appwrite-project": "console"}, timeout=60
    )
    login = server.credentials
    console.post(
        "/account/sessions/email",
        json={"email": login["consoleEmail"], "password": login["consolePassword"]},
    )
    cookie = {"cookie": f"a_session_console={console.cookies['a_session_console']}"}
    channel = f"projects.{server.project_id}"
    with (
        closing(console),
        server.client() as api,
        listening(server, channel, headers=cookie, project="console") as listener,
    ):
        done = execute(api, "listened")
        heard = listener.hear_of("$id", done["$id"])
        assert heard["payload"]["logs"] == "printed\n"
        made = upload(api, "listened", {"main.py": CODE}, activate=False)
        wait_built(api, "listened", made["$id"])
        names = set[str]()
        deadline = time.monotonic() + HEAR_S
        while f"functions.listened.deployments.{made['$id']}.update" not in names:
            assert time.monotonic() < deadline
            names.update(listener.hear()["events"])


def test_who_has_signed_out_hears_nothing_more(server: Running) -> None:
    client, cookie = signed_in(server, "leaver")
    with closing(client), listening(server, "account", headers=cookie) as listener:
        client.patch("/account/name", json={"name": "Still here"})
        listener.hear_of("name", "Still here")
        client.delete("/account/sessions/current")
        deadline = time.monotonic() + HEAR_S
        while True:
            told = listener.say("subscribe", [{"channels": ["account"], "subscriptionId": "s"}])
            if told["subscriptions"][0]["channels"] == ["account"]:
                break
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with server.client() as api:
            api.patch("/users/leaver/name", json={"name": "Gone"})
        with pytest.raises(TimeoutError):
            listener.socket.recv(0.5)


def test_a_blocked_user_is_cut_off(server: Running) -> None:
    client, cookie = signed_in(server, "blocked")
    with closing(client), server.client() as api, listening(server, headers=cookie) as listener:
        api.patch("/users/blocked/status", json={"status": False})
        assert listener.hear("error")["code"] == 403
        assert listener.closed() == 1008


def test_a_message_that_is_too_long_ends_the_connection(server: Running) -> None:
    with listening(server) as listener:
        listener.socket.send("x" * 64_001)
        assert listener.closed() == 1009


def test_a_functions_domain_has_no_sockets(server: Running, listened: str) -> None:
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{server.port}/v1/realtime", additional_headers={"host": listened})
    with on_domain(server, listened) as client:
        assert client.get("/").text == "ok"


def test_a_client_that_does_not_read_is_closed_and_others_go_on(
    server: Running, listened: str
) -> None:
    with server.client() as api, deaf(server) as slow:
        api.post("/users", json={"userId": "big", "name": "Big"})
        with listening(server, "account", headers=key_headers(server)) as listener:
            prefs = {"text": "x" * 50_000}
            deadline = time.monotonic() + 180
            while not is_cut(slow):
                assert time.monotonic() < deadline, "it is still connected"
                assert api.patch("/users/big/prefs", json={"prefs": prefs}).status_code == 200
                listener.hear_of("prefs", prefs)


@contextmanager
def deaf(server: Running) -> Iterator[socket.socket]:
    """A connection that asks for all accounts and then reads no more."""
    lines = [
        f"GET /v1/realtime?project={server.project_id}&channels[]=account HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *(f"{name}: {value}" for name, value in key_headers(server).items()),
    ]
    with socket.create_connection(("127.0.0.1", server.port)) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        opened.sendall("\r\n".join([*lines, "", ""]).encode())
        assert b"101" in opened.recv(64)
        yield opened


def is_cut(slow: socket.socket) -> bool:
    """Whether the other end has gone, seen without reading what it sent."""
    try:
        slow.sendall(b"\x8a\x80\x00\x00\x00\x00")  # an unasked-for pong
    except OSError:
        return True
    return False


def test_a_server_that_stops_says_so_and_does_not_wait(tmp_path: Path) -> None:
    # A drain that waited for sockets would take longer than a test waits for the end.
    running = Running(tmp_path / "data", RUNWRIGHT_DRAIN_S="300").start()
    try:
        with deaf(running), listening(running) as listener:
            running.process.terminate()
            assert listener.closed() in (1001, 1012)
            assert running.stop() == 0, running.tail()
    finally:
        if running.process.poll() is None:
            running.kill()
