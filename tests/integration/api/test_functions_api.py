"""Functions, variables, runtimes, templates and rules over the API."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from appwrite.models.function import Function
from appwrite.models.function_list import FunctionList
from appwrite.models.proxy_rule import ProxyRule
from appwrite.models.proxy_rule_list import ProxyRuleList
from appwrite.models.runtime_list import RuntimeList
from appwrite.models.specification_list import SpecificationList
from appwrite.models.variable import Variable
from appwrite.models.variable_list import VariableList

from runwright.api.routes.functions import CREATIONS_PER_DAY, function_routes
from runwright.api.routes.proxy import proxy_routes
from runwright.api.routes.variables import variable_routes
from runwright.functions.templates import USE_CASES
from tests.unit.api.front import Front, open_front
from tests.unit.functions.desk import OTHER_PROJECT

pytestmark = pytest.mark.anyio

FUNCTION = {"functionId": "f1", "name": "Mail", "runtime": "node-22"}
VARIABLE = {"variableId": "v1", "key": "TOKEN", "value": "hush"}
RULE = {"domain": "app.example.com"}
# which the SDK leaves alone
OUR_FIELDS = {"timezone", "scheduleCatchUp", "scheduleOverlap"} | {
    "concurrency",
    "retry",
    "requestRetention",
    "loopLimit",
    "minInstances",
    "maxInstances",
    "network",
}


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with open_front(tmp_path) as opened:
        yield opened


def fields(model: type[Any]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def query(method: str, attribute: str, *values: object) -> str:
    return json.dumps({"method": method, "attribute": attribute, "values": list(values)})


# -- shapes ---------------------------------------------------------------------------------


async def test_a_function_has_every_field_that_the_sdk_knows(front: Front) -> None:
    sent = {
        **FUNCTION,
        "execute": ["any"],
        "events": ["users.*.create"],
        "schedule": "0 4 * * *",
        "timeout": 60,
        "enabled": False,
        "logging": False,
        "entrypoint": "main.js",
        "commands": "npm install",
        "scopes": ["users.read"],
        "deploymentRetention": 7,
        "providerSilentMode": True,
        "providerBranches": ["main"],
        "providerPaths": ["src/**"],
        "buildSpecification": "s-1vcpu-1gb",
        "runtimeSpecification": "s-1vcpu-512mb",
        "description": "Sends mail",
        "emailEnabled": True,
    }
    answer = await front.send("POST", "/functions", json=sent)
    assert answer.status_code == 201
    created = answer.json()
    assert set(created) == fields(Function) | OUR_FIELDS
    assert Function.from_dict(created) is not None
    same = set(sent) - {"functionId"}
    assert {name: created[name] for name in same} == {name: sent[name] for name in same}
    assert (created["$id"], created["version"], created["live"]) == ("f1", "v5", True)
    assert created["$createdAt"] == "2026-10-05T08:00:00.000+00:00"
    assert (created["deploymentCreatedAt"], created["latestDeploymentStatus"]) == ("", "")
    assert (created["interval"], created["vars"]) == (0, [])


async def test_a_list_of_functions_fits_the_sdk_and_shows_variables(front: Front) -> None:
    await front.send("POST", "/functions", json=FUNCTION)
    await front.send("POST", "/functions/f1/variables", json={**VARIABLE, "secret": False})
    answer = (await front.send("GET", "/functions")).json()
    assert FunctionList.from_dict(answer) is not None
    assert answer["total"] == 1
    (shown,) = answer["functions"]
    assert shown["vars"][0]["value"] == "hush"
    assert shown == (await front.send("GET", "/functions/f1")).json()


@pytest.mark.parametrize(
    ("path", "kind", "resource_id"),
    [("/functions/f1/variables", "function", "f1"), ("/project/variables", "project", "")],
)
async def test_a_variable_fits_the_sdk(
    front: Front, path: str, kind: str, resource_id: str
) -> None:
    await front.send("POST", "/functions", json=FUNCTION)
    answer = await front.send("POST", path, json=VARIABLE)
    assert answer.status_code == 201
    created = answer.json()
    assert set(created) == fields(Variable)
    assert Variable.from_dict(created) is not None
    assert (created["value"], created["secret"]) == ("", True)
    assert (created["resourceType"], created["resourceId"]) == (kind, resource_id)
    listed = (await front.send("GET", path)).json()
    assert VariableList.from_dict(listed) is not None
    assert listed["variables"] == [created]
    changed = await front.send("PUT", f"{path}/v1", json={"value": "new"})
    assert (changed.status_code, changed.json()["value"]) == (200, "")
    assert (await front.send("GET", f"{path}/v1")).json() == changed.json()
    gone = await front.send("DELETE", f"{path}/v1")
    assert (gone.status_code, gone.content) == (204, b"")
    assert "json" not in gone.headers["content-type"]
    assert (await front.send("GET", f"{path}/v1")).json()["type"] == "variable_not_found"


async def test_a_body_cannot_lead_a_project_variable_to_a_function(front: Front) -> None:
    await front.send("POST", "/functions", json=FUNCTION)
    sent = {**VARIABLE, "functionId": "f1"}
    created = (await front.send("POST", "/project/variables", json=sent)).json()
    assert (created["resourceType"], created["resourceId"]) == ("project", "")


async def test_runtimes_are_those_that_are_installed(front: Front) -> None:
    answer = (await front.send("GET", "/functions/runtimes")).json()
    assert RuntimeList.from_dict(answer) is not None
    assert [item["$id"] for item in answer["runtimes"]] == ["node-22", "python-3.11"]
    assert answer["runtimes"][0] == {
        "$id": "node-22",
        "key": "node",
        "name": "Node.js",
        "version": "22",
        "base": "node:22-alpine",
        "image": "openruntimes/node:v5-22",
        "logo": "node.png",
        "supports": ["x86", "arm64"],
    }
    without = (await front.send("GET", "/functions/runtimes", params={"total": "false"})).json()
    assert (without["total"], len(without["runtimes"])) == (0, 2)


@pytest.mark.parametrize("kind", ["runtimes", "builds"])
async def test_specifications(front: Front, kind: str) -> None:
    answer = await front.send("GET", "/functions/specifications", params={"type": kind})
    listed = answer.json()
    assert SpecificationList.from_dict(listed) is not None
    assert listed["total"] == 9
    first = {"memory": 512, "cpus": 0.5, "enabled": True, "slug": "s-0.5vcpu-512mb"}
    assert listed["specifications"][0] == first
    wrong = await front.send("GET", "/functions/specifications", params={"type": "sites"})
    assert wrong.json()["type"] == "general_argument_invalid"


async def test_rules_fit_the_sdk(front: Front) -> None:
    await front.send("POST", "/functions", json=FUNCTION)
    answer = await front.send("POST", "/proxy/rules/function", json={**RULE, "functionId": "f1"})
    assert answer.status_code == 201
    rule = answer.json()
    assert set(rule) == fields(ProxyRule)
    assert ProxyRule.from_dict(rule) is not None
    assert (rule["type"], rule["trigger"], rule["status"]) == ("deployment", "manual", "unverified")
    assert rule["deploymentResourceType"] == "function"
    assert (rule["deploymentResourceId"], rule["redirectStatusCode"]) == ("f1", 301)
    assert "in.example.com" in rule["logs"]
    api = (await front.send("POST", "/proxy/rules/api", json={"domain": "b.example.com"})).json()
    assert (api["type"], api["deploymentResourceType"]) == ("api", None)
    listed = (await front.send("GET", "/proxy/rules")).json()
    assert ProxyRuleList.from_dict(listed) is not None
    assert [item["domain"] for item in listed["rules"]] == [
        "f1.functions.localhost",
        "app.example.com",
        "b.example.com",
    ]
    found = await front.send("GET", "/proxy/rules", params={"search": "b.example"})
    assert [item["domain"] for item in found.json()["rules"]] == ["b.example.com"]


async def test_a_redirect_takes_its_code_as_text_or_number(front: Front) -> None:
    await front.send("POST", "/functions", json=FUNCTION)
    for code, domain in ((307, "a.example.com"), ("308", "b.example.com")):
        sent = {
            "domain": domain,
            "url": "https://example.org/?a=b",
            "statusCode": code,
            "resourceId": "f1",
            "resourceType": "function",
        }
        rule = (await front.send("POST", "/proxy/rules/redirect", json=sent)).json()
        assert (rule["type"], rule["redirectStatusCode"]) == ("redirect", int(code))
        assert rule["redirectUrl"] == "https://example.org/?a=b"


async def test_a_rule_is_verified_read_and_deleted_under_both_paths(front: Front) -> None:
    rule = (await front.send("POST", "/proxy/rules/api", json=RULE)).json()
    path = f"/proxy/rules/{rule['$id']}"
    refused = await front.send("PATCH", f"{path}/status")
    assert (refused.status_code, refused.json()["type"]) == (400, "rule_verification_failed")
    front.desk.resolver.table[("app.example.com", "CNAME")] = ["in.example.com"]
    verified = await front.send("PATCH", f"{path}/verification")
    assert (verified.status_code, verified.json()["status"]) == (200, "verified")
    assert (await front.send("GET", path)).json() == verified.json()
    assert (await front.send("DELETE", path)).status_code == 204
    assert (await front.send("GET", path)).json()["type"] == "rule_not_found"


async def test_templates_are_listed_filtered_and_cut(front: Front) -> None:
    listed = (await front.send("GET", "/functions/templates", auth="guest")).json()
    assert listed["total"] == len(listed["templates"]) >= 6
    assert listed["templates"][0]["id"] == "starter"
    one = await front.send("GET", "/functions/templates/starter", auth="guest")
    assert one.json() == listed["templates"][0]
    assert [item["name"] for item in one.json()["runtimes"]] == ["node-22", "python-3.11"]
    starters = await front.send("GET", "/functions/templates", params={"useCases[]": "starter"})
    assert [item["id"] for item in starters.json()["templates"]] == ["starter"]
    params: dict[str, Any] = {"limit": 2, "offset": 1, "total": "false"}
    cut = (await front.send("GET", "/functions/templates", params=params)).json()
    assert cut == {"total": 0, "templates": listed["templates"][1:3]}
    none = await front.send("GET", "/functions/templates", params={"runtimes[]": "ruby-3.4"})
    assert none.json() == {"total": 0, "templates": []}
    missing = await front.send("GET", "/functions/templates/none")
    assert (missing.status_code, missing.json()["type"]) == (404, "function_template_not_found")


async def test_every_template_has_the_fields_of_its_model(front: Front) -> None:
    listed = (await front.send("GET", "/functions/templates")).json()
    for template in listed["templates"]:
        assert list(template) == [
            "icon",
            "id",
            "name",
            "tagline",
            "permissions",
            "events",
            "cron",
            "timeout",
            "useCases",
            "runtimes",
            "instructions",
            "vcsProvider",
            "providerRepositoryId",
            "providerOwner",
            "providerVersion",
            "variables",
            "scopes",
        ]
        assert set(template["useCases"]) <= set(USE_CASES)
        for runtime in template["runtimes"]:
            assert set(runtime) == {"name", "commands", "entrypoint", "providerRootDirectory"}
        for variable in template["variables"]:
            assert set(variable) == {
                "name",
                "description",
                "value",
                "secret",
                "placeholder",
                "required",
                "type",
            }


# -- older clients --------------------------------------------------------------------------


async def test_a_client_of_an_older_format_may_send_one_specification(front: Front) -> None:
    front.client.headers["x-appwrite-response-format"] = "1.8.0"
    sent = {**FUNCTION, "specification": "s-1vcpu-1gb"}
    created = (await front.send("POST", "/functions", json=sent)).json()
    assert created["specification"] == "s-1vcpu-1gb"
    del front.client.headers["x-appwrite-response-format"]
    shown = (await front.send("GET", "/functions/f1")).json()
    assert shown["buildSpecification"] == shown["runtimeSpecification"] == "s-1vcpu-1gb"


async def test_retries_and_limits_of_queued_runs_stay_until_they_are_changed(
    front: Front,
) -> None:
    plain = (await front.send("POST", "/functions", json=FUNCTION)).json()
    assert (plain["retry"], plain["concurrency"], plain["requestRetention"]) == (None, 0, 0)
    assert plain["loopLimit"] == 16
    retry = {"attempts": 5, "backoff": 0.5, "classes": ["timeout", "exit"]}
    sent = {"name": "Mail", "retry": retry, "concurrency": 3, "requestRetention": 60}
    changed = await front.send("PUT", "/functions/f1", json={**sent, "loopLimit": 0})
    whole = {**retry, "factor": 2.0, "maxBackoff": 600.0, "maxAge": 604_800}
    assert changed.json()["retry"] == whole
    kept = (await front.send("PUT", "/functions/f1", json={"name": "Mail"})).json()
    assert kept["retry"] == whole
    assert (kept["concurrency"], kept["requestRetention"], kept["loopLimit"]) == (3, 60, 0)
    off = {"name": "Mail", "retry": {}, "concurrency": 0, "requestRetention": 0}
    cleared = (await front.send("PUT", "/functions/f1", json=off)).json()
    assert (cleared["retry"], cleared["concurrency"], cleared["requestRetention"]) == (None, 0, 0)


async def test_numbers_of_instances_stay_until_they_are_changed(front: Front) -> None:
    plain = (await front.send("POST", "/functions", json=FUNCTION)).json()
    assert (plain["minInstances"], plain["maxInstances"]) == (0, 0)
    sent = {"name": "Mail", "minInstances": 1, "maxInstances": 2}
    changed = (await front.send("PUT", "/functions/f1", json=sent)).json()
    assert (changed["minInstances"], changed["maxInstances"]) == (1, 2)
    kept = (await front.send("PUT", "/functions/f1", json={"name": "Mail"})).json()
    assert (kept["minInstances"], kept["maxInstances"]) == (1, 2)
    crossed = await front.send("PUT", "/functions/f1", json={"name": "Mail", "minInstances": 3})
    assert (crossed.status_code, crossed.json()["type"]) == (400, "general_argument_invalid")


async def test_the_network_of_a_function_stays_until_it_is_changed(front: Front) -> None:
    plain = (await front.send("POST", "/functions", json=FUNCTION)).json()
    assert plain["network"] == "egress"
    sent = {"name": "Mail", "network": "none"}
    assert (await front.send("PUT", "/functions/f1", json=sent)).json()["network"] == "none"
    kept = (await front.send("PUT", "/functions/f1", json={"name": "Mail"})).json()
    assert kept["network"] == "none"
    sent = {"name": "Mail", "network": "host"}
    refused = await front.send("PUT", "/functions/f1", json=sent)
    assert (refused.status_code, refused.json()["type"]) == (400, "general_argument_invalid")
    assert "RUNWRIGHT_NETWORK_HOST" in refused.json()["message"]
    assert (await front.send("GET", "/functions/f1")).json()["network"] == "none"


# -- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "status", "error", "named"),
    [
        ({"functionId": None}, 400, "general_argument_invalid", "functionId"),
        ({"functionId": "_x"}, 400, "general_argument_invalid", "functionId"),
        ({"functionId": "x" * 37}, 400, "general_argument_invalid", "functionId"),
        ({"name": None}, 400, "general_argument_invalid", "name"),
        ({"name": ""}, 400, "general_argument_invalid", "name"),
        ({"name": "x" * 129}, 400, "general_argument_invalid", "name"),
        ({"runtime": None}, 400, "general_argument_invalid", "runtime"),
        ({"runtime": "cobol-85"}, 400, "general_argument_invalid", "runtime"),
        ({"runtime": ""}, 400, "general_argument_invalid", "runtime"),
        ({"runtime": "node-24"}, 404, "function_runtime_unsupported", "node-24"),
        ({"execute": ["*"]}, 400, "general_argument_invalid", "execute"),
        ({"execute": ["role:all"]}, 400, "general_argument_invalid", "execute"),
        ({"execute": ["any"] * 101}, 400, "general_argument_invalid", "execute"),
        ({"execute": "any"}, 400, "general_argument_invalid", "execute"),
        ({"events": ["users.*.bogus"]}, 400, "general_argument_invalid", "events"),
        ({"events": ["functions.*.create"]}, 400, "general_argument_invalid", "events"),
        ({"events": ["users.*"] * 101}, 400, "general_argument_invalid", "events"),
        ({"schedule": "* * * *"}, 400, "general_argument_invalid", "schedule"),
        ({"schedule": "1," * 64 + "2 * * * *"}, 400, "general_argument_invalid", "schedule"),
        (
            {"schedule": "* * * * *", "interval": 5},
            400,
            "general_argument_invalid",
            "interval",
        ),
        ({"interval": -1}, 400, "general_argument_invalid", "interval"),
        ({"timezone": "Berlin"}, 400, "general_argument_invalid", "Europe/Berlin"),
        ({"scheduleCatchUp": "some"}, 400, "general_argument_invalid", "last, all, skip"),
        ({"scheduleOverlap": "no"}, 400, "general_argument_invalid", "allow, skip"),
        ({"concurrency": 10_001}, 400, "general_argument_invalid", "concurrency"),
        ({"requestRetention": 604_801}, 400, "general_argument_invalid", "requestRetention"),
        ({"loopLimit": -1}, 400, "general_argument_invalid", "loopLimit"),
        ({"minInstances": 101}, 400, "general_argument_invalid", "minInstances"),
        ({"network": "bridge"}, 400, "general_argument_invalid", "network"),
        ({"network": "host"}, 400, "general_argument_invalid", "network"),
        ({"maxInstances": -1}, 400, "general_argument_invalid", "maxInstances"),
        (
            {"minInstances": 3, "maxInstances": 2},
            400,
            "general_argument_invalid",
            "maxInstances",
        ),
        ({"retry": "often"}, 400, "general_argument_invalid", "retry"),
        ({"retry": {"backoff": 5}}, 400, "general_argument_invalid", "attempts"),
        ({"retry": {"attempts": 101}}, 400, "general_argument_invalid", "attempts"),
        ({"retry": {"attempts": 10**400}}, 400, "general_argument_invalid", "attempts"),
        ({"retry": {"attempts": 2, "factor": 10**400}}, 400, "general_argument_invalid", "factor"),
        ({"retry": {"attempts": True}}, 400, "general_argument_invalid", "attempts"),
        ({"retry": {"attempts": 2, "factor": 0.5}}, 400, "general_argument_invalid", "factor"),
        ({"retry": {"attempts": 2, "maxAge": 1.5}}, 400, "general_argument_invalid", "maxAge"),
        ({"retry": {"attempts": 2, "tries": 3}}, 400, "general_argument_invalid", "tries"),
        (
            {"retry": {"attempts": 2, "classes": ["loop"]}},
            400,
            "general_argument_invalid",
            "classes",
        ),
        ({"timeout": 0}, 400, "general_argument_invalid", "timeout"),
        ({"timeout": 901}, 400, "general_argument_invalid", "timeout"),
        ({"timeout": 1.5}, 400, "general_argument_invalid", "timeout"),
        ({"enabled": "true"}, 400, "general_argument_invalid", "enabled"),
        ({"logging": 1}, 400, "general_argument_invalid", "logging"),
        ({"entrypoint": "x" * 1029}, 400, "general_argument_invalid", "entrypoint"),
        ({"commands": "x" * 8193}, 400, "general_argument_invalid", "commands"),
        ({"scopes": ["account"]}, 400, "general_argument_invalid", "scopes"),
        ({"deploymentRetention": 36501}, 400, "general_argument_invalid", "deploymentRetention"),
        ({"buildSpecification": "huge"}, 400, "general_argument_invalid", "buildSpecification"),
        ({"runtimeSpecification": "x"}, 400, "general_argument_invalid", "runtimeSpecification"),
        ({"installationId": "i1"}, 404, "installation_not_found", "i1"),
        ({"providerRepositoryId": "r"}, 400, "general_argument_invalid", "installationId"),
    ],
)
async def test_what_creation_refuses(
    front: Front, changed: dict[str, Any], status: int, error: str, named: str
) -> None:
    answer = await front.send("POST", "/functions", json={**FUNCTION, **changed})
    refused = answer.json()
    assert (answer.status_code, refused["code"], refused["type"]) == (status, status, error)
    assert named in refused["message"]
    assert (await front.send("GET", "/functions")).json()["total"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("GET", "/functions/none", None, 404, "function_not_found"),
        ("PUT", "/functions/none", {"name": "x"}, 404, "function_not_found"),
        ("PUT", "/functions/f1", {}, 400, "general_argument_invalid"),
        ("PUT", "/functions/f1", {"name": "x", "timeout": 0}, 400, "general_argument_invalid"),
        ("DELETE", "/functions/none", None, 404, "function_not_found"),
        ("POST", "/functions", FUNCTION, 409, "function_already_exists"),
        ("PATCH", "/functions/f1/deployment", {}, 400, "general_argument_invalid"),
        ("PATCH", "/functions/f1/deployment", {"deploymentId": "d"}, 404, "deployment_not_found"),
        ("PATCH", "/functions/none/deployments/d", None, 404, "function_not_found"),
        ("GET", "/functions/none/variables", None, 404, "function_not_found"),
        ("POST", "/functions/none/variables", VARIABLE, 404, "function_not_found"),
        ("GET", "/functions/f1/variables/none", None, 404, "variable_not_found"),
        ("POST", "/functions/f1/variables", VARIABLE, 409, "variable_already_exists"),
        (
            "POST",
            "/functions/f1/variables",
            {**VARIABLE, "variableId": "v2"},
            409,
            "variable_already_exists",
        ),
        ("PUT", "/functions/f1/variables/v1", {}, 400, "general_argument_invalid"),
        (
            "PUT",
            "/functions/f1/variables/v1",
            {"secret": False},
            400,
            "variable_cannot_unset_secret",
        ),
        (
            "POST",
            "/functions/f1/variables",
            {**VARIABLE, "value": "x" * 8193},
            400,
            "general_argument_invalid",
        ),
        (
            "POST",
            "/functions/f1/variables",
            {**VARIABLE, "key": ""},
            400,
            "general_argument_invalid",
        ),
        (
            "POST",
            "/functions/f1/variables",
            {**VARIABLE, "secret": "true"},
            400,
            "general_argument_invalid",
        ),
        ("POST", "/proxy/rules/api", {"domain": "https://x.y"}, 400, "general_argument_invalid"),
        ("POST", "/proxy/rules/api", {"domain": "localhost"}, 400, "general_argument_invalid"),
        (
            "POST",
            "/proxy/rules/api",
            {"domain": "f1.functions.localhost"},
            409,
            "rule_already_exists",
        ),
        (
            "POST",
            "/proxy/rules/function",
            {**RULE, "functionId": "none"},
            404,
            "rule_resource_not_found",
        ),
        ("POST", "/proxy/rules/site", {**RULE, "siteId": "s1"}, 404, "rule_resource_not_found"),
        ("GET", "/proxy/rules/none", None, 404, "rule_not_found"),
        ("PATCH", "/proxy/rules/none/status", None, 404, "rule_not_found"),
        ("DELETE", "/proxy/rules/none", None, 404, "rule_not_found"),
    ],
)
async def test_errors_have_the_names_of_the_contract(
    front: Front, method: str, path: str, body: Any, status: int, error: str
) -> None:
    await front.send("POST", "/functions", json=FUNCTION)
    await front.send("POST", "/functions/f1/variables", json=VARIABLE)
    answer = await front.send(method, path, **({} if body is None else {"json": body}))
    assert (answer.status_code, answer.json()["type"]) == (status, error)


@pytest.mark.parametrize(
    "url", ["example.org", "ftp://example.org", "https://", "//x", "https://a:b", "https://a b"]
)
async def test_a_redirect_needs_a_web_address(front: Front, url: str) -> None:
    sent = {**RULE, "url": url, "statusCode": 301, "resourceId": "f1", "resourceType": "function"}
    answer = await front.send("POST", "/proxy/rules/redirect", json=sent)
    assert (answer.status_code, answer.json()["type"]) == (400, "general_argument_invalid")
    assert "`url`" in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "asked", "error"),
    [
        ("/functions", query("equal", "bogus", 1), "general_argument_invalid"),
        ("/functions", query("equal", "scheduleNext", "x"), "general_query_invalid"),
        ("/functions", query("orderAsc", "schedulePrevious"), "general_query_invalid"),
        ("/functions", query("select", "", "name"), "general_argument_invalid"),
        ("/functions", query("cursorAfter", "", "none"), "general_cursor_not_found"),
        ("/functions/f1/variables", query("equal", "value", "x"), "general_argument_invalid"),
        ("/proxy/rules", query("search", "domain", "x"), "general_argument_invalid"),
        ("/proxy/rules", query("cursorBefore", "", "none"), "general_cursor_not_found"),
    ],
)
async def test_queries_that_are_refused(front: Front, path: str, asked: str, error: str) -> None:
    await front.send("POST", "/functions", json=FUNCTION)
    answer = await front.send("GET", path, params={"queries[]": asked})
    assert (answer.status_code, answer.json()["type"]) == (400, error)


@pytest.mark.parametrize(
    ("path", "attribute", "value"),
    [
        ("/functions", "name", "Mail"),
        ("/functions", "enabled", True),
        ("/functions", "runtime", "node-22"),
        ("/functions", "deploymentId", ""),
        ("/functions", "schedule", ""),
        ("/functions", "timeout", 15),
        ("/functions", "entrypoint", ""),
        ("/functions", "commands", ""),
        ("/functions", "installationId", ""),
        ("/functions", "$id", "f1"),
        ("/functions/f1/variables", "key", "TOKEN"),
        ("/functions/f1/variables", "secret", True),
        ("/functions/f1/variables", "resourceType", "function"),
        ("/functions/f1/variables", "resourceId", "f1"),
        ("/proxy/rules", "domain", "f1.functions.localhost"),
        ("/proxy/rules", "type", "deployment"),
        ("/proxy/rules", "trigger", "manual"),
        ("/proxy/rules", "deploymentResourceType", "function"),
        ("/proxy/rules", "deploymentResourceId", "f1"),
        ("/proxy/rules", "deploymentId", ""),
        ("/proxy/rules", "deploymentVcsProviderBranch", ""),
    ],
)
async def test_lists_can_be_filtered_by_every_promised_attribute(
    front: Front, path: str, attribute: str, value: object
) -> None:
    await front.send("POST", "/functions", json=FUNCTION)
    await front.send("POST", "/functions/f1/variables", json=VARIABLE)
    found = await front.send("GET", path, params={"queries[]": query("equal", attribute, value)})
    assert (found.status_code, found.json()["total"]) == (200, 1)
    other = "zzz" if isinstance(value, str) else (not value if value is True else 99)
    none = await front.send("GET", path, params={"queries[]": query("equal", attribute, other)})
    assert (none.status_code, none.json()["total"]) == (200, 0)


# -- who may --------------------------------------------------------------------------------

ROUTES = [
    (route.method, route.paths[0], route.scopes[0])
    for route in (
        *function_routes(None),  # type: ignore[arg-type]  # the table alone is read
        *variable_routes(None),  # type: ignore[arg-type]
        *proxy_routes(None),  # type: ignore[arg-type]
    )
]


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
@pytest.mark.parametrize("auth", ["guest", "user", "limited"])
async def test_only_keys_with_the_scope_get_through(
    front: Front, auth: str, method: str, path: str, scope: str
) -> None:
    concrete = path.removeprefix("/v1")
    for name in ("functionId", "variableId", "ruleId", "deploymentId"):
        concrete = concrete.replace(f"{{{name}}}", "x1")
    concrete = concrete.replace("{templateId}", "starter")
    answer = await front.send(method, concrete, auth=auth)
    if scope == "public":
        assert answer.status_code == 200
    elif auth == "limited" and scope == "functions.read":
        assert answer.status_code in (200, 404)
    else:
        assert (answer.status_code, answer.json()["type"]) == (401, "general_unauthorized_scope")


async def test_a_key_opens_its_own_project_only(front: Front) -> None:
    await front.desk.create("f1", OTHER_PROJECT)
    assert (await front.send("GET", "/functions/f1")).json()["type"] == "function_not_found"
    assert (await front.send("GET", "/functions")).json() == {"total": 0, "functions": []}


async def test_more_creations_than_a_day_allows_are_refused_to_keys_too(front: Front) -> None:
    for left in range(CREATIONS_PER_DAY - 1, -1, -1):
        answer = await front.send("POST", "/functions", json={**FUNCTION, "functionId": "unique()"})
        assert answer.status_code == 201
        assert answer.headers["x-ratelimit-limit"] == str(CREATIONS_PER_DAY)
        assert answer.headers["x-ratelimit-remaining"] == str(left)
    refused = await front.send("POST", "/functions", json={})
    assert (refused.status_code, refused.json()["type"]) == (429, "general_rate_limit_exceeded")
    assert int(refused.headers["x-ratelimit-reset"]) > front.desk.clock.now().timestamp()
    await front.desk.clock.sleep(86_400)
    assert (await front.send("POST", "/functions", json=FUNCTION)).status_code == 201


async def test_a_server_says_how_many_functions_a_day_may_create(tmp_path: Path) -> None:
    new = {**FUNCTION, "functionId": "unique()"}
    async with open_front(tmp_path, per_day=2) as front:
        found = [(await front.send("POST", "/functions", json=new)).status_code for _ in range(3)]
    assert found == [201, 201, 429]
    async with open_front(tmp_path, per_day=0) as front:
        answer = await front.send("POST", "/functions", json=new)
    assert answer.status_code == 201
    assert "x-ratelimit-limit" not in answer.headers
