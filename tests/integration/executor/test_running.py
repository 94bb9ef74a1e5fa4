"""Functions that behave, in real sandboxes and in plain processes."""

import asyncio
from dataclasses import replace

import pytest

from runwright.model.execution import ErrorClass, Headers, Status
from tests.integration.executor.conftest import NODE, PYTHON, Bench

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["bubblewrap", "process"])
def bench(request: pytest.FixtureRequest) -> Bench:
    name = {"bubblewrap": "isolated_bench", "process": "plain_bench"}[request.param]
    found = request.getfixturevalue(name)
    assert isinstance(found, Bench)
    return found


HELLO = {
    NODE: "module.exports = ({ req, res, log }) => { log('seen', req.path); "
    "return res.json({ path: req.path, secret: process.env.SECRET ?? null }); };",
    PYTHON: "import os\n"
    "def main(context):\n"
    "    context.log('seen', context.req.path)\n"
    "    return context.res.json({'path': context.req.path, 'secret': os.environ.get('SECRET')})\n",
}
both = pytest.mark.parametrize("runtime", [NODE, PYTHON])


@both
async def test_a_function_answers_cold_and_then_warm(bench: Bench, runtime: str) -> None:
    workload = bench.deploy(runtime, HELLO[runtime], env={"SECRET": "s3"})
    cold = await bench.run(workload, "/a%20b?x=1")
    warm = await bench.run(workload, "/again")
    assert (cold.status_code, cold.is_cold, warm.is_cold) == (200, True, False)
    assert b"/a%20b" in cold.body
    assert b"s3" in cold.body
    assert cold.logs == "seen /a%20b\n"
    assert cold.phases.start_s > 0
    assert warm.phases.start_s == 0
    assert warm.status is Status.COMPLETED
    assert ("content-type", "application/json; charset=utf-8") in warm.headers


@both
async def test_logging_can_be_switched_off(bench: Bench, runtime: str) -> None:
    outcome = await bench.run(bench.deploy(runtime, HELLO[runtime]), is_logging=False)
    assert (outcome.logs, outcome.errors) == ("", "")


@both
async def test_two_functions_never_share_a_sandbox(bench: Bench, runtime: str) -> None:
    source = {
        NODE: "globalThis.n = (globalThis.n ?? 0) + 1;\n"
        "module.exports = ({ res }) => res.text(String(globalThis.n++));",
        PYTHON: "import builtins\nbuiltins.n = getattr(builtins, 'n', 0) + 1\n"
        "def main(context):\n    builtins.n += 1\n"
        "    return context.res.text(str(builtins.n - 1))\n",
    }[runtime]
    first, second = bench.deploy(runtime, source), bench.deploy(runtime, source)
    assert (await bench.run(first)).body == b"1"
    assert (await bench.run(first)).body == b"2"
    assert (await bench.run(second)).body == b"1"


@both
async def test_concurrent_calls_share_one_sandbox(bench: Bench, runtime: str) -> None:
    """Each waits for the last of them."""
    source = {
        NODE: "let come = 0, open;\nconst all = new Promise((done) => { open = done; });\n"
        "module.exports = async ({ req, res }) => {\n"
        "  if (req.path === '/') return res.empty();\n"
        "  if (++come === 20) open();\n  await all;\n"
        "  return res.text(`${process.pid} ${req.path}`);\n};",
        PYTHON: "import asyncio, os\ncome = []\n"
        "async def main(context):\n    if context.req.path == '/':\n"
        "        return context.res.empty()\n"
        "    come.append(1)\n    while len(come) < 20:\n        await asyncio.sleep(0.01)\n"
        "    return context.res.text(f'{os.getpid()} {context.req.path}')\n",
    }[runtime]
    # On a busy machine one that is silent for a moment would get a neighbour.
    workload = replace(bench.deploy(runtime, source), max_instances=1)
    await bench.run(workload)
    outcomes = await asyncio.gather(*(bench.run(workload, f"/{n}") for n in range(20)))
    assert [item.body.split()[1] for item in outcomes] == [b"/%d" % n for n in range(20)]
    assert not any(item.is_cold for item in outcomes)


