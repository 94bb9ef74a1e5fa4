"""Functions of the other languages, built in real sandboxes and run."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runwright.cli import starters
from runwright.clock import SystemClock
from runwright.executor.host import BubblewrapExecutor, ExecutorConfig
from runwright.functions.building import BuildLimits
from runwright.model.function import DeploymentStatus
from tests.beside import own_uids
from tests.fakes.archives import source
from tests.integration.functions.test_real_builds import built, run
from tests.integration.runners.harness import TEST_RUNTIMES, others
from tests.unit.functions.yard import Yard, building, open_yard

pytestmark = pytest.mark.anyio

RUNTIMES = {found.language: found.runtime for found in others()}


@dataclass(frozen=True, kw_only=True)
class Project:
    name: str
    language: str
    entrypoint: str
    commands: str
    files: dict[str, bytes]
    answer: bytes


PROJECTS = [
    Project(
        name="bun",
        language="bun",
        entrypoint="src/main.ts",
        commands="bun install && bun run hello",
        files={
            "package.json": b'{"dependencies": {"greeting": "file:./greeting"},'
            b'"scripts": {"hello": "echo done"}}',
            "greeting/package.json": b'{"name": "greeting", "version": "1.0.0"}',
            "greeting/index.js": b"module.exports = () => 'hello from a package';",
            "src/main.ts": b"import greet from 'greeting';\n"
            b"export default ({ res }: { res: any }) => res.text(greet());",
        },
        answer=b"hello from a package",
    ),
    Project(
        name="deno",
        language="deno",
        entrypoint="src/mod.ts",
        commands="deno cache src/mod.ts && deno check src/mod.ts && echo done",
        files={
            "src/mod.ts": b"import { greet } from '../lib/greet.ts';\n"
            b"export default ({ res }: { res: any }) => res.text(greet());",
            "lib/greet.ts": b"export const greet = (): string => 'hello from a module';",
        },
        answer=b"hello from a module",
    ),
    Project(
        name="deno with a package",
        language="deno",
        entrypoint="mod.ts",
        commands="deno cache mod.ts && echo done",
        files={
            "mod.ts": b"import isOdd from 'npm:is-odd@3.0.1';\n"
            b"export default ({ res }: { res: any }) => res.text(`odd ${isOdd(3)}`);",
        },
        answer=b"odd true",
    ),
    Project(
        name="php",
        language="php",
        entrypoint="src/index.php",
        commands="php -l src/index.php && echo done",
        files={
            "src/index.php": b"<?php\nrequire_once __DIR__ . '/../lib/greet.php';\n"
            b"return fn ($context) => $context->res->text(greet());\n",
            "lib/greet.php": b"<?php\nfunction greet() { return 'hello from a file'; }\n",
        },
        answer=b"hello from a file",
    ),
    Project(
        name="ruby",
        language="ruby",
        entrypoint="src/index.rb",
        commands="ruby -c src/index.rb && echo done",
        files={
            "src/index.rb": b"require_relative '../lib/greet'\nrequire 'dep'\n"
            b"def main(context)\n  context.res.text(greet + Dep::NAME)\nend\n",
            "lib/greet.rb": b"def greet\n  'hello from a file and '\nend\n",
            "vendor/bundle/ruby/3.1.0/gems/dep-1.0/lib/dep.rb": b"module Dep\n"
            b"  NAME = 'a gem'\nend\n",
        },
        answer=b"hello from a file and a gem",
    ),
    Project(
        name="go",
        language="go",
        entrypoint="main.go",
        commands="go vet ./lib && echo done",
        files={
            "go.mod": b"module openruntimes/handler\n\ngo 1.23\n\n"
            b"require github.com/open-runtimes/types-for-go/v4 v4.0.8\n",
            "main.go": b"package handler\n\nimport (\n"
            b'\t"github.com/open-runtimes/types-for-go/v4/openruntimes"\n'
            b'\t"openruntimes/handler/lib"\n)\n\n'
            b"func Main(Context openruntimes.Context) openruntimes.Response {\n"
            b"\treturn Context.Res.Text(lib.Hello())\n}\n",
            "lib/lib.go": b'package lib\n\nfunc Hello() string { return "compiled" }\n',
        },
        answer=b"compiled",
    ),
]


@pytest.fixture
async def executor(tmp_path: Path) -> AsyncIterator[BubblewrapExecutor]:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "runtimes").symlink_to(TEST_RUNTIMES / "runtimes")
    config = ExecutorConfig(
        data_dir=data_dir,
        api_port=8080,
        runtimes=tuple(RUNTIMES.values()),
        pool_sizes={},
        uid_base=own_uids(),
    )
    made = BubblewrapExecutor(config, SystemClock())
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@pytest.fixture
async def yard(tmp_path: Path, executor: BubblewrapExecutor) -> AsyncIterator[Yard]:
    limits = BuildLimits(timeout_s=300, output_bytes=50_000_000)
    async with open_yard(tmp_path, real=executor, limits=limits) as opened, building(opened):
        yield opened


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
async def test_a_function_is_built_with_its_own_tools_and_runs(
    project: Project, yard: Yard, executor: BubblewrapExecutor
) -> None:
    if project.language not in RUNTIMES:
        pytest.skip("not installed")
    runtime = RUNTIMES[project.language]
    await yard.create_function("made", runtime=runtime, entrypoint=project.entrypoint)
    deployment = await yard.upload(
        source(project.files), function_id="made", commands=project.commands
    )
    ready = await built(yard, deployment)
    assert ready.status is DeploymentStatus.READY, ready.build_logs
    assert "done\n" in ready.build_logs
    outcome = await run(yard, executor, ready)
    assert (outcome.status_code, outcome.body) == (200, project.answer), outcome.errors


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"main.go": b"package handler\n"}, "There is no go.mod at the root."),
        (
            {"go.mod": b"module other\n\ngo 1.23\n"},
            "The module of go.mod has to be openruntimes/handler.",
        ),
        (
            {
                "go.mod": b"module openruntimes/handler\n\ngo 1.23\n",
                "main.go": b"package handler\n\nfunc Main() {\n",
            },
            "main.go:",
        ),
    ],
    ids=["no module", "another module", "does not compile"],
)
async def test_go_that_does_not_compile_fails_its_build(
    files: dict[str, bytes], reason: str, yard: Yard
) -> None:
    if "go" not in RUNTIMES:
        pytest.skip("not installed")
    await yard.create_function("made", runtime=RUNTIMES["go"], entrypoint="main.go")
    failed = await built(yard, await yard.upload(source(files), function_id="made", commands=""))
    assert failed.status is DeploymentStatus.FAILED
    assert reason in failed.build_logs


@pytest.mark.parametrize("language", ["bun", "deno", "go", "php", "ruby"])
async def test_the_starter_is_built_and_runs(
    language: str, tmp_path: Path, yard: Yard, executor: BubblewrapExecutor
) -> None:
    if language not in RUNTIMES:
        pytest.skip("not installed")
    folder = tmp_path / "starter"
    made = starters.make(folder, language, "made")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    await yard.create_function("made", runtime=RUNTIMES[language], entrypoint=made.entrypoint)
    deployment = await yard.upload(source(files), function_id="made", commands=made.commands)
    ready = await built(yard, deployment)
    assert ready.status is DeploymentStatus.READY, ready.build_logs
    outcome = await run(yard, executor, ready)
    assert (outcome.status_code, outcome.errors) == (200, "")
    assert outcome.logs == "GET /\n"
    assert b'"message":"Hello from ' in outcome.body
