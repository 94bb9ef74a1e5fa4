"""What is particular to Deno and Bun, whose runners share the code of Node's."""

from pathlib import Path

import pytest

from runwright.executor.wire import ResultClass
from tests.integration.runners.deploy import deployed, function
from tests.integration.runners.harness import Variant, others

NOTICE = "Native logs detected. Use context.log() or context.error() for better experience.\n"
ENGINES = [found for found in others() if found.language in ("deno", "bun")]
ANSWER = "({ res }) => res.text('answer')"


@pytest.fixture(params=ENGINES, ids=lambda variant: variant.language)
def engine(request: pytest.FixtureRequest) -> Variant:
    found: Variant = request.param
    return found


@pytest.mark.parametrize(
    ("entrypoint", "files"),
    [
        ("mod.ts", {"mod.ts": f"enum E {{ A }}\nconst f: unknown = {ANSWER}; export default f;"}),
        ("mod.tsx", {"mod.tsx": f"const f: unknown = {ANSWER}; export default f;"}),
        ("mod.mjs", {"mod.mjs": f"await Promise.resolve();\nexport default {ANSWER};"}),
        ("mod.js", {"mod.js": f"export default {ANSWER};"}),
        ("mod.cjs", {"mod.cjs": f"module.exports = {ANSWER};"}),
        (
            "src/mod.ts",
            {
                "src/mod.ts": "export { default } from '../near.ts';",
                "near.ts": f"export default {ANSWER};",
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_kind_of_module_is_loaded(
    engine: Variant, entrypoint: str, files: dict[str, str], tmp_path: Path
) -> None:
    with deployed(engine, tmp_path, files, entrypoint) as runner:
        first, second = runner.call(), runner.call()

    assert (first.text, first.errors) == ("answer", "")
    assert second.text == "answer"


@pytest.mark.parametrize(
    ("code", "errors"),
    [
        ("export const main = () => 1;", "Function signature invalid."),
        ("export default ( => 1", "Syntax error in mod.ts: "),
        ("throw new Error('no luck');", "Failed to load module: no luck\n"),
        ("import x from './not-there.ts'; export default x;", "Failed to load module: "),
        (None, "Failed to load entrypoint, file mod.ts does not exist.\n"),
    ],
    ids=["no default export", "syntax", "throws", "missing module", "missing file"],
)
def test_what_cannot_be_loaded_is_told_on_every_call(
    engine: Variant, code: str | None, errors: str, tmp_path: Path
) -> None:
    files = {} if code is None else {"mod.ts": code}
    with deployed(engine, tmp_path, files, "mod.ts") as runner:
        for result in (runner.call(), runner.call()):
            assert (result.status, result.body) == (503, b"")
            assert result.result == ResultClass.ENTRYPOINT
            assert result.errors.startswith(errors), result.errors


def test_the_console_is_captured_whole(engine: Variant, tmp_path: Path) -> None:
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
    with function(engine, tmp_path, code) as runner:
        logs = runner.call().logs

    assert logs.startswith(f'{NOTICE}early {{"a":"1"}} %s\ni\nd\nw\ne\n')
    assert "│ a │" in logs
    assert logs.endswith("bytes\nno newline\n")


def test_an_exception_is_logged_with_its_stack_and_no_colours(
    engine: Variant, tmp_path: Path
) -> None:
    code = "module.exports = () => { throw new Error('outer', { cause: new RangeError('in') }); };"
    with function(engine, tmp_path, code) as runner:
        result = runner.call()

    assert result.result == ResultClass.USER_EXCEPTION
    assert "outer" in result.errors
    assert "Caused by: RangeError: in" in result.errors
    assert "/index." in result.errors
    assert "\x1b" not in result.errors


def test_web_streams_and_fetch_of_own_data_work(engine: Variant, tmp_path: Path) -> None:
    code = (
        "export default async ({ res }) => {"
        "  const text = await (await fetch('data:text/plain,fetched')).text();"
        "  const bytes = new TextEncoder().encode(text);"
        "  return res.binary(bytes.buffer, 200, new Headers({ 'x-kind': 'web' })); };"
    )
    with deployed(engine, tmp_path, {"mod.ts": code}, "mod.ts") as runner:
        result = runner.call()

    assert (result.text, result.header("x-kind")) == ("fetched", "web")
