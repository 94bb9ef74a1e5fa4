"""What commands print: tables for people, JSON for scripts, and errors with exit codes."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from runwright.cli.client import ApiError
from runwright.cli.project import BadProject
from runwright.errors import RunwrightError
from runwright.settings import BadSetting

FAILED: Final = 1  # the command ran and its subject failed
USAGE: Final = 2  # wrong input
UNREACHABLE: Final = 3  # no server, or it refused

_PIPE_WIDTH: Final = 240  # rows that a program reads stay on one line
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")

out = Console(highlight=False)
_wide = Console(highlight=False, width=_PIPE_WIDTH)
err = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def print_log(text: str) -> None:
    """Part of a build log; its colours are for terminals."""
    out.out(text if out.is_terminal else _COLOURS.sub("", text), end="", highlight=False)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "ID")  # an id is copied whole
    for row in rows:
        table.add_row(*row)
    (out if out.is_terminal else _wide).print(table)


@contextmanager
def errors_shown(*, as_json: bool) -> Iterator[None]:
    """Turn the known failures into one line (or one JSON object) and an exit code."""
    try:
        yield
    except ApiError as exc:
        _fail({"error": str(exc), "type": exc.type, "status": exc.status}, as_json)
        raise typer.Exit(UNREACHABLE) from exc
    except (BadProject, BadSetting, RunwrightError) as exc:
        _fail({"error": str(exc)}, as_json)
        raise typer.Exit(USAGE) from exc


def _fail(error: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(error)
    else:
        err.print(f"[red]error:[/red] {escape(error['error'])}", soft_wrap=True)
