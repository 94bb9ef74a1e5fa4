"""From an entrypoint to a function: every layout that works, and the sentence for what does not."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from runwright.executor.wire import ResultClass
from tests.integration.runners.deploy import deployed
from tests.integration.runners.harness import Result, Runner, Variant, spread, variants, versions

NOTICE = "Native logs detected. Use context.log() or context.error() for better experience.\n"
NO_CALLABLE = "Function signature invalid. Did you forget to export a 'main' function?\n"
NODES = versions("node")
PYTHONS = spread("python")


@dataclass(frozen=True, kw_only=True)
class Layout:
    name: str
    files: Mapping[str, str]
    entrypoint: str
    answer: str | None = None  # the body; None when it must not load
    errors: str = ""  # contained; exact when it ends in a newline
    since: tuple[int, ...] = (0,)  # interpreters that can run it
    until: tuple[int, ...] = (99,)
    logs: str = ""
    env: Mapping[str, str] = field(default_factory=dict)


def runs_on(layout: Layout, variant: Variant) -> bool:
    version = tuple(map(int, variant.version.split(".")))
    return layout.since <= version < layout.until


@contextmanager
def laid_out(variant: Variant, layout: Layout, root: Path) -> Iterator[Runner]:
    with deployed(variant, root, layout.files, layout.entrypoint, layout.env) as runner:
        yield runner


def check(layout: Layout, result: Result, *, is_first: bool) -> None:
    if layout.answer is not None:
        assert (result.status, result.text) == (200, layout.answer), result.errors
        assert result.result == ResultClass.OK
        return
    assert (result.status, result.body) == (503, b"")
    assert result.result == ResultClass.ENTRYPOINT
    if layout.errors.endswith("\n"):
        assert result.errors == layout.errors
    else:
        assert layout.errors in result.errors
    if is_first and layout.logs:
        assert result.logs == layout.logs


ANSWER = "({ res }) => res.text('answer')"

NODE_LAYOUTS = [
    Layout(
        name="module.exports = async function",
        files={"index.js": f"module.exports = async {ANSWER};"},
        entrypoint="index.js",
        answer="answer",
    ),
    Layout(
        name="exports.default",
        files={"index.js": f"exports.default = {ANSWER};"},
        entrypoint="index.js",
        answer="answer",
    ),
    Layout(
        name="transpiled to CommonJS",
        files={
            "index.js": "Object.defineProperty(exports, '__esModule', { value: true });"
            f"exports.default = {ANSWER};"
        },
        entrypoint="index.js",
        answer="answer",
    ),
    Layout(
        name="a function that has a default wins less than its default",
        files={
            "index.js": f"module.exports = () => {{ throw 1; }};module.exports.default = {ANSWER};"
        },
        entrypoint="index.js",
        answer="answer",
    ),
    Layout(
        name="export default in .mjs",
        files={"index.mjs": f"export default {ANSWER};"},
        entrypoint="index.mjs",
        answer="answer",
    ),
    Layout(
        name="export default with type module",
        files={"main.js": f"export default {ANSWER};", "package.json": '{"type":"module"}'},
        entrypoint="main.js",
        answer="answer",
    ),
    Layout(
        name="export default in plain .js",
        files={"main.js": f"export default {ANSWER};"},
        entrypoint="main.js",
        since=(20, 19),
        answer="answer",
    ),
    Layout(
        name="export default in plain .js of an old Node",
        files={"main.js": f"export default {ANSWER};"},
        entrypoint="main.js",
        until=(20, 19),
        errors="Syntax error in main.js: ",
    ),
    Layout(
        name="ES module with top-level await",
        files={
            "main.mjs": "const text = await new Promise((r) => setTimeout(r, 30, 'late'));\n"
            "export default ({ res }) => res.text(text);"
        },
        entrypoint="main.mjs",
        answer="late",
    ),
    Layout(
        name="leading ./",
        files={"src/main.js": f"module.exports = {ANSWER};"},
        entrypoint="./src/main.js",
        answer="answer",
    ),
    Layout(
        name="leading /",
        files={"src/main.js": f"module.exports = {ANSWER};"},
        entrypoint="/src/main.js",
        answer="answer",
    ),
    Layout(
        name="no entrypoint is index.js",
        files={"index.js": f"module.exports = {ANSWER};"},
        entrypoint="",
        answer="answer",
    ),
    Layout(
        name="name with a space and a percent sign",
        files={"a b%20c#d.js": f"module.exports = {ANSWER};"},
        entrypoint="a b%20c#d.js",
        answer="answer",
    ),
    Layout(
        name="dependency of the deployment",
        files={
            "src/main.js": "const x = require('dep'); module.exports = ({ res }) => res.text(x);",
            "node_modules/dep/index.js": "module.exports = 'of dep';",
        },
        entrypoint="src/main.js",
        answer="of dep",
    ),
    Layout(
        name="dependency imported by an ES module",
        files={
            "main.mjs": "import x from 'dep'; export default ({ res }) => res.text(x);",
            "node_modules/dep/index.js": "module.exports = 'of dep';",
            "node_modules/dep/package.json": '{"main":"index.js"}',
        },
        entrypoint="main.mjs",
        answer="of dep",
    ),
    Layout(
        name="environment while loading",
        files={"index.js": "const v = process.env.V; module.exports = ({ res }) => res.text(v);"},
        entrypoint="index.js",
        env={"V": "set"},
        answer="set",
    ),
    Layout(
        name="helpers taken out of res",
        files={"index.js": "module.exports = ({ res: { text } }) => text('free');"},
        entrypoint="index.js",
        answer="free",
    ),
    Layout(
        name="thenable that is no promise",
        files={
            "index.js": "module.exports = ({ res }) => ({ then: (ok) => ok(res.text('then')) });"
        },
        entrypoint="index.js",
        answer="then",
    ),
    Layout(
        name="missing file",
        files={},
        entrypoint="src/none.js",
        errors="Failed to load entrypoint, file src/none.js does not exist.\n",
    ),
    Layout(
        name="only a named export",
        files={"index.js": "console.log('side effect'); exports.main = () => {};"},
        entrypoint="index.js",
        errors=NO_CALLABLE,
        logs=NOTICE + "side effect\n",
    ),
    Layout(
        name="only a named export of an ES module",
        files={"index.mjs": "export const main = () => {};"},
        entrypoint="index.mjs",
        errors=NO_CALLABLE,
    ),
    Layout(
        name="syntax error",
        files={"index.js": "module.exports = ( => 1"},
        entrypoint="index.js",
        errors="Syntax error in index.js: Unexpected token '=>'\n",
    ),
    Layout(
        name="exception while loading",
        files={"index.js": "throw new Error('no luck');"},
        entrypoint="index.js",
        errors="Failed to load module: no luck\n    at ",
    ),
    Layout(
        name="missing dependency",
        files={"index.js": "require('not-there');"},
        entrypoint="index.js",
        errors="Failed to load module: Cannot find module 'not-there'",
    ),
    Layout(
        name="missing dependency of an ES module",
        files={"index.mjs": "import 'not-there';"},
        entrypoint="index.mjs",
        errors="Failed to load module: Cannot find package 'not-there'",
    ),
    Layout(
        name="JSON",
        files={"index.json": "{}"},
        entrypoint="index.json",
        errors="Failed to load module: ",
    ),
    Layout(
        name="TypeScript in a Node that knows none",
        files={"index.ts": f"export default {ANSWER};"},
        entrypoint="index.ts",
        until=(22, 18),
        errors="Failed to load module: ",
    ),
    Layout(
        name="TypeScript",
        files={"index.mts": f"const f: unknown = {ANSWER}; export default f;"},
        entrypoint="index.mts",
        since=(22, 18),
        answer="answer",
    ),
]

PLAIN = "def main(context):\n    return context.res.text({})\n"
SITE = "runtime-env/lib/python{version}/site-packages/"

PYTHON_LAYOUTS = [
    Layout(
        name="plain function",
        files={"main.py": PLAIN.format("__name__")},
        entrypoint="main.py",
        answer="function.main",
    ),
    Layout(
        name="in a folder",
        files={"src/main.py": PLAIN.format("__name__ + ' ' + __package__")},
        entrypoint="src/main.py",
        answer="function.src.main function.src",
    ),
    Layout(
        name="name that is no identifier",
        files={"my-func.py": PLAIN.format("'dash'")},
        entrypoint="my-func.py",
        answer="dash",
    ),
    Layout(
        name="package as entrypoint",
        files={"pkg/__init__.py": PLAIN.format("__name__")},
        entrypoint="pkg/__init__.py",
        answer="function.pkg",
    ),
    *(
        Layout(
            name=f"entrypoint {entrypoint}",
            files={"main.py": PLAIN.format("'found'")},
            entrypoint=entrypoint,
            answer="found",
        )
        for entrypoint in ("./main.py", "/main.py", "x/../main.py")
    ),
    *(
        Layout(
            name=statement,
            files={
                "src/main.py": f"{statement}\n" + PLAIN.format("x"),
                "src/near.py": "x = 'near'",
                "far.py": "x = 'far'",
            },
            entrypoint="src/main.py",
            answer=answer,
        )
        for statement, answer in (
            ("from .near import x", "near"),
            ("from ..far import x", "far"),
            ("from function.src.near import x", "near"),
            ("from function.far import x", "far"),
            ("from far import x", "far"),
            ("from src.near import x", "near"),
        )
    ),
    Layout(
        name="root that is a package",
        files={
            "__init__.py": "x = 'initialised'",
            "main.py": "from function import x\n" + PLAIN.format("x"),
        },
        entrypoint="main.py",
        answer="initialised",
    ),
    Layout(
        name="dependency",
        files={
            SITE + "dep.py": "x = 'of dep'",
            "main.py": "from dep import x\n" + PLAIN.format("x"),
        },
        entrypoint="main.py",
        answer="of dep",
    ),
    Layout(
        name="dependency found by a .pth file",
        files={
            SITE + "extra.pth": "more\n",
            SITE + "more/dep.py": "x = 'of dep'",
            "main.py": "from dep import x\n" + PLAIN.format("x"),
        },
        entrypoint="main.py",
        answer="of dep",
    ),
    Layout(
        name="dependency before a file of the same name",
        files={
            SITE + "dep.py": "x = 'of dep'",
            "dep.py": "x = 'of the function'",
            "main.py": "from dep import x\n" + PLAIN.format("x"),
        },
        entrypoint="main.py",
        answer="of dep",
    ),
    Layout(
        name="environment while loading",
        files={"main.py": "import os\nv = os.environ['V']\n" + PLAIN.format("v")},
        entrypoint="main.py",
        env={"V": "set"},
        answer="set",
    ),
    *(
        Layout(
            name=name,
            files={
                "main.py": f"async def real(context):\n    return context.res.text('x')\n{code}"
            },
            entrypoint="main.py",
            answer="x",
        )
        for name, code in {
            "async def": "main = real",
            "plain function that gives a coroutine": "def main(context):\n    return real(context)",
            "lambda that gives a coroutine": "main = lambda context: real(context)",
            "partial": "import functools\nmain = functools.partial(real)",
            "object with async __call__": "class C:\n    async def __call__(self, context):\n"
            "        return await real(context)\nmain = C()",
            "bound method": "class C:\n    async def run(self, context):\n"
            "        return await real(context)\nmain = C().run",
            "object with __await__": "class A:\n    def __init__(self, c): self.c = c\n"
            "    def __await__(self): return real(self.c).__await__()\nmain = A",
        }.items()
    ),
    Layout(
        name="missing file",
        files={},
        entrypoint="src/none.py",
        errors="Failed to load entrypoint, file src/none.py does not exist.\n",
    ),
    Layout(
        name="file without .py is not looked for",
        files={"main.py": PLAIN.format("1")},
        entrypoint="main",
        errors="Failed to load entrypoint, file main does not exist.\n",
    ),
    Layout(
        name="no main",
        files={"main.py": "print('side effect')\ndef other(context): pass"},
        entrypoint="main.py",
        errors=NO_CALLABLE,
        logs=NOTICE + "side effect\n",
    ),
    Layout(
        name="main that is no function",
        files={"main.py": "main = 5"},
        entrypoint="main.py",
        errors=NO_CALLABLE,
    ),
    Layout(
        name="syntax error",
        files={"src/main.py": "\ndef main(:\n"},
        entrypoint="src/main.py",
        errors="Syntax error in src/main.py:2: invalid syntax\n",
    ),
    Layout(
        name="syntax error in an imported file",
        files={"main.py": "from .other import x", "other.py": "x = = 1"},
        entrypoint="main.py",
        errors="Syntax error in other.py:1: invalid syntax\n",
    ),
    Layout(
        name="exception while loading",
        files={"main.py": "raise ValueError('no luck')"},
        entrypoint="main.py",
        errors="ValueError: no luck\n"[:-1],
    ),
    Layout(
        name="missing dependency",
        files={"main.py": "import not_there"},
        entrypoint="main.py",
        errors="Module not found: not_there\n",
    ),
    Layout(
        name="the runner's own modules are not importable by chance",
        files={"main.py": "import engine"},
        entrypoint="main.py",
        errors="Module not found: engine\n",
    ),
]


@pytest.mark.parametrize("variant", NODES, ids=lambda variant: variant.version)
@pytest.mark.parametrize("layout", NODE_LAYOUTS, ids=lambda layout: layout.name)
def test_node_layout(layout: Layout, variant: Variant, tmp_path: Path) -> None:
    if not runs_on(layout, variant):
        pytest.skip("another version of Node")
    with laid_out(variant, layout, tmp_path) as runner:
        check(layout, runner.call(), is_first=True)
        check(layout, runner.call(), is_first=False)


@pytest.mark.parametrize("variant", PYTHONS, ids=lambda variant: variant.version)
@pytest.mark.parametrize("layout", PYTHON_LAYOUTS, ids=lambda layout: layout.name)
def test_python_layout(layout: Layout, variant: Variant, tmp_path: Path) -> None:
    minor = ".".join(variant.version.split(".")[:2])
    files = {name.replace("{version}", minor): text for name, text in layout.files.items()}
    if "x/../" in layout.entrypoint:
        files["x/empty"] = ""
    with laid_out(variant, replace(layout, files=files), tmp_path) as runner:
        check(layout, runner.call(), is_first=True)
        check(layout, runner.call(), is_first=False)


@pytest.mark.parametrize(
    "variant", [found for found in variants() if found.is_scripted], ids=lambda variant: variant.id
)
def test_calls_wait_for_a_slow_module_and_then_run_together(
    variant: Variant, tmp_path: Path
) -> None:
    # Loading ends when the test says so; all calls have come by then.
    waits = {
        "index.js": (
            "const fs = require('fs'); while (!fs.existsSync(process.env.GATE)) {}\n"
            "const all = []; module.exports = async ({ res }) => { await new Promise((go) => {"
            "all.push(go); if (all.length === 8) for (const one of all) one(); });"
            "return res.text('met'); };"
        ),
        "main.py": (
            "import os, threading, time\n"
            "while not os.path.exists(os.environ['GATE']): time.sleep(0.005)\n"
            "barrier = threading.Barrier(8)\n"
            "def main(context):\n    barrier.wait()\n    return context.res.text('met')\n"
        ),
        "async_main.py": (
            "import asyncio, os, time\n"
            "while not os.path.exists(os.environ['GATE']): time.sleep(0.005)\n"
            "all = []\n"
            "async def main(context):\n"
            "    all.append(asyncio.get_running_loop().create_future())\n"
            "    if len(all) == 8: [one.set_result(None) for one in all]\n"
            "    await all[-1] if len(all) < 8 else None\n"
            "    return context.res.text('met')\n"
        ),
    }
    gate = tmp_path / "gate"
    name = "index.js" if variant.is_javascript else variant.entrypoint
    layout = Layout(
        name="slow",
        files={variant.entrypoint: waits[name]},
        entrypoint=variant.entrypoint,
        env={"GATE": str(gate)},
    )
    with laid_out(variant, layout, tmp_path) as runner:
        ids = [runner.begin() for _ in range(4)]
        if variant.language == "python":
            # The reader answers although the main thread is busy importing.
            runner.ping(5)
            runner.wait(lambda: runner.pongs == [5])
        ids += [runner.begin() for _ in range(4)]
        gate.touch()

        assert [runner.end(request_id).text for request_id in ids] == ["met"] * 8


@pytest.mark.parametrize("variant", PYTHONS, ids=lambda variant: variant.version)
def test_leaving_while_loading_ends_the_process(variant: Variant, tmp_path: Path) -> None:
    layout = Layout(name="", files={"main.py": "import sys\nsys.exit(7)"}, entrypoint="main.py")
    with laid_out(variant, layout, tmp_path) as runner:
        assert runner.drain() == 7


@pytest.mark.parametrize("variant", PYTHONS, ids=lambda variant: variant.version)
def test_a_main_that_is_only_sometimes_async_works(variant: Variant, tmp_path: Path) -> None:
    code = (
        "import asyncio, threading\n"
        "async def later(context):\n    await asyncio.sleep(0.001)\n"
        "    return context.res.text('async')\n"
        "def main(context):\n"
        "    if context.req.path == '/async': return later(context)\n"
        "    return context.res.text('plain')\n"
    )
    layout = Layout(name="", files={"main.py": code}, entrypoint="main.py")
    with laid_out(variant, layout, tmp_path) as runner:
        paths = ["/", "/", "/async", "/", "/async", "/async"] * 5
        ids = [runner.begin(target=path) for path in paths]
        answers = [runner.end(request_id).text for request_id in ids]

    assert answers == ["async" if path == "/async" else "plain" for path in paths]


@pytest.mark.parametrize("variant", PYTHONS, ids=lambda variant: variant.version)
def test_one_thread_serves_all_calls_when_asked(variant: Variant, tmp_path: Path) -> None:
    code = (
        "import os, threading, time\n"
        "def main(context):\n"
        "    while not os.path.exists(os.environ['GATE']): time.sleep(0.005)\n"
        "    return context.res.text(threading.current_thread().name)\n"
    )
    gate = tmp_path / "gate"
    layout = Layout(
        name="",
        files={"main.py": code},
        entrypoint="main.py",
        env={"RUNWRIGHT_PYTHON_THREADS": "1", "GATE": str(gate)},
    )
    with laid_out(variant, layout, tmp_path) as runner:
        ids = [runner.begin() for _ in range(6)]
        runner.ping(1)
        runner.wait(lambda: runner.pongs == [1])
        assert runner.results[ids[-1]].result is None
        gate.touch()
        names = {runner.end(request_id).text for request_id in ids}
        names |= {runner.call().text for _ in range(3)}

    assert names == {"MainThread"}


def test_there_is_something_to_test() -> None:
    assert NODES
    assert any(found.version.startswith(f"3.{sys.version_info.minor}") for found in PYTHONS)
