"""Folders of these tests are in memory where the machine has room: none of them is about a disk."""

import os
import tempfile
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")

if "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK | os.X_OK):
    tempfile.tempdir = str(_MEMORY)
