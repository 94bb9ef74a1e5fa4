"""From an entrypoint to the function that answers requests."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SERVER_FOLDER = "/usr/local/server"
PACKAGE = "function"


class LoadError(Exception):
    """Why nothing can be run; the message goes to the errors of each request."""


def prepare(root: str, env: dict[str, str]) -> None:
    os.environ.update(env)
    if "TZ" in env:
        import time

        time.tzset()
    for folder in (SERVER_FOLDER + "/src", SERVER_FOLDER, root):
        if os.path.isdir(folder):
            os.chdir(folder)
            break
    _extend_path(root, env)


def _extend_path(root: str, env: dict[str, str]) -> None:
    # Dependencies come before the function's own files: a file of the user that is named like a
    # dependency must not replace it, as it never did under the package name.
    extra = [part for part in env.get("PYTHONPATH", "").split(":") if part]
    major, minor = sys.version_info[:2]
    packages = f"{root}/runtime-env/lib/python{major}.{minor}/site-packages"
    sys.path[:0] = extra
    if os.path.isdir(packages):
        if any(name.endswith(".pth") for name in os.listdir(packages)):
            import site

            site.addsitedir(packages)
        else:
            sys.path.append(packages)
    sys.path.append(root)


def _package(root: str) -> None:
    from importlib import machinery

    spec = machinery.ModuleSpec(PACKAGE, None, is_package=True)
    initializer = root + "/__init__.py"
    if os.path.isfile(initializer):
        spec = machinery.ModuleSpec(
            PACKAGE, machinery.SourceFileLoader(PACKAGE, initializer), origin=initializer
        )
        spec.has_location = True
        spec.submodule_search_locations = [root]
    else:
        spec.submodule_search_locations = [root]
    import importlib._bootstrap as bootstrap

    module = bootstrap.module_from_spec(spec)
    module.__path__ = [root]
    sys.modules[PACKAGE] = module
    if spec.loader is not None:
        spec.loader.exec_module(module)


def module_name(entrypoint: str) -> str:
    """`src/main.py` is `function.src.main`."""
    path = os.path.normpath(entrypoint.lstrip("/"))
    if path.endswith(".py"):
        path = path[:-3]
    if path.endswith("/__init__"):
        path = path[: -len("/__init__")]
    return PACKAGE + "." + path.replace("/", ".")


def load(root: str, entrypoint: str) -> Callable[..., object]:
    """Import the entrypoint and give its `main`. Raises LoadError."""
    file = os.path.join(root, (entrypoint or "").lstrip("/"))
    if not os.path.isfile(file):
        raise LoadError(f"Failed to load entrypoint, file {entrypoint} does not exist.")
    from importlib import import_module

    try:
        _package(root)
        module = import_module(module_name(entrypoint))
    except SyntaxError as error:
        name = os.path.relpath(error.filename, root) if error.filename else entrypoint
        raise LoadError(f"Syntax error in {name}:{error.lineno}: {error.msg}") from None
    except ModuleNotFoundError as error:
        raise LoadError(f"Module not found: {error.name or error}") from None
    except Exception as error:
        from _runwright.text import traceback_text

        raise LoadError(f"Failed to load module: {traceback_text(error)}") from None
    function: Any = getattr(module, "main", None)
    if not callable(function):
        raise LoadError("Function signature invalid. Did you forget to export a 'main' function?")
    found: Callable[..., object] = function
    return found


def is_async(function: Any) -> bool:
    """Whether calling it surely gives an awaitable: any wrapping of an `async def`."""
    while hasattr(function, "func") and hasattr(function, "keywords"):  # functools.partial
        function = function.func
    for candidate in (function, getattr(type(function), "__call__", None)):
        candidate = getattr(candidate, "__func__", candidate)
        code = getattr(candidate, "__code__", None)
        if code is not None and code.co_flags & 0x180:  # coroutine, iterable coroutine
            return True
    return False
