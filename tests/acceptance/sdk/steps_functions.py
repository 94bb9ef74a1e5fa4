"""Functions: made, deployed, run and taken away."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.acceptance.deploying import BUILD_S, PYTHON, archive
from tests.acceptance.sdk.world import Caller, World

SOURCE = """
import os

def main(context):
    context.log("path", context.req.path)
    return context.res.json({"greeting": os.environ.get("GREETING"), "body": context.req.body_text})
"""


def functions_and_their_variables(world: World) -> None:
    key = world.key
    made = key("functions.create", functionId="f", name="F", runtime=PYTHON, entrypoint="main.py")
    assert (made["$id"], made["timeout"]) == ("f", 15)
    assert key("functions.list", search="F")["total"] == 1
    changed = key("functions.update", functionId="f", name="New", timeout=30, execute=["users"])
    assert (changed["name"], changed["timeout"], changed["execute"]) == ("New", 30, ["users"])
    assert key("functions.get", functionId="f")["name"] == "New"
    one = {"functionId": "f", "variableId": "v"}
    key("functions.createVariable", **one, key="GREETING", value="hello", secret=False)
    assert key("functions.listVariables", functionId="f")["total"] == 1
    assert key("functions.getVariable", **one)["value"] == "hello"
    assert key("functions.updateVariable", **one, key="GREETING", value="hi")["value"] == "hi"
    key("functions.deleteVariable", **one)
    key.refused("functions.getVariable", 404, "variable_not_found", **one)
    key("functions.delete", functionId="f")
    key.refused("functions.get", 404, "function_not_found", functionId="f")


def what_functions_can_run_on(world: World) -> None:
    found = world.key("functions.listRuntimes")["runtimes"]
    assert PYTHON in {runtime["$id"] for runtime in found}
    assert world.key("functions.listSpecifications")["total"] == 9


def deployments_and_executions(world: World) -> None:
    key = world.key
    key(
        "functions.create",
        functionId="f",
        name="F",
        runtime=PYTHON,
        entrypoint="main.py",
        execute=["any"],
    )
    key("functions.createVariable", functionId="f", variableId="v", key="GREETING", value="hello")
    first = _deploy(key)
    assert key("functions.getDeploymentDownload", functionId="f", deploymentId=first)["bytes"] > 0
    run = key("functions.createExecution", functionId="f", body="ping", path="/a?b=c", method="PUT")
    assert (run["status"], run["responseStatusCode"]) == ("completed", 200)
    assert run["responseBody"].replace(" ", "") == '{"greeting":"hello","body":"ping"}'
    assert run["logs"] == "path /a\n"
    assert key("functions.listExecutions", functionId="f")["total"] == 1
    one = {"functionId": "f", "executionId": run["$id"]}
    assert key("functions.getExecution", **one)["requestPath"] == "/a?b=c"
    key("functions.deleteExecution", **one)
    key.refused("functions.getExecution", 404, "execution_not_found", **one)
    later = {"async": True, "scheduledAt": "2099-01-01T00:00:00.000+00:00"}
    assert key("functions.createExecution", functionId="f", **later)["status"] == "scheduled"
    second = key("functions.createDuplicateDeployment", functionId="f", deploymentId=first)["$id"]
    _built(key, second)
    assert key("functions.listDeployments", functionId="f")["total"] == 2
    active = key("functions.updateFunctionDeployment", functionId="f", deploymentId=second)
    assert active["deploymentId"] == second
    key("functions.deleteDeployment", functionId="f", deploymentId=first)


def builds_that_are_given_up(world: World) -> None:
    key = world.key
    key(
        "functions.create",
        functionId="f",
        name="F",
        runtime=PYTHON,
        entrypoint="main.py",
        commands="sleep 600",
    )
    made = _upload(key)
    one = {"functionId": "f", "deploymentId": made["$id"]}
    assert key("functions.updateDeploymentStatus", **one)["status"] == "canceled"


def deployments_from_elsewhere(world: World) -> None:
    key = world.key
    key("functions.create", functionId="f", name="F", runtime=PYTHON, entrypoint="main.py")
    made = key(
        "functions.createTemplateDeployment",
        functionId="f",
        repository="templates",
        owner="runwright",
        rootDirectory="starter/python",
        type="tag",
        reference="0.1.*",
        activate=True,
    )
    _built(key, made["$id"])
    key.refused(
        "functions.createVcsDeployment",
        404,
        "installation_not_found",
        functionId="f",
        type="branch",
        reference="main",
    )


def _deploy(key: Caller) -> str:
    made = _upload(key)
    _built(key, made["$id"])
    return str(made["$id"])


def _upload(key: Caller) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder, "code.tar.gz")
        code.write_bytes(archive({"main.py": SOURCE}))
        return key("functions.createDeployment", functionId="f", code=code, activate=True)


def _built(key: Caller, deployment_id: str) -> None:
    def shown() -> Any:
        return key("functions.getDeployment", functionId="f", deploymentId=deployment_id)

    _wait(lambda: shown()["status"] in ("ready", "failed"))
    assert shown()["status"] == "ready", shown()["buildLogs"]


def _wait(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BUILD_S
    while not is_true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
