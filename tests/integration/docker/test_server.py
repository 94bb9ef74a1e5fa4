"""The whole road: a server with Docker on, a function over the API, a crash and the next start."""

import json
from pathlib import Path

from tests.acceptance.deploying import upload, wait_built
from tests.acceptance.running import Running
from tests.integration.docker import daemon

# What it finds of the world: the API, a resolver that answers or refuses, and no metadata service.
SOURCE = """
import os, socket, urllib.request

def refused(host, port):
    try:
        with socket.create_connection((host, port), timeout=5) as link:
            return link.recv(1) == b""
    except OSError:
        return True

def main(context):
    context.log("asked", context.req.path)
    endpoint = os.environ["APPWRITE_FUNCTION_API_ENDPOINT"]
    with urllib.request.urlopen(endpoint + "/health/version", timeout=20) as answer:
        version = answer.status
    return context.res.json({
        "version": version,
        "made": open(os.path.join(os.path.dirname(__file__), "made.txt")).read(),
        "metadata": refused("169.254.169.254", 80),
        "loopback": refused("127.0.0.2", int(endpoint.rsplit(":", 1)[1].split("/")[0])),
        "variable": os.environ["COLOUR"],
        "user": context.req.headers.get("x-appwrite-trigger"),
    })
"""


def containers(socket_path: str) -> list[str]:
    with daemon.client(socket_path) as http:
        found = http.get("/containers/json", params={"all": "1"}).json()
    return [item["Id"] for item in found if item["Image"] == daemon.IMAGE]


def test_a_function_of_an_image_lives_like_any_other(docker_socket: str, tmp_path: Path) -> None:
    server = Running(
        tmp_path / "data",
        RUNWRIGHT_DOCKER="on",
        RUNWRIGHT_DOCKER_SOCKET=docker_socket,
        RUNWRIGHT_POOL_NODE="0",
        RUNWRIGHT_POOL_PYTHON="0",
        RUNWRIGHT_POOL_OTHER="0",
    )
    before = set(containers(docker_socket))
    server.start()
    try:
        with server.client() as api:
            listed = {item["$id"] for item in api.get("/functions/runtimes").json()["runtimes"]}
            assert daemon.RUNTIME in listed
            settings = {"runtime": daemon.RUNTIME, "entrypoint": "main.py", "execute": ["any"]}
            body = {"functionId": "ml", "name": "ml", "timeout": 30, **settings}
            made = api.post("/functions", json=body)
            assert made.status_code == 201, made.text
            variable = {"variableId": "colour", "key": "COLOUR", "value": "green"}
            set_one = api.post("/functions/ml/variables", json=variable)
            assert set_one.status_code == 201, set_one.text
            deployment = upload(api, "ml", {"main.py": SOURCE}, commands="echo built > made.txt")
            built = wait_built(api, "ml", deployment["$id"])
            assert built["status"] == "ready", built["buildLogs"]
            assert "Build command execution finished." in built["buildLogs"]

            run = api.post("/functions/ml/executions", json={"path": "/p", "method": "GET"})
            execution = run.json()

        assert (run.status_code, execution["status"]) == (201, "completed"), execution["errors"]
        assert execution["logs"] == "asked /p\n"
        assert json.loads(execution["responseBody"]) == {
            "version": 200,
            "made": "built\n",
            "metadata": True,
            "loopback": True,
            "variable": "green",
            "user": "http",
        }
        left = set(containers(docker_socket)) - before
        assert len(left) == 1
        server.kill()
        server.start()
        assert not left & set(containers(docker_socket))
    finally:
        assert server.stop() == 0, server.tail()
    assert set(containers(docker_socket)) <= before
