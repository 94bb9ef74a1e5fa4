"""Commands about events: send one."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from runwright.cli.connection import ApiKey, AsJson, DataDir, Endpoint, ProjectId, connect
from runwright.cli.output import USAGE, err, errors_shown, out, print_json

events = typer.Typer(help="Events from outside.", no_args_is_help=True)


@events.callback()
def _group() -> None:
    """Events from outside."""


@events.command()
def send(
    event: Annotated[str, typer.Argument(help="Name, such as custom.orders.paid.")],
    payload: Annotated[
        str, typer.Option("--payload", "-d", help="JSON; - reads it from standard input.")
    ] = "{}",
    user_id: Annotated[
        str | None, typer.Option("--user", help="Id of the user who counts as acting.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: the event is announced once a day.")
    ] = None,
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Send an event to whoever subscribes to it."""
    text = sys.stdin.read() if payload == "-" else payload
    try:
        json.loads(text)
    except ValueError as exc:
        err.print(f"[red]error:[/red] The payload is not JSON: {exc}", soft_wrap=True)
        raise typer.Exit(USAGE) from exc
    members = {"event": json.dumps(event), "payload": text}  # the payload stays as it is written
    if user_id:
        members["userId"] = json.dumps(user_id)
    body = ", ".join(f'"{name}": {value}' for name, value in members.items())
    headers = {"content-type": "application/json"}
    if key:
        headers["idempotency-key"] = key
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        made = api.call("POST", "/events", content=f"{{{body}}}".encode(), headers=headers)
        if as_json:
            print_json(made)
        else:
            again = " (was there already)" if made["repeated"] else ""
            out.print(f"[green]sent[/] {made['event']} ({made['$id']}){again}")
