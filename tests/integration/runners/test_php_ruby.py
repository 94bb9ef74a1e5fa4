"""What is particular to PHP and Ruby: how they load, and what of them fails in which way."""

from pathlib import Path

import pytest

from runwright.executor.wire import ResultClass
from tests.integration.runners.deploy import deployed
from tests.integration.runners.harness import RUNNERS, Variant, others

FOUND = {found.language: found for found in others()}
NO_CALLABLE = "Function signature invalid. Did you forget to export a 'main' function?\n"

BROKEN = {
    "php no callable": ("<?php\nreturn 5;", NO_CALLABLE),
    "php syntax": ("<?php\nreturn fn( => 1;", "Syntax error in src/fn.php:2: syntax error"),
    "php throws": ("<?php\nthrow new Exception('no luck');", "Failed to load module: no luck\nAt "),
    "php missing file": (None, "Failed to load entrypoint, file src/fn.php does not exist.\n"),
    "ruby no main": ("puts 1", NO_CALLABLE),
    "ruby syntax": ("\ndef main(\n", "Syntax error in src/fn.rb:"),
    "ruby throws": ("raise 'no luck'", "Failed to load module: "),
    "ruby missing gem": (
        "require 'not-there'",
        "Failed to load file: cannot load such file -- not-there\n",
    ),
    "ruby missing file": (None, "Failed to load entrypoint, file src/fn.rb does not exist.\n"),
}


def variant_of(name: str) -> tuple[Variant, str]:
    language = name.partition(" ")[0]
    if language not in FOUND:
        pytest.skip("not installed")
    return FOUND[language], f"src/fn.{'php' if language == 'php' else 'rb'}"


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_loaded_is_told_on_every_call(name: str, tmp_path: Path) -> None:
    variant, entrypoint = variant_of(name)
    code, errors = BROKEN[name]
    files = {} if code is None else {entrypoint: code}
    with deployed(variant, tmp_path, files, entrypoint) as runner:
        for result in (runner.call(), runner.call()):
            assert (result.status, result.body) == (503, b"")
            assert result.result == ResultClass.ENTRYPOINT
            assert result.errors.startswith(errors), result.errors


def answer(name: str, code: str, tmp_path: Path) -> tuple[str, str, str]:
    variant, entrypoint = variant_of(name)
    with deployed(variant, tmp_path, {entrypoint: code}, entrypoint) as runner:
        result = runner.call()
    return result.body.decode(), result.logs, result.errors


def test_a_warning_of_php_is_a_log_line(tmp_path: Path) -> None:
    code = "<?php return function ($c) { echo $none; return $c->res->text('alive'); };"
    body, logs, errors = answer("php", code, tmp_path)
    assert (body, errors) == ("alive", "")
    assert "Warning: Undefined variable $none" in logs


def test_php_values_are_logged_as_what_they_are(tmp_path: Path) -> None:
    code = (
        "<?php return function ($c) { $c->log(null, false, 1.5, ['a' => [1, 'é']], [[]]);"
        "$c->log(\"\\xff bytes\"); return $c->res->json(['list' => [1, 2], 'empty' => []]); };"
    )
    body, logs, errors = answer("php", code, tmp_path)
    assert (body, errors) == ('{"list":[1,2],"empty":[]}', "")
    assert logs == 'null false 1.5 {"a":[1,"é"]} [[]]\n\ufffd bytes\n'


def test_an_error_of_php_that_is_no_exception_fails_the_call(tmp_path: Path) -> None:
    code = "<?php return function ($c) { return none($c); };"
    body, _, errors = answer("php", code, tmp_path)
    assert body == ""
    assert errors.startswith("Error: Call to undefined function none()\nAt ")
    assert "src/fn.php:1" in errors
    assert str(RUNNERS) not in errors


def test_state_and_constants_of_a_ruby_file_are_kept(tmp_path: Path) -> None:
    variant, entrypoint = variant_of("ruby")
    code = "SEEN = []\ndef main(context)\n  SEEN << 1\n  context.res.text(SEEN.size.to_s)\nend\n"
    with deployed(variant, tmp_path, {entrypoint: code}, entrypoint) as runner:
        results = [runner.call() for _ in range(3)]
    assert [result.text for result in results] == ["1", "2", "3"]
    assert [result.logs for result in results] == ["", "", ""]


def test_whatever_ruby_raises_is_the_call_s_alone(tmp_path: Path) -> None:
    code = (
        "def main(context)\n  begin\n    raise 'inner'\n  rescue StandardError\n"
        "    raise NotImplementedError, 'outer'\n  end\nend\n"
    )
    body, _, errors = answer("ruby", code, tmp_path)
    assert body == ""
    assert "outer (NotImplementedError)" in errors
    assert "\nCaused by: " in errors
    assert "inner (RuntimeError)" in errors
    assert "fn.rb:5" in errors


def test_ruby_symbols_are_keys_of_a_response_too(tmp_path: Path) -> None:
    code = "def main(_)\n  { body: 'made', statusCode: 201, headers: { 'x-a': 'b' } }\nend\n"
    variant, entrypoint = variant_of("ruby")
    with deployed(variant, tmp_path, {entrypoint: code}, entrypoint) as runner:
        result = runner.call()
    assert (result.status, result.text, result.header("x-a")) == (201, "made", "b")
