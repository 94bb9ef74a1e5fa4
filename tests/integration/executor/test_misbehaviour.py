"""User code that exits, hangs, floods or attacks: its caller is told, its neighbour goes on."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runwright.executor.call import LOG_BYTES
from runwright.model.execution import ErrorClass, Outcome
from tests.integration.executor.conftest import NODE, PYTHON, Bench, Gate, cut_short

pytestmark = pytest.mark.anyio

NEIGHBOUR = "module.exports = ({ res }) => res.text('well');"


@asynccontextmanager
async def a_neighbour(bench: Bench) -> AsyncIterator[list[Outcome]]:
    """Calls another function all the time; every call has to be answered."""
    workload = bench.deploy(NODE, NEIGHBOUR)
    answers = [await bench.run(workload)]

    async def call_on() -> None:
        while True:
            answers.append(await bench.run(workload))
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(call_on())
        try:
            yield answers
            answers.append(await bench.run(workload))
        finally:
            task.cancel()
    assert all((item.body, item.error_class) == (b"well", None) for item in answers)


CASES = {
    "node exits": (
        NODE,
        "module.exports = () => { console.error('bye'); process.exit(7); };",
        ErrorClass.EXIT,
        "process exited (code 7)",
    ),
    "python exits": (
        PYTHON,
        "import os, sys\ndef main(context):\n    os.write(2, b'bye')\n    os._exit(7)\n",
        ErrorClass.EXIT,
        "process exited (code 7)\nbye",
    ),
    "python crashes": (
        PYTHON,
        "import os, signal\ndef main(context):\n    os.kill(os.getpid(), signal.SIGSEGV)\n",
        ErrorClass.EXIT,
        "process exited (signal SIGSEGV)",
    ),
    "node rejects in the background": (
        NODE,
        "module.exports = () => { setTimeout(() => { throw new Error('late'); }, 1);\n"
        "  return new Promise(() => {}); };",
        ErrorClass.EXIT,
        "Error: late",
    ),
    "node throws": (
        NODE,
        "module.exports = () => { throw new Error('thrown'); };",
        ErrorClass.USER_EXCEPTION,
        "Error: thrown",
    ),
    "python raises": (
        PYTHON,
        "def main(context):\n    raise ValueError('raised')\n",
        ErrorClass.USER_EXCEPTION,
        "ValueError: raised",
    ),
    "node needs too much memory": (
        NODE,
        "module.exports = () => { const all = [];\n"
        "  for (;;) all.push(Buffer.alloc(1048576, 1)); };",
        ErrorClass.OUT_OF_MEMORY,
        "more memory than its 128 MiB",
    ),
    "node fills its heap": (
        NODE,
        "module.exports = () => { const all = [];\n"
        "  for (;;) all.push(new Array(1000).fill(all.length + 0.5)); };",
        ErrorClass.OUT_OF_MEMORY,
        "more memory than its 128 MiB",
    ),
    "python needs too much memory": (
        PYTHON,
        "def main(context):\n    kept = []\n    while True:\n"
        "        kept.append(bytearray(1048576))\n",
        ErrorClass.OUT_OF_MEMORY,
        "more memory than its 128 MiB",
    ),
    "a child of python needs too much memory": (
        PYTHON,
        "import subprocess, sys, time\n"
        "def main(context):\n"
        "    code = 'x=[]\\nwhile True: x.append(bytearray(1048576))'\n"
        "    subprocess.run([sys.executable, '-I', '-c', code])\n    time.sleep(30)\n",
        ErrorClass.OUT_OF_MEMORY,
        "more memory than its 128 MiB",
    ),
    "a child of node needs too much memory": (
        NODE,
        "const { execFile } = require('child_process');\n"
        "const code = 'const a = []; for (;;) a.push(Buffer.alloc(1048576, 1));';\n"
        "module.exports = async () => { execFile(process.execPath, ['-e', code]);\n"
        "  await new Promise(() => {}); };",
        ErrorClass.OUT_OF_MEMORY,
        "more memory than its 128 MiB",
    ),
    "node sends frames of its own": (
        NODE,
        "module.exports = () => { require('fs').writeSync(3, 'x'.repeat(4096));\n"
        "  return new Promise(() => {}); };",
        ErrorClass.EXIT,
        "data that is not a response",
    ),
    "python answers a request that is not there": (
        PYTHON,
        "import os, struct, time\n"
        "def main(context):\n"
        "    os.write(3, struct.pack('<IBI', 9, 20, 4242) + bytes(4))\n    time.sleep(30)\n",
        ErrorClass.EXIT,
        "data that is not a response",
    ),
    "node returns nonsense": (
        NODE,
        "module.exports = () => ({ statusCode: 'many', headers: 7, body: Symbol('x') });",
        ErrorClass.PAYLOAD,
        "",
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_its_caller_learns_what_happened(bench: Bench, name: str) -> None:
    runtime, source, error_class, text = CASES[name]
    if "memory" in name:
        bench.needs_memory_groups()
    workload = bench.deploy(runtime, source, memory_mib=128)
    async with a_neighbour(bench):
        outcome = await bench.run(workload)
    assert (outcome.status_code, outcome.error_class) == (500, error_class)
    assert text in outcome.errors
    assert outcome.body == b""


@pytest.mark.parametrize("runtime", [NODE, PYTHON])
async def test_an_exception_keeps_the_sandbox(bench: Bench, runtime: str) -> None:
    source = {
        NODE: "let n = 0;\nmodule.exports = ({ res }) => { n += 1;\n"
        "  if (n === 1) throw new Error('first'); return res.text(String(n)); };",
        PYTHON: "n = 0\ndef main(context):\n    global n\n    n += 1\n"
        "    if n == 1:\n        raise ValueError('first')\n"
        "    return context.res.text(str(n))\n",
    }[runtime]
    workload = bench.deploy(runtime, source)
    assert (await bench.run(workload)).error_class is ErrorClass.USER_EXCEPTION
    again = await bench.run(workload)
    assert (again.body, again.is_cold) == (b"2", False)


HANGS = {
    "node waits": (
        NODE,
        "module.exports = async ({ log }) => { log('before'); await new Promise(() => {}); };",
    ),
    "node spins": (NODE, "module.exports = ({ log }) => { log('before'); for (;;); };"),
    "python waits": (
        PYTHON,
        "import asyncio\nasync def main(context):\n    context.log('before')\n"
        "    await asyncio.sleep(60)\n",
    ),
    "python spins": (
        PYTHON,
        "def main(context):\n    context.log('before')\n    while True:\n        pass\n",
    ),
    "node loads for ever": (NODE, "for (;;);"),
    "node ignores TERM": (
        NODE,
        "process.on('SIGTERM', () => {});\n"
        "module.exports = async ({ log }) => { log('before'); await new Promise(() => {}); };",
    ),
}


@pytest.mark.parametrize("name", HANGS)
async def test_a_deadline_ends_the_call_and_the_sandbox(bench: Bench, name: str) -> None:
    runtime, source = HANGS[name]
    workload = bench.deploy(runtime, source)
    said = "before\n" if "before" in source else ""

    async def run(timeout_s: float) -> Outcome:
        return await bench.run(workload, timeout_s=timeout_s)

    async with a_neighbour(bench):
        outcome = await cut_short(run, lambda ended: ended.logs == said)
    assert (outcome.status_code, outcome.error_class) == (500, ErrorClass.TIMEOUT)
    assert outcome.errors == "Execution timed out."
    assert outcome.logs == said
    again = await bench.run(workload, timeout_s=0.4)
    assert again.is_cold


async def test_other_calls_may_finish_after_one_has_timed_out(bench: Bench) -> None:
    source = (
        "module.exports = async ({ req, res }) => {\n"
        "  if (req.path === '/hang') await new Promise(() => {});\n"
        "  for await (const part of req.stream);\n"
        "  return res.text('done');\n};"
    )
    workload = replace(bench.deploy(NODE, source), max_instances=1)
    await bench.run(workload)
    gate = Gate()
    short = asyncio.create_task(bench.run(workload, "/hang", timeout_s=0.3))
    long = asyncio.create_task(bench.run(workload, source=gate))
    assert (await short).error_class is ErrorClass.TIMEOUT
    assert not long.done()
    gate.open()
    assert ((await long).body, (await long).error_class) == (b"done", None)


async def test_a_busy_loop_holds_up_only_its_own_caller(bench: Bench) -> None:
    source = (
        "module.exports = async ({ req, res }) => {\n"
        "  const end = Date.now() + Number(req.path.slice(1));\n"
        "  while (Date.now() < end);\n  return res.text('done');\n};"
    )
    workload = bench.deploy(NODE, source)
    await bench.run(workload, "/0")
    spinning = asyncio.create_task(bench.run(workload, "/60000", timeout_s=90))
    await asyncio.sleep(0.2)
    async with asyncio.timeout(50):
        for _ in range(5):
            assert (await bench.run(workload, "/0")).body == b"done"
    assert not spinning.done()
    bench.executor.retire(workload.deployment_id)
    spinning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await spinning


PRINTS = {
    "node logs": (
        NODE,
        "module.exports = ({ res, log }) => { const line = 'x'.repeat(7999);\n"
        "  for (let i = 0; i < 12500; i++) log(line); log('last'); return res.text('ok'); };",
    ),
    "python logs": (
        PYTHON,
        "def main(context):\n    line = 'x' * 7999\n    for _ in range(12500):\n"
        "        context.log(line)\n    context.log('last')\n"
        "    return context.res.text('ok')\n",
    ),
}


@pytest.mark.parametrize("name", PRINTS)
async def test_100_mb_of_logs_keep_their_end(bench: Bench, name: str) -> None:
    runtime, source = PRINTS[name]
    async with a_neighbour(bench):
        outcome = await bench.run(bench.deploy(runtime, source))
    assert outcome.body == b"ok"
    assert len(outcome.logs.encode()) <= LOG_BYTES
    assert outcome.logs.startswith("[WARNING] Logs truncated.")
    assert outcome.logs.endswith("x\nlast\n")


async def test_100_mb_on_the_raw_output_block_nobody(bench: Bench) -> None:
    source = (
        "import os\ndef main(context):\n    part = b'y' * 1048576\n"
        "    for _ in range(100):\n        os.write(1, part)\n"
        "    return context.res.text('ok')\n"
    )
    async with a_neighbour(bench):
        outcome = await bench.run(bench.deploy(PYTHON, source))
    assert (outcome.body, outcome.error_class) == (b"ok", None)


def may_change_limits() -> bool:
    """Whether this process may change limits of others; root in a container often may not."""
    found = re.search(r"^CapEff:\s*(\w+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return bool(int(found[1], 16) >> 24 & 1)


@pytest.mark.parametrize(("memory_mib", "most"), [(128, 512), (512, 1024), (1024, 2048)])
async def test_open_files_are_bounded(bench: Bench, memory_mib: int, most: int) -> None:
    if not (may_change_limits() or (most < 1024 and os.geteuid() != 0)):
        most = 1024  # what every sandbox starts with
    source = (
        "const fs = require('fs');\n"
        "module.exports = ({ res }) => { let n = 0;\n"
        "  try { for (; n < 10000; n++) fs.openSync('/tmp/f' + n, 'w'); }\n"
        "  catch (error) { return res.text(`${error.code} ${n}`); }\n"
        "  return res.text('all ' + n); };"
    )
    async with a_neighbour(bench):
        outcome = await bench.run(bench.deploy(NODE, source, memory_mib=memory_mib))
    code, count = outcome.body.split()
    assert code == b"EMFILE"
    assert most - 100 < int(count) < most


async def test_tmp_is_bounded(bench: Bench) -> None:
    source = (
        "def main(context):\n"
        "    try:\n"
        "        with open('/tmp/big', 'wb') as file:\n"
        "            for n in range(1024):\n                file.write(bytes(1048576))\n"
        "    except OSError as error:\n        return context.res.text(f'{error.errno} {n}')\n"
        "    return context.res.text('all')\n"
    )
    outcome = await bench.run(bench.deploy(PYTHON, source, memory_mib=1024))
    assert outcome.body == b"28 256"


async def test_a_fork_bomb_stays_in_its_box(bench: Bench) -> None:
    source = (
        "import os, time\n"
        "def main(context):\n    n = 0\n"
        "    try:\n        while n < 100000:\n"
        "            if os.fork() == 0:\n                time.sleep(60)\n"
        "            n += 1\n"
        "    except OSError as error:\n        return context.res.text(f'{error.errno} {n}')\n"
        "    return context.res.text('all')\n"
    )
    workload = bench.deploy(PYTHON, source)
    async with a_neighbour(bench):
        outcome = await bench.run(workload)
        code, count = outcome.body.split()
        assert code == b"11"
        assert int(count) < 256
        bench.executor.retire(workload.deployment_id)
        assert (await bench.run(workload)).is_cold
