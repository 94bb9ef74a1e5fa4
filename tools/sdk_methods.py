"""The methods of the official SDKs, and where the scenario of the acceptance tests calls them.

Both sides are read as text: the services of the two generations of the Python SDK that are
installed, and the steps. A step names a method in a text of its own, such as "users.create"; the
acceptance tests check that each of these was really called, through every SDK that has it. The
Node SDK has the methods of the older Python one, which they check too.
"""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.acceptance.sdk.reasons import REASONS

SERVICES: Final = (
    "account",
    "users",
    "teams",
    "project",
    "organization",
    "webhooks",
    "locale",
    "graphql",
    "functions",
    "proxy",
)
FOLDER: Final = Path(__file__).parents[1] / "tests" / "acceptance" / "sdk"
PREFIX: Final = "steps_"
OLDER: Final = Path(sys.prefix) / "sdk22" / "appwrite"
NAMED: Final = re.compile(rf"(?:{'|'.join(SERVICES)})\.[a-z]\w*")
PENDING: Final = "not yet"
HEAD: Final = "| method | SDKs | status | test, or why there is none |\n|---|---|---|---|\n"


class Status(StrEnum):
    TESTED = "tested"
    REFUSED = "refused"  # always, in the way that a step states
    LEFT_OUT = "not offered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    name: str  # service and method, as the JavaScript SDKs spell it
    is_in_newest: bool
    is_in_older: bool
    status: Status
    about: str  # the part of the scenario, or why there is none

    @property
    def plain(self) -> str:
        return plain(self.name)

    @property
    def service(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    status: Status
    part: str


def plain(name: str) -> str:
    """Without its spelling: `users.createJWT` and `users.create_jwt` are one method."""
    return name.replace("_", "").lower()


def methods() -> list[Method]:
    """Those of all SDKs, by service, in the order in which the SDKs have them."""
    newest, older = _of_sdk(_newest()), _of_sdk(OLDER)
    steps = _steps()
    reasons = {plain(name): why for why, names in REASONS.items() for name in names}
    found = []
    for key, name in {**newest, **older}.items():
        step = steps.get(key)
        if step is None:
            step = _Step(name, Status.LEFT_OUT, reasons.get(key, PENDING))
        found.append(
            Method(
                name=step.name,
                is_in_newest=key in newest,
                is_in_older=key in older,
                status=step.status,
                about=step.part,
            )
        )
    return sorted(found, key=lambda method: SERVICES.index(method.service))


def _newest() -> Path:
    spec = find_spec("appwrite")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _of_sdk(package: Path) -> dict[str, str]:
    """Method without its spelling -> as it is called."""
    names = [
        f"{service}.{_camel(item.name)}"
        for service in SERVICES
        for kind in ast.parse((package / "services" / f"{service}.py").read_text()).body
        if isinstance(kind, ast.ClassDef)
        for item in kind.body
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_")
    ]
    return {plain(name): name for name in names}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _steps() -> dict[str, _Step]:
    """Where each method is called; a call that is answered counts before one that is refused."""
    found: dict[str, _Step] = {}
    for path in sorted(FOLDER.glob(f"{PREFIX}*.py")):
        for part in ast.parse(path.read_text()).body:
            for step in _of_part(path.stem, part):
                known = found.get(plain(step.name))
                if known is None or (known.status, step.status) == (Status.REFUSED, Status.TESTED):
                    found[plain(step.name)] = step
    return found


def _of_part(module: str, part: ast.stmt) -> Iterator[_Step]:
    where = f"`{module}`"
    if isinstance(part, ast.FunctionDef):
        where += f": {part.name.strip('_').replace('_', ' ')}"
    asked, must_fail = _first_arguments(part, "has"), _first_arguments(part, "refused")
    for node in ast.walk(part):
        name = node.value if isinstance(node, ast.Constant) else None
        if isinstance(name, str) and NAMED.fullmatch(name) and id(node) not in asked:
            yield _Step(name, Status.REFUSED if id(node) in must_fail else Status.TESTED, where)


def _first_arguments(part: ast.stmt, method: str) -> set[int]:
    """Of the calls of a method, as identities of nodes."""
    return {
        id(node.args[0])
        for node in ast.walk(part)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
        and node.args
    }


def table() -> str:
    """The figures of each service, then a table of its methods."""
    known = methods()
    newest = [method for method in known if method.is_in_newest]
    parts = [
        "Methods that a test calls through the newest SDK: "
        f"{_share(newest)}. Of those that the older ones have: "
        f"{_share([method for method in known if method.is_in_older])}.\n"
    ]
    for service in SERVICES:
        own = [method for method in known if method.service == service]
        figures = _share([method for method in own if method.is_in_newest])
        parts.append(f"\n### {service.capitalize()}: {figures}\n\n{HEAD}")
        parts += [_row(method) for method in own]
    return "".join(parts)


def _share(found: Sequence[Method]) -> str:
    tested = sum(method.status is not Status.LEFT_OUT for method in found)
    return f"{tested} of {len(found)} ({100 * tested // len(found)} %)"


def _row(method: Method) -> str:
    sdks = {(True, True): "all", (True, False): "newest", (False, True): "older"}
    which = sdks[method.is_in_newest, method.is_in_older]
    name = method.name.partition(".")[2]
    return f"| `{name}` | {which} | {method.status} | {method.about} |\n"
