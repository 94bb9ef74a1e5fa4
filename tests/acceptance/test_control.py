"""Having runs in hand: calls made twice, runs ended from outside, logs read while they come."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest

from tests.acceptance.deploying import deploy, domain, on_domain
from tests.acceptance.gates import HELD, OPENED, open_gate
from tests.acceptance.running import START_S, Running

WAIT_S: Final = 120.0
REPLAYED: Final = "x-runwright-idempotent-replay"
NODE: Final = (
    OPENED
    + """
export default async ({ req, res, log, error }) => {
  log("begun");
  if (req.path === "/loop") for (;;);
  if (req.path === "/deaf") {
    process.on("SIGTERM", () => {});
    await new Promise(() => setInterval(() => {}, 1e6));
  }
  if (req.path === "/hold") await new Promise((done) => setTimeout(done, 600000));
  if (req.path === "/stream") {
    res.start(200); res.write("part");
    await new Promise((done) => setTimeout(done, 600000));
  }
  if (req.path === "/lines") {
    for (let n = 1; n <= 20; n += 1) {
      if (n === 10) await opened("lines", req);
      await new Promise((done) => setTimeout(done, 100));
      if (n % 5) log(`line ${n}`); else error(`error ${n}`);
    }
  }
  if (req.path === "/flood") {
    const line = "x".repeat(7000);
    for (let n = 1; n <= 5000; n += 1) {
      log(line);
      if (n % 50 === 0) await new Promise((done) => setTimeout(done, 5));
    }
  }
  if (req.path === "/crash") { for (let n = 1; n <= 20; n += 1) log(`line ${n}`); process.exit(3); }
  if (req.path === "/memory") { const all = []; for (;;) all.push(Buffer.alloc(1048576, 1)); }
  return res.text("done");
};
"""
)
PYTHON: Final = """
import time

def main(context):
    context.log("begun")
    while context.req.path == "/loop":
        pass
    if context.req.path == "/hold":
        time.sleep(600)
    return context.res.text("done")
