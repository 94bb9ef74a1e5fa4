"""GraphQL against a started server: from a file to a run, and signing in."""

import json
import time
from typing import Any, Final

import httpx
from graphql import build_client_schema, get_introspection_query

from tests.acceptance.deploying import BUILD_S, PYTHON, archive
from tests.acceptance.running import Running

MAIN: Final = "def main(context):\n    return context.res.text('hello ' + context.req.body_text)\n"


def _ask(api: httpx.Client, text: str, **variables: Any) -> Any:
    answer = api.post("/graphql", json={"query": text, "variables": variables})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert "errors" not in body, body
    return body["data"]


def _upload(api: httpx.Client, function_id: str) -> str:
    text = """
        mutation up($id: String!, $code: InputFile!) {
            functionsCreateDeployment(functionId: $id, code: $code, activate: true) { _id }
        }
    """
    operations = {"query": text, "variables": {"id": function_id, "code": None}}
    answer = api.post(
        "/graphql",
        data={"operations": json.dumps(operations), "map": '{"file": ["variables.code"]}'},
        files={"file": ("code.tar.gz", archive({"main.py": MAIN}), "application/gzip")},
    )
    return str(answer.json()["data"]["functionsCreateDeployment"]["_id"])


def test_a_function_is_made_deployed_and_run(server: Running) -> None:
    with server.client() as api:
        made = _ask(
            api,
            """
            mutation make($runtime: String!, $execute: [String!]) {
                functionsCreate(
                    functionId: "by-graphql", name: "By GraphQL", runtime: $runtime,
                    execute: $execute, entrypoint: "main.py"
                ) { _id runtime vars { key } retry { attempts } }
            }
            """,
            runtime=PYTHON,
            execute=["any"],
        )
        assert made["functionsCreate"] == {
            "_id": "by-graphql",
            "runtime": PYTHON,
            "vars": [],
            "retry": None,
        }
        deployment_id = _upload(api, "by-graphql")
        status = """
            query status($id: String!) {
                functionsGetDeployment(functionId: "by-graphql", deploymentId: $id) { status }
            }
        """
        deadline = time.monotonic() + BUILD_S
        seen = ""
        while seen != "ready":
            seen = _ask(api, status, id=deployment_id)["functionsGetDeployment"]["status"]
            assert seen != "failed"
            assert time.monotonic() < deadline, server.tail()
            time.sleep(0.1)
        run = _ask(
            api,
            """
            mutation {
                functionsCreateExecution(functionId: "by-graphql", body: "Ann") {
                    status responseStatusCode responseBody responseHeaders { name value }
                }
            }
            """,
        )["functionsCreateExecution"]
    assert (run["status"], run["responseStatusCode"]) == ("completed", 200)
    assert run["responseBody"] == "hello Ann"
    assert "x-appwrite-execution-id" in {item["name"] for item in run["responseHeaders"]}


def test_a_sign_in_inside_a_query_signs_the_client_in(server: Running) -> None:
    headers = {"x-appwrite-project": server.project_id}
    with httpx.Client(base_url=server.endpoint, headers=headers, timeout=60) as api:
        _ask(
            api,
            """
            mutation {
                accountCreate(
                    userId: "unique()", email: "gina@example.com", password: "correct horse"
                ) { _id }
                accountCreateEmailPasswordSession(
                    email: "gina@example.com", password: "correct horse"
                ) { _id }
            }
            """,
        )
        name = f"a_session_{server.project_id}"
        headers = {"cookie": f"{name}={api.cookies[name]}"}
        answer = api.post("/graphql", json={"query": "{ accountGet { email } }"}, headers=headers)
        assert answer.json() == {"data": {"accountGet": {"email": "gina@example.com"}}}


def test_tools_can_read_the_schema(server: Running) -> None:
    with server.client() as api:
        found = _ask(api, get_introspection_query())
    schema = build_client_schema(found)
    assert schema.query_type is not None
    assert "functionsGet" in schema.query_type.fields
