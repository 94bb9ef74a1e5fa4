"""What parameters of older formats become; oldest version first. See `formats.py`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from runwright.api.routing import Version
from runwright.ids import UNIQUE

Json = dict[str, Any]
Filter = Callable[[Json], Json]


def _renaming(**names: str) -> Filter:
    """New name = old name. A parameter sent under its new name wins."""

    def rename(params: Json) -> Json:
        changed = dict(params)
        for new, old in names.items():
            if old in changed:
                value = changed.pop(old)
                changed.setdefault(new, value)
        return changed

    return rename


def _with_own_id(name: str) -> Filter:
    def default(params: Json) -> Json:
        return params if params.get(name) is not None else {**params, name: UNIQUE}

    return default


def _in_turn(*filters: Filter) -> Filter:
    def apply(params: Json) -> Json:
        for change in filters:
            params = change(params)
        return params

    return apply


def _with_page_of(limit: int) -> Filter:
    """Lists that used to have no pages answer with a larger first page."""

    def default(params: Json) -> Json:
        queries = params.get("queries")
        if queries is not None and not isinstance(queries, list):
            return params
        if any(isinstance(query, str) and '"limit"' in query for query in queries or ()):
            return params
        text = msgspec.json.encode({"method": "limit", "values": [limit]}).decode()
        return {**params, "queries": [*(queries or ()), text]}

    return default


def _specification_1_9_0(params: Json) -> Json:
    value = params.get("specification")
    if value is None:
        return params
    return {"buildSpecification": value, "runtimeSpecification": value, **params}


def _template_version_1_9_0(params: Json) -> Json:
    version = params.get("version")
    if version is None:
        return params
    return {"type": "tag", "reference": version, **params}


def _no_scopes_1_9_1(params: Json) -> Json:
    return {**params, "scopes": []} if params.get("scopes") is None else params


def _readable_1_7(params: Json) -> Json:
    return {**params, "secret": False}


def _of_output_1_7(params: Json) -> Json:
    return {**params, "type": "output"}


_ENABLED: Final = _renaming(enabled="status")
_WEBHOOK: Final = _renaming(tls="security", authUsername="httpUser", authPassword="httpPass")
_TOTAL: Final = _renaming(total="limit")

PARAMS: Final[tuple[tuple[Version, Mapping[str, Filter]], ...]] = (
    (
        (1, 7, 0),
        {
            "functions.createVariable": _readable_1_7,
            "functions.updateVariable": _readable_1_7,
            "project.createVariable": _readable_1_7,
            "project.updateVariable": _readable_1_7,
            "functions.getDeploymentDownload": _of_output_1_7,
        },
    ),
    (
        (1, 9, 0),
        {
            "functions.create": _specification_1_9_0,
            "functions.update": _specification_1_9_0,
            "functions.createTemplateDeployment": _template_version_1_9_0,
            "project.createKey": _with_own_id("keyId"),
            "project.createVariable": _with_own_id("variableId"),
            "project.listVariables": _with_page_of(1000),
            "project.listPlatforms": _with_page_of(5000),
            "project.createWebPlatform": _in_turn(
                _with_own_id("platformId"), _renaming(hostname="key")
            ),
            "project.createApplePlatform": _in_turn(
                _with_own_id("platformId"), _renaming(bundleIdentifier="key")
            ),
            "project.createAndroidPlatform": _in_turn(
                _with_own_id("platformId"), _renaming(applicationId="key")
            ),
            "project.createWindowsPlatform": _in_turn(
                _with_own_id("platformId"), _renaming(packageIdentifierName="key")
            ),
            "project.createLinuxPlatform": _in_turn(
                _with_own_id("platformId"), _renaming(packageName="key")
            ),
            "webhooks.create": _with_own_id("webhookId"),
        },
    ),
    (
        (1, 9, 1),
        {
            "webhooks.create": _WEBHOOK,
            "webhooks.update": _WEBHOOK,
            "project.updateService": _ENABLED,
            "project.updateProtocol": _ENABLED,
            "project.updateAuthMethod": _ENABLED,
            "project.createKey": _no_scopes_1_9_1,
            "project.updateKey": _no_scopes_1_9_1,
        },
    ),
    (
        (1, 9, 2),
        {
            "project.updateUserLimitPolicy": _TOTAL,
            "project.updateSessionLimitPolicy": _TOTAL,
            "project.updatePasswordHistoryPolicy": _TOTAL,
            "project.updateSessionAlertPolicy": _renaming(enabled="alerts"),
        },
    ),
    ((1, 9, 4), {"functions.createVariable": _with_own_id("variableId")}),
)
