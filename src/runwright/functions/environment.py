"""The variables that builds and runs see.

Later ones win: the project's, the function's, then those of the platform, which nobody can
override.
"""

from collections.abc import Mapping
from typing import Final

from runwright import API_VERSION
from runwright.functions.runtimes import runtime as runtime_of
from runwright.model.function import Deployment, LiveFunction, Specification

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
    """`endpoint` is the API's address as the build can reach it, with `/v1`.

    A build has no request whose headers could bring a key, so it gets one as a variable.
    """
    return {
        **live.variables,
        **_platform(live, deployment, size, region=region, endpoint=endpoint),
        "APPWRITE_FUNCTION_API_KEY": api_key,
    }


def run_env(
    live: LiveFunction,
    deployment: Deployment,
    size: Specification,
    *,
    region: str,
    endpoint: str,
) -> dict[str, str]:
    """`endpoint` is the API's address as the run can reach it, with `/v1`."""
    return {
        **live.variables,
        **_platform(live, deployment, size, region=region, endpoint=endpoint),
        "OPEN_RUNTIMES_CPUS": f"{size.cpus:g}",
        "OPEN_RUNTIMES_MEMORY": str(size.memory_mib),
        "CI": "true",
    }


def _platform(
    live: LiveFunction, deployment: Deployment, size: Specification, *, region: str, endpoint: str
) -> dict[str, str]:
    function = live.function
    runtime = runtime_of(function.runtime)
    return {
        "APPWRITE_FUNCTION_API_ENDPOINT": endpoint,
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
        "OPEN_RUNTIMES_ENTRYPOINT": deployment.entrypoint or function.entrypoint,
    }
