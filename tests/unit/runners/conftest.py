"""The Python runner's modules, importable as they are inside a sandbox."""

import sys
from pathlib import Path

import runwright

RUNNERS = Path(runwright.__file__).parent / "executor" / "runners"
sys.path.append(str(RUNNERS / "python"))
