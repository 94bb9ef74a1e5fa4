"""From an upload to a sealed, active tree, with everything that can come in between."""

import asyncio
import compileall
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from runwright.functions.building import BuildLimits
from runwright.functions.folders import source_name
from runwright.model.execution import ErrorClass
from runwright.model.function import DeploymentStatus
from runwright.ports.executor import BuildJob, BuildResult
from tests.fakes.archives import link, member, source, special, tar_gz
from tests.fakes.executor import OnLog
from tests.unit.functions.yard import PROJECT, WAIT_S, Yard, building, open_yard, until

pytestmark = pytest.mark.anyio

READY, FAILED = DeploymentStatus.READY, DeploymentStatus.FAILED
CANCELED, BUILDING = DeploymentStatus.CANCELED, DeploymentStatus.BUILDING
WAITING = DeploymentStatus.WAITING


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    async with open_yard(tmp_path) as opened:
        await opened.create_function(commands="npm install")
        yield opened


async def test_what_was_built_is_at_hand_for_its_first_call(yard: Yard) -> None:
    async with building(yard):
        made = await yard.built(await yard.upload())

        def is_at_hand() -> bool:
            live = yard.catalog.known(PROJECT, made.function_id)
            deployment = live.deployment if live is not None else None
            return deployment is not None and deployment.status is READY

        await until(is_at_hand)


async def test_an_upload_is_built_sealed_and_goes_live(yard: Yard) -> None:
    async def install(job: BuildJob, on_log: OnLog) -> BuildResult:
        on_log("added \x1b[32m1\x1b[0m package\n")
        modules = Path(job.workspace) / "node_modules"
        modules.mkdir()
        (modules / "tool.js").write_text("tool")
        (modules / "tool.js").chmod(0o4777)
        return BuildResult(exit_code=0)

    yard.executor.script = install
    async with building(yard):
        made = await yard.upload()
        assert made.status is WAITING
        assert made.is_uploaded
        ready = await yard.built(made)
    assert ready.status is READY
    assert ready.source_bytes == len(source())
    assert ready.build_bytes == len(b"tool") + len(b"module.exports = () => {};\n")
    assert "added \x1b[32m1\x1b[0m package\n" in ready.build_logs
    assert "Deployment finished." in ready.build_logs
    function = await yard.function()
    assert function.deployment_id == made.id
    assert function.deployment_created_at == made.created_at
    assert function.is_live
    tree = Path(yard.deployments.artifact_path(ready))
    assert (tree / "main.js").read_text() == "module.exports = () => {};\n"
    assert stat.S_IMODE((tree / "node_modules/tool.js").stat().st_mode) == 0o555
    assert modes(tree) == {0o444, 0o555}
    assert not list(yard.folders.builds.rglob("main.js"))


def modes(tree: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in (tree, *tree.rglob("*"))}


async def test_the_job_has_the_commands_the_sizes_and_the_environment(yard: Yard) -> None:
    await yard.set_variable("GREETING", "hello")
    await yard.set_variable("APPWRITE_FUNCTION_ID", "mine")
    async with building(yard):
        made = await yard.upload()
        await yard.built(made)
    (job,) = yard.executor.jobs
    assert job.commands == "npm install"
    assert job.runtime == "node-22"
    assert job.memory_mib == 1024  # a build has at least that, whatever the specification
    assert job.cpus == 0.5
    assert 0 < job.timeout_s <= 60
    assert (job.project_id, job.function_id, job.deployment_id) == (PROJECT, "f1", made.id)
    assert os.path.isabs(job.workspace)
    assert os.path.isabs(job.cache)
    assert job.env["GREETING"] == "hello"
    assert job.env["APPWRITE_FUNCTION_ID"] == "f1"
    assert job.env["APPWRITE_FUNCTION_MEMORY"] == "1024"
    assert job.env["APPWRITE_FUNCTION_API_ENDPOINT"] == "http://api.internal/v1"
    assert job.env["APPWRITE_DEPLOYMENT_TYPE"] == "manual"
    assert job.env["APPWRITE_FUNCTION_RUNTIME_NAME"] == "Node.js"
    assert job.env["APPWRITE_VCS_ROOT_DIRECTORY"] == ""
    assert job.env["OPEN_RUNTIMES_ENTRYPOINT"] == "main.js"
    claims = yard.tokens.read_execution_key(job.env["APPWRITE_FUNCTION_API_KEY"], PROJECT)
    assert claims is not None
    assert claims.expires_at == pytest.approx(yard.clock.now().timestamp() + 60, abs=2)


