"""Functions for acceptance tests: made, uploaded and built over the public API."""

import io
import json
import sys
import tarfile
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx

from tests.acceptance.running import TRUST, Running

BUILD_S: Final = 120.0
PYTHON: Final = f"python-3.{sys.version_info.minor}"
RUNTIMES: Final = {"node": "node-22", "python": PYTHON}
ENTRYPOINTS: Final = {"node": "main.mjs", "python": "main.py"}


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A gzipped tar with the files at its root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as packed:
        for name, content in files.items():
            raw = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            packed.addfile(member, io.BytesIO(raw))
    return buffer.getvalue()


def create(api: httpx.Client, function_id: str, language: str, **settings: Any) -> dict[str, Any]:
    body = {
        "functionId": function_id,
        "name": function_id,
        "runtime": RUNTIMES[language],
        "entrypoint": ENTRYPOINTS[language],
        "execute": ["any"],
        **settings,
    }
    answer = api.post("/functions", json=body)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def upload(
    api: httpx.Client,
    function_id: str,
    files: Mapping[str, str | bytes],
    *,
    activate: bool = True,
    **fields: str,
) -> dict[str, Any]:
    answer = api.post(
        f"/functions/{function_id}/deployments",
        data={"activate": "true" if activate else "false", **fields},
        files={"code": ("code.tar.gz", archive(files), "application/gzip")},
    )
    assert answer.status_code == 202, answer.text
    deployment: dict[str, Any] = answer.json()
    return deployment


def wait_built(api: httpx.Client, function_id: str, deployment_id: str) -> dict[str, Any]:
    """The deployment once its build has ended, however it ended."""
    deadline = time.monotonic() + BUILD_S
    while True:
        answer = api.get(f"/functions/{function_id}/deployments/{deployment_id}")
        deployment: dict[str, Any] = answer.json()
        if deployment["status"] in ("ready", "failed", "canceled"):
            return deployment
        assert time.monotonic() < deadline, deployment
        time.sleep(0.05)


def deploy(
    api: httpx.Client,
    function_id: str,
    language: str,
    source: str,
    *,
    files: Mapping[str, str | bytes] | None = None,
    **settings: Any,
) -> str:
    """Create a function from one source text and wait until it is live; its domain."""
    create(api, function_id, language, **settings)
    redeploy(api, function_id, language, source, files=files)
    return domain(api, function_id)


def redeploy(
    api: httpx.Client,
    function_id: str,
    language: str,
    source: str,
    *,
    files: Mapping[str, str | bytes] | None = None,
) -> None:
    made = upload(api, function_id, {ENTRYPOINTS[language]: source, **(files or {})})
    built = wait_built(api, function_id, made["$id"])
    assert built["status"] == "ready", built["buildLogs"]
    assert api.get(f"/functions/{function_id}").json()["deploymentId"] == made["$id"]


def domain(api: httpx.Client, function_id: str) -> str:
    query = {"method": "equal", "attribute": "deploymentResourceId", "values": [function_id]}
    rules = api.get("/proxy/rules", params={"queries[0]": json.dumps(query)}).json()["rules"]
    return str(rules[0]["domain"])


def on_domain(server: Running, host: str) -> httpx.Client:
    """A client that speaks to a function's own domain, following nothing."""
    url = f"http://127.0.0.1:{server.port}"
    return httpx.Client(base_url=url, headers={"host": host}, timeout=60, verify=TRUST)


def execute(api: httpx.Client, function_id: str, **request: Any) -> dict[str, Any]:
    answer = api.post(f"/functions/{function_id}/executions", json=request)
    assert answer.status_code == 201, answer.text
    execution: dict[str, Any] = answer.json()
    return execution


def newest(api: httpx.Client, function_id: str) -> dict[str, Any]:
    """The newest stored execution, once there is one."""
    deadline = time.monotonic() + BUILD_S
    params = {"queries[0]": '{"method":"orderDesc","attribute":"$createdAt"}'}
    while True:
        found = api.get(f"/functions/{function_id}/executions", params=params).json()
        if found["executions"]:
            first: dict[str, Any] = found["executions"][0]
            return first
        assert time.monotonic() < deadline, "no execution was recorded"
        time.sleep(0.05)
