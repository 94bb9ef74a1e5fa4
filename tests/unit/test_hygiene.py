"""What the repository as a whole keeps to: no traces of a machine, docs that fit the code."""

import functools
import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main
from typer.core import TyperGroup

from runwright.cli.main import app
from runwright.settings import CLIENT_VARIABLES, PREFIX, Settings, describe

ROOT: Final = Path(__file__).parents[2]

# What no file may hold, and a word without which it does not: looking for words is far quicker.
FORBIDDEN: Final = (
    # Folders of one person's or one machine's; examples in the docs use others.
    (
        re.compile(r"(?<![\w.~-])/(?:home/[\w.-]+|Users/[\w.-]+|root|work)/"),
        ("/home/", "/Users/", "/root/", "/work/"),
    ),
    # Where packages come from is each installation's own affair.
    (
        re.compile(
            r"(?<!\.)\b(?:files|index|mirror|packages|proxy|registry)\.[a-z0-9-]+\.[a-z]{2,}\b"
        ),
        ("files.", "index.", "mirror.", "packages.", "proxy.", "registry."),
    ),
    (re.compile(r"https?://(?![\w.-]+\.example/)[^\s\"']*(?:npm|pypi|/simple)"), ("http",)),
    (re.compile(r"--(?:extra-)?index-url|--registry"), ("--",)),
    # A workplace's.
    (
        re.compile(r"\bissues? ?#?\d+\b|\bJIRA\b|\bTODO\b|\bFIXME\b"),
        ("issue", "JIRA", "TODO", "FIXME"),
    ),
)
LOCKS: Final = ("requirements/*.txt", "**/package-lock.json")
DOCS: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
# Not settings of the server: where its file is, where the command line finds it, and what a
# function may set for itself.
OTHER_VARIABLES: Final = {
    f"{PREFIX}{name}"
    for name in (
        *CLIENT_VARIABLES,
        "PYTHON_THREADS",
        "PYTHON_TEMPLATE",
        "STREAM_BODIES",
    )
}
PROGRAMS: Final = {"cd", "curl", "git", "make", "node", "pip", "python", "pytest", "runwright"}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def ours() -> Iterator[Path]:
    """Every file below the root that git does not ignore."""
    lines = (ROOT / ".gitignore").read_text().split()
    folders = {".git", *(line.strip("/") for line in lines if line.endswith("/"))}
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in folders]
        names = [name for name in names if name not in folders]  # a second working copy's `.git`
        yield from (Path(folder, name) for name in names if not name.endswith(".pyc"))


def texts() -> Iterator[tuple[str, str]]:
    for path in ours():
        try:
            text = path.read_text()
        except (UnicodeDecodeError, OSError):  # no text, or a socket of somebody's
            continue
        if path != Path(__file__):  # which names what it forbids
            yield name_of(path), text


def test_no_file_names_the_machine_or_the_place_it_was_made_on() -> None:
    found = [
        f"{name}: {match[0][:120]}"
        for name, text in texts()
        for pattern, words in FORBIDDEN
        if any(word in text for word in words)
        for match in pattern.finditer(text)
    ]
    assert found == []


def test_lock_files_hold_no_addresses_but_those_of_sponsors() -> None:
    locks = [path for pattern in LOCKS for path in ROOT.glob(pattern)]
    # Ours, not those of what is installed: the folder of an added runtime holds some, too.
    locks = [path for path in locks if not {"node_modules", ".venv"} & set(path.parts)]
    assert len(locks) >= 4
    for path in locks:
        text = path.read_text()
        found = list(addresses(json.loads(text))) if path.suffix == ".json" else [text]
        assert not [one for one in found if "://" in one], path.name


def addresses(value: Any) -> Iterator[str]:
    """Every text of a JSON value, except below `funding`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "funding":
                yield from addresses(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from addresses(inner)
    elif isinstance(value, str):
        yield value


def test_every_dependency_says_why_it_is_here() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    page = (ROOT / "docs/design/dependencies.md").read_text()
    explained = set(re.findall(r"[a-z0-9][a-z0-9-]*", page))
    groups = project["dependency-groups"].values()
    wanted = [*project["project"]["dependencies"], *(item for group in groups for item in group)]
    names = {re.split(r"[<>=~!;\[ ]", item)[0] for item in wanted if isinstance(item, str)}
    assert names - explained == set()


@pytest.mark.parametrize("page", DOCS, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path) if path else page
        assert found.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(found), f"{page.name} links to {target}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, pending = set[Path](), [ROOT / "README.md"]
    while pending:
        page = pending.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        for target in re.findall(r"\]\(([^)\s#]+)", page.read_text()):
            if "://" not in target:
                path = (page.parent / target).resolve()
                pending.append(path / "README.md" if path.is_dir() else path)
    assert set(DOCS) - seen == set()


def test_the_docs_name_only_settings_that_exist() -> None:
    known = {line.variable for line in describe(Settings())} | OTHER_VARIABLES
    known |= {f"{name}_FILE" for name in known}  # a setting may come from a file
    for page in DOCS:
        named = set(re.findall(rf"{PREFIX}[A-Z][A-Z_]*[A-Z]", page.read_text()))
        assert named - known == set(), page.name


@pytest.mark.parametrize("page", DOCS, ids=name_of)
def test_the_commands_of_a_page_exist(page: Path) -> None:
    for line in commands(page.read_text()):
        words = shlex.split(line)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if not words:  # it sets variables alone
            continue
        program = words.pop(0).removeprefix(".venv/bin/")
        assert program in PROGRAMS, line
        if program == "make":
            assert set(words) <= make_targets(), line
        if program == "runwright":
            require_known(words, line)


def commands(page: str) -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if not line.startswith("#"):
                yield from (part for part in line.split(" && ") if part.strip())


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@functools.cache
def the_command() -> Any:
    return typer.main.get_command(app)


def require_known(words: list[str], line: str) -> None:
    command = the_command()
    while isinstance(command, TyperGroup):
        name = words.pop(0)
        assert name in command.commands, line
        command = command.commands[name]
    options = {
        option for param in command.params for option in (*param.opts, *param.secondary_opts)
    }
    assert {word for word in words if word.startswith("-")} <= options, line


def test_the_tests_that_the_docs_name_exist() -> None:
    for page in DOCS:
        for path, name in re.findall(r"(tests/[\w/]+\.py)::(\w+)", page.read_text()):
            assert f"def {name}(" in (ROOT / path).read_text(), f"{page.name}: {path}::{name}"
