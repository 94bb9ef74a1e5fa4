"""Functions in containers: start, answers, failures, limits, end."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from runwright.executor.docker.checks import examine
from runwright.executor.docker.container import State
from runwright.executor.docker.images import ImageRefused, add_image, local_images
from runwright.model.execution import ErrorClass, Headers, Outcome
from tests.integration.docker import daemon
from tests.integration.docker.conftest import Bench, a_config, started
from tests.integration.executor.conftest import cut_short

DEADLINE_S = 60.0
HELLO = """
def main(context):
    context.log("called", context.req.path)
    return context.res.text("hello", 201, {"x-own": "yes"})
"""
MANY = """
import os, resource, socket, subprocess, time
def main(context):
    what = context.req.path.strip("/")
    context.log("begin", what)
    if what == "sleep":
        time.sleep(float(context.req.query["s"]))
    elif what == "exit":
        print("last words", flush=True)
        os._exit(3)
    elif what == "memory":
        kept = [bytearray(b"x" * 2**20) for _ in range(4096)]
    elif what == "large":
        return context.res.binary(b"x" * 3_000_000)
    elif what == "throw":
        raise RuntimeError("on purpose")
    elif what == "forget":
        return None
    elif what == "link":
        os.symlink("/etc/passwd", "/mnt/logs/" + context.req.query["id"] + "_logs.log.new")
        os.rename("/mnt/logs/" + context.req.query["id"] + "_logs.log.new",
                  "/mnt/logs/" + context.req.query["id"] + "_logs.log")
    context.log("end", what)
    return context.res.text(what)
"""


async def until(condition: object) -> None:
    """Wait for something that comes about by itself."""
    assert callable(condition)
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.05)


async def test_a_function_answers_from_its_container(bench: Bench) -> None:
    workload = await bench.deploy(HELLO)

    first = await bench.call(workload, "/a%20b?c=d")
    second = await bench.call(workload, method="HEAD")

    assert (first.status_code, first.body, first.error_class) == (201, b"hello", None), first
    assert ("x-own", "yes") in first.headers
    assert not [name for name, _ in first.headers if name.startswith("x-open-runtimes-")]
    assert first.logs == "called /a%20b\n"
    assert (first.is_cold, second.is_cold) == (True, False)
    assert (second.status_code, second.body) == (201, b"")


async def test_calls_share_a_container_and_keep_their_logs_apart(bench: Bench) -> None:
    workload = await bench.deploy(MANY)

    outcomes = await asyncio.gather(*(bench.call(workload, f"/n{number}?") for number in range(20)))

    assert [outcome.body.decode() for outcome in outcomes] == [f"n{n}" for n in range(20)]
    assert [outcome.logs for outcome in outcomes] == [f"begin n{n}\nend n{n}\n" for n in range(20)]
    names = {container.workload.key for container in bench.executor._containers.values()}
    assert workload.key in names
    quiet = await bench.call(workload, is_logging=False)
    assert (quiet.status_code, quiet.logs) == (200, "")


async def test_failures_are_told_apart(bench: Bench) -> None:
    workload = await bench.deploy(MANY)

    thrown = await bench.call(workload, "/throw")
    forgotten = await bench.call(workload, "/forget")

    async def slept(timeout_s: float) -> Outcome:
        return await bench.call(workload, "/sleep?s=600", timeout_s=timeout_s)

    late = await cut_short(slept, lambda ended: "begin" in ended.logs)

    assert thrown.error_class is ErrorClass.USER_EXCEPTION
    assert "on purpose" in thrown.errors
    assert "main.py" in thrown.errors
    assert thrown.logs == "begin throw\n"
    assert forgotten.error_class is ErrorClass.PAYLOAD
    assert late.error_class is ErrorClass.TIMEOUT
    assert late.errors.strip() == "Execution timed out."
    assert late.logs == "begin sleep\n"


async def test_an_entrypoint_that_does_not_load_says_why(bench: Bench) -> None:
    broken = await bench.deploy("def main(:")
    missing = await bench.deploy(HELLO, entrypoint="other.py")

    first, second = await asyncio.gather(bench.call(broken), bench.call(missing))

    assert (first.status_code, first.error_class) == (503, ErrorClass.ENTRYPOINT)
    assert "Syntax error in main.py:1" in first.errors
    assert (second.status_code, second.error_class) == (503, ErrorClass.ENTRYPOINT)
    assert "file other.py does not exist" in second.errors


async def test_a_process_that_ends_takes_its_container_and_leaves_its_logs(bench: Bench) -> None:
    workload = await bench.deploy(MANY)

    outcome = await bench.call(workload, "/exit")
    after = await bench.call(workload, "/again")

    assert outcome.error_class is ErrorClass.EXIT
    assert outcome.errors.startswith("process exited (code 3)")
    assert "HTTP server successfully started!" in outcome.errors
    assert outcome.logs == "begin exit\n"
    assert (after.status_code, after.is_cold) == (200, True)


async def test_a_function_that_needs_too_much_memory_is_told_so(bench: Bench) -> None:
    workload = await bench.deploy(MANY, memory_mib=128)

    outcome = await bench.call(workload, "/memory")

    assert outcome.error_class is ErrorClass.OUT_OF_MEMORY, outcome
    assert "more memory than its 128 MiB" in outcome.errors
    assert (await bench.call(workload, "/fine")).status_code == 200


async def test_what_keeps_the_soft_timeout_from_working_ends_with_its_container(
    bench: Bench,
) -> None:
    source = """
