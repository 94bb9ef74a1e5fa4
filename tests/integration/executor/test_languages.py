"""Every language in a real sandbox: it starts, is mounted into, is bounded and cleaned up."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runwright.clock import SystemClock
from runwright.executor.host import BubblewrapExecutor
from runwright.model.execution import ErrorClass, Workload
from tests.integration.executor.conftest import Bench, a_config, can_isolate
from tests.integration.executor.test_cancelling import a_run
from tests.integration.runners.harness import TEST_RUNTIMES, compile_go, others

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Code:
    """One function that does what the path says."""

    entrypoint: str
    source: str


_JAVASCRIPT = """
export default async ({ req, res, log }) => {
  if (req.path === '/memory') {
    const all = [];
    for (;;) all.push(new Array(100000).fill(all.length));
  }
  if (req.path === '/spin') for (;;);
  if (req.path === '/write') (await import('node:fs')).writeFileSync('/usr/local/server/x', '');
  if (req.path === '/spawn') (await import('node:child_process')).execFileSync('/bin/sh');
  const kind: string = 'typed';
  log('logged');
  return res.json({ path: req.path, kind, host: req.host });
};
"""
_GO = """package handler

import (
	"os"
	"os/exec"

	"github.com/open-runtimes/types-for-go/v4/openruntimes"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func Main(c openruntimes.Context) openruntimes.Response {
	switch c.Req.Path {
	case "/memory":
		all := [][]byte{}
		for {
			all = append(all, make([]byte, 1<<20))
			for i := range all[len(all)-1] {
				all[len(all)-1][i] = 1
			}
		}
	case "/spin":
		for {
		}
	case "/write":
		must(os.WriteFile("/usr/local/server/x", nil, 0o644))
	case "/spawn":
		must(exec.Command("/bin/sh").Run())
	}
	c.Log("logged")
	return c.Res.Json(struct {
		Path string `json:"path"`
		Kind string `json:"kind"`
		Host string `json:"host"`
	}{c.Req.Path, "typed", c.Req.Host})
}
"""
_PHP = """<?php
return function ($context) {
    switch ($context->req->path) {
        case '/memory':
            for ($all = [];;) $all[] = str_repeat('x', 1 << 20);
        case '/spin':
            while (true);
        case '/write':
            if (@file_put_contents('/usr/local/server/x', '') === false) throw new Exception('no');
            break;
        case '/spawn':
            if (@exec('true', $lines, $code) === false || $code !== 0) throw new Exception('no');
            break;
        case '/hold':
            $context->log('begun');
            sleep(600);
    }
    $context->log('logged');
    return $context->res->json([
        'path' => $context->req->path, 'kind' => 'typed', 'host' => $context->req->host,
    ]);
};
"""
_RUBY = """
def main(context)
  case context.req.path
  when '/memory'
    all = []
    loop { all << 'x' * (1 << 20) }
  when '/spin'
    loop {}
  when '/write'
    File.write('/usr/local/server/x', '')
  when '/spawn'
    raise 'no' unless system('true')
  end
  context.log('logged')
  context.res.json({ path: context.req.path, kind: 'typed', host: context.req.host })
end
"""
CODES = {
    "ruby": Code("index.rb", _RUBY),
    "php": Code("index.php", _PHP),
    "deno": Code("mod.ts", _JAVASCRIPT),
    "bun": Code("index.ts", _JAVASCRIPT),
    "go": Code("main.go", _GO),
}
EXECUTABLES = {found.runtime: found.interpreter for found in others()}
LANGUAGES = sorted({found.language: found.runtime for found in others()}.items())


@pytest.fixture(scope="module")
async def languages(
    anyio_backend: object, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    if not can_isolate():
        pytest.skip("this machine allows no user namespaces")
    folder = tmp_path_factory.mktemp("languages")
    (folder / "data").mkdir()
    (folder / "data/runtimes").symlink_to(TEST_RUNTIMES / "runtimes")
    runtimes = tuple(runtime for _, runtime in LANGUAGES)
    config = a_config(folder / "data", runtimes=runtimes, pool_sizes={})
    executor = BubblewrapExecutor(config, SystemClock())
    await executor.start()
    try:
        yield Bench(executor, folder)
    finally:
        await executor.stop()


def deployed(bench: Bench, language: str, runtime: str, memory_mib: int = 512) -> Workload:
    code = CODES[language]
    workload = bench.deploy(runtime, code.source, entrypoint=code.entrypoint, memory_mib=memory_mib)
    if language == "go":
        Path(workload.artifact, "go.mod").write_text("module openruntimes/handler\n\ngo 1.23\n")
        compile_go(EXECUTABLES[runtime], Path(workload.artifact))
    return workload


@pytest.mark.parametrize(("language", "runtime"), LANGUAGES)
async def test_a_function_is_mounted_late_and_answers(
    language: str, runtime: str, languages: Bench
) -> None:
    workload = deployed(languages, language, runtime)
    outcome = await languages.run(workload, "/a?b=c")

    assert (outcome.status_code, outcome.errors) == (200, "")
    assert outcome.body == b'{"path":"/a","kind":"typed","host":"function.test"}'
    assert outcome.logs == "logged\n"


@pytest.mark.parametrize(("language", "runtime"), LANGUAGES)
async def test_memory_is_bounded_and_its_end_has_a_name(
    language: str, runtime: str, languages: Bench
) -> None:
    languages.needs_memory_groups()
    workload = deployed(languages, language, runtime, memory_mib=256)
    outcome = await languages.run(workload, "/memory")

    assert outcome.error_class is ErrorClass.OUT_OF_MEMORY, outcome.errors


@pytest.mark.parametrize(("language", "runtime"), LANGUAGES)
async def test_a_busy_loop_ends_at_its_deadline(
    language: str, runtime: str, languages: Bench
) -> None:
    workload = deployed(languages, language, runtime)
    assert (await languages.run(workload)).status_code == 200
    outcome = await languages.run(workload, "/spin", timeout_s=1.0)

    assert outcome.error_class is ErrorClass.TIMEOUT
    assert outcome.errors.endswith("Execution timed out.")


@pytest.mark.parametrize(("language", "runtime"), LANGUAGES)
@pytest.mark.parametrize("path", ["/write", "/spawn"])
async def test_the_box_can_neither_be_written_to_nor_has_it_a_shell(
    path: str, language: str, runtime: str, languages: Bench
) -> None:
    workload = deployed(languages, language, runtime)
    outcome = await languages.run(workload, path)

    assert outcome.error_class is ErrorClass.USER_EXCEPTION


async def test_a_sandbox_of_php_takes_one_call_so_two_calls_have_two(languages: Bench) -> None:
    runtimes = dict(LANGUAGES)
    if "php" not in runtimes:
        pytest.skip("not installed")
    workload = deployed(languages, "php", runtimes["php"])
    async with a_run(languages, workload, "held", "/hold") as (held, _):
        other = await languages.run(workload)
        assert not held.done()

    assert (other.status_code, other.is_cold) == (200, True)
    assert (await held).is_cold
