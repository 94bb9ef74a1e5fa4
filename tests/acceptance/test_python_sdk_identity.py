"""People, teams and the project itself through the official Python SDK, in both generations."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.running import Running

HERE = Path(__file__).parent
SDK_22 = Path(sys.prefix) / "sdk22"


@pytest.mark.parametrize("sdk", ["27", "22"])
def test_every_call_answers_as_the_sdk_expects(server: Running, sdk: str) -> None:
    environ = dict(os.environ)
    if sdk == "22":
        assert (SDK_22 / "appwrite").is_dir(), "`make test` installs the older SDK"
        environ["PYTHONPATH"] = str(SDK_22)
    arguments = [server.endpoint, server.project_id, server.api_key, f"sdk{sdk}-"]
    done = subprocess.run(
        [sys.executable, str(HERE / "people.py"), *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr + server.tail()
    seen: dict[str, str] = json.loads(done.stdout)
    assert {name: wrong for name, wrong in seen.items() if wrong} == {}
    assert len(seen) >= 90, "calls are missing"