@both
async def test_large_bodies_travel_both_ways(bench: Bench, runtime: str) -> None:
    source = {
        NODE: "module.exports = ({ req, res }) => res.binary(req.bodyBinary);",
        PYTHON: "def main(context):\n    return context.res.binary(context.req.body_binary)\n",
    }[runtime]
    body = bytes(range(256)) * 4096 * 12  # 12 MiB
    outcome = await bench.run(bench.deploy(runtime, source), body=body)
    assert outcome.body == body


class SlowSink:
    def __init__(self) -> None:
        self.status_code = 0
        self.size = 0
        self.parts = 0

    def start(self, status_code: int, headers: Headers) -> None:
        self.status_code = status_code

    async def write(self, chunk: bytes) -> None:
        await asyncio.sleep(0.001)
        self.size += len(chunk)
        self.parts += 1


@both
async def test_a_long_response_is_streamed_to_a_slow_reader(bench: Bench, runtime: str) -> None:
    source = {
        NODE: "module.exports = ({ res }) => res.binary(Buffer.alloc(8 * 1048576, 7));",
        PYTHON: "def main(context):\n    return context.res.binary(b'7' * (8 * 1048576))\n",
    }[runtime]
    sink = SlowSink()
    outcome = await bench.run(bench.deploy(runtime, source), sink=sink)
    assert (outcome.body, outcome.status_code, outcome.error_class) == (b"", 200, None)
    assert (sink.status_code, sink.size) == (200, 8 * 1048576)
    assert sink.parts > 1


class GoneSink(SlowSink):
    async def write(self, chunk: bytes) -> None:
        raise ConnectionError


async def test_a_run_goes_on_when_the_reader_of_its_stream_has_left(bench: Bench) -> None:
    source = "module.exports = ({ res }) => res.binary(Buffer.alloc(8 * 1048576, 7));"
    outcome = await bench.run(bench.deploy(NODE, source), sink=GoneSink())
    assert (outcome.status_code, outcome.error_class) == (200, None)


async def test_a_response_above_the_limit_is_refused_without_a_sink(bench: Bench) -> None:
    source = "module.exports = ({ res }) => res.binary(Buffer.alloc(33 * 1048576, 7));"
    outcome = await bench.run(bench.deploy(NODE, source))
    assert (outcome.status_code, outcome.error_class) == (500, ErrorClass.PAYLOAD)
    assert "larger than 32 MiB" in outcome.errors


async def test_user_code_goes_on_when_its_caller_is_cancelled(bench: Bench) -> None:
    source = (
        "let done = 0;\n"
        "module.exports = async ({ req, res }) => {\n"
        "  if (req.path === '/done') return res.text(String(done));\n"
        "  await new Promise((resolve) => setTimeout(resolve, 150));\n"
        "  done += 1;\n  return res.empty();\n};"
    )
    # On a busy machine one that is silent for a moment would get a neighbour, which knows nothing.
    workload = replace(bench.deploy(NODE, source), max_instances=1)
    await bench.run(workload, "/done")
    call = asyncio.create_task(bench.run(workload, "/slow"))
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    async with asyncio.timeout(60):
        while (await bench.run(workload, "/done")).body != b"1":
            await asyncio.sleep(0.02)


@both
async def test_a_missing_entrypoint_is_named(bench: Bench, runtime: str) -> None:
    workload = bench.deploy(runtime, "")
    outcome = await bench.run(workload)
    assert (outcome.status_code, outcome.error_class) == (503, ErrorClass.ENTRYPOINT)


async def test_a_retired_deployment_starts_anew(bench: Bench) -> None:
    workload = bench.deploy(NODE, HELLO[NODE])
    await bench.run(workload)
    bench.executor.retire(workload.deployment_id)
    assert (await bench.run(workload)).is_cold


class StuckSink(SlowSink):
    async def write(self, chunk: bytes) -> None:
        await asyncio.Event().wait()


async def test_a_reader_that_takes_nothing_meets_the_deadline(bench: Bench) -> None:
    source = "module.exports = ({ res }) => res.binary(Buffer.alloc(600000, 7));"
    workload = bench.deploy(NODE, source)
    async with asyncio.timeout(60):
        outcome = await bench.run(workload, sink=StuckSink(), timeout_s=0.3)
    assert outcome.error_class is ErrorClass.TIMEOUT
