"""A function on a domain of its own, over plain HTTP."""

import json
import subprocess

import pytest

from tests.acceptance.deploying import deploy, execute, newest, on_domain
from tests.acceptance.running import Running

ECHO = {
    "node": """
export default async ({ req, res, log }) => {
  log("seen");
  if (req.path === "/bytes") return res.binary(Buffer.from(req.bodyBinary));
  if (req.path === "/cookies")
    return res.text("set", 200, { "set-cookie": ["a=1", "b=2; Path=/"] });
  if (req.path === "/teapot") return res.empty ? res.text("", 418) : null;
  if (req.path === "/redirect") return res.redirect("https://example.com/x", 302);
  if (req.path === "/large") return res.binary(Buffer.alloc(9 * 1024 * 1024, 7));
  return res.json({
    method: req.method, path: req.path, query: req.queryString, headers: req.headers,
    body: req.bodyText, host: req.host, url: req.url,
  });
};
""",
    "python": """
async def main(context):
    req, res = context.req, context.res
    context.log("seen")
    if req.path == "/bytes":
        return res.binary(req.body_binary)
    if req.path == "/cookies":
        return res.text("set", 200, {"set-cookie": ["a=1", "b=2; Path=/"]})
    if req.path == "/teapot":
        return res.text("", 418)
    if req.path == "/redirect":
        return res.redirect("https://example.com/x", 302)
    if req.path == "/large":
        return res.binary(b"\\x07" * (9 * 1024 * 1024))
    return res.json({
        "method": req.method, "path": req.path, "query": req.query_string,
        "headers": req.headers, "body": req.body_text, "host": req.host, "url": req.url,
    })
""",
}


@pytest.fixture(scope="module", params=["node", "python"])
def echo(server: Running, request: pytest.FixtureRequest) -> tuple[str, str]:
    """(function id, domain) of an echo function."""
    function_id = f"echo-{request.param}"
    with server.client() as api:
        return function_id, deploy(api, function_id, request.param, ECHO[request.param])


def test_the_generated_domain_is_the_function_id(echo: tuple[str, str]) -> None:
    assert echo[1] == f"{echo[0]}.functions.localhost"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_method_path_query_and_body_reach_the_function_byte_for_byte(
    server: Running, echo: tuple[str, str], method: str
) -> None:
    with on_domain(server, echo[1]) as web:
        answer = web.request(method, "/v1/a%20b//c?x=1%202&y", content="k\u00e4se")
    seen = answer.json()
    assert seen["method"] == method
    assert seen["path"] == "/v1/a%20b//c"
    assert seen["query"] == "x=1%202&y"
    assert seen["body"] == "k\u00e4se"
    assert seen["host"] == echo[1]
    assert answer.headers["x-appwrite-execution-id"]


def test_head_runs_the_function_and_sends_no_body(server: Running, echo: tuple[str, str]) -> None:
    with on_domain(server, echo[1]) as web:
        answer = web.head("/")
    assert answer.status_code == 200
    assert answer.content == b""


def test_bytes_pass_untouched_both_ways(server: Running, echo: tuple[str, str]) -> None:
    body = bytes(range(256)) * 4096
    with on_domain(server, echo[1]) as web:
        answer = web.post("/bytes", content=body)
    assert answer.content == body


def test_a_body_of_one_zero_character_is_kept(server: Running, echo: tuple[str, str]) -> None:
    with on_domain(server, echo[1]) as web:
        assert web.post("/", content="0").json()["body"] == "0"


def test_a_large_response_arrives_whole(server: Running, echo: tuple[str, str]) -> None:
    with on_domain(server, echo[1]) as web:
        answer = web.get("/large")
    assert len(answer.content) == 9 * 1024 * 1024
    assert set(answer.content) == {7}


def test_several_cookies_stay_several(server: Running, echo: tuple[str, str]) -> None:
    with on_domain(server, echo[1]) as web:
        answer = web.get("/cookies")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2; Path=/"]


def test_a_redirect_passes_through(server: Running, echo: tuple[str, str]) -> None:
    with on_domain(server, echo[1]) as web:
        answer = web.get("/redirect")
    assert (answer.status_code, answer.headers["location"]) == (302, "https://example.com/x")


def test_an_empty_error_answer_gets_a_page(server: Running, echo: tuple[str, str]) -> None:
    with on_domain(server, echo[1]) as web:
        answer = web.get("/teapot", headers={"accept": "text/html"})
    assert answer.status_code == 418
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.content


@pytest.mark.parametrize(
    "name",
    [
        "x-appwrite-user-id",
        "X-Appwrite-User-Id",
        "X-APPWRITE-EVENT",
        "x-open-runtimes-secret",
        "X-Open-Runtimes-Log-Id",
    ],
)
def test_a_caller_cannot_forge_platform_headers(
    server: Running, echo: tuple[str, str], name: str
) -> None:
    with on_domain(server, echo[1]) as web:
        seen = web.get("/", headers={name: "forged"}).json()["headers"]
    assert "forged" not in seen.values()


