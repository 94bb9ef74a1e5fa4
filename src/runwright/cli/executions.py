"""Commands about runs of functions: list, get, cancel, retry, tail."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from runwright.cli.client import ApiError, Client
from runwright.cli.connection import (
    ApiKey,
    AsJson,
    DataDir,
    Endpoint,
    FunctionId,
    ProjectId,
    connect,
)
from runwright.cli.output import FAILED, err, errors_shown, out, print_json, print_table

executions = typer.Typer(help="Runs of functions.", no_args_is_help=True)

ExecutionId = Annotated[str, typer.Argument(help="Execution id.")]
COLOURS: Final = {"completed": "green", "failed": "red"}


@executions.command("list")
def list_executions(
    function_id: FunctionId,
    status: Annotated[
        list[str] | None, typer.Option(help="Only those in this state; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, the newest first.")] = 25,
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """List the executions of a function, the newest first."""
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        found = _newest(api, function_id, status or [], limit)
        if as_json:
            print_json(found)
            return
        print_table(
            ("ID", "CREATED (UTC)", "TRIGGER", "STATUS", "CODE", "SECONDS", "TRY", "CLASS"),
            [_row(item) for item in found["executions"]],
        )


def _newest(api: Client, function_id: str, statuses: list[str], limit: int) -> dict[str, Any]:
    queries: list[dict[str, Any]] = [
        {"method": "orderDesc", "attribute": "$createdAt"},
        {"method": "limit", "values": [limit]},
    ]
    if statuses:
        queries.append({"method": "equal", "attribute": "status", "values": statuses})
    params = {f"queries[{at}]": json.dumps(query) for at, query in enumerate(queries)}
    found: dict[str, Any] = api.call("GET", f"/functions/{function_id}/executions", params=params)
    return found


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    return (
        item["$id"],
        item["$createdAt"][:19],
        item["trigger"],
        _coloured(item["status"]),
        str(item["responseStatusCode"]),
        f"{item['duration']:.3f}",
        str(item["attempt"]),
        item["errorClass"] or "",
    )


def _coloured(status: str) -> str:
    colour = COLOURS.get(status, "yellow")
    return f"[{colour}]{status}[/]"


@executions.command()
def get(
    function_id: FunctionId,
    execution_id: ExecutionId,
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show one execution with what it logged."""
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        _show(_one(api, function_id, execution_id), as_json)


def _one(api: Client, function_id: str, execution_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.call("GET", f"/functions/{function_id}/executions/{execution_id}")
    return found


def _show(item: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(item)
        return
    out.print(
        f"{_coloured(item['status'])} {item['responseStatusCode']} {item['requestMethod']} "
        f"{escape(item['requestPath'])} ({item['$id']})"
    )
    out.print(
        f"trigger {item['trigger']}, attempt {item['attempt']}, {item['duration']:.3f} s, "
        f"created {item['$createdAt']}, deployment {item['deploymentId'] or '-'}"
    )
    if item.get("event"):
        out.print(f"event {escape(item['event'])}, chain {item['chainId']}")
    if item.get("replayOf"):
        out.print(f"again after {item['replayOf']}")
    if item["errorClass"]:
        out.print(f"error class {item['errorClass']}")
    for name in ("logs", "errors"):
        if item[name]:
            out.print(f"[bold]{name}[/]\n{escape(item[name].rstrip())}", soft_wrap=True)


@executions.command()
def cancel(
    function_id: FunctionId,
    execution_id: ExecutionId,
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Stop an execution that is scheduled, waits or runs."""
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        path = f"/functions/{function_id}/executions/{execution_id}/cancel"
        item = api.call("POST", path, json_body={})
        if as_json:
            print_json(item)
        else:
            out.print(f"{_coloured(item['status'])} {item['errorClass'] or ''} ({item['$id']})")


@executions.command()
def retry(
    function_id: FunctionId,
    execution_id: ExecutionId,
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Run the request of an ended execution again, as a new execution.

    Only while the request is kept: the function's settings for retries and for keeping
    requests say for how long.
    """
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        path = f"/functions/{function_id}/executions/{execution_id}/replay"
        item = api.call("POST", path, json_body={})
        if as_json:
            print_json(item)
        else:
            out.print(f"{_coloured(item['status'])} ({item['$id']})")


@executions.command()
def tail(
    function_id: FunctionId,
    execution_id: Annotated[
        str | None, typer.Argument(help="Execution id; the newest one when left out.")
    ] = None,
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show what an execution prints while it runs. Exits 1 when it fails.

    With --json each line is an object with "event" and "data".
    """
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        chosen = execution_id or _newest_id(api, function_id)
        path = f"/functions/{function_id}/executions/{chosen}/logs"
        is_open = False  # the last line that was printed has no end
        for name, data in api.stream(path, {"follow": "true"}):
            _print_event(name, data, as_json)
            if "text" in data:
                is_open = not data["text"].endswith("\n")
        ended = _one(api, function_id, chosen)
        if not as_json:
            start = "\n" if is_open else ""
            err.print(
                f"{start}{_coloured(ended['status'])} {ended['responseStatusCode']} ({chosen})"
            )
        if ended["status"] == "failed":
            raise typer.Exit(FAILED)


def _newest_id(api: Client, function_id: str) -> str:
    found = _newest(api, function_id, [], 1)["executions"]
    if not found:
        raise ApiError(f"Function '{function_id}' has no executions yet.")
    return str(found[0]["$id"])


def _print_event(name: str, data: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"event": name, "data": data}, ensure_ascii=False))
    elif name in ("log", "error"):
        console = out if name == "log" else err
        console.out(data["text"], end="", highlight=False)
    elif name == "missed":
        err.print(f"[yellow]{data['bytes']} bytes came too fast and were not kept[/]")
