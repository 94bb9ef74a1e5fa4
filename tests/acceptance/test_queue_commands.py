"""Commands about runs, queue, schedules and events, as their user meets them."""

import json
import time
from typing import Final

import httpx
import pytest

from tests.acceptance.deploying import create, deploy
from tests.acceptance.running import Running
from tests.acceptance.test_command_line import Shell

WAIT_S: Final = 60.0
TALKS: Final = """
export default async ({ req, res, log }) => {
  log(`heard ${req.bodyText}`);
  if (req.path === "/fail") throw new Error("deliberate");
  if (req.path === "/hold") await new Promise((done) => setTimeout(done, 5e3));
  if (req.path === "/cancel") await new Promise((done) => setTimeout(done, 80e3));
  return res.text("ok");
};
"""


@pytest.fixture(scope="module")
def shell(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    with server.client() as api:
        deploy(api, "talks", "node", TALKS, events=["custom.cli.*"], timeout=90)
    return Shell(server, tmp_path_factory.mktemp("queue-commands"))


def started(api: httpx.Client, path: str, *statuses: str) -> str:
    """A new execution, once it has one of these states."""
    answer = api.post("/functions/talks/executions", json={"async": True, "path": path})
    execution_id = str(answer.json()["$id"])
    deadline = time.monotonic() + WAIT_S
    while True:
        found = api.get(f"/functions/talks/executions/{execution_id}").json()
        if found["status"] in statuses:
            return execution_id
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_an_event_is_sent_and_its_run_is_found(shell: Shell) -> None:
    sent = shell.json("events", "send", "custom.cli.x", "-d", '{"a": 1}', "--key", "cli-1")
    assert (sent["event"], sent["repeated"]) == ("custom.cli.x", False)
    assert "was there already" in shell.ok(
        "events", "send", "custom.cli.x", "-d", '{"a": 1}', "--key", "cli-1"
    )
    deadline = time.monotonic() + WAIT_S
    while True:
        found = shell.json("executions", "list", "talks", "--status", "completed")["executions"]
        if found:
            break
        assert time.monotonic() < deadline
    assert [(item["trigger"], item["logs"]) for item in found] == [("event", 'heard {"a": 1}\n')]
    table = shell.ok("executions", "list", "talks", "--limit", "5")
    assert found[0]["$id"] in table
    assert 'heard {"a": 1}' in shell.ok("executions", "get", "talks", found[0]["$id"])


def test_wrong_input_is_one_line_and_a_code(shell: Shell) -> None:
    wrong = shell.run("events", "send", "orders.paid")
    assert (wrong.returncode, "custom." in wrong.stderr) == (3, True)
    assert shell.run("events", "send", "custom.a", "-d", "{").returncode == 2
    unknown = shell.json("executions", "get", "talks", "nobody", code=3)
    assert unknown["type"] == "execution_not_found"
    assert shell.run("schedule", "preview").returncode == 2


def test_the_queue_is_counted(shell: Shell, server: Running) -> None:
    with server.client() as api:
        held = started(api, "/cancel", "processing")
        counts = shell.json("queue", "status")
        ended = api.post(f"/functions/talks/executions/{held}/cancel")
    assert ended.status_code == 200, ended.text
    assert counts["running"] >= 1
    assert set(counts) == {
        "ready",
        "running",
        "retrying",
        "delayed",
        "deliveries",
        "letters",
        "dead",
        "kept",
        "events",
        "oldestReady",
    }
    assert "are run by a worker" in shell.ok("queue", "status")


def test_times_of_a_schedule_are_shown(shell: Shell, server: Running) -> None:
    arguments = ("schedule", "preview", "--cron", "30 6 * * *", "--timezone", "Asia/Tokyo")
    found = shell.json(*arguments, "--count", "3")
    assert [tick["localTime"][11:16] for tick in found["ticks"]] == ["06:30"] * 3
    shown = shell.ok(*arguments)
    assert "T21:30:00" in shown
    assert "Nothing fires it now" not in shown
    with server.client() as api:
        create(api, "ticks", "node", schedule="0 * * * *")
    assert "Nothing fires it now" in shell.ok("schedule", "preview", "ticks")


def test_a_run_is_followed_to_its_end(shell: Shell, server: Running) -> None:
    with server.client() as api:
        started(api, "/hold", "processing")
    followed = shell.run("executions", "tail", "talks")
    assert (followed.returncode, followed.stdout) == (0, "heard \n")
    assert "completed 200" in followed.stderr
    with server.client() as api:
        failed = started(api, "/fail", "failed")
    lines = shell.run("executions", "tail", "talks", failed, "--json")
    assert lines.returncode == 1
    events = [json.loads(line) for line in lines.stdout.splitlines()]
    assert [item["event"] for item in events] == ["log", "error", "end"]
    assert "deliberate" in events[1]["data"]["text"]
    assert events[2]["data"]["errorClass"] == "user_exception"


def test_a_run_is_cancelled(shell: Shell, server: Running) -> None:
    with server.client() as api:
        running = started(api, "/cancel", "processing")
    assert "cancelled" in shell.ok("executions", "cancel", "talks", running)
    again = shell.json("executions", "cancel", "talks", running)
    assert (again["status"], again["errorClass"]) == ("failed", "cancelled")
    followed = shell.run("executions", "tail", "talks", running)
    assert followed.stderr.endswith(f"while it ran.\nfailed 500 ({running})\n")


def test_dead_letters_are_listed_and_run_again(shell: Shell, server: Running) -> None:
    with server.client() as api:
        retry = {"attempts": 2, "backoff": 1}
        deploy(api, "dies", "node", "export default () => { throw new Error(); };", retry=retry)
        for _ in range(3):
            api.post("/functions/dies/executions", json={"async": True})
        wait_dead(api, 3)
    found = shell.json("dead-letters", "list", "--function", "dies")["deadLetters"]
    assert [item["execution"]["attempt"] for item in found] == [2, 2, 2]
    first = found[0]["$id"]
    assert first in shell.ok("dead-letters", "list", "--limit", "50")
    assert f"{first} runs again as" in shell.ok("dead-letters", "redrive", first)
    assert shell.json("dead-letters", "redrive", first, code=3)["type"] == "execution_not_found"
    with server.client() as api:
        wait_dead(api, 3)
    redriven = shell.json("dead-letters", "redrive", "--all", "--function", "dies")
    assert (redriven["redriven"], redriven["left"]) == (3, 0)
    assert shell.run("dead-letters", "redrive").returncode == 2
    assert shell.run("dead-letters", "redrive", first, "--all").returncode == 2


def wait_dead(api: httpx.Client, count: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        found = api.get("/dead-letters", params={"functionId": "dies"}).json()
        if found["total"] == count:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
