"""What is particular to the Python runner."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runwright.executor.wire import Kind, ResultClass, frame
from tests.integration.runners.deploy import deployed, function
from tests.integration.runners.harness import (
    DEADLINE_S,
    RUNNERS,
    Runner,
    Variant,
    spread,
    started,
)

NOTICE = "Native logs detected. Use context.log() or context.error() for better experience.\n"
PYTHONS = spread("python")


@pytest.fixture(params=PYTHONS, ids=lambda variant: variant.version)
def python(request: pytest.FixtureRequest) -> Variant:
    found: Variant = request.param
    return found


def test_output_of_logging_is_captured_in_every_call(python: Variant) -> None:
    with started(python) as runner:
        logs = [runner.call("nativeLogging").logs for _ in range(3)]

    assert logs[0].endswith("WARNING:root:by logging\n")
    assert logs[1] == logs[2] == NOTICE + "WARNING:root:by logging\n"


def test_jobs_of_an_executor_print_for_the_call_that_gave_them(
    python: Variant, tmp_path: Path
) -> None:
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor(1)\n"
        "def main(context):\n"
        "    pool.submit(print, context.req.path).result()\n"
        "    return context.res.text('')\n"
    )
    with function(python, tmp_path, code) as runner:
        for path in ("/a", "/b", "/c"):
            assert runner.call(target=path).logs == f"{NOTICE}{path}\n"


def test_a_background_task_that_fails_is_logged_and_does_no_harm(
    python: Variant, tmp_path: Path
) -> None:
    code = (
        "import asyncio, gc\n"
        "async def fail(): raise ValueError('behind the scenes')\n"
        "async def main(context):\n"
        "    task = asyncio.ensure_future(fail())\n"
        "    await asyncio.sleep(0)\n"
        "    await asyncio.sleep(0)\n"
        "    del task\n    gc.collect()\n"
        "    return context.res.text('fine')\n"
    )
    with function(python, tmp_path, code) as runner:
        result = runner.call()

    assert result.text == "fine"
    assert "behind the scenes" in result.logs


def test_a_forked_child_does_not_speak_to_the_host(python: Variant, tmp_path: Path) -> None:
    code = (
        "import os\n"
        "def main(context):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        print('of the child')\n"
        "        context.log('of the child')\n"
        "        os._exit(5)\n"
        "    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "    return context.res.text(str(code))\n"
    )
    with function(python, tmp_path, code) as runner:
        result = runner.call()
        assert runner.call().text == "5"

    assert (result.text, result.logs) == ("5", "")


def test_text_of_invalid_utf_8_is_an_exception_only_when_it_is_read(
    python: Variant, tmp_path: Path
) -> None:
    code = (
        "def main(context):\n"
        "    if context.req.path == '/text': return context.res.text(context.req.body)\n"
        "    return context.res.binary(context.req.body_binary)\n"
    )
    with function(python, tmp_path, code) as runner:
        assert runner.call(body=b"\xff").body == b"\xff"
        failed = runner.call(target="/text", body=b"\xff")

    assert failed.result == ResultClass.USER_EXCEPTION
    assert "UnicodeDecodeError" in failed.errors


def test_default_headers_are_not_shared_between_calls(python: Variant, tmp_path: Path) -> None:
    code = (
        "mine = {'X-Mine': '1'}\n"
        "def main(context):\n"
        "    response = context.res.json({}, 200, mine)\n"
        "    other = context.res.json({})\n"
        "    other['headers']['x-leak'] = '1'\n"
        "    assert mine == {'X-Mine': '1'}\n"
        "    return response if context.req.path == '/mine' else context.res.json({})\n"
    )
    with function(python, tmp_path, code) as runner:
        for _ in range(2):
            assert runner.call().headers == (("content-type", "application/json; charset=utf-8"),)
        assert runner.call(target="/mine").header("x-mine") == "1"


def test_log_arguments_never_fail(python: Variant, tmp_path: Path) -> None:
    code = (
        "import datetime\n"
        "class Bad:\n"
        "    def __str__(self): raise ValueError\n"
        "    __repr__ = __str__\n"
        "def main(context):\n"
        "    cycle = []\n    cycle.append(cycle)\n"
        "    for value in (None, True, 4.2, (1, 2), {1}, ValueError('v'), {'a': {2}}, cycle,\n"
        "                  datetime.datetime(1970, 1, 1), float('nan'), {'k': 'é'}, {(1,): 2},\n"
        "                  Bad(), [Bad()], '\\ud800', b'x'):\n"
        "        context.log(value)\n"
        "    context.log()\n"
        "    context.log('a', 1, None)\n"
        "    return context.res.empty()\n"
    )
    with function(python, tmp_path, code) as runner:
        result = runner.call()

    assert result.errors == ""
    assert result.logs.splitlines() == [
        "None",
        "True",
        "4.2",
        "[1,2]",
        "{1}",
        "v",
        '{"a":"{2}"}',
        "[[...]]",
        "1970-01-01 00:00:00",
        "nan",
        '{"k":"\\u00e9"}',
        "{(1,): 2}",
        "<Bad that cannot be shown>",
        "<list that cannot be shown>",
        "?",
        "b'x'",
        "",
        "a 1 None",
    ]


def test_streams_of_print_behave_like_files(python: Variant, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "def main(context):\n"
        "    print('a', 'b', sep='-', end='')\n"
        "    context.log('entry')\n"
        "    sys.stdout.buffer.write('bytes é\\n'.encode())\n"
        "    sys.stdout.writelines(['x\\n', 'y'])\n"
        "    print('', flush=True)\n"
        "    print('z' * 8001)\n"
        "    print('tail', end='', file=sys.stderr)\n"
        "    assert not sys.stdout.isatty() and sys.stdout.fileno() == 1\n"
        "    assert sys.stdout.encoding == 'utf-8'\n"
        "    return context.res.empty()\n"
    )
    with function(python, tmp_path, code) as runner:
        result = runner.call()

    assert result.errors == ""
    cut = "z" * 8000 + "... Log truncated due to size limit (8000 characters)\n"
    assert result.logs == f"{NOTICE}a-b\nentry\nbytes é\nx\ny\n{cut}tail\n"


def test_a_finalizer_that_prints_while_something_is_logged_blocks_nothing(
    python: Variant, tmp_path: Path
) -> None:
    code = (
        "import gc\n"
        "gc.set_threshold(1)\n"
        "class Noisy:\n"
        "    def __init__(self): self.me = self\n"
        "    def __del__(self): print('gone')\n"
        "def main(context):\n"
        "    for number in range(500):\n"
        "        Noisy()\n"
        "        context.log('entry', number, [number])\n"
        "    return context.res.text('done')\n"
    )
    with function(python, tmp_path, code) as runner:
        result = runner.call()

    assert result.text == "done"
    assert result.logs.count("entry") == 500


def test_a_call_that_is_cancelled_under_asyncio_is_interrupted(
    python: Variant, tmp_path: Path
) -> None:
    code = (
        "import asyncio\n"
        "seen = []\n"
        "async def main(context):\n"
        "    if context.req.path == '/seen':\n"
        "        while not seen: await asyncio.sleep(0.001)\n"
        "        return context.res.text(seen[0])\n"
        "    context.log('began')\n"
        "    try:\n"
        "        await asyncio.sleep(3600)\n"
        "    except asyncio.CancelledError:\n"
        "        seen.append('cancelled')\n"
        "        raise\n"
    )
    with function(python, tmp_path, code) as runner:
        request_id = runner.begin()
        runner.wait(lambda: runner.results[request_id].logs == "began\n")
        runner.send(frame(Kind.CANCEL, request_id))
        assert runner.call(target="/seen").text == "cancelled"
        assert runner.results[request_id].status == 0


def test_more_calls_than_threads_are_all_answered(python: Variant, tmp_path: Path) -> None:
    code = (
        "import threading\n"
        "meeting = threading.Barrier(40)\n"  # not one after another
        "def main(context):\n    meeting.wait()\n    return context.res.text(context.req.path)\n"
    )
    with function(python, tmp_path, code) as runner:
        ids = [runner.begin(target=f"/{number}") for number in range(400)]
        answers = [runner.end(request_id).text for request_id in ids]
        with open(f"/proc/{runner.process.pid}/status") as status:
            threads = next(line for line in status if line.startswith("Threads"))

    assert answers == [f"/{number}" for number in range(400)]
    assert int(threads.split()[1]) <= 66  # 64 calls, the reader, the watcher


def test_calls_are_answered_when_no_thread_can_be_started(python: Variant, tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "threads = sys.modules['_runwright.threads']\n"
        'def refuse(*_): raise RuntimeError("can\'t start new thread")\n'
        "threads._start_thread = refuse\n"
        "def main(context):\n    time.sleep(0.06)\n    return context.res.text(context.req.path)\n"
    )
    with function(python, tmp_path, code) as runner:
        for _ in range(2):
            ids = [runner.begin(target=f"/{number}") for number in range(4)]
            assert [runner.end(one).text for one in ids] == [f"/{n}" for n in range(4)]


def test_uvloop_is_used_when_the_function_brings_it(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")
    same = [v for v in PYTHONS if v.version == ".".join(map(str, sys.version_info[:3]))]
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    site = tmp_path / f"runtime-env/lib/python{minor}/site-packages"
    site.mkdir(parents=True)
    (site / "uvloop").symlink_to(Path(uvloop.__file__).parent)
    code = (
        "import asyncio\n"
        "async def main(context):\n"
        "    await asyncio.sleep(0.001)\n"
        "    return context.res.text(type(asyncio.get_running_loop()).__module__)\n"
    )
    with deployed(same[0], tmp_path, {"main.py": code}, "main.py") as runner:
        ids = [runner.begin() for _ in range(20)]
        assert {runner.end(request_id).text for request_id in ids} == {"uvloop"}


def test_modules_named_for_preloading_are_there_before_the_load(python: Variant) -> None:
    with Runner([*python.argv, "--preload=asyncio,not_there"]) as runner:
        runner.load(python.root, "async_main.py")
        assert runner.call("text").status == 200


def test_a_rehearsal_leaves_nothing_that_user_code_sees(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "def main(context):\n"
        "    names = sorted(name for name in sys.modules if name.startswith('function'))\n"
        "    known = (*sys.path, *sys.path_importer_cache)\n"
        "    paths = [path for path in known if path.endswith('/rehearsal')]\n"
        "    own = [name for name in os.environ if 'REHEARSAL' in name]\n"
        "    told = [names, paths, own, '_runwright.rehearsing' in sys.modules, os.getcwd()]\n"
        "    return context.res.json(told)\n"
    )
    (tmp_path / "main.py").write_text(code)
    with Runner(PYTHONS[-1].argv) as runner:
        runner.rehearse()
        runner.load(tmp_path, "main.py")
        *told, folder = json.loads(runner.call().body)
        assert told == [["function", "function.main"], [], [], True]
        assert folder == str(tmp_path)


def test_a_rehearsal_loads_and_calls_a_function() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from _runwright import engine, rehearsing, threads\n"
        "threads.QUICK_S = 1e-9\n"
        "own = engine.Engine(None)\n"
        "rehearsing._load_and_call(own); rehearsing._turn_a_loop()\n"
        "print(sys.modules['function.main'].__file__, own.threads._was_slow)\n"
    )
    words = [PYTHONS[-1].interpreter, "-I", "-S", "-c", program, str(RUNNERS / "python")]
    done = subprocess.run(words, capture_output=True, check=True, timeout=DEADLINE_S)
    file, was_slow = done.stdout.decode().split()
    assert file == str(RUNNERS / "python" / "rehearsal" / "main.py")
    assert was_slow == "False"
