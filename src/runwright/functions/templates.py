"""The catalogue of function templates, all of which are shipped with the server.

Each is a folder of the package `runwright.templates`: `template.json` describes it, and
`node/`, `python/` hold a source per runtime family.
"""

from collections.abc import Collection
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec

from runwright.functions.errors import TemplateNotFound
from runwright.functions.runtimes import Runtime, ready
from runwright.values import dataclass

OWNER: Final = "runwright"
REPOSITORY: Final = "templates"
VERSION: Final = "0.1.0"
BRANCH: Final = "main"
USE_CASES: Final = ("starter", "databases", "ai", "messaging", "utilities", "dev-tools", "auth")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVariable:
    name: str
    description: str
    value: str = ""
    is_secret: bool = False
    placeholder: str = ""
    is_required: bool = False
    type: str = "text"  # or password, number, url, email, phone


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRuntime:
    runtime: str  # runtime id
    commands: str
    entrypoint: str
    root_directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One language of a template."""

    entrypoint: str
    commands: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """`template.json`, and the runtimes of one server that can run it."""

    id: str
    name: str
    tagline: str
    icon: str
    score: int  # the more useful, the higher; lists begin with the highest
    use_cases: tuple[str, ...]
    instructions: str  # HTML
    sources: dict[str, Source]  # by runtime family
    permissions: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    cron: str = ""
    timeout_s: int = 15
    variables: tuple[TemplateVariable, ...] = ()
    scopes: tuple[str, ...] = ()
    runtimes: tuple[TemplateRuntime, ...] = ()

    @property
    def owner(self) -> str:
        return OWNER

    @property
    def repository(self) -> str:
        return REPOSITORY

    @property
    def version(self) -> str:
        return VERSION

    def on(self, installed: Collection[str]) -> "Template":
        """The template as a server offers it where `installed` runtimes are ready."""
        runtimes = (self._runtime(item) for item in ready(installed) if self._can_use(item))
        return replace(self, runtimes=tuple(runtimes))

    def _can_use(self, item: Runtime) -> bool:
        return item.key in self.sources and not item.is_deprecated

    def _runtime(self, item: Runtime) -> TemplateRuntime:
        source = self.sources[item.key]
        return TemplateRuntime(
            runtime=item.id,
            commands=source.commands,
            entrypoint=source.entrypoint,
            root_directory=f"{self.id}/{item.key}",
        )


@cache
def shipped() -> tuple[Template, ...]:
    """Every template, the most useful first; without runtimes."""
    found = []
    for folder in resources.files("runwright.templates").iterdir():
        description = folder / "template.json"
        if description.is_file():
            found.append(msgspec.json.decode(description.read_bytes(), type=Template))
    return tuple(sorted(found, key=lambda item: (-item.score, item.id)))


def get(template_id: str, installed: Collection[str]) -> Template:
    """Raises TemplateNotFound."""
    for item in shipped():
        if item.id == template_id:
            return item.on(installed)
    raise TemplateNotFound(template_id)


def search(
    installed: Collection[str],
    *,
    runtimes: Collection[str] = (),
    use_cases: Collection[str] = (),
) -> list[Template]:
    """Templates that have one of the runtimes and one of the use cases; none given = any."""
    return [
        item
        for item in (template.on(installed) for template in shipped())
        if (not runtimes or any(each.runtime in runtimes for each in item.runtimes))
        and (not use_cases or any(each in use_cases for each in item.use_cases))
    ]


def source(owner: str, repository: str, root_directory: str, reference: str) -> Path | None:
    """The folder of a template's source; None when nothing of ours is meant.

    `reference` is the version (`0.1.*` will do) or the branch.
    """
    if (owner, repository) != (OWNER, REPOSITORY):
        return None
    if reference != BRANCH and not fnmatchcase(VERSION, reference):
        return None
    wanted = root_directory.strip("/").removeprefix("./")
    for item in shipped():
        for family in item.sources:
            if wanted == f"{item.id}/{family}":
                # The server is installed as plain files, never run from an archive.
                return Path(str(resources.files("runwright.templates") / item.id / family))
    return None
