"""The page of runtimes: which there are, and what runs them."""

from itertools import groupby

from runwright.executor.languages import LANGUAGES
from runwright.executor.runtimes import RUNTIMES as OWN
from runwright.executor.runtimes import language_of
from runwright.functions.runtimes import RUNTIMES, Runtime

_HEAD = """# Runtimes

What a function may name as its `runtime`. Those in the first column run in sandboxes of
Runwright's own and start in milliseconds; `runwright runtimes add` installs them, or says what the
host has to have. The others come as Docker images: see [how to](../how-to/docker.md).
`runwright runtimes list` shows which are ready on a machine, and `GET /v1/functions/runtimes`
tells clients.

| language | runtimes with a runner | where it comes from | as images only |
|---|---|---|---|
"""
_TESTED = """
The behaviour of every language with a runner is checked by one table of calls
(`tests/integration/runners/test_checklist.py`); what a language lacks is named there. The same
table is put to a container through the Docker driver.
"""


def runtimes_page() -> str:
    rows = [
        f"| {name} | {_ids(found, has_runner=True)} | {_source(key)} "
        f"| {_ids(found, has_runner=False)} |"
        for (key, name), group in groupby(RUNTIMES, lambda item: (item.key, item.name))
        for found in [list(group)]
    ]
    return _HEAD + "\n".join(rows) + "\n" + _TESTED


def _ids(found: list[Runtime], *, has_runner: bool) -> str:
    chosen = [item for item in found if (item.id in OWN) is has_runner]
    return ", ".join(f"`{item.id}`" for item in chosen)


def _source(key: str) -> str:
    if key not in {language_of(runtime) for runtime in OWN}:
        return ""
    if key == "node":
        return "the Python package index or npm"
    row = LANGUAGES.get(key)
    if row is None or row.package:
        return "the host"
    return "the Python package index or npm" if row.npm else "the Python package index"