import os, signal
def main(context):
    context.log("begin")
    if context.req.path == "/stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    return context.res.text("ok")
"""
    workload = await bench.deploy(source)
    assert (await bench.call(workload)).body == b"ok"
    stopped = bench.executor._containers[workload.key]

    outcome = await bench.call(workload, "/stop", timeout_s=2.0)

    # The first process of a container cannot be stopped by itself, so it may answer.
    if outcome.status_code != 200:
        assert outcome.error_class is ErrorClass.TIMEOUT
        assert outcome.logs == "begin\n"
        await until(lambda: stopped.state is State.GONE)


async def test_a_cancelled_call_ends_with_its_container(bench: Bench) -> None:
    workload = await bench.deploy(MANY)
    running = asyncio.create_task(
        bench.call(workload, "/sleep?s=600", execution_id="to-cancel", timeout_s=900.0)
    )
    await until(lambda: bench.executor._running)
    container = bench.executor._containers[workload.key]

    assert bench.executor.cancel("to-cancel")

    assert (await running).error_class is ErrorClass.CANCELLED
    await until(lambda: container.state is State.GONE)
    assert not bench.executor.cancel("to-cancel")


class Sink:
    def __init__(self) -> None:
        self.status = 0
        self.parts: list[bytes] = []

    def start(self, status_code: int, headers: Headers) -> None:
        self.status = status_code

    async def write(self, chunk: bytes) -> None:
        self.parts.append(chunk)


async def test_a_large_answer_comes_in_parts_and_a_larger_one_not_at_all(
    docker_socket: str, bench: Bench
) -> None:
    workload = await bench.deploy(MANY)
    sink = Sink()

    streamed = await bench.call(workload, "/large", sink=sink)

    assert (sink.status, len(b"".join(sink.parts)), streamed.body) == (200, 3_000_000, b"")
    assert len(sink.parts) > 1
    config = a_config(bench.folder / "small", docker_socket, max_body_bytes=1_000_000)
    async with started(config, bench.folder) as small:
        refused = await small.call(workload, "/large")
    assert refused.error_class is ErrorClass.PAYLOAD
    assert "larger than" in refused.errors


async def test_a_container_has_the_least_rights(bench: Bench) -> None:
    source = """
