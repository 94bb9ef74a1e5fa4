"""What the command line asks about this machine."""

from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

from runwright.executor import adding, checks
from runwright.executor.discovery import discover
from runwright.executor.docker import checks as docker_checks
from runwright.executor.docker.images import add_image, local_images
from runwright.executor.runtimes import RUNTIMES, Interpreter
from runwright.outgoing.mail_folder import Kept, kept_letter, kept_letters
from runwright.ports.executor import RuntimeStatus
from runwright.settings import Settings
from runwright.wiring.mail_settings import where_mail_goes
from runwright.wiring.network import open_networks


def installed_runtimes(settings: Settings) -> list[RuntimeStatus]:
    """Raises RunwrightError when Docker is on and does not answer."""
    found = [_status(item) for item in discover(Path(settings.data_dir).absolute())]
    if settings.docker == "on":
        own = {item.id for item in found}
        images = local_images(settings.docker_socket, settings.docker_repository)
        found += [item for item in images if item.id not in own]
    return found


def examine(settings: Settings) -> list[checks.Finding]:
    """Raises BadSetting."""
    findings = checks.examine(Path(settings.data_dir).absolute())
    findings += [open_networks(settings), _mail(settings)]
    if settings.docker == "on":
        findings += docker_checks.examine(settings.docker_socket, settings.docker_repository)
    return findings


def _mail(settings: Settings) -> checks.Finding:
    goes = where_mail_goes(settings)
    has_way = settings.smtp_url or settings.mail_folder == "on"
    return checks.Finding("mail", "ok" if has_way else "weaker", f"letters go {goes}")


def mail_folder(settings: Settings) -> list[Kept]:
    """The letters in the mail folder, oldest first."""
    return kept_letters(Path(settings.data_dir).absolute())


def mail_letter(settings: Settings, letter_id: str) -> tuple[Kept, EmailMessage] | None:
    return kept_letter(Path(settings.data_dir).absolute(), letter_id)


def add_runtime(
    settings: Settings, runtime: str, tell: Callable[[str], None] = lambda _step: None
) -> RuntimeStatus:
    if settings.docker == "on" and runtime not in RUNTIMES:
        tell(f"Pulling the image of {runtime}")
        return add_image(runtime, settings.docker_socket, settings.docker_repository)
    return _status(adding.add(runtime, Path(settings.data_dir).absolute(), tell))


def _status(found: Interpreter) -> RuntimeStatus:
    return RuntimeStatus(id=found.runtime, interpreter_version=found.version, source=found.source)
