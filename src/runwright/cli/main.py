"""`runwright`: serve, and the commands that speak to a server."""

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from runwright import __version__
from runwright.cli import project, starters
from runwright.cli.client import ApiError, Client
from runwright.cli.connection import ApiKey, AsJson, DataDir, Endpoint, ProjectId, connect
from runwright.cli.dead_letters import dead_letters
from runwright.cli.events import events
from runwright.cli.executions import executions
from runwright.cli.host import host
from runwright.cli.mail import mail
from runwright.cli.output import (
    FAILED,
    err,
    errors_shown,
    out,
    print_json,
    print_log,
    print_table,
)
from runwright.cli.queue import queue
from runwright.cli.schedule import schedule

app = typer.Typer(
    name="runwright",
    help="Run functions on your own machine, behind the Appwrite Functions API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.registered_commands.extend(host.registered_commands)
app.registered_groups.extend(host.registered_groups)
app.add_typer(executions, name="executions")
app.add_typer(queue, name="queue")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(schedule, name="schedule")
app.add_typer(events, name="events")
app.add_typer(mail, name="mail")

POLL_S: Final = 0.3
DONE: Final = frozenset({"ready", "failed", "canceled"})


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    language: Annotated[
        str, typer.Option(help="node, python, deno, bun, go, php or ruby.")
    ] = "node",
    name: Annotated[str | None, typer.Option(help="Name of the function.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a starter function in a new folder."""
    with errors_shown(as_json=as_json):
        made = starters.make(folder, language, name or folder.resolve().name)
        if as_json:
            print_json({"folder": str(folder), **vars(made)})
        else:
            out.print(
                f"Made {folder} ({made.runtime}). Deploy it: [bold]runwright deploy {folder}[/]"
            )


@app.command()
def deploy(
    folder: Annotated[Path, typer.Argument(help="Folder with runwright.json.")] = Path("."),
    activate: Annotated[bool, typer.Option(help="Make it live when the build succeeds.")] = True,
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Pack a folder, upload it, follow its build. Exits 1 when the build fails."""
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        described = project.load(folder)
        _ensure_function(api, described)
        with tempfile.TemporaryDirectory() as temporary:
            archive = Path(temporary) / "code.tar.gz"
            project.pack(folder, archive)
            deployment = _upload(api, described, archive, activate, quiet=as_json)
        deployment = _follow_build(api, described.functionId, deployment["$id"], quiet=as_json)
        if as_json:
            print_json(deployment)
        elif deployment["status"] == "ready":
            out.print(f"[green]Deployed[/] {described.functionId} ({deployment['$id']})")
            for url in _addresses(api, described.functionId):
                out.print(f"  {url}")
        else:
            err.print(f"[red]The build ended as {deployment['status']}.[/]")
        if deployment["status"] != "ready":
            raise typer.Exit(FAILED)


def _ensure_function(api: Client, described: project.FunctionFile) -> None:
    """Create the function, or bring its settings in line with runwright.json."""
    settings: dict[str, Any] = {
        "name": described.name,
        "entrypoint": described.entrypoint,
        "commands": described.commands,
        "execute": described.execute,
        **described.optional,
    }
    path = f"/functions/{described.functionId}"
    try:
        current = api.call("GET", path)
    except ApiError as exc:
        if exc.type != "function_not_found":
            raise
        created = {"functionId": described.functionId, "runtime": described.runtime, **settings}
        api.call("POST", "/functions", json_body=created)
        return
    wanted = {"runtime": described.runtime, **settings}
    if any(current[key] != value for key, value in wanted.items()):
        kept = (
            "events",
            "schedule",
            "timeout",
            "enabled",
            "logging",
            "scopes",
            "deploymentRetention",
        )
        api.call("PUT", path, json_body={**{key: current[key] for key in kept}, **wanted})


def _upload(
    api: Client, described: project.FunctionFile, archive: Path, activate: bool, *, quiet: bool
) -> dict[str, Any]:
    columns = (
        TextColumn("Uploading"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=err, disable=quiet) as progress:
        task = progress.add_task("upload", total=archive.stat().st_size)
        return api.upload(
            described.functionId,
            archive,
            {"activate": "true" if activate else "false"},
            lambda sent: progress.update(task, completed=sent),
        )


def _follow_build(
    api: Client, function_id: str, deployment_id: str, *, quiet: bool
) -> dict[str, Any]:
    """Print the build log as it grows; ends when the deployment does."""
    shown = ""
    while True:
        deployment: dict[str, Any] = api.call(
            "GET", f"/functions/{function_id}/deployments/{deployment_id}"
        )
        logs = deployment["buildLogs"]
        if not quiet:
            # The stored log keeps its tail only; once cut, what was shown is no prefix of it.
            fresh = logs[len(shown) :] if logs.startswith(shown) else logs
            print_log(fresh)
        shown = logs
        if deployment["status"] in DONE:
            return deployment
        time.sleep(POLL_S)


def _addresses(api: Client, function_id: str) -> list[str]:
    query = {"method": "equal", "attribute": "deploymentResourceId", "values": [function_id]}
    rules = api.call("GET", "/proxy/rules", params={"queries[0]": json.dumps(query)})["rules"]
    address = api.address
    return [
        f"{address.scheme}://{rule['domain']}" + (f":{address.port}" if address.port else "")
        for rule in rules
    ]


@app.command()
def invoke(
    function_id: Annotated[str, typer.Argument(help="Function id.")],
    body: Annotated[str, typer.Option("--body", "-d", help="Request body.")] = "",
    path: Annotated[str, typer.Option(help="Request path.")] = "/",
    method: Annotated[str, typer.Option("--method", "-X", help="HTTP method.")] = "POST",
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="Header, as 'name: value'.")
    ] = None,
    is_async: Annotated[
        bool, typer.Option("--async", help="Queue the run and do not wait for it.")
    ] = False,
    at: Annotated[
        str | None,
        typer.Option("--at", help="Queue it for a later minute, such as 2030-01-01T08:00:00Z."),
    ] = None,
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Run a function and print its answer. Exits 1 when the run fails."""
    headers = {}
    for line in header or []:
        key, colon, value = line.partition(":")
        if not colon:
            raise typer.BadParameter(f"{line!r} is not 'name: value'")
        headers[key.strip()] = value.strip()
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        request: dict[str, Any] = {"body": body, "path": path, "headers": headers}
        request |= {"method": method.upper(), "async": is_async or at is not None}
        if at is not None:
            request["scheduledAt"] = at
        execution = api.call("POST", f"/functions/{function_id}/executions", json_body=request)
        if as_json:
            print_json(execution)
        elif request["async"]:
            out.print(f"{execution['status']} ({execution['$id']})")
        else:
            _print_execution(execution)
        if execution["status"] == "failed":
            raise typer.Exit(FAILED)


def _print_execution(execution: dict[str, Any]) -> None:
    colour = "red" if execution["status"] == "failed" else "green"
    took = f"{execution['duration'] * 1000:.1f} ms"
    err.print(
        f"[{colour}]{execution['status']}[/] {execution['responseStatusCode']} in {took} "
        f"({execution['$id']})"
    )
    out.out(execution["responseBody"], highlight=False)
    for name in ("logs", "errors"):
        if execution[name]:
            err.print(f"[bold]{name}[/]\n{escape(execution[name].rstrip())}")


@app.command()
def logs(
    function_id: Annotated[str, typer.Argument(help="Function id.")],
    limit: Annotated[int, typer.Option(help="How many executions.")] = 10,
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show the newest executions with what they logged."""
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        queries = [
            {"method": "orderDesc", "attribute": "$createdAt"},
            {"method": "limit", "values": [limit]},
        ]
        params = {f"queries[{at}]": json.dumps(query) for at, query in enumerate(queries)}
        found = api.call("GET", f"/functions/{function_id}/executions", params=params)
        if as_json:
            print_json(found)
            return
        for execution in reversed(found["executions"]):
            out.print(
                f"[bold]{execution['$createdAt']}[/] {execution['status']} "
                f"{execution['responseStatusCode']} {execution['requestMethod']} "
                f"{escape(execution['requestPath'])} ({execution['$id']})"
            )
            for name in ("logs", "errors"):
                if execution[name]:
                    out.print(escape(execution[name].rstrip()), soft_wrap=True)


@app.command()
def functions(
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """List the functions of the project."""
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        limit = {"method": "limit", "values": [5000]}
        found = api.call("GET", "/functions", params={"queries[0]": json.dumps(limit)})
        if as_json:
            print_json(found)
            return
        print_table(
            ("ID", "NAME", "RUNTIME", "DEPLOYMENT", "ENABLED"),
            [
                (
                    item["$id"],
                    item["name"],
                    item["runtime"],
                    item["deploymentId"] or item["latestDeploymentStatus"] or "-",
                    "yes" if item["enabled"] else "no",
                )
                for item in found["functions"]
            ],
        )


def main() -> None:
    app()