import json, os
def main(context):
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    def refused(work):
        try:
            work()
        except OSError as error:
            return error.errno
        return 0
    return context.res.json({
        "caps": [status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")],
        "no_new_privs": status["NoNewPrivs"].strip(),
        "seccomp": status["Seccomp"].strip(),
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "root": refused(lambda: open("/usr/local/server/x", "w")),
        "code": refused(lambda: open("/mnt/code/x", "w")),
        "mount": refused(lambda: os.chroot("/tmp")),
        "user": os.getuid(),
        "secret": "authorization" in context.req.headers,
    })
"""
    workload = await bench.deploy(source)
    other = a_config(bench.folder / "own", bench.socket, has_own_user=True)

    seen = httpx.Response(200, content=(await bench.call(workload)).body).json()
    async with started(other, bench.folder) as own:
        as_own = httpx.Response(200, content=(await own.call(workload)).body).json()

    assert set(seen["caps"]) == {"0" * 16}
    assert (seen["no_new_privs"], seen["seccomp"]) == ("1", "2")
    assert seen["interfaces"] == ["lo"]
    assert (seen["root"], seen["code"], seen["mount"]) == (30, 30, 1)  # EROFS, EROFS, EPERM
    assert (seen["user"], as_own["user"]) == (0, 65532)
    assert not seen["secret"]


async def test_the_log_folder_leads_nowhere_else(bench: Bench) -> None:
    workload = await bench.deploy(MANY)

    outcome = await bench.call(workload, "/link?id=sly", execution_id="sly")

    assert outcome.status_code == 200
    assert "root:" not in outcome.logs
    # Files of executions that are over are deleted.
    left = bench.executor._containers[workload.key]._entered
    assert left is not None
    assert left.door.take_logs("sly") == (b"", b"")


async def test_variables_of_a_function_do_not_open_its_gate(bench: Bench) -> None:
    workload = await bench.deploy(HELLO)
    trick = replace(workload, env={**workload.env, "BASH_ENV": "$(: >/mnt/logs/.begin)"})

    outcome = await bench.call(trick)

    assert outcome.status_code == 201, outcome


async def test_at_the_upper_bound_the_longest_idle_container_makes_room(
    docker_socket: str, bench: Bench
) -> None:
    first, second = await bench.deploy(HELLO), await bench.deploy(HELLO)
    config = a_config(bench.folder / "one", docker_socket, containers=1, wait_s=60.0)
    async with started(config, bench.folder) as small:
        assert (await small.call(first)).status_code == 201
        assert (await small.call(second)).status_code == 201
        assert (await small.call(second)).is_cold is False
        assert list(small.executor._containers) == [second.key]


async def test_an_idle_container_is_ended(docker_socket: str, bench: Bench) -> None:
    workload = await bench.deploy(HELLO)
    config = a_config(bench.folder / "idle", docker_socket, idle_s=0.1)
    async with started(config, bench.folder) as short:
        await short.call(workload)
        instance = short.executor._instance
        await until(lambda: not any(instance in name for name in short.containers()))


async def test_a_container_is_kept_though_nobody_calls(bench: Bench) -> None:
    workload = await bench.deploy(HELLO)

    bench.executor.keep([(workload, 2)])
    await until(lambda: workload.key in bench.executor._containers)
    container = bench.executor._containers[workload.key]
    await until(lambda: container.state is State.READY)
    bench.executor.keep([])

    assert (await bench.call(workload)).status_code == 201


def test_the_doctor_and_the_list_of_runtimes_know_the_images(docker_socket: str) -> None:
    findings = {item.subject: item for item in examine(docker_socket, "openruntimes")}
    assert {name: item.level for name, item in findings.items()} == {
        "Docker": "ok",
        "containers": "ok",
        "images": "ok",
    }
    assert daemon.RUNTIME in findings["images"].text
    assert [item.id for item in local_images(docker_socket, "openruntimes")] == [daemon.RUNTIME]
    assert [it.level for it in examine("/nowhere/socket", "openruntimes")] == ["missing"]
    for name in ("../x-1", "dart"):
        with pytest.raises(ImageRefused, match="is no runtime"):
            add_image(name, docker_socket, "openruntimes")


async def test_what_a_killed_server_left_is_removed_at_the_next_start(
    docker_socket: str, bench: Bench
) -> None:
    workload = await bench.deploy(HELLO)
    config = a_config(bench.folder / "killed", docker_socket)
    async with started(config, bench.folder) as killed:
        await killed.call(workload)
        instance = killed.executor._instance
        (container,) = killed.executor._containers.values()
        # Those of earlier tests may be on their way out.
        assert (await bench.call(workload)).status_code == 201
        neighbour = bench.executor._containers[workload.key]._entered
        assert neighbour is not None

        async with started(config, bench.folder) as next_one:
            left = next_one.containers()
            assert neighbour.id in next_one.ids()  # other servers' stay

        assert not any(instance in name for name in left)
        await until(lambda: container.state is State.GONE)


async def test_a_daemon_that_is_not_there_is_told_at_the_start(bench: Bench) -> None:
    from runwright.executor.spawn import SpawnFailed

    config = a_config(bench.folder / "nowhere", str(bench.folder / "no-socket"))
    with pytest.raises(SpawnFailed) as refused:
        async with started(config, bench.folder):
            pass
    assert "no-socket" in refused.value.reason


def test_every_image_of_the_repository_is_a_runtime(bench: Bench) -> None:
    (status,) = bench.executor.runtimes()
    assert (status.id, status.source) == (daemon.RUNTIME, "docker")
    assert status.has_build_step