def test_the_function_is_told_who_and_why(server: Running, echo: tuple[str, str]) -> None:
    with on_domain(server, echo[1]) as web:
        answer = web.get("/")
    headers = answer.json()["headers"]
    assert headers["x-appwrite-trigger"] == "http"
    assert headers["x-appwrite-execution-id"] == answer.headers["x-appwrite-execution-id"]
    assert headers["x-appwrite-key"].startswith("ephemeral_")
    assert headers["x-appwrite-client-ip"] == "127.0.0.1"


def test_the_run_is_recorded_without_its_response(server: Running, echo: tuple[str, str]) -> None:
    with on_domain(server, echo[1]) as web:
        execution_id = web.get("/recorded?x=1").headers["x-appwrite-execution-id"]
    with server.client() as api:
        record = api.get(f"/functions/{echo[0]}/executions/{execution_id}").json()
    assert (record["status"], record["trigger"]) == ("completed", "http")
    assert (record["requestMethod"], record["requestPath"]) == ("GET", "/recorded?x=1")
    assert record["logs"] == "seen\n"
    assert (record["responseBody"], record["responseHeaders"]) == ("", [])
    assert record["$permissions"] == []


def test_a_user_jwt_is_verified_and_names_the_user(server: Running, echo: tuple[str, str]) -> None:
    with server.client() as api, on_domain(server, echo[1]) as web:
        user = api.post("/users", json={"userId": "unique()", "name": "Ada"}).json()
        jwt = api.post(f"/users/{user['$id']}/jwts").json()["jwt"]
        seen = web.get("/", headers={"x-appwrite-user-jwt": jwt}).json()["headers"]
        assert seen["x-appwrite-user-id"] == user["$id"]
        assert seen["x-appwrite-user-jwt"] == jwt
        refused = web.get("/", headers={"x-appwrite-user-jwt": jwt[:-2] + "xx"})
    assert refused.status_code == 401
    assert refused.json()["type"] == "user_jwt_invalid" if "json" in str(refused.headers) else True


def test_a_function_for_users_only_refuses_guests_on_its_domain(server: Running) -> None:
    with server.client() as api:
        host = deploy(api, "users-only", "node", ECHO["node"], execute=["users"])
        user = api.post("/users", json={"userId": "unique()"}).json()
        jwt = api.post(f"/users/{user['$id']}/jwts").json()["jwt"]
    with on_domain(server, host) as web:
        guest = web.get("/", headers={"accept": "application/json"})
        assert (guest.status_code, guest.json()["type"]) == (
            401,
            "function_execute_permission_missing",
        )
        assert web.get("/", headers={"x-appwrite-user-jwt": jwt}).status_code == 200


def test_settings_apply_to_new_runs_without_a_redeploy(server: Running) -> None:
    source = "export default ({res}) => res.text(String(process.env.COLOUR));"
    with server.client() as api:
        deploy(api, "colours", "node", source)
        assert execute(api, "colours")["responseBody"] == "undefined"
        made = {"variableId": "unique()", "key": "COLOUR", "value": "red", "secret": False}
        variable = api.post("/functions/colours/variables", json=made).json()
        assert execute(api, "colours")["responseBody"] == "red"
        api.put(f"/functions/colours/variables/{variable['$id']}", json={"value": "blue"})
        assert execute(api, "colours")["responseBody"] == "blue"


def test_an_unknown_name_below_the_functions_domain_says_so(server: Running) -> None:
    with on_domain(server, "nobody.functions.localhost") as web:
        answer = web.get("/", headers={"accept": "text/html"})
        assert (answer.status_code, "text/html" in answer.headers["content-type"]) == (404, True)
        assert web.get("/", headers={"accept": "application/json"}).json()["type"] == (
            "rule_not_found"
        )


def test_curl_reaches_a_function_by_its_name(server: Running, echo: tuple[str, str]) -> None:
    url = f"http://{echo[1]}:{server.port}/by-name"
    resolve = f"{echo[1]}:{server.port}:127.0.0.1"
    done = subprocess.run(
        ["curl", "-sS", "--resolve", resolve, url], capture_output=True, text=True, timeout=60
    )
    assert json.loads(done.stdout)["path"] == "/by-name", done.stderr


def test_a_failing_function_answers_500_and_the_record_says_why(server: Running) -> None:
    with server.client() as api:
        host = deploy(
            api, "thrower", "python", "def main(context):\n    raise ValueError('oops')\n"
        )
        with on_domain(server, host) as web:
            answer = web.get("/")
        assert answer.status_code == 500
        assert answer.headers["x-appwrite-execution-id"]
        record = newest(api, "thrower")
    assert (record["status"], record["responseStatusCode"]) == ("failed", 500)
    assert "ValueError: oops" in record["errors"]
    assert record["errorClass"] == "user_exception"
