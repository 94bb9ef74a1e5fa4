"""`runwright` as its user meets it: commands, JSON, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import Running


class Shell:
    """Runs `runwright` in a folder, knowing a server only by its credentials file."""

    def __init__(self, server: Running, folder: Path) -> None:
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RUNWRIGHT_")}
        self.environ = {**kept, "RUNWRIGHT_DATA_DIR": str(server.data_dir), "COLUMNS": "160"}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "runwright", *arguments],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
        )

    def ok(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def json(self, *arguments: str, code: int = 0) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shell(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(server, tmp_path_factory.mktemp("shell"))


@pytest.mark.parametrize("language", ["node", "python"])
def test_a_starter_is_made_deployed_and_run(shell: Shell, language: str) -> None:
    name = f"mine-{language}"
    assert "runwright deploy" in shell.ok("init", name, "--language", language)
    printed = shell.ok("deploy", name)
    assert f"{name}.functions.localhost" in printed
    ran = shell.json("invoke", name, "--path", "/x?y=1", "--method", "GET")
    assert (ran["status"], ran["responseStatusCode"]) == ("completed", 200)
    assert json.loads(ran["responseBody"])
    shown = shell.ok("logs", name)
    assert ran["$id"] in shown
    assert "GET /x?y=1" in shown
    assert name in {item["$id"] for item in shell.json("functions")["functions"]}
    assert name in shell.ok("functions")


def test_a_second_deploy_replaces_the_first_and_keeps_the_settings(shell: Shell) -> None:
    shell.ok("init", "again", "--language", "node")
    shell.ok("deploy", "again")
    folder = shell.folder / "again"
    (folder / "main.js").write_text("export default ({ res }) => res.text('second');\n")
    shell.ok("deploy", "again")
    assert shell.json("invoke", "again")["responseBody"] == "second"


def test_settings_in_the_file_reach_the_function_and_others_stay(shell: Shell) -> None:
    shell.ok("init", "tuned", "--language", "node")
    path = shell.folder / "tuned" / "runwright.json"
    described = json.loads(path.read_text())
    chosen = {"events": ["custom.tuned.*"], "schedule": "0 8 1 1 *", "timezone": "Asia/Tokyo"}
    path.write_text(json.dumps({**described, **chosen}))
    shell.ok("deploy", "tuned")
    path.write_text(json.dumps({**described, "timeout": 7}))
    shell.ok("deploy", "tuned")
    found = {item["$id"]: item for item in shell.json("functions")["functions"]}["tuned"]
    assert {name: found[name] for name in chosen} == chosen
    assert found["timeout"] == 7
    # What is queued is seen by the same commands.
    queued = shell.json("invoke", "tuned", "--async", "--body", "x")
    later = shell.json("invoke", "tuned", "--at", "2030-01-01T08:00:00Z")
    assert (queued["status"], later["status"]) == ("waiting", "scheduled")
    ids = {item["$id"] for item in shell.json("executions", "list", "tuned")["executions"]}
    assert {queued["$id"], later["$id"]} <= ids


def test_a_failing_run_exits_with_1(shell: Shell) -> None:
    shell.ok("init", "failing", "--language", "node")
    path = shell.folder / "failing" / "main.js"
    path.write_text("export default () => { throw new Error('no luck'); };\n")
    shell.ok("deploy", "failing")
    done = shell.run("invoke", "failing")
    assert done.returncode == 1
    assert "no luck" in done.stderr


def test_a_failing_build_exits_with_1_and_shows_its_log(shell: Shell) -> None:
    shell.ok("init", "unbuildable", "--language", "node")
    path = shell.folder / "unbuildable" / "runwright.json"
    described = json.loads(path.read_text())
    path.write_text(json.dumps({**described, "commands": "echo about to fail; exit 3"}))
    done = shell.run("deploy", "unbuildable")
    assert done.returncode == 1
    assert "about to fail" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("invoke", "not-there"), 3, "not-there"),
        (("deploy", "no-such-folder"), 2, "runwright.json"),
        (("init", "x", "--language", "cobol"), 2, "cobol"),
        (("functions", "--endpoint", "http://127.0.0.1:9/v1"), 3, "does not answer"),
    ],
)
def test_wrong_use_says_what_is_wrong_and_exits_with_its_code(
    shell: Shell, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = shell.run(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert told in shell.json(*arguments, code=code)["error"]


def test_settings_are_listed_with_their_ranges(shell: Shell) -> None:
    lines = {line["variable"]: line for line in shell.json("settings")}
    assert lines["RUNWRIGHT_PORT"]["allowed"] == "0 to 65535"
    assert "RUNWRIGHT_DATA_DIR" in shell.ok("settings")


def test_runtimes_are_listed_with_their_source(shell: Shell) -> None:
    found = {item["id"]: item for item in shell.json("runtimes", "list")}
    assert found["node-22"]["source"] == "package"
    assert f"python-3.{sys.version_info.minor}" in found


def test_a_runtime_that_cannot_be_had_is_refused_with_the_way_out(shell: Shell) -> None:
    done = shell.run("runtimes", "add", "python-3.99")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_the_doctor_explains_the_host_in_plain_words(shell: Shell) -> None:
    findings = shell.json("doctor")
    assert {"ok"} <= {item["level"] for item in findings}
    assert all(item["text"] for item in findings)
