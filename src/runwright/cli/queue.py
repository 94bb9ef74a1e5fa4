"""Commands about what waits: queue status."""

from pathlib import Path
from typing import Final

import typer

from runwright.cli.connection import ApiKey, AsJson, DataDir, Endpoint, ProjectId, connect
from runwright.cli.output import errors_shown, out, print_json, print_table

queue = typer.Typer(help="What waits to run.", no_args_is_help=True)


@queue.callback()
def _group() -> None:
    """What waits to run."""


_MEANINGS: Final = {
    "ready": "would start if a worker were free",
    "running": "are run by a worker",
    "retrying": "wait for their next attempt",
    "delayed": "are scheduled for later",
    "deliveries": "webhook deliveries",
    "letters": "letters to be sent",
    "dead": "failed for good; see dead-letters",
    "kept": "have ended; their requests are kept for a replay",
    "events": "wait to be handed to their subscribers",
}


@queue.command()
def status(
    endpoint: Endpoint = None,
    project_id: ProjectId = None,
    api_key: ApiKey = None,
    data_dir: DataDir = Path("data"),
    as_json: AsJson = False,
) -> None:
    """Show how much of the project waits for what."""
    with errors_shown(as_json=as_json), connect(endpoint, project_id, api_key, data_dir) as api:
        found = api.call("GET", "/queue")
        if as_json:
            print_json(found)
            return
        rows = [(name, str(found[name]), text) for name, text in _MEANINGS.items()]
        print_table(("WHAT", "COUNT", "WHICH"), rows)
        if found["ready"]:
            out.print(f"The first of those that are ready waits for {found['oldestReady']:.1f} s.")
