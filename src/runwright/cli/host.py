"""Commands about this machine: serve, settings, runtimes, doctor.

The server is imported by the commands that need it: it is large, and the other commands, which
only speak to one, should start without it.
"""

import gc
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from runwright.cli.output import FAILED, errors_shown, out, print_json, print_table
from runwright.settings import Settings, describe

host = typer.Typer()
runtimes = typer.Typer(help="The languages that this machine can run.", no_args_is_help=True)
host.add_typer(runtimes, name="runtimes")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
DataDir = Annotated[str | None, typer.Option(help="Folder that holds everything the server keeps.")]
Config = Annotated[Path | None, typer.Option(help="Settings file instead of runwright.toml.")]


@host.command()
def serve(
    listen: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    data_dir: DataDir = None,
    demo: Annotated[
        str | None, typer.Option(help="on or off: deploy the sample functions.")
    ] = None,
    executor: Annotated[str | None, typer.Option(help="bubblewrap or process.")] = None,
    log_level: Annotated[str | None, typer.Option(help="Least log level.")] = None,
    config: Config = None,
) -> None:
    """Start the server and stay until Ctrl-C or TERM."""
    flags = {
        "host": listen,
        "port": port,
        "data_dir": data_dir,
        "demo": demo,
        "executor": executor,
        "log_level": log_level,
    }
    gc.disable()  # hardly anything of what loading makes is garbage; the server enables it
    from runwright import server

    with errors_shown(as_json=False):
        raise typer.Exit(server.run(Settings.load(flags=flags, file=config)))


@host.command()
def settings(data_dir: DataDir = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show every setting with its value, unit, default and range."""
    with errors_shown(as_json=as_json):
        lines = describe(Settings.load(flags={"data_dir": data_dir}, file=config))
        if as_json:
            print_json([asdict(line) for line in lines])
            return
        print_table(
            ("VARIABLE", "VALUE", "UNIT", "DEFAULT", "ALLOWED", "WHAT"),
            [
                (line.variable, line.value, line.unit, line.default, line.allowed, line.about)
                for line in lines
            ],
        )


@runtimes.command("list")
def list_runtimes(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the runtimes that functions can use here."""
    from runwright.wiring import machine

    with errors_shown(as_json=as_json):
        found = machine.installed_runtimes(Settings.load(flags={"data_dir": data_dir}))
        if as_json:
            print_json([asdict(item) for item in found])
            return
        rows = [(item.id, item.interpreter_version, item.source) for item in found]
        print_table(("RUNTIME", "INTERPRETER", "FROM"), rows)


def _progress(step: str) -> None:
    typer.echo(f"{step} ...", err=True)


@runtimes.command("add")
def add_runtime(
    runtime: Annotated[str, typer.Argument(help="Runtime id, such as node-24 or deno-2.6.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Install an interpreter from its package registry, or take the host's."""
    from runwright.wiring import machine

    with errors_shown(as_json=as_json):
        settings = Settings.load(flags={"data_dir": data_dir})
        added = machine.add_runtime(
            settings, runtime, lambda step: typer.echo(f"{step} ...", err=True)
        )
        if as_json:
            print_json(asdict(added))
        else:
            out.print(f"{added.id} is ready ({added.interpreter_version}, from {added.source}).")
            out.print("A server that runs already offers it from its next start on.")


@host.command()
def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Say what this host lacks for full isolation. Exits 1 when something needed is missing."""
    from runwright.wiring import machine

    with errors_shown(as_json=as_json):
        findings = machine.examine(Settings.load(flags={"data_dir": data_dir}))
        if as_json:
            print_json([asdict(item) for item in findings])
        else:
            marks = {
                "ok": "[green]ok[/]",
                "weaker": "[yellow]weaker[/]",
                "missing": "[red]missing[/]",
            }
            for item in findings:
                out.print(f"{marks[item.level]:<20} [bold]{item.subject}[/]: {item.text}")
        if any(item.level == "missing" for item in findings):
            raise typer.Exit(FAILED)
