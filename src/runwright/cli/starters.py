"""Starter functions for `runwright init`."""

import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import Final

from runwright.cli.project import BadProject, FunctionFile
from runwright.ids import is_id, new_id

_KINDS: Final = {
    "node": ("node-22", "main.js", "npm install"),
    "python": ("", "main.py", "pip install -r requirements.txt"),
    "deno": ("deno-2.6", "main.ts", "deno cache main.ts"),
    "bun": ("bun-1.3", "main.ts", "bun install"),
    "go": ("go-1.26", "main.go", ""),  # compiled whatever the commands are
    "php": ("php-8.2", "index.php", ""),
    "ruby": ("ruby-3.1", "index.rb", ""),
}


def make(folder: Path, language: str, name: str) -> FunctionFile:
    """Copy the starter template into `folder` and describe it. Raises BadProject."""
    if language not in _KINDS:
        raise BadProject(f"There is no starter for {language!r}. Use one of: {', '.join(_KINDS)}.")
    if folder.exists() and any(folder.iterdir()):
        raise BadProject(f"{folder} is not empty. Choose a new folder.")
    runtime, entrypoint, commands = _KINDS[language]
    source = resources.files("runwright") / "templates" / "starter" / language
    with resources.as_file(source) as path:
        shutil.copytree(path, folder, dirs_exist_ok=True)
    described = FunctionFile(
        functionId=name if is_id(name) else new_id(),
        name=name,
        runtime=runtime or _python_runtime(),
        entrypoint=entrypoint,
        commands=commands,
    )
    described.save(folder)
    return described


def _python_runtime() -> str:
    return f"python-{sys.version_info.major}.{sys.version_info.minor}"
