"""What a person meets after a start: credentials, two sample functions, how to go on.

The samples are deployed through the public API, exactly as any client would do it.
"""

import asyncio
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, field
from pathlib import Path
from typing import Any, Final, Self

from runwright.cli import project, starters
from runwright.cli.client import ApiError, Client, Target
from runwright.settings import Settings
from runwright.values import dataclass

log = logging.getLogger(__name__)

FILE: Final = "credentials.json"
PREPARED_FILE: Final = "credentials.prepared"
SAMPLES: Final = (("hello-node", "node"), ("hello-python", "python"))
BUILD_WAIT_S: Final = 120.0
POLL_S: Final = 0.1


@dataclass(kw_only=True)
class Credentials:
    """What `credentials.json` holds."""

    endpoint: str
    projectId: str
    apiKey: str
    consoleEmail: str
    consolePassword: str
    functions: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def load(cls, data_dir: Path) -> Self | None:
        """What an earlier start saved or prepared; None when there is no usable file."""
        for name in (FILE, PREPARED_FILE):
            try:
                return cls(**json.loads((data_dir / name).read_text()))
            except FileNotFoundError:
                continue
            except (ValueError, TypeError):
                log.warning("credentials file is damaged", extra={"file": name})
        return None

    def prepare(self, data_dir: Path) -> None:
        """Keep the secrets, before the server answers."""
        if not (data_dir / FILE).exists():
            self._write(data_dir / PREPARED_FILE)

    def save(self, data_dir: Path) -> None:
        """Write the file that users read: from now on the server answers."""
        self._write(data_dir / FILE)
        (data_dir / PREPARED_FILE).unlink(missing_ok=True)

    def _write(self, path: Path) -> None:
        """Replace the file; only its owner may read it, from the first byte on."""
        temporary = path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def deploy_samples(credentials: Credentials, domains: "Domains", stop: Callable[[], bool]) -> None:
    """Deploy and run each sample that is missing. Blocking; raises ApiError."""
    target = Target(
        endpoint=credentials.endpoint,
        project_id=credentials.projectId,
        api_key=credentials.apiKey,
    )
    with Client(target) as api:
        known = {item["id"] for item in credentials.functions}
        for function_id, language in SAMPLES:
            if function_id in known:
                continue
            if stop():
                return
            print(f"Deploying the sample function {function_id} ...", flush=True)
            deploy_sample(api, function_id, language)
            api.call("POST", f"/functions/{function_id}/executions", json_body={"path": "/"})
            domain = generated_domain(api, function_id)
            credentials.functions.append(
                {"id": function_id, "domain": domain, "url": domains.url(domain)}
            )


def deploy_sample(api: Client, function_id: str, language: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder, archive = Path(temporary) / "source", Path(temporary) / "code.tar.gz"
        described = starters.make(folder, language, function_id)
        project.pack(folder, archive)
        try:
            api.call(
                "POST",
                "/functions",
                json_body={
                    "functionId": function_id,
                    "name": f"Hello from {language.capitalize()}",
                    "runtime": described.runtime,
                    "entrypoint": described.entrypoint,
                    "commands": described.commands,
                    "execute": ["any"],
                },
            )
        except ApiError as exc:
            if exc.type != "function_already_exists":
                raise
        fields = {"activate": "true"}
        deployment = api.upload(function_id, archive, fields, lambda sent: None)
    wait_until_ready(api, function_id, deployment["$id"])


def wait_until_ready(api: Client, function_id: str, deployment_id: str) -> None:
    """Raises ApiError when the build fails or does not end in time."""
    deadline = time.monotonic() + BUILD_WAIT_S
    while time.monotonic() < deadline:
        path = f"/functions/{function_id}/deployments/{deployment_id}"
        deployment: dict[str, Any] = api.call("GET", path)
        if deployment["status"] == "ready":
            return
        if deployment["status"] in ("failed", "canceled"):
            raise ApiError(f"the build of {function_id} failed:\n{deployment['buildLogs']}")
        time.sleep(POLL_S)
    raise ApiError(f"the build of {function_id} did not end within {BUILD_WAIT_S:.0f} s")


def generated_domain(api: Client, function_id: str) -> str:
    query = {"method": "equal", "attribute": "deploymentResourceId", "values": [function_id]}
    rules = api.call("GET", "/proxy/rules", params={"queries[0]": json.dumps(query)})["rules"]
    return str(rules[0]["domain"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Domains:
    """How function domains are reached from outside."""

    scheme: str
    port: int

    def url(self, domain: str) -> str:
        is_default = self.port == {"http": 80, "https": 443}[self.scheme]
        return f"{self.scheme}://{domain}" + ("" if is_default else f":{self.port}")


def text(credentials: Credentials, mail: str) -> str:
    """What is printed at the end of a start; `mail`: where letters go."""
    lines = [
        "",
        "Runwright is running.",
        "",
        f"  Endpoint   {credentials.endpoint}",
        f"  Project    {credentials.projectId}",
        f"  API key    {credentials.apiKey}",
        f"  Console    {credentials.consoleEmail} / {credentials.consolePassword}",
    ]
    lines += [f"  Function   {item['url']}" for item in credentials.functions]
    lines += [f"  Mail       {mail}"]
    lines += ["", "Try:", ""]
    for item in credentials.functions[:1]:
        lines += [
            f"  curl {item['url']}",
            f"  curl -X POST {credentials.endpoint}/functions/{item['id']}/executions \\",
            f"    -H 'x-appwrite-project: {credentials.projectId}' \\",
            f"    -H 'x-appwrite-key: {credentials.apiKey}' \\",
            "    -H 'content-type: application/json' -d '{\"path\": \"/\"}'",
        ]
    lines += [
        "  .venv/bin/runwright init my-function && .venv/bin/runwright deploy my-function",
        "",
    ]
    return "\n".join(lines)


def endpoint(settings: Settings, port: int) -> str:
    """The API's address as clients on this machine reach it, unless the settings name one."""
    if settings.public_url:
        return settings.public_url.rstrip("/").removesuffix("/v1") + "/v1"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    return f"http://{host}:{port}/v1"


async def greet(
    credentials: Credentials,
    settings: Settings,
    port: int,
    stopping: asyncio.Event,
    *,
    mail: str,
) -> None:
    """Deploy what is missing, save the credentials, print them."""
    domains = Domains(scheme="http", port=port)
    if settings.functions_scheme == "https":
        domains = Domains(scheme="https", port=settings.tls_port or 443)
    for item in credentials.functions:  # the port may have changed since the last start
        item["url"] = domains.url(item["domain"])
    if settings.demo == "on" and len(credentials.functions) < len(SAMPLES):
        try:
            await asyncio.to_thread(deploy_samples, credentials, domains, stopping.is_set)
        except ApiError as exc:
            log.error(
                "sample functions could not be deployed",
                extra={"action": "demo_failed", "reason": str(exc)},
            )
    credentials.save(Path(settings.data_dir))
    if not stopping.is_set():
        print(text(credentials, mail), flush=True)
