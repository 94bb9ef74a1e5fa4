"""User code that misbehaves: its caller hears the truth, its neighbours notice nothing."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.acceptance.deploying import deploy, execute
from tests.acceptance.running import Running

NODE = """
import fs from "node:fs";
import { spawn } from "node:child_process";
import http from "node:http";

const say = {
  ok: ({ res }) => res.text("fine"),
  exit: () => process.exit(3),
  throw: () => { throw new Error("on purpose"); },
  reject: async () => { Promise.reject(new Error("nobody waits")); await new Promise(() => {}); },
  hang: () => { for (;;) {} },
  sleep: () => new Promise(() => {}),
  print: ({ res, log }) => {
    const line = "x".repeat(7000);
    for (let i = 0; i < 4000; i++) log(line);
    return res.text("printed");
  },
  nothing: () => undefined,
  nonsense: () => 42,
  badstatus: ({ res }) => res.text("x", 1000),
  badheader: ({ res }) => res.text("x", 200, { "x-a": "b\\r\\nset-cookie: evil=1" }),
  files: ({ res }) => {
    const open = [];
    for (let i = 0; i < 10000; i++) open.push(fs.openSync("/dev/null"));
    return res.text("opened");
  },
  memory: () => { const kept = []; for (;;) kept.push(Buffer.alloc(16 * 1024 * 1024, 1)); },
  heap: () => { const kept = []; for (;;) kept.push({ a: new Array(1000).fill(kept.length) }); },
  forks: ({ res }) => {
    for (let i = 0; i < 2000; i++) spawn("/proc/self/exe", ["-e", "setTimeout(()=>{},60000)"])
      .on("error", () => {});
    return res.text("forked");
  },
  disk: ({ res }) => {
    const file = fs.openSync("/tmp/fill", "w");
    for (;;) fs.writeSync(file, Buffer.alloc(1024 * 1024));
  },
  loopback: ({ req, res }) => new Promise((resolve) => {
    http.get({ host: "127.0.0.1", port: Number(req.query.port), timeout: 3000 }, (answer) =>
      resolve(res.text("reached " + answer.statusCode)))
      .on("error", (e) => resolve(res.text("refused " + e.code)))
      .on("timeout", () => resolve(res.text("refused timeout")));
  }),
};
export default (context) => say[context.req.path.slice(1)](context);
"""

PYTHON = """
import os

def files(context):
    return context.res.text(str(len([open("/dev/null") for _ in range(10000)])))

def memory(context):
    kept = []
    while True:
        kept.append(bytearray(16 * 1024 * 1024))

def forks(context):
    for _ in range(2000):
        if os.fork() == 0:
            import time
            time.sleep(60)
            os._exit(0)
    return context.res.text("forked")

def hang(context):
    while True:
        pass

def throw(context):
    raise ValueError("on purpose")

def printing(context):
    for _ in range(4000):
        print("x" * 7000)
    return context.res.text("printed")

def disk(context):
    with open("/tmp/fill", "wb") as file:
        while True:
            file.write(bytes(1024 * 1024))

SAY = {
    "ok": lambda c: c.res.text("fine"),
    "exit": lambda c: os._exit(3),
    "throw": throw,
    "hang": hang,
    "print": printing,
    "nothing": lambda c: None,
    "nonsense": lambda c: 42,
    "badstatus": lambda c: c.res.text("x", 1000),
    "badheader": lambda c: c.res.text("x", 200, {"x-a": "b\\r\\nset-cookie: evil=1"}),
    "files": files,
    "memory": memory,
    "forks": forks,
    "disk": disk,
}

def main(context):
    return SAY[context.req.path[1:]](context)
