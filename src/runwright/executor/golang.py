"""What Go needs before it can serve: a starter, and a standard library that is compiled already.

A function in Go is compiled, together with our runner, into one program by its build. Sandboxes are
pre-started with a small program of ours that waits for a deployment and then becomes that
program. Both are sources in `runners/go`.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

_COMPILE_S: Final = 900.0
_SAMPLE: Final = {
    "go.mod": "module openruntimes/handler\n\ngo 1.23\n",
    "main.go": """package handler

import "github.com/open-runtimes/types-for-go/v4/openruntimes"

func Main(c openruntimes.Context) openruntimes.Response { return c.Res.Empty() }
""",
}


def finish(target: Path, program: Path, runners: Path) -> bool:
    """Compile the starter to `program` and a sample function, whose objects builds start from.

    `target` holds the toolchain in `go`. False when something did not compile.
    """
    goroot = target / "go"
    for tool in (*goroot.glob("bin/*"), *goroot.glob("pkg/tool/*/*")):
        tool.chmod(0o755)
    env = {
        "PATH": f"{goroot}/bin:{os.defpath}",
        "HOME": str(target),
        "GOROOT": str(goroot),
        "GOCACHE": str(target / "cache"),
        "GOTOOLCHAIN": "local",
        "GOTELEMETRY": "off",
        "GOPROXY": "off",
        "CGO_ENABLED": "0",
    }
    version = _output([str(goroot / "bin/go"), "env", "GOVERSION"], str(target), env)
    flags = f"-ldflags=-s -w -X main.version={version.removeprefix('go')}"
    build = ["go", "build", "-trimpath", "-buildvcs=false", flags, "-o", str(program), "."]
    program.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="runwright-go-") as folder:
        for name, text in _SAMPLE.items():
            Path(folder, name).write_text(text)
        compile_it = ["sh", str(runners / "go/compile.sh"), str(runners / "go"), ""]
        return (
            bool(version)
            and _succeeds(build, str(runners / "go/starter"), env)
            and _succeeds(compile_it, folder, env)
        )


def tidy(target: Path) -> None:
    """Remove what compiling needs no more: the toolchain's own tests are a third of it."""
    for name in ("test", "doc", "api"):
        shutil.rmtree(target / "go" / name, ignore_errors=True)


def _succeeds(command: list[str], folder: str, env: dict[str, str]) -> bool:
    try:
        done = subprocess.run(command, cwd=folder, env=env, timeout=_COMPILE_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _output(command: list[str], folder: str, env: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, timeout=_COMPILE_S, check=True, capture_output=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode().strip()
