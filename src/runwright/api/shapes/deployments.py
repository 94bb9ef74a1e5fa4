"""Deployments as JSON."""

from typing import Any, Final

from runwright.clock import iso_millis
from runwright.functions.templates import BRANCH, OWNER, REPOSITORY
from runwright.model.function import Deployment

Json = dict[str, Any]

# Of the version control system; this server knows none but the templates that it ships.
_PROVIDER: Final = (
    "providerRepositoryName",
    "providerRepositoryOwner",
    "providerRepositoryUrl",
    "providerCommitHash",
    "providerCommitAuthorUrl",
    "providerCommitAuthor",
    "providerCommitMessage",
    "providerCommitUrl",
    "providerBranch",
    "providerBranchUrl",
)


def deployment(item: Deployment) -> Json:
    return {
        "$id": item.id,
        "$createdAt": iso_millis(item.created_at),
        "$updatedAt": iso_millis(item.updated_at),
        "type": item.type,
        "resourceId": item.function_id,
        "resourceType": "functions",
        "entrypoint": item.entrypoint,
        "sourceSize": item.source_bytes,
        "buildSize": item.build_bytes,
        "totalSize": item.total_bytes,
        "buildId": "",
        "activate": item.is_activating,
        "screenshotLight": "",
        "screenshotDark": "",
        "status": item.status.value,
        "buildLogs": item.build_logs,
        "buildDuration": item.build_duration_s,
        **_provider(item),
    }


def _provider(item: Deployment) -> Json:
    fields = dict.fromkeys(_PROVIDER, "")
    if item.template:
        fields.update(
            providerRepositoryName=REPOSITORY, providerRepositoryOwner=OWNER, providerBranch=BRANCH
        )
    return fields


def trimmed(content: Json, selected: tuple[str, ...]) -> Json:
    """The selected fields and those that every row has; nothing selected, or `*`, is all."""
    if not selected or "*" in selected:
        return content
    return {
        name: value for name, value in content.items() if name in selected or name.startswith("$")
    }