"""


@pytest.fixture(scope="module")
def api(server: Running) -> Iterator[httpx.Client]:
    with server.client() as client:
        deploy(client, "control", "node", NODE, **HELD)
        deploy(client, "control-py", "python", PYTHON, timeout=900)
        yield client


@dataclass
class Event:
    name: str
    mark: str
    data: dict[str, Any]
    at: float  # of this process, when it came


def events(answer: httpx.Response) -> Iterator[Event]:
    name = mark = ""
    for line in answer.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name, mark = value, ""
        elif field == "id":
            mark = value
        elif field == "data":
            yield Event(name, mark, json.loads(value), time.time())


def of(function_id: str, execution_id: str) -> str:
    return f"/functions/{function_id}/executions/{execution_id}"


def begin(api: httpx.Client, path: str, function_id: str = "control") -> str:
    """The id of a queued run that has printed something."""
    answer = api.post(f"/functions/{function_id}/executions", json={"async": True, "path": path})
    assert answer.status_code == 202, answer.text
    execution_id = str(answer.json()["$id"])
    with api.stream("GET", f"{of(function_id, execution_id)}/logs", params={"follow": ""}) as logs:
        assert next(events(logs)).data["text"] == "begun\n"
    return execution_id


def end_of(api: httpx.Client, function_id: str, execution_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_S
    while True:
        found: dict[str, Any] = api.get(of(function_id, execution_id)).json()
        if found["status"] in ("completed", "failed"):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


# Calls made twice


@pytest.mark.parametrize(("is_async", "status"), [(False, 201), (True, 202)])
def test_a_call_made_twice_makes_one_execution(
    api: httpx.Client, is_async: bool, status: int
) -> None:
    url, body = "/functions/control/executions", {"async": is_async, "body": "x"}
    headers = {"idempotency-key": f"twice {is_async}"}
    first = api.post(url, json=body, headers=headers)
    assert (first.status_code, REPLAYED in first.headers) == (status, False)
    execution_id = first.json()["$id"]
    end_of(api, "control", execution_id)
    again = api.post(url, json=body, headers=headers)
    assert (again.status_code, again.headers[REPLAYED]) == (status, "true")
    assert (again.json()["$id"], again.json()["status"]) == (execution_id, "completed")
    assert again.json()["responseBody"] == ""
    assert again.json()["logs"] == "begun\n"  # it ran once
    other = api.post(url, json={**body, "body": "y"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (409, "general_argument_invalid")
    wrong = api.post(url, json=body, headers={"idempotency-key": "x" * 256})
    assert (wrong.status_code, wrong.json()["type"]) == (400, "general_argument_invalid")
    assert api.delete(of("control", execution_id)).status_code == 204
    gone = api.post(url, json=body, headers=headers)
    assert (gone.status_code, gone.json()["type"]) == (404, "execution_not_found")


def test_of_many_calls_at_once_one_makes_the_execution(api: httpx.Client) -> None:
    def call(number: int) -> httpx.Response:
        return api.post(
            "/functions/control/executions",
            json={"async": True},
            headers={"idempotency-key": "race"},
        )

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(call, range(64)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["$id"] for answer in answers}) == 1
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    end_of(api, "control", answers[0].json()["$id"])  # lest another test takes it for its own


# Runs ended from outside


@pytest.mark.parametrize(
    ("function_id", "path"),
    [("control", "/loop"), ("control", "/deaf"), ("control-py", "/loop"), ("control-py", "/hold")],
)
def test_a_running_execution_is_cancelled(api: httpx.Client, function_id: str, path: str) -> None:
    execution_id = begin(api, path, function_id)
    answer = api.post(f"{of(function_id, execution_id)}/cancel")
    ended = answer.json()
    assert (answer.status_code, ended["status"], ended["errorClass"]) == (
        200,
        "failed",
        "cancelled",
    )
    assert ended["logs"] == "begun\n"
    assert "cancelled" in ended["errors"]
    assert api.post(f"{of(function_id, execution_id)}/cancel").json() == ended
    assert api.get(of(function_id, execution_id)).json() == ended
    after = api.post(f"/functions/{function_id}/executions", json={})
    assert after.json()["responseBody"] == "done"


def test_a_delayed_execution_is_cancelled_and_never_runs(api: httpx.Client) -> None:
    made = api.post(
        "/functions/control/executions",
        json={"async": True, "scheduledAt": "2099-01-01T00:00:00.000+00:00"},
    ).json()
    ended = api.post(f"{of('control', made['$id'])}/cancel").json()
    assert (made["status"], ended["status"], ended["errorClass"]) == (
        "scheduled",
        "failed",
        "cancelled",
    )


def test_callers_who_wait_hear_of_the_cancelling_at_once(
    api: httpx.Client, server: Running
) -> None:
    """One on the API, one on the function's own domain."""
    host = domain(api, "control")

    def by_api() -> httpx.Response:
        return api.post("/functions/control/executions", json={"path": "/hold"})

    def by_domain() -> httpx.Response:
        with on_domain(server, host) as web:
            return web.get("/hold")

    for call, status in ((by_api, 201), (by_domain, 500)):
        answers: list[httpx.Response] = []
        caller = threading.Thread(target=lambda: answers.append(call()))  # noqa: B023  # joined
        caller.start()
        running = _running(api)
        assert api.post(f"{of('control', running)}/cancel").json()["errorClass"] == "cancelled"
        caller.join(WAIT_S)
        assert answers[0].status_code == status
        if status == 201:
            assert answers[0].json()["errorClass"] == "cancelled"
        else:
            assert answers[0].headers["x-appwrite-execution-id"] == running


def test_a_stream_is_cut_when_its_run_is_cancelled(api: httpx.Client, server: Running) -> None:
    with on_domain(server, domain(api, "control")) as web, web.stream("GET", "/stream") as answer:
        execution_id = answer.headers.get("x-appwrite-execution-id", "")
        parts = answer.iter_raw()
        first = next(parts)
        assert first == b"part", (answer.status_code, first, end_of(api, "control", execution_id))
        assert api.post(f"{of('control', execution_id)}/cancel").status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):  # nobody takes half for whole
            list(parts)


def _running(api: httpx.Client) -> str:
    deadline = time.monotonic() + WAIT_S
    query = json.dumps({"method": "equal", "attribute": "status", "values": ["processing"]})
    while True:
        found = api.get("/functions/control/executions", params={"queries[0]": query}).json()
        if found["executions"]:
            return str(found["executions"][0]["$id"])
        assert time.monotonic() < deadline, "nothing runs"
        time.sleep(0.02)


