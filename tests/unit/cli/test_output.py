"""What commands print where no terminal is."""

import pytest
import typer

from runwright.cli import output
from runwright.cli.project import BadProject


def test_a_row_stays_on_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("ID", "TEXT"), [("1" * 20, "word " * 20)])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_build_log_has_no_colours_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_log("\x1b[90m[21:37:09]\x1b[0m [runwright] \x1b[32mBuild finished.\x1b[0m\n")
    assert capsys.readouterr().out == "[21:37:09] [runwright] Build finished.\n"


def test_brackets_in_an_error_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), output.errors_shown(as_json=False):
        raise BadProject("the file names '[/x]' and '[red]'")
    assert capsys.readouterr().err == "error: the file names '[/x]' and '[red]'\n"
