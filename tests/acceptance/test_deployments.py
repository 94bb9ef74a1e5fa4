"""Uploads and builds over HTTP: chunks, restarts in the middle, logs as they are printed."""

import concurrent.futures
import os
import time
from pathlib import Path
from typing import Any

import httpx
from appwrite.client import Client
from appwrite.input_file import InputFile
from appwrite.services.functions import Functions

from tests.acceptance.deploying import archive, create, execute, upload, wait_built
from tests.acceptance.running import Running

CHUNK = 5 * 1024 * 1024
HELLO = "export default ({res}) => res.text('hello');"
WAIT_S = 120.0


def send_chunk(
    api: httpx.Client, function_id: str, data: bytes, index: int, deployment_id: str
) -> dict[str, Any]:
    start = index * CHUNK
    part = data[start : start + CHUNK]
    answer = api.post(
        f"/functions/{function_id}/deployments",
        data={"activate": "true"},
        files={"code": ("code.tar.gz", part)},
        headers={
            "content-range": f"bytes {start}-{start + len(part) - 1}/{len(data)}",
            "x-appwrite-id": deployment_id,
        },
    )
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body


def wait_for_log(api: httpx.Client, function_id: str, deployment_id: str, text: str) -> str:
    """The status at which a text is in the build log for the first time."""
    deadline = time.monotonic() + WAIT_S
    while True:
        seen = api.get(f"/functions/{function_id}/deployments/{deployment_id}").json()
        if text in seen["buildLogs"]:
            return str(seen["status"])
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)


def test_the_sdk_uploads_a_large_source_in_parallel_chunks(server: Running) -> None:
    data = archive({"main.mjs": HELLO, "asset.bin": os.urandom(CHUNK * 3)})
    with server.client() as api:
        create(api, "large-upload", "node")
        client = Client().set_endpoint(server.endpoint)
        client.set_project(server.project_id).set_key(server.api_key)
        progress: list[Any] = []
        made = Functions(client).create_deployment(
            "large-upload",
            InputFile.from_bytes(data, "code.tar.gz"),
            True,
            on_progress=progress.append,
        )
        assert progress[-1]["progress"] == 100
        built = wait_built(api, "large-upload", made.id)
        assert built["status"] == "ready", built["buildLogs"]
        assert built["sourceSize"] == len(data)
        path = f"/functions/large-upload/deployments/{made.id}/download"
        assert api.get(path).content == data
        part = api.get(path, headers={"range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, data[1000:2000])
        assert execute(api, "large-upload")["responseBody"] == "hello"


def test_chunks_with_an_id_of_the_clients_choice_arrive_in_any_order(server: Running) -> None:
    data = archive({"main.mjs": HELLO, "asset.bin": os.urandom(CHUNK * 2)})
    count = -(-len(data) // CHUNK)
    with server.client() as api, concurrent.futures.ThreadPoolExecutor(8) as threads:
        create(api, "any-order", "node")
        order = [*reversed(range(count)), *range(count)]  # each one twice
        answers = list(
            threads.map(lambda index: send_chunk(api, "any-order", data, index, "mine"), order)
        )
        assert {answer["$id"] for answer in answers} == {"mine"}
        built = wait_built(api, "any-order", "mine")
        assert built["status"] == "ready", built["buildLogs"]
        assert api.get("/functions/any-order/deployments").json()["total"] == 1


def test_a_build_log_is_read_while_the_build_runs(server: Running) -> None:
    with server.client() as api:
        create(api, "live-log", "node")
        commands = "echo first line; sleep 600; echo last line"
        made = upload(api, "live-log", {"main.mjs": HELLO}, commands=commands)
        assert wait_for_log(api, "live-log", made["$id"], "first line") == "building"
        function = api.get("/functions/live-log").json()
        assert function["latestDeploymentStatus"] == "building"
        canceled = api.patch(f"/functions/live-log/deployments/{made['$id']}/status")
        assert canceled.json()["status"] == "canceled"
        assert "last line" not in canceled.json()["buildLogs"]


def test_what_a_restart_interrupts_goes_on_after_it(tmp_path: Path) -> None:
    """Builds begin again after a kill and after a stop; an upload in chunks waits for the rest."""
    data = archive({"main.mjs": HELLO, "asset.bin": os.urandom(CHUNK + 1000)})
    running = Running(tmp_path / "data").start()
    try:
        with running.client() as api:
            create(api, "resumed", "node")
            first = send_chunk(api, "resumed", data, 1, "mine")
            assert first["status"] == "waiting"
            killed = begin_build(api, "killed")
        running.kill()
        running.start()
        with running.client() as api:
            last = send_chunk(api, "resumed", data, 0, "mine")
            assert last["sourceSize"] == len(data)
            built = wait_built(api, "resumed", "mine")
            assert built["status"] == "ready", built["buildLogs"]
            has_begun_again(api, "killed", killed)
            stopped = begin_build(api, "stopped")
        assert running.stop() == 0, running.tail()
        running.start()
        with running.client() as api:
            has_begun_again(api, "stopped", stopped)
    finally:
        running.stop()


def begin_build(api: httpx.Client, function_id: str) -> str:
    """The deployment of a build that takes very long the first time, once it is under way."""
    create(api, function_id, "node")
    # Its marker lies in the package cache, which outlives the build.
    commands = (
        'mark="$XDG_CACHE_HOME/begun"; mkdir -p "$XDG_CACHE_HOME"; '
        'if [ ! -e "$mark" ]; then touch "$mark"; echo building; sleep 600; fi'
    )
    made = upload(api, function_id, {"main.mjs": HELLO}, commands=commands)
    wait_for_log(api, function_id, made["$id"], "building\n")
    return str(made["$id"])


def has_begun_again(api: httpx.Client, function_id: str, deployment_id: str) -> None:
    built = wait_built(api, function_id, deployment_id)
    assert built["status"] == "ready", built["buildLogs"]
    assert "again" in built["buildLogs"]
    assert execute(api, function_id)["responseBody"] == "hello"


def test_a_hostile_source_fails_its_build_and_nothing_else(server: Running) -> None:
    with server.client() as api:
        create(api, "hostile", "node")
        made = upload(api, "hostile", {"../../escape.mjs": HELLO})
        built = wait_built(api, "hostile", made["$id"])
        assert built["status"] == "failed"
        assert "a path with `..`" in built["buildLogs"]
        assert str(server.data_dir) not in built["buildLogs"]
    assert not list(server.data_dir.rglob("escape.mjs"))