"""
SOURCES = {"node": NODE, "python": PYTHON}
HASTE_S = 3
NEIGHBOUR = "export default ({res}) => res.text('well');"


@pytest.fixture(scope="module", params=["node", "python"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def rogue(server: Running, language: str) -> str:
    """Has time for all that it does, on a busy machine too."""
    with server.client() as api:
        deploy(api, f"rogue-{language}", language, SOURCES[language], timeout=25)
    return f"rogue-{language}"


@pytest.fixture(scope="module")
def hasty(server: Running, language: str) -> str:
    """The same, where its time is to run out."""
    with server.client() as api:
        deploy(api, f"hasty-{language}", language, SOURCES[language], timeout=HASTE_S)
    return f"hasty-{language}"


@pytest.fixture(scope="module")
def neighbour(server: Running) -> str:
    with server.client() as api:
        deploy(api, "neighbour", "node", NEIGHBOUR)
    return "neighbour"


@contextmanager
def neighbour_called(server: Running, function_id: str) -> Iterator[list[Any]]:
    """Call another function all the while; what was wrong about its answers."""
    wrong: list[Any] = []
    stop = threading.Event()

    def call() -> None:
        with server.client() as api:
            while not stop.is_set():
                try:
                    execution = execute(api, function_id)
                    if execution["responseBody"] != "well":
                        wrong.append(execution)
                except (AssertionError, httpx.HTTPError) as exc:
                    wrong.append(exc)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        thread.join(30)


EXPECTED = {
    # what it does: (status, code, error class, in errors)
    "exit": ("failed", 500, "exit", "code 3"),
    "throw": ("failed", 500, "user_exception", "on purpose"),
    "hang": ("failed", 500, "timeout", "Execution timed out."),
    "nothing": ("failed", 500, "payload", "Return statement missing."),
    "nonsense": ("failed", 500, "payload", ""),
    "badstatus": ("failed", 500, "payload", ""),
    "badheader": ("failed", 500, "payload", ""),
    "files": ("failed", 500, "user_exception", "EMFILE|Too many open files"),
    "memory": ("failed", 500, "out_of_memory", ""),
    "disk": ("failed", 500, "user_exception", "ENOSPC|No space left"),
    "print": ("completed", 200, "", ""),
}


@pytest.mark.parametrize("what", sorted(EXPECTED))
def test_the_caller_and_the_record_hear_the_truth_and_the_neighbour_goes_on(
    server: Running, rogue: str, hasty: str, neighbour: str, what: str
) -> None:
    function_id = hasty if what == "hang" else rogue
    status, code, error_class, told = EXPECTED[what]
    with server.client() as api, neighbour_called(server, neighbour) as wrong:
        answer = execute(api, function_id, path=f"/{what}")
        record = api.get(f"/functions/{function_id}/executions/{answer['$id']}").json()
        if function_id == hasty:  # it has to load once more
            change = {"name": hasty, "timeout": 25}
            assert api.put(f"/functions/{hasty}", json=change).status_code == 200
        after = execute(api, function_id, path="/ok")
        if function_id == hasty:
            change = {"name": hasty, "timeout": HASTE_S}
            assert api.put(f"/functions/{hasty}", json=change).status_code == 200
    for seen in (answer, record):
        assert (seen["status"], seen["responseStatusCode"]) == (status, code), seen["errors"]
        assert seen["errorClass"] == error_class, seen["errors"]
        assert any(word in seen["errors"] for word in told.split("|")), seen["errors"]
    assert after["responseBody"] == "fine"
    assert wrong == []


def test_what_prints_without_end_keeps_the_tail_of_its_log(server: Running, rogue: str) -> None:
    with server.client() as api:
        answer = execute(api, rogue, path="/print")
    assert answer["responseBody"] == "printed"
    assert len(answer["logs"].encode()) <= 1_000_000
    assert answer["logs"].startswith("[WARNING] Logs truncated")


def test_forking_without_end_harms_only_itself(server: Running, hasty: str, neighbour: str) -> None:
    with server.client() as api, neighbour_called(server, neighbour) as wrong:
        execute(api, hasty, path="/forks")
        assert execute(api, hasty, path="/ok")["status"] in ("completed", "failed")
    assert wrong == []


@pytest.mark.parametrize("what", ["reject", "sleep"])
def test_ways_to_fail_that_only_node_has(
    server: Running, rogue: str, hasty: str, what: str
) -> None:
    if hasty != "hasty-node":
        return
    function_id, error_class = {"reject": (rogue, "exit"), "sleep": (hasty, "timeout")}[what]
    with server.client() as api:
        answer = execute(api, function_id, path=f"/{what}")
    assert (answer["status"], answer["errorClass"]) == ("failed", error_class), answer["errors"]


def test_a_heap_that_is_full_is_told_as_such(server: Running) -> None:
    with server.client() as api:
        # Filling it takes a while on half a processor.
        deploy(api, "heap-node", "node", SOURCES["node"], timeout=60)
        answer = execute(api, "heap-node", path="/heap")
    assert (answer["status"], answer["errorClass"]) == ("failed", "out_of_memory"), answer["errors"]


def test_a_function_cannot_reach_services_on_the_hosts_loopback(server: Running) -> None:
    listener = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    try:
        with server.client() as api:
            deploy(api, "prober", "node", NODE)
            path = f"/loopback?port={listener.server_address[1]}"
            source = execute(api, "prober", path=path)
        assert "refused" in source["responseBody"], source
        listener.socket.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody came as far as its queue
            listener.socket.accept()
    finally:
        listener.server_close()


def test_a_broken_entrypoint_is_told_apart(server: Running) -> None:
    cases = {
        "no-export": ("export const other = 1;", "Function signature invalid"),
        "syntax": ("export default (", "Syntax error"),
        "no-module": ("import 'not-there'; export default () => {};", "not-there"),
    }
    with server.client() as api:
        for name, (source, told) in cases.items():
            deploy(api, name, "node", source)
            answer = execute(api, name)
            assert (answer["status"], answer["responseStatusCode"]) == ("failed", 503)
            assert answer["errorClass"] == "entrypoint"
            assert told in answer["errors"]
