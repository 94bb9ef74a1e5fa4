"""Build commands in build sandboxes, with real package clients."""

import asyncio
import base64
import hashlib
import json
import os
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest

from runwright.model.execution import ErrorClass
from runwright.ports.executor import BuildJob, BuildResult
from tests.integration.executor.conftest import NODE, PYTHON, Bench, cut_short

pytestmark = pytest.mark.anyio


class Site:
    """A workspace with its cache and its log."""

    def __init__(self, bench: Bench, folder: Path, runtime: str) -> None:
        self._bench = bench
        self._runtime = runtime
        self.workspace, self.cache = folder / "workspace", folder / "cache"
        self.workspace.mkdir()
        self.cache.mkdir()
        self.pieces: list[str] = []
        self.cancelled = asyncio.Event()

    def write(self, name: str, text: str) -> None:
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    async def build(self, commands: str, **changes: object) -> BuildResult:
        values: dict[str, object] = {
            "deployment_id": "deployment",
            "project_id": "project",
            "function_id": "function",
            "runtime": self._runtime,
            "workspace": str(self.workspace),
            "cache": str(self.cache),
            "commands": commands,
            "timeout_s": 60.0,
            "env": {"MY_VARIABLE": "mine"},
        }
        job = BuildJob(**{**values, **changes})  # type: ignore[arg-type]  # fields by name
        return await self._bench.executor.build(job, self.pieces.append, self.cancelled)

    @property
    def log(self) -> str:
        return "".join(self.pieces)


@pytest.fixture
def node(bench: Bench, tmp_path: Path) -> Site:
    return Site(bench, tmp_path, NODE)


@pytest.fixture
def python(bench: Bench, tmp_path: Path) -> Site:
    return Site(bench, tmp_path, PYTHON)


async def test_npm_installs_into_the_workspace(bench: Bench, node: Site) -> None:
    node.write("package.json", json.dumps({"dependencies": {"greet": "file:./greet"}}))
    node.write("greet/package.json", json.dumps({"name": "greet", "version": "1.0.0"}))
    node.write("greet/index.js", "module.exports = 'hello';")
    result = await node.build("npm install --install-links && node -p 'require(\"greet\")'")
    assert result == BuildResult(exit_code=0), node.log
    assert node.log.endswith("hello\n")
    assert (node.workspace / "node_modules/greet/index.js").is_file()


