"""The main road through an official Python SDK; run as a program, once per SDK generation.

    python road.py <endpoint> <project> <key> <runtime> <language>

Prints one JSON object with what was seen. Works with the 22.x and 27.x lines.
"""

import io
import json
import sys
import tarfile
import time
from typing import Any

from appwrite.client import Client
from appwrite.id import ID
from appwrite.input_file import InputFile
from appwrite.query import Query
from appwrite.services.functions import Functions

NODE = """
module.exports = async ({ req, res, log, error }) => {
  log("path", req.path);
  error("a warning");
  if (req.path === "/fail") throw new Error("deliberate");
  return res.json(
    { greeting: process.env.GREETING, body: req.bodyText, query: req.query },
    201,
    { "x-seen": req.headers["x-sent"] ?? "" },
  );
};
"""
PYTHON = """
import os

def main(context):
    context.log("path", context.req.path)
    context.error("a warning")
    if context.req.path == "/fail":
        raise RuntimeError("deliberate")
    return context.res.json(
        {
            "greeting": os.environ.get("GREETING"),
            "body": context.req.body_text,
            "query": context.req.query,
        },
        201,
        {"x-seen": context.req.headers.get("x-sent", "")},
    )
"""
SOURCES = {"node": ("main.js", NODE), "python": ("main.py", PYTHON)}


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def wait_ready(functions: Any, function_id: str, deployment_id: str) -> Any:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        deployment = functions.get_deployment(function_id, deployment_id)
        if str(getattr(deployment.status, "value", deployment.status)) in ("ready", "failed"):
            return deployment
        time.sleep(0.1)
    raise AssertionError("the build did not end")


def wait_ended(functions: Any, function_id: str, execution_id: str) -> Any:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        execution = functions.get_execution(function_id, execution_id)
        if plain(execution.status) in ("completed", "failed"):
            return execution
        time.sleep(0.05)
    raise AssertionError("the execution did not end")


def plain(value: Any) -> str:
    """A status: an enum in one generation of the SDK, a text in another."""
    return str(getattr(value, "value", value))


def main() -> None:
    endpoint, project, key, runtime, language = sys.argv[1:]
    client = Client()
    client.set_endpoint(endpoint)
    client.set_project(project)
    client.set_key(key)
    functions = Functions(client)
    entrypoint, text = SOURCES[language]
    function_id = ID.unique()
    functions.create(
        function_id, "Road", runtime, execute=["any"], entrypoint=entrypoint, timeout=20
    )
    variable = functions.create_variable(function_id, ID.unique(), "GREETING", "hello")
    code = InputFile.from_bytes(archive({entrypoint: text.encode()}), "code.tar.gz")
    deployment = functions.create_deployment(function_id, code, activate=True)
    deployment = wait_ready(functions, function_id, deployment.id)
    good = functions.create_execution(
        function_id, body="ping", path="/a/b?c=d", method="PUT", headers={"x-sent": "1"}
    )
    bad = functions.create_execution(function_id, path="/fail")
    queued = functions.create_execution(function_id, body="later", path="/queued", xasync=True)
    queued_end = wait_ended(functions, function_id, queued.id)
    functions.delete_execution(function_id, queued.id)
    delayed = functions.create_execution(
        function_id, xasync=True, scheduled_at="2099-01-01T00:00:00.000+00:00"
    )
    functions.delete_execution(function_id, delayed.id)
    listed = functions.list_executions(
        function_id, queries=[Query.order_desc("$createdAt"), Query.limit(10)]
    )
    failed_only = functions.list_executions(function_id, queries=[Query.equal("status", "failed")])
    read = functions.get_execution(function_id, good.id)
    functions.delete_execution(function_id, bad.id)
    after = functions.list_executions(function_id)
    functions.update(function_id, "Renamed", timeout=30, execute=["users"])
    renamed = functions.get(function_id)
    seen = {
        "variable_value": variable.value,
        "deployment": str(getattr(deployment.status, "value", deployment.status)),
        "status": str(getattr(good.status, "value", good.status)),
        "code": good.responsestatuscode,
        "answer": json.loads(good.responsebody),
        "headers": {header.name: header.value for header in good.responseheaders},
        "logs": good.logs,
        "errors": good.errors,
        "bad_status": str(getattr(bad.status, "value", bad.status)),
        "bad_code": bad.responsestatuscode,
        "bad_errors": bad.errors,
        "queued": [plain(queued.status), plain(queued_end.status), queued_end.logs],
        "delayed": [plain(delayed.status), plain(delayed.trigger), delayed.scheduledat],
        "listed": [item.id for item in listed.executions],
        "failed_only": [item.id for item in failed_only.executions],
        "ids": [good.id, bad.id],
        "read_body": read.responsebody,
        "read_path": read.requestpath,
        "after": after.total,
        "renamed": [renamed.name, renamed.timeout, renamed.execute],
        "functions": functions.list(search="Renamed").total,
        "runtimes": functions.list_runtimes().total,
        "specifications": functions.list_specifications().total,
    }
    functions.delete(function_id)
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
