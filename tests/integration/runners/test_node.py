"""What is particular to the Node runner."""

import time
from pathlib import Path

import pytest

from runwright.executor.wire import ResultClass
from tests.integration.runners.deploy import function
from tests.integration.runners.harness import DEADLINE_S, Runner, Variant, spread

NOTICE = "Native logs detected. Use context.log() or context.error() for better experience.\n"
NODES = spread("node")


@pytest.fixture(params=NODES, ids=lambda variant: variant.version)
def node(request: pytest.FixtureRequest) -> Variant:
    found: Variant = request.param
    return found


def test_log_arguments_of_every_kind(node: Variant, tmp_path: Path) -> None:
    values = {
        "'text'": "text",
        "42": "42",
        "4.2": "4.2",
        "true": "true",
        "null": "null",
        "undefined": "null",
        "({ a: 1, b: [1, 'x'], c: undefined })": '{"a":1,"b":[1,"x"],"c":null}',
        "[1, undefined]": "[1,null]",
        "new Date(0)": '"1970-01-01T00:00:00.000Z"',
        "new Date(NaN)": "null",
        "new Map([['k', 1]])": '[["k",1]]',
        "new Set([1])": "[1]",
        "10n": '"10"',
        "({ big: -(2n ** 63n) })": '{"big":"-9223372036854775808"}',
        "NaN": '"NaN"',
        "Infinity": '"Infinity"',
        "-0": '"-0"',
        "() => 1": "",
        "Symbol('s')": "",
        "({ f() {}, s: Symbol('s'), kept: 1 })": '{"kept":1}',
        "(() => { const c = {}; c.c = c; return c; })()": '{"c":null}',
        "(() => { const s = {}; return [s, s]; })()": "[{},{}]",
        "({ e: new TypeError('m') })": '{"e":{"name":"TypeError","message":"m"}}',
        "new URL('http://h/a')": '"http://h/a"',
        "/x/g": '"/x/g"',
        "new Uint8Array([1, 2])": "[1,2]",
        "Buffer.from('ab')": "[97,98]",
        "({ toJSON: () => 'own' })": '"own"',
        "({ get bad() { throw 1; } })": "[object Object]",
        "new Proxy({}, { ownKeys() { throw 1; }, get() { throw 1; } })": (
            "[value that cannot be shown]"
        ),
        "Object.create(null)": "{}",
        "new (class Own { constructor() { this.x = 1n; } })()": '{"x":"1"}',
    }
    lines = "".join(f"context.log({value});" for value in values)
    code = f"module.exports = (context) => {{ {lines} return context.res.empty(); }};"
    with function(node, tmp_path, code) as runner:
        result = runner.call()

    assert result.errors == ""
    assert dict(zip(values, result.logs.split("\n"), strict=False)) == values


def test_what_is_logged_is_worked_out_only_as_far_as_it_is_shown(
    node: Variant, tmp_path: Path
) -> None:
    code = (
        "module.exports = ({ res, log }) => {"
        "  let deep = {}; for (let i = 0; i < 1e5; i += 1) deep = { deep };"
        "  log(deep);"
        "  log(new Array(1e7).fill('long'));"
        "  log('x'.repeat(1e7), { y: 'z'.repeat(1e7) });"
        "  return res.text('alive'); };"
    )
    with function(node, tmp_path, code) as runner:
        result = runner.call()

    assert result.text == "alive"
    assert [len(line) for line in result.logs.splitlines()][1:] == [8053, 8053]


def test_an_exception_is_logged_with_stack_and_cause(node: Variant, tmp_path: Path) -> None:
    code = (
        "module.exports = () => {throw new Error('outer', { cause: new RangeError('inner') }); };"
    )
    with function(node, tmp_path, code) as runner:
        result = runner.call()

    assert result.result == ResultClass.USER_EXCEPTION
    assert result.errors.startswith("Error: outer\n    at ")
    assert "\nCaused by: RangeError: inner\n    at " in result.errors
    assert "index.js" in result.errors


@pytest.mark.parametrize(
    ("thrown", "text"),
    [("'plain'", "plain"), ("{ code: 7 }", '{"code":7}'), ("null", "null"), ("undefined", "null")],
)
def test_what_is_thrown_need_not_be_an_error(
    node: Variant, tmp_path: Path, thrown: str, text: str
) -> None:
    with function(node, tmp_path, f"module.exports = () => {{ throw {thrown}; }};") as runner:
        result = runner.call()

    assert (result.status, result.errors) == (500, f"{text}\n")
    assert result.result == ResultClass.USER_EXCEPTION