async def test_without_commands_no_sandbox_is_needed(yard: Yard) -> None:
    async with building(yard):
        ready = await yard.built(await yard.upload(commands=""))
    assert ready.status is READY
    assert yard.executor.jobs == []


async def test_python_sources_are_compiled_ahead_in_the_sandbox(yard: Yard) -> None:
    await yard.create_function("py", runtime="python-3.11", entrypoint="main.py")

    async def play(job: BuildJob, on_log: OnLog) -> BuildResult:
        assert "compileall" in job.commands
        assert "unchecked-hash" in job.commands
        assert job.env == {}  # nothing of the build's secrets is needed for it
        await asyncio.to_thread(compileall.compile_dir, job.workspace, quiet=2)
        on_log("noise that is nobody's business")
        return BuildResult(exit_code=0)

    yard.executor.script = play
    async with building(yard):
        made = await yard.upload(source({"main.py": b"def main(c): ..."}), function_id="py")
        ready = await yard.built(made)
    assert ready.status is READY
    assert "noise" not in ready.build_logs
    assert list(yard.artifact(made.id).glob("__pycache__/main.*.pyc"))


async def test_the_log_can_be_read_while_the_build_runs(yard: Yard) -> None:
    go_on = asyncio.Event()

    async def slow(job: BuildJob, on_log: OnLog) -> BuildResult:
        on_log("first part, ")
        await go_on.wait()
        on_log("second part\n")
        return BuildResult(exit_code=0)

    yard.executor.script = slow
    async with building(yard):
        made = await yard.upload()
        seen = await yard.until(made.id, BUILDING, log="first part, ")
        assert "second part" not in seen.build_logs
        assert seen.build_started_at is not None
        assert (await yard.function()).latest_deployment_status == "building"
        go_on.set()
        ready = await yard.built(made)
    assert "first part, second part\n" in ready.build_logs


async def test_a_log_keeps_its_tail(yard: Yard) -> None:
    async def chatter(job: BuildJob, on_log: OnLog) -> BuildResult:
        for number in range(400):
            on_log(f"{number:05d} " + "é" * 5000 + "\n")
        return BuildResult(exit_code=0)

    yard.executor.script = chatter
    async with building(yard):
        ready = await yard.built(await yard.upload())
    size = len(ready.build_logs.encode())
    assert 990_000 < size <= 1_000_000
    assert "00399 é" in ready.build_logs
    assert "00000 é" not in ready.build_logs
    assert "Deployment finished." in ready.build_logs


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (BuildResult(exit_code=3), "Build failed with exit code 3."),
        (
            BuildResult(
                exit_code=-9,
                error_class=ErrorClass.OUT_OF_MEMORY,
                message="The build used more than 1024 MiB.",
            ),
            "The build used more than 1024 MiB.",
        ),
        (BuildResult(exit_code=-9, error_class=ErrorClass.TIMEOUT), "longer than 60 seconds"),
    ],
)
async def test_commands_that_fail_fail_the_build(
    yard: Yard, result: BuildResult, sentence: str
) -> None:
    async def fail(job: BuildJob, on_log: OnLog) -> BuildResult:
        on_log("half a line")
        return result

    yard.executor.script = fail
    async with building(yard):
        made = await yard.upload()
        failed = await yard.built(made)
    assert failed.status is FAILED
    assert sentence in failed.build_logs
    assert "half a line\n" in failed.build_logs
    assert not yard.artifact(made.id).exists()
    function = await yard.function()
    assert function.deployment_id == ""
    assert function.latest_deployment_status == "failed"


