"""Commands about runs that failed for good: dead-letters list, dead-letters redrive."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runwright.cli.client import Client
from runwright.cli.connection import ApiKey, AsJson, DataDir, Endpoint, ProjectId, connect
from runwright.cli.output import FAILED, USAGE, err, errors_shown, out, print_json, print_table

dead_letters = typer.Typer(
    help="Runs that failed for good and can be run again.", no_args_is_help=True
)

OfFunction = Annotated[str | None, typer.Option("--function", help="Only those of this function.")]
_PATH: Final = "/dead-letters"


@dead_letters.command("list")
def list_dead_letters(
    function_id: OfFunction = None,
    limit: Annotated[int, typer.Option(help="How many.")] = 25,
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """List runs that failed for good, those that are dropped first at the top."""
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        params = {
            "queries[0]": json.dumps({"method": "limit", "values": [limit]}),
            **_of(function_id),
        }
        found = api.call("GET", _PATH, params=params)
        if as_json:
            print_json(found)
            return
        print_table(
            ("ID", "FUNCTION", "CLASS", "TRY", "FAILED (UTC)", "KEPT UNTIL (UTC)"),
            [_row(item) for item in found["deadLetters"]],
        )


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    execution = item["execution"]
    return (
        item["$id"],
        item["functionId"],
        execution["errorClass"],
        str(execution["attempt"]),
        execution["$updatedAt"][:19],
        item["expiresAt"][:19],
    )


@dead_letters.command()
def redrive(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of dead letters; none together with --all.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    function_id: OfFunction = None,
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Run dead letters again, each as a new execution. Exits 1 when some of all cannot be."""
    if bool(ids) == everything or (ids and function_id):
        err.print(
            "[red]error:[/red] Name ids of dead letters, or --all with or without --function."
        )
        raise typer.Exit(USAGE)
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        if ids:
            _redrive_some(api, ids, as_json)
        else:
            _redrive_all(api, function_id, as_json)


def _redrive_some(api: Client, ids: list[str], as_json: bool) -> None:
    made = [api.call("POST", f"{_PATH}/{item}/redrive", json_body={}) for item in ids]
    if as_json:
        print_json(made)
        return
    for item, execution in zip(ids, made, strict=True):
        out.print(f"{item} runs again as {execution['$id']}")


def _redrive_all(api: Client, function_id: str | None, as_json: bool) -> None:
    """The server takes a bounded number in a call, so it is called until none is left."""
    redriven = wanted = 0
    while True:
        done = api.call("POST", f"{_PATH}/redrive", json_body=_of(function_id))
        redriven += done["redriven"]
        # What fails again meanwhile is a new dead letter, and not for this call to redrive.
        wanted = wanted or redriven + done["left"]
        if not done["redriven"] or redriven >= wanted:
            break
    if as_json:
        print_json({**done, "redriven": redriven})
    else:
        out.print(f"{redriven} run again, {done['left']} are left")
    if done["left"]:
        raise typer.Exit(FAILED)


def _of(function_id: str | None) -> dict[str, str]:
    return {"functionId": function_id} if function_id else {}
