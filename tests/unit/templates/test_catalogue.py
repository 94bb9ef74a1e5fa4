"""What the shipped templates say of themselves is complete and true."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runwright.functions import templates
from runwright.functions.errors import TemplateNotFound
from runwright.functions.runtimes import RUNTIME_IDS
from runwright.functions.settings import FunctionLimits, FunctionSettings
from runwright.identity.scopes import KEY_SCOPES

SHIPPED = templates.shipped()
BY_ID = pytest.mark.parametrize("template", SHIPPED, ids=lambda item: item.id)
ROOT = Path(templates.__file__).parents[1] / "templates"
LANGUAGES = {"node", "python"}


def test_there_is_one_template_per_folder() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert {item.id for item in SHIPPED} == folders
    assert len(SHIPPED) >= 6


@BY_ID
def test_a_description_names_nothing_that_is_not_known(template: templates.Template) -> None:
    described = json.loads((ROOT / template.id / "template.json").read_text())
    known = set(templates.Template.__dataclass_fields__) - {"runtimes"}
    assert set(described) <= known
    for variable in described.get("variables", []):
        assert set(variable) <= set(templates.TemplateVariable.__dataclass_fields__)
    for source in described["sources"].values():
        assert set(source) <= set(templates.Source.__dataclass_fields__)


@BY_ID
def test_a_function_can_be_created_as_the_template_says(template: templates.Template) -> None:
    settings = FunctionSettings(
        name=template.name,
        execute=template.permissions,
        events=template.events,
        schedule=template.cron,
        timeout_s=template.timeout_s,
        scopes=template.scopes,
    )
    limits = FunctionLimits(timeout_s=900, scopes=KEY_SCOPES)
    settings.check(limits, datetime(2026, 10, 5, tzinfo=UTC))
    assert template.use_cases
    assert set(template.use_cases) <= set(templates.USE_CASES)
    assert template.id == template.id.lower()
    assert 0 < len(template.name) <= 128


@BY_ID
def test_every_template_is_there_in_node_and_python(template: templates.Template) -> None:
    assert set(template.sources) == LANGUAGES
    for family, source in template.sources.items():
        folder = templates.source("runwright", "templates", f"{template.id}/{family}", "0.1.0")
        assert folder is not None
        assert (folder / source.entrypoint).is_file()
        assert (folder / "README.md").is_file()


@BY_ID
def test_a_readme_explains_every_variable_of_the_template(template: templates.Template) -> None:
    for family in template.sources:
        readme = (ROOT / template.id / family / "README.md").read_text()
        assert [item.name for item in template.variables if item.name not in readme] == []


def test_runtimes_are_those_that_are_ready_and_not_deprecated() -> None:
    everywhere = templates.get("starter", RUNTIME_IDS)
    names = [item.runtime for item in everywhere.runtimes]
    assert "node-18.0" in names
    assert "python-3.9" in names
    assert not {"node-16.0", "python-3.8", "python-ml-3.11", "ruby-3.4"} & set(names)
    (one,) = templates.get("starter", ["python-3.11"]).runtimes
    assert (one.runtime, one.entrypoint) == ("python-3.11", "main.py")
    assert one.root_directory == "starter/python"
    assert templates.get("starter", []).runtimes == ()


def test_search_takes_any_of_the_runtimes_and_any_of_the_use_cases() -> None:
    installed = ["node-22"]
    every = [item.id for item in templates.search(installed)]
    assert [item.id for item in templates.search(installed, runtimes=["node-22"])] == every
    assert templates.search(installed, runtimes=["python-3.11"]) == []
    auth = templates.search(installed, use_cases=["auth", "starter"])
    assert {item.id for item in auth} == {"starter", "user-event-log", "password-strength"}
    scores = [item.score for item in templates.search(installed)]
    assert scores == sorted(scores, reverse=True)


def test_an_unknown_template_is_not_found() -> None:
    with pytest.raises(TemplateNotFound):
        templates.get("none", [])


@pytest.mark.parametrize("reference", ["0.1.0", "0.1.*", "0.*", "main"])
@pytest.mark.parametrize("root", ["starter/node", "/starter/node/", "./starter/node"])
def test_a_source_is_found_by_version_or_branch(reference: str, root: str) -> None:
    folder = templates.source("runwright", "templates", root, reference)
    assert folder is not None
    assert (folder / "main.js").is_file()


@pytest.mark.parametrize(
    ("owner", "repository", "root", "reference"),
    [
        ("appwrite", "templates", "starter/node", "0.1.0"),
        ("runwright", "other", "starter/node", "0.1.0"),
        ("runwright", "templates", "starter/ruby", "0.1.0"),
        ("runwright", "templates", "starter", "0.1.0"),
        ("runwright", "templates", "", "0.1.0"),
        ("runwright", "templates", "starter/node/..", "0.1.0"),
        ("runwright", "templates", "../functions", "0.1.0"),
        ("runwright", "templates", f"{os.sep}etc", "0.1.0"),
        ("runwright", "templates", "starter/node", "0.2.*"),
        ("runwright", "templates", "starter/node", "dev"),
        ("runwright", "templates", "starter/node", ""),
    ],
)
def test_nothing_else_is_a_source(owner: str, repository: str, root: str, reference: str) -> None:
    assert templates.source(owner, repository, root, reference) is None