BAD_SOURCES = {
    "empty": (tar_gz(), "Error: No source code found. Ensure your source isn't empty."),
    "no archive": (b"not an archive", "not a complete gzip'd tar archive"),
    "escape": (tar_gz(member("../evil", b"x")), "a path with `..`"),
    "device": (tar_gz(special("null", b"3")), "a device, pipe or unknown entry"),
    "link": (tar_gz(link("l", "/etc/passwd")), "points outside the source"),
    "too large": (tar_gz(member("main.js", bytes(1_000_001))), "more than 1000000 bytes"),
}


@pytest.mark.parametrize("case", BAD_SOURCES)
async def test_a_bad_source_fails_with_a_sentence_and_without_a_path(yard: Yard, case: str) -> None:
    data, sentence = BAD_SOURCES[case]
    async with building(yard):
        failed = await yard.built(await yard.upload(data))
    assert failed.status is FAILED
    assert sentence in failed.build_logs
    assert str(yard.folder) not in failed.build_logs
    assert yard.executor.jobs == []


async def test_a_build_that_leaves_nothing_fails(yard: Yard) -> None:
    async def clear(job: BuildJob, on_log: OnLog) -> BuildResult:
        (Path(job.workspace) / "main.js").unlink()
        return BuildResult(exit_code=0)

    yard.executor.script = clear
    async with building(yard):
        failed = await yard.built(await yard.upload())
    assert failed.status is FAILED
    assert "No build output found" in failed.build_logs
    assert "Build produced no output artifact." in failed.build_logs


async def test_a_build_that_is_too_large_fails(yard: Yard) -> None:
    async def inflate(job: BuildJob, on_log: OnLog) -> BuildResult:
        (Path(job.workspace) / "large").write_bytes(bytes(1_000_001))
        return BuildResult(exit_code=0)

    yard.executor.script = inflate
    async with building(yard):
        failed = await yard.built(await yard.upload())
    assert failed.status is FAILED
    assert "larger than 1000000 bytes" in failed.build_logs


async def test_what_does_not_belong_in_a_tree_is_dropped_and_links_stay(yard: Yard) -> None:
    async def litter(job: BuildJob, on_log: OnLog) -> BuildResult:
        tree = Path(job.workspace)
        os.mkfifo(tree / "pipe")
        (tree / "python").symlink_to("/usr/bin/python3")
        (tree / "closed").mkdir()
        (tree / "closed/file").write_text("x")
        (tree / "closed").chmod(0)
        return BuildResult(exit_code=0)

    outside = yard.folder / "outside"
    outside.write_text("x")
    outside.chmod(0o600)
    yard.executor.script = litter
    async with building(yard):
        made = await yard.upload()
        assert (await yard.built(made)).status is READY
    tree = yard.artifact(made.id)
    assert not (tree / "pipe").exists()
    assert (tree / "python").readlink() == Path("/usr/bin/python3")
    assert (tree / "closed/file").read_text() == "x"


async def test_a_wrong_entrypoint_is_pointed_out(yard: Yard) -> None:
    async with building(yard):
        ready = await yard.built(await yard.upload(source({"project/main.js": b"x"})))
    assert ready.status is READY
    assert "Warning: there is no file main.js" in ready.build_logs


async def test_a_runtime_that_is_not_installed_fails_the_build(yard: Yard) -> None:
    yard.executor.installed = []
    async with building(yard):
        failed = await yard.built(await yard.upload())
    assert "The runtime node-22 is not installed" in failed.build_logs


async def test_a_fault_of_ours_is_told_without_details(yard: Yard) -> None:
    async def break_down(job: BuildJob, on_log: OnLog) -> BuildResult:
        raise OSError(5, "disk trouble", "/secret/path")

    yard.executor.script = break_down
    async with building(yard):
        failed = await yard.built(await yard.upload())
    assert failed.status is FAILED
    assert "a fault of this server" in failed.build_logs
    assert "/secret/path" not in failed.build_logs


