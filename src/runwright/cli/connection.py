"""Options that every command takes which speaks to a server, and the connection they give."""

from pathlib import Path
from typing import Annotated

import typer

from runwright.cli.client import Client, Target

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Endpoint = Annotated[str | None, typer.Option(help="API address, ending in /v1.")]
ProjectId = Annotated[str | None, typer.Option("--project", help="Project id.")]
ApiKey = Annotated[str | None, typer.Option(help="API key.")]
DataDir = Annotated[
    Path, typer.Option(envvar="RUNWRIGHT_DATA_DIR", help="Where credentials.json is.")
]

FunctionId = Annotated[str, typer.Argument(help="Function id.")]


def connect(
    endpoint: str | None, project_id: str | None, api_key: str | None, data_dir: Path
) -> Client:
    """Raises ApiError when no server is known."""
    return Client(
        Target.find(endpoint=endpoint, project_id=project_id, api_key=api_key, data_dir=data_dir)
    )
