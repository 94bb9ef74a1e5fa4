"""Commands about schedules: when a function comes due."""

from pathlib import Path
from typing import Annotated, Any

import typer

from runwright.cli.connection import ApiKey, AsJson, DataDir, Endpoint, ProjectId, connect
from runwright.cli.output import USAGE, err, errors_shown, out, print_json, print_table

schedule = typer.Typer(help="When functions come due.", no_args_is_help=True)


@schedule.callback()
def _group() -> None:
    """When functions come due."""


@schedule.command()
def preview(
    function_id: Annotated[
        str | None, typer.Argument(help="Function id; left out when --cron or --interval is given.")
    ] = None,
    cron: Annotated[str | None, typer.Option(help="A cron expression to try.")] = None,
    interval: Annotated[int | None, typer.Option(help="Minutes between two runs, to try.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone of --cron, such as Europe/Berlin.")
    ] = None,
    count: Annotated[int, typer.Option(help="How many.")] = 10,
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show when a function, or a schedule that you think about, comes due next."""
    is_tried = cron is not None or interval is not None
    if is_tried == (function_id is not None):
        err.print("[red]error:[/red] Name a function, or one of --cron and --interval.")
        raise typer.Exit(USAGE)
    tried = {"schedule": cron, "interval": interval, "timezone": timezone}
    params: dict[str, Any] = {"count": count}
    params |= {name: value for name, value in tried.items() if value is not None}
    path = "/schedules/preview" if is_tried else f"/functions/{function_id}/schedule"
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        found = api.call("GET", path, params=params)
        if as_json:
            print_json(found)
            return
        rows = [(tick["dueAt"], tick["localTime"]) for tick in found["ticks"]]
        print_table(("DUE (UTC)", f"THERE ({found['timezone']})"), rows)
        if not is_tried and not found["active"]:
            out.print(
                "[yellow]Nothing fires it now:[/] it has no schedule, is disabled or is not "
                "deployed."
            )