async def hang(job: BuildJob, on_log: OnLog) -> BuildResult:
    on_log("hanging\n")
    await asyncio.Event().wait()
    raise AssertionError


async def test_a_cancelled_build_is_killed_and_never_moves_again(yard: Yard) -> None:
    yard.executor.script = hang
    async with building(yard):
        made = await yard.upload()
        await yard.until(made.id, log="hanging")
        canceled = await yard.deployments.cancel(PROJECT, "f1", made.id)
        assert canceled.status is CANCELED
        await until(lambda: yard.executor.killed == [made.id])
        yard.executor.script = lambda job, on_log: _ok()
        after = await yard.built(await yard.upload())  # the place is free again
        assert after.status is READY
    row = await yard.row(made.id)
    assert row.status is CANCELED
    assert row.build_logs.count("cancelled") == 1
    assert not yard.artifact(made.id).exists()


async def _ok() -> BuildResult:
    return BuildResult(exit_code=0)


async def test_a_deleted_build_is_killed_and_leaves_nothing(yard: Yard) -> None:
    yard.executor.script = hang
    async with building(yard):
        made = await yard.upload()
        await yard.until(made.id, log="hanging")
        await yard.deployments.delete(PROJECT, "f1", made.id)
        await until(lambda: yard.executor.killed == [made.id])
        await until(lambda: not yard.workspaces())
    assert await yard.stored(made.id) is None
    assert await yard.blobs.names("") == []


async def test_a_deleted_function_takes_its_running_build_along(yard: Yard) -> None:
    yard.executor.script = hang
    async with building(yard):
        made = await yard.upload()
        await yard.until(made.id, log="hanging")
        await yard.catalog.delete(PROJECT, "f1")
        await until(lambda: yard.executor.killed == [made.id])
    assert await yard.blobs.names("") == []


async def test_a_timeout_ends_a_build_and_says_so(tmp_path: Path) -> None:
    limits = BuildLimits(timeout_s=1, output_bytes=1_000_000)
    async with open_yard(tmp_path, limits=limits) as yard:
        await yard.create_function(commands="sleep 1000")
        yard.executor.script = hang
        async with building(yard):
            failed = await yard.built(await yard.upload())
    assert failed.status is FAILED
    assert "The build took longer than 1 seconds" in failed.build_logs


async def test_no_more_builds_run_at_once_than_allowed_and_in_order(yard: Yard) -> None:
    running: list[str] = []
    most = 0
    order: list[str] = []
    gate = asyncio.Event()

    async def count(job: BuildJob, on_log: OnLog) -> BuildResult:
        nonlocal most
        order.append(job.deployment_id)
        running.append(job.deployment_id)
        most = max(most, len(running))
        await gate.wait()
        running.remove(job.deployment_id)
        return BuildResult(exit_code=0)

    yard.executor.script = count
    made = [await yard.upload() for _ in range(5)]
    async with building(yard):
        await until(lambda: len(running) == 2)
        gate.set()
        for item in made:
            assert (await yard.built(item)).status is READY
    assert most == 2
    # Two start together, so neighbours may change places, but nobody is overtaken by far.
    assert set(order[:2]) == {made[0].id, made[1].id}
    assert set(order) == {item.id for item in made}


async def test_a_long_queue_of_one_function_does_not_keep_others_waiting(tmp_path: Path) -> None:
    async with open_yard(tmp_path, builds=2) as yard:
        await yard.create_function(commands="npm install")
        await yard.create_function("f2", commands="npm install")
        yard.executor.script = hang
        queue = [await yard.upload() for _ in range(3)]
        other = await yard.upload(function_id="f2")
        async with building(yard):
            await until(lambda: len(yard.executor.jobs) == 2)
    begun = {job.deployment_id for job in yard.executor.jobs}
    assert begun == {queue[0].id, other.id}


