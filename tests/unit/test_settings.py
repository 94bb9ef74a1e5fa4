"""Settings: sources, precedence, and what a bad value says."""

from pathlib import Path

import pytest

from runwright.settings import BadSetting, Settings, describe, unknown_variables

NOWHERE = Path("/nonexistent/runwright.toml")


def load(**environ: str) -> Settings:
    return Settings.load(environ=environ, file=NOWHERE)


def test_without_any_source_the_defaults_hold() -> None:
    assert load() == Settings()


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "runwright.toml"
    file.write_text('port = 1111\nhost = "0.0.0.0"\nbuilds = 3\n')
    found = Settings.load(
        flags={"port": 3333}, environ={"RUNWRIGHT_PORT": "2222", "RUNWRIGHT_BUILDS": "4"}, file=file
    )
    assert (found.port, found.builds, found.host) == (3333, 4, "0.0.0.0")


def test_a_value_can_come_from_a_file_named_in_the_environment(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("https://api.example.com\n")
    assert load(RUNWRIGHT_PUBLIC_URL_FILE=str(secret)).public_url == "https://api.example.com"


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("RUNWRIGHT_PORT", "70000", "0 to 65535"),
        ("RUNWRIGHT_PORT", "many", "not a number"),
        ("RUNWRIGHT_DEMO", "maybe", "on, off"),
        ("RUNWRIGHT_EXECUTOR", "docker", "bubblewrap, process"),
    ],
)
def test_a_bad_value_names_the_variable_and_what_is_allowed(
    variable: str, value: str, told: str
) -> None:
    with pytest.raises(BadSetting) as caught:
        load(**{variable: value})
    assert variable in str(caught.value)
    assert told in str(caught.value)


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "runwright.toml"
    file.write_text("prot = 1\n")
    with pytest.raises(BadSetting, match="prot"):
        Settings.load(environ={}, file=file)


def test_variables_that_are_no_settings_are_found() -> None:
    given = {
        "RUNWRIGHT_PRT": "1",
        "RUNWRIGHT_PORT": "1",
        "RUNWRIGHT_PUBLIC_URL_FILE": "x",
        "RUNWRIGHT_API_KEY": "x",
        "PORT": "1",
    }
    assert unknown_variables(given) == ["RUNWRIGHT_PRT"]


def test_lists_are_comma_separated_and_switches_take_booleans_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "runwright.toml"
    file.write_text("demo = false\n")
    found = Settings.load(environ={"RUNWRIGHT_DNS": "1.1.1.1, 9.9.9.9:53"}, file=file)
    assert found.dns == ("1.1.1.1", "9.9.9.9:53")
    assert found.demo == "off"


def test_every_setting_is_described() -> None:
    for line in describe(Settings()):
        assert line.about, line.name