def a_wheel(folder: Path) -> None:
    """A package without dependencies, installable with no network at all."""
    files = {
        "greet.py": "WORD = 'hello'\n",
        "greet-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n",
        "greet-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    with zipfile.ZipFile(folder / "greet-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f"{name},sha256={digest.decode().rstrip('=')},{len(text)}\n"
        wheel.writestr("greet-1.0.dist-info/RECORD", record + "greet-1.0.dist-info/RECORD,,\n")


async def test_pip_installs_into_an_environment_that_the_function_then_uses(
    bench: Bench, python: Site
) -> None:
    a_wheel(python.workspace)
    python.write("requirements.txt", "./greet-1.0-py3-none-any.whl\n")
    result = await python.build("pip install -r requirements.txt && python -c 'import greet'")
    assert result == BuildResult(exit_code=0), python.log
    source = "import greet\ndef main(context):\n    return context.res.text(greet.WORD)\n"
    workload = bench.deploy(PYTHON, source)
    (python.workspace / "runtime-env").rename(Path(workload.artifact) / "runtime-env")
    outcome = await bench.run(workload)
    assert (outcome.body, outcome.errors) == (b"hello", "")


async def test_the_log_streams_while_the_build_runs(node: Site) -> None:
    task = asyncio.create_task(node.build("echo first; echo second >&2; sleep 30"))
    async with asyncio.timeout(60):
        while "first\nsecond\n" not in node.log:
            await asyncio.sleep(0.02)
    assert not task.done()
    node.cancelled.set()
    result = await task
    assert result.error_class is ErrorClass.CANCELLED
    assert result.exit_code < 0


async def test_a_timeout_kills_the_whole_tree(node: Site) -> None:
    node.write("beat.sh", "while :; do date +%N > beat; sleep 0.05; done\n")
    beat = node.workspace / "beat"

    async def built(timeout_s: float) -> BuildResult:
        result = await node.build("setsid bash beat.sh & sleep 600", timeout_s=timeout_s)
        assert (result.error_class, result.exit_code) == (ErrorClass.TIMEOUT, -9)
        assert f"longer than {timeout_s:.0f} second" in result.message
        return result

    await cut_short(built, lambda _: beat.exists())
    last = beat.read_text()
    await asyncio.sleep(0.3)
    assert beat.read_text() == last


async def test_too_much_memory_is_named(bench: Bench, node: Site) -> None:
    bench.needs_memory_groups()
    code = "const all = []; for (;;) all.push(Buffer.alloc(1048576, 1));"
    result = await node.build(f"node -e '{code}'", memory_mib=128)
    assert result.error_class is ErrorClass.OUT_OF_MEMORY
    assert "128 MiB" in result.message


async def test_a_failing_command_gives_its_code(node: Site) -> None:
    result = await node.build("echo no; exit 3")
    assert (result.exit_code, result.error_class) == (3, None)
    assert "code 3" in result.message
    assert node.log == "no\n"


async def test_only_the_last_command_counts(node: Site) -> None:
    assert (await node.build("false; echo b")).exit_code == 0


async def test_no_commands_are_fine(node: Site) -> None:
    assert await node.build("") == BuildResult(exit_code=0)


async def test_a_build_sees_its_variables_and_none_of_the_servers(
    node: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.build("env; ls -a / /root /home 2>&1; cat /etc/shadow; id -u")
    assert "MY_VARIABLE=mine" in node.log
    assert "RUNWRIGHT" not in node.log
    assert "/etc/shadow" in node.log
    assert "root:*" not in node.log
    seen = {line.partition("=")[0] for line in node.log.splitlines() if "=" in line}
    assert not {name for name in seen if name in os.environ and name.startswith("GIT_A")}


async def test_variables_start_nothing_before_the_commands(node: Site) -> None:
    await node.build("echo built", env={"BASH_ENV": "$(echo heeded >&2)"})
    assert node.log.split() == ["heeded", "built"]


async def test_a_build_writes_to_its_workspace_and_cache_alone(node: Site) -> None:
    commands = (
        "for at in / /usr /usr/local /usr/local/bin /etc /home; do\n"
        "  touch $at/probe 2>/dev/null && echo wrote $at\ndone\n"
        "touch probe /usr/local/cache/probe && echo fine"
    )
    await node.build(commands)
    assert node.log == "fine\n"
    assert (node.workspace / "probe").exists()
    assert (node.cache / "probe").exists()


async def test_what_a_build_leaves_belongs_to_the_server(node: Site) -> None:
    commands = (
        "mkdir -p a/b; echo x > a/b/c; chmod 4755 a/b/c; ln -s /etc/passwd a/link; mkdir shut; "
        "touch shut/in; chmod 000 shut"
    )
    assert (await node.build(commands)).exit_code == 0
    for path in [node.workspace, *node.workspace.rglob("*")]:
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid()), path
        assert not found.st_mode & (stat.S_ISUID | stat.S_ISGID) or path.is_symlink(), path
    assert Path("/etc/passwd").stat().st_uid == 0


async def test_a_very_deep_tree_is_taken_back_too(node: Site) -> None:
    code = "for (let n = 0; n < 1500; n++) { fs.mkdirSync(`d`); process.chdir(`d`); }"
    assert (await node.build(f"touch $TMPDIR/kept; node -e '{code}'")).exit_code == 0
    assert not (node.cache / "tmp").exists()
    handle, depth = os.open(node.workspace / "d", os.O_RDONLY), 1
    try:
        while "d" in os.listdir(handle):
            below = os.open("d", os.O_RDONLY, dir_fd=handle)
            os.close(handle)
            handle, depth = below, depth + 1
        assert os.fstat(handle).st_uid == os.geteuid()
        assert depth == 1500
    finally:
        os.close(handle)
        await asyncio.to_thread(subprocess.run, ["rm", "-rf", str(node.workspace)], check=True)


async def test_the_cache_outlives_a_build(bench: Bench, node: Site) -> None:
    await node.build("echo kept > $npm_config_cache.txt")
    await node.build("cat $npm_config_cache.txt")
    assert node.log == "kept\n"


async def test_an_unknown_runtime_is_named(node: Site) -> None:
    result = await node.build("true", runtime="node-99")
    assert result.error_class is ErrorClass.COLD_START
    assert "node-99" in result.message


@pytest.mark.parametrize("runtime", [NODE, PYTHON])
async def test_the_process_driver_builds_too(
    plain_bench: Bench, tmp_path: Path, runtime: str
) -> None:
    site = Site(plain_bench, tmp_path, runtime)
    a_wheel(site.workspace)
    commands = {
        NODE: "npm --version && node -p 1+1 && touch made",
        PYTHON: "pip install ./greet-1.0-py3-none-any.whl && python -c 'import greet' "
        "&& touch made",
    }[runtime]
    result = await site.build(commands)
    assert result == BuildResult(exit_code=0), site.log
    assert (site.workspace / "made").exists()
