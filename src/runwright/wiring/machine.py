"""What the command line asks about this machine."""

from pathlib import Path

from runwright.executor import checks, runtimes
from runwright.ports.executor import RuntimeStatus
from runwright.settings import Settings


def installed_runtimes(settings: Settings) -> list[RuntimeStatus]:
    return [_status(item) for item in runtimes.discover(Path(settings.data_dir).absolute())]


def examine(settings: Settings) -> list[checks.Finding]:
    return checks.examine(Path(settings.data_dir).absolute())


def add_runtime(settings: Settings, runtime: str) -> RuntimeStatus:
    return _status(runtimes.add(runtime, Path(settings.data_dir).absolute()))


def _status(found: runtimes.Interpreter) -> RuntimeStatus:
    return RuntimeStatus(id=found.runtime, interpreter_version=found.version, source=found.source)