def test_the_console_is_captured_whole(node: Variant, tmp_path: Path) -> None:
    code = (
        "const early = console.log;"
        "module.exports = ({ res }) => {"
        "  early('early', { a: 1n }, '%s');"
        "  console.info('i'); console.debug('d'); console.warn('w'); console.error('e');"
        "  console.table([{ a: 1 }]); console.dir({ b: 2 });"
        "  process.stdout.write(Buffer.from('bytes\\n'), () => {});"
        "  process.stderr.write('no newline');"
        "  return res.empty(); };"
    )
    with function(node, tmp_path, code) as runner:
        logs = runner.call().logs

    assert logs.startswith(f'{NOTICE}early {{"a":"1"}} %s\ni\nd\nw\ne\n')
    assert "│ (index) │ a │" in logs
    assert logs.endswith("{ b: 2 }\nbytes\nno newline\n")


def test_headers_may_be_a_headers_object_or_a_map(node: Variant, tmp_path: Path) -> None:
    code = (
        "module.exports = ({ req, res }) => {"
        "  const headers = new (req.path === '/map' ? Map : Headers)([['X-A', '1']]);"
        "  if (req.path === '/h') { headers.append('set-cookie', 'a=1');"
        "  headers.append('set-cookie', 'b=2'); }"
        "  return res.json({}, 200, headers); };"
    )
    with function(node, tmp_path, code) as runner:
        assert runner.call(target="/map").header("x-a") == "1"
        headers = runner.call(target="/h").headers

    assert [value for name, value in headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert ("content-type", "application/json; charset=utf-8") in headers


def test_headers_given_to_a_helper_are_not_changed(node: Variant, tmp_path: Path) -> None:
    code = (
        "const mine = { 'X-Mine': '1', 'Content-Type': 'text/html' };"
        "module.exports = ({ res }) => { res.json({}, 200, mine); res.redirect('/', 301, mine);"
        "return res.text(JSON.stringify(mine), 200, mine); };"
    )
    with function(node, tmp_path, code) as runner:
        result = runner.call()

    assert result.json == {"X-Mine": "1", "Content-Type": "text/html"}
    assert result.header("content-type") == "text/html; charset=utf-8"


def test_parts_of_the_request_can_be_replaced(node: Variant, tmp_path: Path) -> None:
    code = (
        "'use strict'; module.exports = ({ req, res }) => {"
        "req.path = '/own'; req.body = { own: true }; req.headers['x-own'] = '1';"
        "return res.json([req.path, req.body, req.headers['x-own'], req.url]); };"
    )
    with function(node, tmp_path, code) as runner:
        result = runner.call(target="/given", headers=[("host", "h")])

    assert result.json == ["/own", {"own": True}, "1", "http://h/own"]


def test_a_host_that_takes_nothing_costs_output_but_no_memory(
    node: Variant, tmp_path: Path
) -> None:
    code = (
        "module.exports = async ({ res, log }) => {"
        "  const line = 'x'.repeat(999);"
        "  for (let i = 0; i < 40000; i += 1) log(line);"
        "  await new Promise((go) => setTimeout(go, 20)); log('last');"
        "  require('fs').writeFileSync(process.env.DONE, '');"
        "  return res.text('done'); };"
    )
    done = tmp_path / "done"
    with function(node, tmp_path, code, {"DONE": str(done)}) as runner:
        request_id = runner.begin()
        # Nothing is read until the function has come to its end.
        until = time.monotonic() + DEADLINE_S
        while not done.exists() and time.monotonic() < until:
            time.sleep(0.02)
        result = runner.end(request_id)
        with open(f"/proc/{runner.process.pid}/status") as status:
            peak = next(line for line in status if line.startswith("VmHWM"))

    assert result.text == "done"
    assert "bytes of output were dropped here, because nobody took them]\n" in result.logs
    assert 8_000_000 < len(result.logs) < 10_000_000
    assert int(peak.split()[1]) / 1024 < 160


def test_a_function_may_catch_what_nobody_caught(node: Variant, tmp_path: Path) -> None:
    code = (
        "let caught;"
        "process.on('uncaughtException', (error) => {"
        "  console.log(`caught ${error.message}`); caught(); });"
        "module.exports = async ({ res }) => {"
        "  setTimeout(() => { throw new Error('in a timer'); }, 1);"
        "  await new Promise((go) => { caught = go; });"
        "  return res.text('survived'); };"
    )
    with function(node, tmp_path, code) as runner:
        result = runner.call()

    assert result.text == "survived"
    assert result.logs == f"{NOTICE}caught in a timer\n"


@pytest.mark.parametrize("is_rehearsed", [False, True])
def test_only_a_runner_that_has_time_calls_a_function_of_its_own_first(
    tmp_path: Path, is_rehearsed: bool
) -> None:
    code = (
        "module.exports = (context) => "
        "context.res.text(String(Object.keys(require.cache).join().includes('rehearsal')));"
    )
    (tmp_path / "index.js").write_text(code)
    newest = NODES[-1]
    with Runner(newest.argv) as runner:
        if is_rehearsed:
            runner.rehearse()
        runner.load(tmp_path, "index.js")
        assert runner.call().text == str(is_rehearsed).lower()
