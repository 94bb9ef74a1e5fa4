"""The variables that a build sees.

Later ones win: the project's, the function's, then those of the platform, which nobody can
override.
"""

from collections.abc import Mapping
from typing import Final

from runwright.functions.runtimes import runtime as runtime_of
from runwright.model.function import Deployment, LiveFunction, Specification

API_VERSION: Final = "1.9.6"  # of the Appwrite API that is spoken here
_VCS: Final = (
    "REPOSITORY_ID",
    "REPOSITORY_NAME",
    "REPOSITORY_OWNER",
    "REPOSITORY_URL",
    "REPOSITORY_BRANCH",
    "REPOSITORY_BRANCH_URL",
    "COMMIT_HASH",
    "COMMIT_MESSAGE",
    "COMMIT_URL",
    "COMMIT_AUTHOR_NAME",
    "COMMIT_AUTHOR_URL",
    "ROOT_DIRECTORY",
)


def build_env(
    live: LiveFunction,
    deployment: Deployment,
    size: Specification,
    *,
    region: str,
    endpoint: str,
    api_key: str,
) -> Mapping[str, str]:
    """`endpoint` is the API's address as the build can reach it, with `/v1`."""
    function = live.function
    runtime = runtime_of(function.runtime)
    return {
        **live.variables,
        "APPWRITE_FUNCTION_API_ENDPOINT": endpoint,
        "APPWRITE_FUNCTION_API_KEY": api_key,
        "APPWRITE_FUNCTION_ID": function.id,
        "APPWRITE_FUNCTION_NAME": function.name,
        "APPWRITE_FUNCTION_DEPLOYMENT": deployment.id,
        "APPWRITE_FUNCTION_PROJECT_ID": function.project_id,
        "APPWRITE_FUNCTION_RUNTIME_NAME": runtime.name if runtime else function.runtime,
        "APPWRITE_FUNCTION_RUNTIME_VERSION": runtime.version if runtime else "",
        "APPWRITE_FUNCTION_CPUS": f"{size.cpus:g}",
        "APPWRITE_FUNCTION_MEMORY": str(size.memory_mib),
        "APPWRITE_VERSION": API_VERSION,
        "APPWRITE_REGION": region,
        "APPWRITE_DEPLOYMENT_TYPE": deployment.type,
        **{f"APPWRITE_VCS_{name}": "" for name in _VCS},
        "OPEN_RUNTIMES_ENTRYPOINT": deployment.entrypoint,
    }