async def test_a_stopped_server_hands_its_builds_to_the_next(yard: Yard) -> None:
    yard.executor.script = hang
    async with building(yard):
        made = await yard.upload()
        await yard.until(made.id, log="hanging")
    row = await yard.row(made.id)
    assert row.status is WAITING
    assert row.build_attempts == 0  # a regular stop does not count
    assert (await yard.function()).latest_deployment_status == "waiting"
    yard.executor.script = lambda job, on_log: _ok()
    second = yard.make_builder()
    await second.start()
    try:
        ready = await yard.built(made)
    finally:
        await second.stop()
    assert ready.status is READY
    assert "hanging" in ready.build_logs


async def dead(yard: Yard, *, attempts: int, with_source: bool = True) -> str:
    """A deployment whose server died while it was built."""
    made = await yard.upload()
    await yard.put(
        replace(
            made,
            status=BUILDING,
            build_started_at=yard.clock.now(),
            build_attempts=attempts,
            build_logs="some text\n",
        )
    )
    if not with_source:
        await yard.blobs.remove(source_name(PROJECT, made.id))
    leftover = yard.folders.build(PROJECT, made.id) / "code"
    leftover.mkdir(parents=True)
    (leftover / "half").write_text("x")
    return made.id


async def test_a_build_whose_server_died_begins_again_once(yard: Yard) -> None:
    deployment_id = await dead(yard, attempts=1)
    async with building(yard):
        ready = await yard.until(deployment_id, READY, FAILED)
    assert ready.status is READY
    assert ready.build_attempts == 2
    assert "begins again" in ready.build_logs
    assert not (yard.artifact(deployment_id) / "half").exists()


@pytest.mark.parametrize(("attempts", "with_source"), [(2, True), (1, False)])
async def test_a_build_that_cannot_begin_again_fails(
    yard: Yard, attempts: int, with_source: bool
) -> None:
    deployment_id = await dead(yard, attempts=attempts, with_source=with_source)
    async with building(yard):
        failed = await yard.until(deployment_id, READY, FAILED)
    assert failed.status is FAILED
    assert "some text\n" in failed.build_logs
    assert "The server ended during this build" in failed.build_logs


async def test_a_build_that_nobody_works_on_fails_after_its_deadline(yard: Yard) -> None:
    async with building(yard):
        made = await yard.upload(activate=False)
        await yard.built(made)
        lost = replace(await yard.row(made.id), status=BUILDING, build_started_at=yard.clock.now())
        await yard.put(lost)
        yard.clock.advance(60)
        assert await yard.builder._lost.sweep(()) == 0
        assert (await yard.row(made.id)).status is BUILDING
        yard.clock.advance(400)
        await yard.builder._lost.sweep(())
        failed = await yard.row(made.id)
    assert failed.status is FAILED
    assert "The server ended during this build" in failed.build_logs


async def test_the_sweeper_looks_by_itself(yard: Yard) -> None:
    async with building(yard):
        made = await yard.upload(activate=False)
        await yard.built(made)
        await yard.put(
            replace(await yard.row(made.id), status=BUILDING, build_started_at=yard.clock.now())
        )
        async with asyncio.timeout(WAIT_S):
            while (await yard.row(made.id)).status is BUILDING:
                yard.clock.advance(60)


async def test_what_was_queued_before_the_start_is_built(yard: Yard) -> None:
    made = await yard.upload(activate=False)
    async with building(yard):
        ready = await yard.built(made)
    assert ready.status is READY


async def test_the_build_duration_is_rounded_up(yard: Yard) -> None:
    async def take_a_while(job: BuildJob, on_log: OnLog) -> BuildResult:
        yard.clock.advance(2.1)
        return BuildResult(exit_code=0)

    yard.executor.script = take_a_while
    async with building(yard):
        ready = await yard.built(await yard.upload())
    assert ready.build_duration_s == 3
