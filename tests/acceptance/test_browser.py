"""The official web SDK on pages in a real browser: platforms of the project, and others."""

from typing import Any, Final

import httpx
import pytest

from tests.acceptance.deploying import deploy
from tests.acceptance.pages import run_in_browser, serving
from tests.acceptance.running import Running

PASSWORD: Final = "correct horse"
# Knows nothing of browsers: no answer to a preflight, no header that lets a page read it.
CODE: Final = """
export default async ({ req, res }) => {
  if (req.method === "OPTIONS") throw new Error("nobody asked for this");
  const { "x-appwrite-user-id": user, "x-appwrite-trigger": trigger } = req.headers;
  return res.json({ user, trigger, method: req.method, body: req.bodyText, query: req.query });
};
"""
# Every name below localhost is loopback to a browser, yet a site of its own.
SHOP: Final = "shop.localhost"


@pytest.fixture(scope="module", params=["users", "any"])
def function(server: Running, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A function's id, and its address."""
    name = f"person-{request.param}"
    with server.client() as api:
        platform = {"platformId": f"shop-{name}", "name": "Shop", "hostname": SHOP}
        api.post("/project/platforms/web", json=platform).raise_for_status()
        host = deploy(api, name, "node", CODE, execute=[request.param])
    return name, f"http://{host}:{server.port}"


def options(server: Running, function: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {
        "endpoint": server.endpoint,
        "project": server.project_id,
        "functionId": function[0],
        "domain": function[1],
        **more,
    }


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", SHOP], ids=["site of the API", "another site", "platform"]
)
def test_a_person_signs_up_and_calls_a_function(
    server: Running, function: tuple[str, str], host: str
) -> None:
    """Where cookies do not travel, the SDK keeps the session itself, and sends it along."""
    user = f"{function[0]}-{host.replace('.', '-')}"
    given = options(server, function, user=user, email=f"{user}@example.com", password=PASSWORD)
    with serving() as port:
        seen = run_in_browser(f"http://{host}:{port}/listen.html", "person", given)
    assert seen["signedIn"] == [user, user]
    assert seen["cookies"] == ""
    assert seen["kept"] == [[f"a_session_{server.project_id}"], []]
    by_sdk = {"user": user, "trigger": "http", "method": "PUT", "body": "by sdk", "query": {}}
    assert seen["bySdk"] == by_sdk
    assert seen["onDomain"] == by_sdk | {"body": "by fetch", "query": {"on": "domain"}}
    # A JWT is for where the session is not; the SDK sends that along by itself.
    assert seen["byJwt"] == [403, "user_jwt_and_cookie_set"]
    run = f"functions.{function[0]}.executions.{seen['queued']}"
    assert seen["heard"] == [[f"{run}.create", "waiting"], [f"{run}.update", "completed"]]
    assert seen["signedOut"] == [401, "general_unauthorized_scope"]
    is_open = function[0] == "person-any"
    assert seen["afterwards"] == (["completed", ""] if is_open else [401, "user_unauthorized"])
    assert seen["jwtAfterwards"] == [401, "user_jwt_invalid"]
    with server.client() as api:
        path = f"/functions/{function[0]}/executions/{seen['execution']}"
        assert api.get(path).json()["$permissions"] == [f'read("user:{user}")']


def test_a_page_that_is_no_platform_gets_nothing(
    server: Running, function: tuple[str, str]
) -> None:
    name = f"guest-of-{function[0]}"
    with server.client() as api, serving() as port:
        api.post("/users", json={"userId": name}).raise_for_status()
        jwt = api.post(f"/users/{name}/jwts").json()["jwt"]
        before = runs(api, function[0])
        given = options(server, function, jwt=jwt)
        seen = run_in_browser(f"http://evil.localhost:{port}/listen.html", "stranger", given)
        assert seen == {"account": [0, ""], "run": [0, ""], "domain": [0, ""]}
        after = runs(api, function[0])
    # Without leave the browser has not even sent the JWT; a guest's preflight may have come.
    assert [item["$id"] for item in after if item["requestMethod"] != "OPTIONS"] == [
        item["$id"] for item in before
    ]


def runs(api: httpx.Client, function_id: str) -> list[dict[str, Any]]:
    params = {"queries[0]": '{"method":"limit","values":[500]}'}
    answer = api.get(f"/functions/{function_id}/executions", params=params).json()
    found: list[dict[str, Any]] = answer["executions"]
    return [item for item in found if item["requestMethod"] != "OPTIONS"]
