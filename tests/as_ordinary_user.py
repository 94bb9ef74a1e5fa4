"""`python -m tests.as_ordinary_user tests/integration/executor`: pytest by a user without rights.

Root starts it and gives the rights away, so one machine tries both ways of running a server.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.acceptance.attacks.ordinary import give, prefix

_ROOT = Path(__file__).parents[1]


def main(arguments: list[str]) -> int:
    if os.geteuid() != 0:
        sys.exit("Only root can become another user; you are an ordinary one already.")
    with tempfile.TemporaryDirectory(prefix="ordinary-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        folder.chmod(0o755)
        home = folder / "home"
        home.mkdir()
        give(home)
        env = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
        command = [*prefix(folder), *pytest, f"--basetemp={home}/tests", *arguments]
        return subprocess.run(command, cwd=_ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
