"""Commands about letters that no mail server took: they are files of this machine."""

from dataclasses import asdict
from email.message import EmailMessage
from typing import Annotated

import typer
from rich.markup import escape

from runwright.cli.host import AsJson, Config, DataDir
from runwright.cli.output import FAILED, err, errors_shown, out, print_json, print_table
from runwright.settings import Settings

mail = typer.Typer(
    help="Letters in the mail folder of this machine, where they go without a mail server.",
    no_args_is_help=True,
)

Project = Annotated[str | None, typer.Option("--project", help="Only letters of this project.")]


@mail.command("list")
def list_letters(
    project: Project = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest.")] = 50,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List letters, the newest last."""
    from runwright.wiring import machine

    with errors_shown(as_json=as_json):
        found = machine.mail_folder(Settings.load(flags={"data_dir": data_dir}, file=config))
        found = [item for item in found if project in (None, item.project)][-limit:]
        if as_json:
            print_json([asdict(item) for item in found])
            return
        print_table(
            ("ID", "WHEN", "KIND", "PROJECT", "TO", "SUBJECT"),
            [
                (item.id, item.at, item.kind, item.project, escape(item.to), escape(item.subject))
                for item in found
            ],
        )


@mail.command()
def show(
    letter: Annotated[
        str | None,
        typer.Argument(help="Id of the letter, or the beginning of it; left out: the newest."),
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Its HTML form, not the text.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Print a letter. Exits 1 when there is no such letter."""
    from runwright.wiring import machine

    with errors_shown(as_json=as_json):
        settings = Settings.load(flags={"data_dir": data_dir}, file=config)
        if letter is None:
            letter = next((item.id for item in machine.mail_folder(settings)[-1:]), None)
        if letter is None:
            err.print("The mail folder is empty.")
            raise typer.Exit(FAILED)
        found = machine.mail_letter(settings, letter)
        if found is None:
            err.print("[red]error:[/red] No letter, or more than one, has an id like that.")
            raise typer.Exit(FAILED)
        kept, message = found
        if as_json:
            bodies = {"text": _body(message, "plain"), "html": _body(message, "html")}
            print_json({**asdict(kept), "from": str(message["From"] or ""), **bodies})
            return
        if html:
            out.out(_body(message, "html"), highlight=False)
            return
        for name, value in (("To", kept.to), ("Subject", kept.subject), ("Date", kept.at)):
            if value:
                out.print(f"[bold]{name}:[/] {escape(value)}", soft_wrap=True)
        out.out(f"\n{_body(message, 'plain')}", end="", highlight=False)


def _body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""
