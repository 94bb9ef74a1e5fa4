"""Older shapes of answers and parameters, chosen by `X-Appwrite-Response-Format`.

Handlers know only the newest shapes. A request that asks for format V gets every filter whose
version is above V: on its parameters oldest first, on its answer newest first, so each filter
sees the shape of the version it belongs to. Fields that a version does not know may stay, since
clients ignore them; fields that it demands are always there.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from runwright.api import project_format, request_formats
from runwright.api.routing import Version

NEWEST: Final[Version] = (2, 5, 0)
Json = dict[str, Any]
Filter = Callable[[Json, str], Json]  # content, project id -> content

_VERSION: Final = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:[-+].*)?")


def parse_version(text: str) -> Version | None:
    """None for no version, or something that is none: the newest shapes."""
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        return None
    return int(found[1]), int(found[2]), int(found[3] or 0)


def renamed(content: Json, names: Mapping[str, str]) -> Json:
    """The same fields in the same order, some under other names."""
    return {names.get(key, key): value for key, value in content.items()}


def without(content: Json, *names: str) -> Json:
    return {key: value for key, value in content.items() if key not in names}


def _execution_2_0(content: Json, project_id: str) -> Json:
    plain = without(content, "resourceType", "functionId") if "resourceId" in content else content
    return renamed(plain, {"resourceId": "functionId"})


# Strict clients of older formats refuse a list that holds a policy which they do not know.
_POLICIES_SINCE_2_0: Final = frozenset(
    {"mfa-factors", "passkey", "password-pwned", "password-rotation"}
)


def _policy_list_2_0(content: Json, project_id: str) -> Json:
    known = [item for item in content["policies"] if item["$id"] not in _POLICIES_SINCE_2_0]
    return {"total": min(content["total"], len(known)), "policies": known}


def _ephemeral_key_1_9_3(content: Json, project_id: str) -> Json:
    return {
        "projectId": project_id,
        "jwt": content.get("secret", ""),
        "scopes": content.get("scopes", []),
    }


def _membership_1_9_2(content: Json, project_id: str) -> Json:
    return without(content, "userPhone")


def _webhook_1_9_1(content: Json, project_id: str) -> Json:
    names = {
        "tls": "security",
        "authUsername": "httpUser",
        "authPassword": "httpPass",
        "secret": "signatureKey",
    }
    return renamed(content, names)


def _function_1_9_0(content: Json, project_id: str) -> Json:
    specification = content.get("buildSpecification", "")
    kept = without(content, "buildSpecification", "runtimeSpecification")
    return {**kept, "specification": specification}


def _function_1_7(content: Json, project_id: str) -> Json:
    kept = without(
        content,
        "deploymentCreatedAt",
        "latestDeploymentId",
        "latestDeploymentCreatedAt",
        "latestDeploymentStatus",
    )
    variables = [_variable_1_7(item, project_id) for item in content.get("vars", [])]
    return {**renamed(kept, {"deploymentId": "deployment"}), "vars": variables}


def _deployment_1_7(content: Json, project_id: str) -> Json:
    kept = without(content, "totalSize", "screenshotLight", "screenshotDark")
    return renamed(kept, {"sourceSize": "size", "buildDuration": "buildTime"})


def _variable_1_7(content: Json, project_id: str) -> Json:
    return without(content, "secret")


def _rule_1_7(content: Json, project_id: str) -> Json:
    kept = without(
        content,
        "type",
        "trigger",
        "redirectUrl",
        "redirectStatusCode",
        "deploymentId",
        "deploymentVcsProviderBranch",
    )
    names = {"deploymentResourceType": "resourceType", "deploymentResourceId": "resourceId"}
    return renamed(kept, names)


def _project_1_7(content: Json, project_id: str) -> Json:
    return without(content, "devKeys")


def _function_1_6(content: Json, project_id: str) -> Json:
    return without(content, "scopes", "specification")


def _execution_1_6(content: Json, project_id: str) -> Json:
    return without(content, "scheduledAt")


def _runtime_1_6(content: Json, project_id: str) -> Json:
    return without(content, "key")


def _execution_1_4(content: Json, project_id: str) -> Json:
    names = {
        "responseStatusCode": "statusCode",
        "responseBody": "response",
        "logs": "stdout",
        "errors": "stderr",
    }
    return renamed(content, names)


def _deployment_1_4(content: Json, project_id: str) -> Json:
    return {**renamed(content, {"buildLogs": "buildStdout"}), "buildStderr": ""}


# Newest first. The filters of a version make the shape that versions below it have.
ANSWERS: Final[tuple[tuple[Version, Mapping[str, Filter]], ...]] = (
    (
        (2, 0, 0),
        {
            "execution": _execution_2_0,
            "policyList": _policy_list_2_0,
            "project": project_format.without_new_methods,
        },
    ),
    ((1, 9, 5), {"project": project_format.flat}),
    ((1, 9, 3), {"ephemeralKey": _ephemeral_key_1_9_3}),
    ((1, 9, 2), {"membership": _membership_1_9_2}),
    ((1, 9, 1), {"webhook": _webhook_1_9_1}),
    ((1, 9, 0), {"function": _function_1_9_0}),
    (
        (1, 7, 0),
        {
            "function": _function_1_7,
            "deployment": _deployment_1_7,
            "variable": _variable_1_7,
            "proxyRule": _rule_1_7,
            "project": _project_1_7,
        },
    ),
    (
        (1, 6, 0),
        {"function": _function_1_6, "execution": _execution_1_6, "runtime": _runtime_1_6},
    ),
    ((1, 4, 0), {"execution": _execution_1_4, "deployment": _deployment_1_4}),
)


def adapt_answer(model: str, content: Any, version: Version | None, project_id: str = "") -> Any:
    """`content` of a response model (or of its list) in the shape of `version`."""
    if version is None or not model or not isinstance(content, dict):
        return content
    one = model.removesuffix("List")
    if one != model:  # few lists differ as a whole
        content = _applied(_filters(model, version), content, project_id)
    filters = _filters(one, version)
    if not filters:
        return content
    if one == model:
        return _applied(filters, content, project_id)
    return {
        key: [_applied(filters, item, project_id) for item in value]
        if isinstance(value, list)
        else value
        for key, value in content.items()
    }


def _filters(model: str, version: Version) -> list[Filter]:
    return [table[model] for since, table in ANSWERS if version < since and model in table]


def _applied(filters: list[Filter], content: Json, project_id: str) -> Json:
    for make_older in filters:
        content = make_older(content, project_id)
    return content


def adapt_params(route: str, given: Mapping[str, Any], version: Version | None) -> Json:
    """Parameters as the newest version of the route takes them."""
    params = dict(given)
    if version is None:
        return params
    for before, table in request_formats.PARAMS:
        if version < before and route in table:
            params = table[route](params)
    return params
