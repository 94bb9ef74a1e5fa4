"""What a build may see of the server's environment."""

from runwright.executor.build import build_env, operator_env
from runwright.executor.runtimes import Interpreter
from runwright.executor.spawn import BuildPlaces
from runwright.executor.stage import CA_FILE
from runwright.ports.executor import BuildJob

NODE = Interpreter(
    runtime="node-22", version="22.20.0", source="package", executable="/n", headers="/h"
)
PLACES = BuildPlaces(
    workspace="/usr/local/build",
    cache="/usr/local/cache",
    program="/usr/local/bin/node",
    tools="/usr/local/bin",
    pip="/pip",
)


def a_job(**env: str) -> BuildJob:
    return BuildJob(
        deployment_id="d",
        project_id="p",
        function_id="f",
        runtime="node-22",
        workspace="/w",
        cache="/c",
        commands="true",
        env=env,
    )


def test_index_settings_pass_and_secrets_stay() -> None:
    passed = operator_env(
        {
            "PIP_INDEX_URL": "https://index.example/simple",
            "npm_config_registry": "https://registry.example/",
            "PIP_EXTRA_INDEX_URL": "file:///opt/index",
            "AWS_SECRET_ACCESS_KEY": "x",
            "RUNWRIGHT_SECRET": "x",
            "NPM_TOKEN": "x",
            "PATH": "/bin",
        }
    )
    assert passed == {
        "PIP_INDEX_URL": "https://index.example/simple",
        "npm_config_registry": "https://registry.example/",
    }


def test_caches_lie_below_the_cache_folder() -> None:
    env = build_env(a_job(), NODE, PLACES, {})
    for name in ("npm_config_cache", "PIP_CACHE_DIR", "XDG_CACHE_HOME", "TMPDIR"):
        assert env[name].startswith("/usr/local/cache/")
    assert env["PATH"].startswith("/usr/local/bin:")


def test_every_client_is_told_of_the_servers_authorities() -> None:
    env = build_env(a_job(), NODE, PLACES, {"SSL_CERT_FILE": CA_FILE})
    for name in ("PIP_CERT", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE"):
        assert env[name] == CA_FILE


def test_the_jobs_own_variables_win() -> None:
    assert build_env(a_job(CI="no"), NODE, PLACES, {"A": "1"})["CI"] == "no"
