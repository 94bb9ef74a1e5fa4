"""The official Python SDK, in both generations that clients use today."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import Running

HERE = Path(__file__).parent
SDK_22 = Path(sys.prefix) / "sdk22"


def road(server: Running, sdk: str, language: str) -> dict[str, Any]:
    runtimes = {"node": "node-22", "python": f"python-3.{sys.version_info.minor}"}
    environ = dict(os.environ)
    if sdk == "22":
        assert (SDK_22 / "appwrite").is_dir(), "`make test` installs the older SDK"
        environ["PYTHONPATH"] = str(SDK_22)
    arguments = [server.endpoint, server.project_id, server.api_key, runtimes[language], language]
    done = subprocess.run(
        [sys.executable, str(HERE / "road.py"), *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr + server.tail()
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.parametrize("language", ["node", "python"])
@pytest.mark.parametrize("sdk", ["27", "22"])
def test_the_whole_road_works(server: Running, sdk: str, language: str) -> None:
    seen = road(server, sdk, language)
    assert seen["variable_value"] == ""  # variables are secret unless asked otherwise
    assert seen["deployment"] == "ready"
    assert (seen["status"], seen["code"]) == ("completed", 201)
    assert seen["answer"] == {"greeting": "hello", "body": "ping", "query": {"c": "d"}}
    assert seen["headers"]["x-seen"] == "1"
    assert seen["headers"]["content-type"].startswith("application/json")
    assert seen["headers"]["x-appwrite-execution-id"] == seen["ids"][0]
    assert seen["logs"] == "path /a/b\n"
    assert seen["errors"] == "a warning\n"
    assert (seen["bad_status"], seen["bad_code"]) == ("failed", 500)
    assert "deliberate" in seen["bad_errors"]
    assert seen["queued"] == ["waiting", "completed", "path /queued\n"]
    assert seen["delayed"] == ["scheduled", "schedule", "2099-01-01T00:00:00.000+00:00"]
    good, bad = seen["ids"]
    assert seen["listed"] == [bad, good]
    assert seen["failed_only"] == [bad]
    assert (seen["read_body"], seen["read_path"]) == ("", "/a/b?c=d")
    assert seen["after"] == 1
    assert seen["renamed"] == ["Renamed", 30, ["users"]]
    assert seen["functions"] == 1
    assert seen["runtimes"] >= 2
    assert seen["specifications"] == 9
