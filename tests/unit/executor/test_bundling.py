"""The Node runner as one file: everything in it, and nothing else changed."""

from pathlib import Path

from runwright.executor.bundling import RUNNER, bundled
from runwright.executor.runtimes import RUNNERS


def test_what_it_requires_of_its_own_is_in_it() -> None:
    files = {
        "node/runner.cjs": b"console.log(require('./one.cjs').name, require('node:path').sep);",
        "node/one.cjs": b"module.exports = require('./two.cjs');",
        "node/two.cjs": b"exports.name = `two of {braces} ${__dirname.length > 0}`;",
        "node/rehearsal.cjs": b"throw new Error('not in it');",
        "php/runner.php": b"<?php",
    }
    made = bundled(files)
    assert {name: made[name] for name in files if name != RUNNER} == {
        name: text for name, text in files.items() if name != RUNNER
    }
    text = made[RUNNER].decode()
    assert "not in it" not in text
    assert text.count("module.exports = require('./two.cjs')") == 1


def test_each_of_ours_is_required_by_a_name_that_it_has() -> None:
    files = {str(path.relative_to(RUNNERS)): path.read_bytes() for path in RUNNERS.rglob("*.cjs")}
    text = bundled(files)[RUNNER].decode()
    for name in (Path(name).name for name in files if name.startswith("node/")):
        if name != "rehearsal.cjs":
            assert f"'./{name}': (function" in text
