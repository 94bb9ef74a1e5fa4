"""Imports point one way: each tier may use the tiers below it, never one above."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2] / "src" / "runwright"

BASE: Final = {
    "",
    "errors",
    "ids",
    "clock",
    "cache",
    "bell",
    "sealing",
    "ending",
    "epochs",
    "standing",
    "user_agents",
    "values",
    "vault",
    "telemetry",
    "settings",
    "proxies",
    "compression",
}
PORTS: Final = BASE | {"model", "ports"}
MAY_IMPORT: Final[dict[str, set[str]]] = {
    **dict.fromkeys(BASE, BASE),
    "model": {"", "ids", "values", "model"},
    "ports": PORTS,
    "rounds": PORTS,
    "identity": PORTS | {"identity"},
    "letters": PORTS | {"identity", "rounds", "letters"},
    "functions": PORTS | {"identity", "functions", "templates"},
    "executions": PORTS | {"identity", "functions", "executions"},
    "triggers": PORTS | {"identity", "functions", "executions", "rounds", "triggers"},
    "gateway": PORTS | {"identity", "functions", "executions", "gateway"},
    "realtime": PORTS | {"identity", "functions", "executions", "triggers", "realtime"},
    "api": PORTS | {"identity", "functions", "executions", "triggers", "letters", "api"},
    "storage": PORTS | {"storage"},
    "queue": PORTS | {"queue"},
    "signals": PORTS | {"signals"},
    "executor": PORTS | {"executor"},
    "dns": PORTS | {"dns"},
    "outgoing": PORTS | {"outgoing"},
    "templates": {"templates"},
    "cli": BASE | {"cli", "server", "wiring"},
    "__main__": {"cli"},
}
# Reading them so is ten times as fast as parsing every module.
IMPORTS: Final = re.compile(
    r"^[ \t]*(?:from ([\w.]+) import (?:\(([^)]*)\)|([^\n#]*))|import ([\w., ]+))", re.MULTILINE
)
ENTRY: Final = {"server", "wiring", "welcome"}  # may import everything


def part_of(module: str) -> str:
    """`runwright.api.app` -> `api`; `runwright` -> ``."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else ""


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT)
        if relative.parts[:2] == ("executor", "runners") or relative.parts[0] == "templates":
            continue  # programs that run inside the sandbox
        yield (
            ".".join(("runwright", *relative.with_suffix("").parts)).removesuffix(".__init__"),
            path,
        )


def imported(path: Path) -> Iterator[str]:
    for module, many, few, plain in IMPORTS.findall(path.read_text()):
        if module == "runwright":
            names = re.findall(r"\w+", many or few)
            yield from (f"runwright.{name}" for name in names)
        else:
            yield from (module,) if module else re.findall(r"[\w.]+", plain)


def test_a_module_imports_only_from_its_own_tier_or_below() -> None:
    wrong = {}
    for module, path in modules():
        if (part := part_of(module)) not in ENTRY:
            used = {part_of(name) for name in imported(path) if name.split(".")[0] == "runwright"}
            used -= {"__version__", "API_VERSION"}  # values of the package itself
            if not used <= MAY_IMPORT[part]:
                wrong[module] = sorted(used - MAY_IMPORT[part])
    assert wrong == {}


@pytest.mark.parametrize("part", ["model", "ports"])
def test_the_model_and_the_ports_do_no_io(part: str) -> None:
    banned = {"asyncio", "socket", "subprocess", "sqlalchemy", "httpx", "starlette", "os"}
    for path in (ROOT / part).rglob("*.py"):
        assert not {name.split(".")[0] for name in imported(path)} & banned, path.name


def test_only_the_settings_module_reads_the_environment() -> None:
    allowed = {"settings.py", "cli/client.py"}
    for module, path in modules():
        relative = path.relative_to(ROOT).as_posix()
        if relative in allowed or module.startswith("runwright.executor"):
            continue  # the executor hands listed variables of the host on to builds
        assert "os.environ" not in path.read_text(), relative