def test_what_does_not_exist_cannot_be_cancelled(api: httpx.Client) -> None:
    answer = api.post(f"{of('control', 'nothing')}/cancel")
    assert (answer.status_code, answer.json()["type"]) == (404, "execution_not_found")


# Logs read while they come


def test_lines_are_read_while_the_function_runs_and_after_a_lost_connection(
    api: httpx.Client,
) -> None:
    made = api.post("/functions/control/executions", json={"async": True, "path": "/lines"}).json()
    url = f"{of('control', made['$id'])}/logs"
    seen: list[Event] = []
    with api.stream("GET", url, params={"follow": "true"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for event in events(answer):
            seen.append(event)
            if "line 9" in event.data["text"]:
                break
    assert api.get(of("control", made["$id"])).json()["status"] == "processing"
    open_gate(api, "lines")
    with api.stream(
        "GET", url, params={"follow": "true"}, headers={"last-event-id": seen[-1].mark}
    ) as answer:
        seen += events(answer)
    assert seen[-1].name == "end"
    assert seen[-1].data == {"status": "completed", "errorClass": ""}
    stored = end_of(api, "control", made["$id"])
    for name, text in (("log", stored["logs"]), ("error", stored["errors"])):
        assert "".join(event.data["text"] for event in seen if event.name == name) == text
    with api.stream("GET", url) as answer:  # what is stored reads the same
        whole = list(events(answer))
    assert [event.data["text"] for event in whole[:-1]] == [stored["logs"], stored["errors"]]
    assert whole[-1].data["status"] == "completed"


@pytest.mark.parametrize(
    ("path", "error_class", "last"),
    [("/crash", "exit", "line 20\n"), ("/memory", "out_of_memory", "begun\n")],
)
def test_what_was_printed_survives_the_function(
    api: httpx.Client, path: str, error_class: str, last: str
) -> None:
    made = api.post("/functions/control/executions", json={"async": True, "path": path}).json()
    with api.stream("GET", f"{of('control', made['$id'])}/logs", params={"follow": "1"}) as answer:
        seen = list(events(answer))
    assert seen[-1].data == {"status": "failed", "errorClass": error_class}
    stored = end_of(api, "control", made["$id"])
    assert stored["logs"].endswith(last)
    assert "".join(event.data["text"] for event in seen if event.name == "log") == stored["logs"]


def test_readers_that_leave_take_nothing_with_them(api: httpx.Client) -> None:
    """More of them than may read at once."""
    execution_id = begin(api, "/hold")
    for _ in range(510):
        with api.stream("GET", f"{of('control', execution_id)}/logs", params={"follow": ""}) as one:
            assert one.status_code == 200, one.read()
            next(one.iter_raw())
    assert api.post(f"{of('control', execution_id)}/cancel").json()["status"] == "failed"


def test_a_reader_that_is_too_slow_is_told_what_it_missed(api: httpx.Client) -> None:
    """More is printed than buffers on the way and the kept tail hold together."""
    made = api.post("/functions/control/executions", json={"async": True, "path": "/flood"}).json()
    with api.stream("GET", f"{of('control', made['$id'])}/logs", params={"follow": ""}) as answer:
        parts = events(answer)
        first = next(parts)
        ended = end_of(api, "control", made["$id"])  # nothing is read meanwhile
        seen = [first, *parts]
    assert ended["status"] == "completed"
    missed = sum(event.data["bytes"] for event in seen if event.name == "missed")
    read = sum(len(event.data["text"]) for event in seen if event.name == "log")
    assert missed > 0
    assert missed + read == len("begun\n") + 5000 * 7001
    assert seen[-1].name == "end"


def test_a_guest_reads_no_logs(api: httpx.Client, server: Running) -> None:
    made = api.post("/functions/control/executions", json={}).json()
    answer = httpx.get(
        f"{server.endpoint}{of('control', made['$id'])}/logs",
        headers={"x-appwrite-project": server.project_id},
        timeout=60,
    )
    assert answer.status_code == 401


# The server's own end


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server to kill. Draining would take longer than a test waits for the end."""
    folder = tmp_path_factory.mktemp("mortal")
    server = Running(folder / "data", RUNWRIGHT_DRAIN_S="300").start()
    try:
        with server.client() as api:
            deploy(api, "control", "node", NODE, timeout=900)
        yield server
    finally:
        server.kill()


def test_calls_that_are_sent_until_they_are_answered_make_one_execution_each(
    mortal: Running,
) -> None:
    """While the server is killed twice in the middle of them."""
    keys, kills = 160, (40, 120)
    made: dict[int, set[str]] = {number: set() for number in range(keys)}
    is_up = threading.Event()

    def call_some(numbers: range) -> None:
        waiting = [number for number in numbers for _ in range(2)]  # each of them twice
        while waiting:
            # Callers that knocked at a closed door would only slow down the server's start.
            assert is_up.wait(2 * START_S), "the server stays away"
            with mortal.client() as api, contextlib.suppress(httpx.HTTPError):
                deadline = time.monotonic() + WAIT_S
                while is_up.is_set() and waiting:
                    assert time.monotonic() < deadline, waiting
                    if call(api, waiting[0]):
                        waiting.pop(0)
                        deadline = time.monotonic() + WAIT_S

    def call(api: httpx.Client, number: int) -> bool:
        body = {"async": number % 2 == 0, "body": str(number)}
        headers = {"idempotency-key": f"key {number}"}
        answer = api.post("/functions/counted/executions", json=body, headers=headers)
        assert answer.status_code in (201, 202, 429, 503), answer.text
        if answer.is_success:
            made[number].add(answer.json()["$id"])
        return answer.is_success

    with mortal.client() as api:  # a function whose executions are all of this test
        deploy(api, "counted", "node", NODE, timeout=900)
    is_up.set()
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(call_some, range(at, keys, 8)) for at in range(8)]
        for answered in kills:
            while sum(map(len, made.values())) < answered:
                assert not any(item.done() and item.exception() for item in calls)
                time.sleep(0.005)
            mortal.kill()
            is_up.clear()
            mortal.start()
            is_up.set()
        for item in calls:
            item.result()
    assert {len(ids) for ids in made.values()} == {1}
    every = sorted(execution_id for ids in made.values() for execution_id in ids)
    limit = json.dumps({"method": "limit", "values": [keys + 1]})
    with mortal.client() as api:
        found = api.get("/functions/counted/executions", params={"queries[0]": limit}).json()
        assert sorted(item["$id"] for item in found["executions"]) == every
        for execution_id in every:
            end_of(api, "counted", execution_id)


def test_a_key_leads_to_the_run_that_died_with_the_server(mortal: Running) -> None:
    with mortal.client() as api:
        headers, body = {"idempotency-key": "once"}, {"path": "/hold"}
        caller = threading.Thread(target=_ignore, args=(mortal, headers, body))
        caller.start()
        running = _running(api)
    mortal.kill()
    caller.join(WAIT_S)
    mortal.start()
    with mortal.client() as api:
        answer = api.post("/functions/control/executions", json=body, headers=headers)
        found = answer.json()
        assert (answer.status_code, answer.headers[REPLAYED]) == (201, "true")
        assert found["$id"] == running
        assert (found["status"], found["errorClass"]) == ("failed", "platform")
        # A reader does not hold up the stop.
        held = begin(api, "/hold")
        url = f"{of('control', held)}/logs"
        with api.stream("GET", url, params={"follow": ""}) as logs:
            next(logs.iter_raw())
            api.post(f"{of('control', held)}/cancel")
            waiting = api.post(
                "/functions/control/executions",
                json={"async": True, "scheduledAt": "2099-01-01T00:00:00.000+00:00"},
            ).json()
            with api.stream(
                "GET", f"{of('control', waiting['$id'])}/logs", params={"follow": ""}
            ) as other:
                next(other.iter_raw())
                assert mortal.stop() == 0


def _ignore(server: Running, headers: dict[str, str], body: dict[str, Any]) -> None:
    # The server is killed meanwhile.
    with server.client() as api, contextlib.suppress(httpx.HTTPError):
        api.post("/functions/control/executions", json=body, headers=headers)
