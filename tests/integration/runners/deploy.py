"""Small functions written by a test."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.integration.runners.harness import Runner, Variant


@contextmanager
def deployed(
    variant: Variant,
    root: Path,
    files: Mapping[str, str],
    entrypoint: str,
    env: Mapping[str, str] | None = None,
) -> Iterator[Runner]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with Runner(variant.argv) as runner:
        runner.load(root, entrypoint, env)
        yield runner


@contextmanager
def function(
    variant: Variant, root: Path, code: str, env: Mapping[str, str] | None = None
) -> Iterator[Runner]:
    """A function of one file."""
    names = {"node": "index.js", "bun": "index.js", "deno": "index.cjs"}
    name = names.get(variant.language, "main.py")
    with deployed(variant, root, {name: code}, name, env) as runner:
        yield runner
