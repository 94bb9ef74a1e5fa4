"""Settings -> running parts; the only package that knows adapters by name."""

from runwright.wiring.application import routes
from runwright.wiring.machine import (
    add_runtime,
    examine,
    installed_runtimes,
    mail_folder,
    mail_letter,
)
from runwright.wiring.process import CANNOT_START, Parts, running

__all__ = [
    "CANNOT_START",
    "Parts",
    "add_runtime",
    "examine",
    "installed_runtimes",
    "mail_folder",
    "mail_letter",
    "routes",
    "running",
]
