"""Containers: what they are made from, what is said to them, what is believed of their answers."""

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import pytest

from runwright.executor.docker.builds import _is_within
from runwright.executor.docker.container import error_class_of
from runwright.executor.docker.engine import Engine, EngineError, Frames, NoImage
from runwright.executor.docker.exchange import (
    Answer,
    BadAnswer,
    _Parts,
    _receive,
    log_id_of,
    request_head,
    response_headers,
)
from runwright.executor.docker.images import statuses
from runwright.executor.docker.recipe import Shape, Size, build_recipe, run_recipe
from runwright.executor.routing import ByRuntime
from runwright.model.execution import ErrorClass, Invocation, Workload
from runwright.ports.executor import RuntimeStatus

SHAPE = Shape(
    image="openruntimes/dart:v5-3.5",
    labels={"runwright.server": "x"},
    env={"A": "b"},
    size=Size(memory_mib=256, cpus=0.5, pids=64),
)


def an_invocation(**changes: object) -> Invocation:
    values: dict[str, object] = {
        "execution_id": "e",
        "method": "GET",
        "target": "/a?b=c",
        "headers": (),
    }
    return Invocation(**{**values, **changes})  # type: ignore[arg-type]  # fields by name


def host_config(recipe: dict[str, object]) -> dict[str, object]:
    found = recipe["HostConfig"]
    assert isinstance(found, dict)
    return found


def test_a_container_gets_the_least_rights() -> None:
    config = host_config(run_recipe(SHAPE, artifact="/code", code_mib=10))

    assert config["CapDrop"] == ["ALL"]
    assert config["CapAdd"] == []
    assert config["SecurityOpt"] == ["no-new-privileges:true"]
    assert config["NetworkMode"] == "none"
    assert config["ReadonlyRootfs"] is True
    assert config["Memory"] == config["MemorySwap"] == 266 * 1024 * 1024
    assert (config["PidsLimit"], config["NanoCpus"]) == (64, 500_000_000)
    mounts = config["Mounts"]
    assert isinstance(mounts, list)
    assert [(it["Target"], it["ReadOnly"]) for it in mounts] == [("/mnt/code", True)]


def test_the_commands_of_a_build_are_one_word_of_its_command_line() -> None:
    recipe = build_recipe(
        SHAPE, source="/s", output="/o", cache="/c", commands="echo \"$A\"; echo 'b'"
    )

    command = recipe["Cmd"]
    assert isinstance(command, list)
    assert command[-1] == "echo \"$A\"; echo 'b'"
    assert command[3].endswith('exec bash helpers/build.sh "$0"')
    env = recipe["Env"]
    assert isinstance(env, list)
    assert {"A=b", "OPEN_RUNTIMES_BUILD_COMPRESSION=none"} <= set(env)


def test_the_head_of_a_request_says_what_the_protocol_asks_for() -> None:
    head = request_head(
        an_invocation(timeout_s=1.2, method="POST", body=b"abc"),
        secret="s3",
        host="box",
        log_id="id-1",
    ).decode()

    lines = head.split("\r\n")
    assert lines[0] == "POST /a?b=c HTTP/1.1"
    assert {
        "host: box:3000",
        "content-length: 3",
        "x-open-runtimes-secret: s3",
        "x-open-runtimes-timeout: 2",
        "x-open-runtimes-logging: enabled",
        "x-open-runtimes-log-id: id-1",
    } <= set(lines)
    assert "authorization" not in head
    assert head.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("/a b", "GET /a%20b HTTP/1.1"),
        ("/a\r\nX: y", "GET /a%0D%0AX:%20y HTTP/1.1"),
        ("a", "GET /a HTTP/1.1"),
        ("/%2e?x=%20#f", "GET /%2e?x=%20#f HTTP/1.1"),
    ],
)
def test_a_target_is_one_word(target: str, line: str) -> None:
    head = request_head(an_invocation(target=target), secret="s", host="h", log_id="")
    assert head.decode().split("\r\n")[0] == line


def test_a_caller_cannot_forge_a_header_of_ours_nor_the_length() -> None:
    headers = (
        ("X-Open-Runtimes-Secret", "mine"),
        ("Content-Length", "99"),
        ("Transfer-Encoding", "chunked"),
        ("x-a", "1\r\nx-b: 2"),
        ("bad name", "x"),
        ("x-d: y\r\nx-e", "z"),
    )
    head = request_head(an_invocation(headers=headers), secret="s", host="h", log_id="").decode()

    names = [line.partition(":")[0] for line in head.split("\r\n")[1:-2]]
    assert "x-a: 1  x-b: 2" in head
    assert head.count("-secret:") == 1
    assert set(names) & {"x-b", "x-e", "content-length", "transfer-encoding", "bad name"} == set()


@pytest.mark.parametrize("text", ["", "a/b", "../x", "a" * 65, "é", "a b"])
def test_only_plain_words_name_log_files(text: str) -> None:
    assert log_id_of(text) == ""
    assert log_id_of("65a_b-C") == "65a_b-C"


def test_a_response_keeps_its_own_headers_and_loses_the_connection_s() -> None:
    pairs = [
        (b"Content-Type", b"text/plain"),
        (b"Set-Cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"X-Open-Runtimes-Log-Id", b"%61bc"),
        (b"x-open-runtimes-other", b"x"),
        (b"Connection", b"keep-alive"),
        (b"Content-Length", b"3"),
        (b"x-latin", b"\xe9"),
    ]

    kept, log_id = response_headers(pairs)

    assert log_id == "abc"
    assert kept == (
        ("content-type", "text/plain"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-latin", "é"),
    )


async def answered(*pieces: bytes, method: str = "GET") -> Answer:
    """What is made of a response that comes in these pieces."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    try:
        receiving = asyncio.create_task(_receive(reader, _Parts(), method, None, 100))
        for piece in pieces:
            theirs.sendall(piece)
            for _ in range(5):  # it reads each by itself
                await asyncio.sleep(0)
        theirs.close()
        return await receiving
    finally:
        writer.close()


@pytest.mark.parametrize("cut", range(0, 70, 3))
async def test_an_interim_answer_is_passed_over_wherever_it_is_cut(cut: int) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"
    data = early + b"HTTP/1.1 201 Created\r\nx-a: b\r\ncontent-length: 2\r\n\r\nok"

    answer = await answered(data[:cut], data[cut:])

    assert (answer.status, answer.headers, bytes(answer.body)) == (201, (("x-a", "b"),), b"ok")


async def test_a_change_of_protocol_is_no_answer() -> None:
    with pytest.raises(BadAnswer):
        await answered(b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")


def test_large_code_does_not_raise_the_memory_limit_beyond_twice() -> None:
    config = host_config(run_recipe(SHAPE, artifact="/code", code_mib=5000))
    assert config["Memory"] == 2 * 256 * 1024 * 1024


def test_a_cache_that_leaves_no_room_is_emptied_after_a_build(tmp_path: Path) -> None:
    output, cache = tmp_path / "out", tmp_path / "cache"
    for folder in (output, cache):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "file").write_bytes(b"x" * 700 * 1024)

    assert _is_within(str(output), str(cache), 2)
    assert list(cache.iterdir()) != []
    assert _is_within(str(output), str(cache), 1)
    assert list(cache.iterdir()) == []
    (output / "more").write_bytes(b"x" * 700 * 1024)
    assert not _is_within(str(output), str(cache), 1)


@pytest.mark.parametrize(
    ("status", "body", "errors", "expected"),
    [
        (200, b"", "", None),
        (500, b"my own", "logged", None),
        (500, b"", "", None),
        (500, b"", "Traceback", ErrorClass.USER_EXCEPTION),
        (500, b"", "warning\nExecution timed out.\n", ErrorClass.TIMEOUT),
        (500, b"", "Return statement missing. return ...", ErrorClass.PAYLOAD),
        (503, b"", "Syntax error in main.dart", ErrorClass.ENTRYPOINT),
    ],
)
def test_whose_fault_an_answer_is(
    status: int, body: bytes, errors: str, expected: ErrorClass | None
) -> None:
    assert error_class_of(Answer(status=status, body=bytearray(body)), errors) is expected


def test_output_is_taken_apart_wherever_it_is_cut() -> None:
    def part(text: bytes) -> bytes:
        return b"\x01\0\0\0" + struct.pack(">I", len(text)) + text

    data = part(b"hello ") + part(b"") + part(b"world")
    for size in (1, 3, 8, 100):
        frames = Frames()
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert b"".join(it for piece in pieces for it in frames.feed(piece)) == b"hello world"


def test_images_are_runtimes_by_their_names() -> None:
    tags = dict.fromkeys(
        [
            "openruntimes/dart:v5-3.5",
            "openruntimes/python-ml:v5-3.11",
            "openruntimes/dart:latest",
            "openruntimes/a/b:v5-1",
            "other/dart:v5-3.5",
        ],
        "id",
    )
    found = statuses(tags, "openruntimes")
    assert [item.id for item in found.values()] == ["dart-3.5", "python-ml-3.11"]


def an_engine(answer: Callable[[httpx.Request], httpx.Response]) -> Engine:
    return Engine("", transport=httpx.MockTransport(answer))


async def test_a_pull_that_fails_half_way_is_a_failure() -> None:
    text = '{"status":"Pulling"}\n{"error":"not found"}\n'
    engine = an_engine(lambda _request: httpx.Response(200, text=text))

    with pytest.raises(EngineError, match=r"dart:v5-3\.5 could not be pulled: not found"):
        await engine.pull("openruntimes/dart:v5-3.5", 5.0)


async def test_a_missing_image_is_told_from_other_refusals() -> None:
    engine = an_engine(lambda _request: httpx.Response(404, json={"message": "No such image: x"}))
    with pytest.raises(NoImage):
        await engine.create("name", {})
    broken = an_engine(lambda _request: httpx.Response(500, text="oops"))
    with pytest.raises(EngineError, match=r"refused \(500\): oops"):
        await broken.info()


async def test_removing_what_is_gone_is_no_failure() -> None:
    engine = an_engine(lambda _request: httpx.Response(404, json={"message": "No such container"}))
    await engine.remove("gone")


class Half:
    """One of two executors."""

    def __init__(self, *runtimes: str) -> None:
        self.ids = runtimes
        self.told: list[object] = []

    def runtimes(self) -> Sequence[RuntimeStatus]:
        return [RuntimeStatus(id=it, interpreter_version="1", source="x") for it in self.ids]

    def keep(self, wanted: Sequence[tuple[Workload, int]]) -> None:
        self.told += [workload.runtime for workload, _ in wanted]

    def cancel(self, execution_id: str) -> bool:
        self.told.append(execution_id)
        return execution_id in self.ids

    def retire(self, deployment_id: str) -> None:
        self.told.append(deployment_id)


def test_a_runtime_that_is_here_twice_is_the_first_executor_s() -> None:
    first, second = Half("node-22"), Half("node-22", "dart-3.5")
    both = ByRuntime(first, second)  # type: ignore[arg-type]  # only what is asked here

    def a_workload(runtime: str) -> tuple[Workload, int]:
        return Workload(
            key="k",
            project_id="p",
            function_id="f",
            deployment_id="d",
            runtime=runtime,
            artifact="/",
            entrypoint="x",
        ), 1

    assert [item.id for item in both.runtimes()] == ["node-22", "dart-3.5"]
    both.keep([a_workload("node-22"), a_workload("dart-3.5")])
    assert (first.told, second.told) == (["node-22"], ["dart-3.5"])
    assert both.cancel("dart-3.5")
    both.retire("d")
    assert first.told[-1] == second.told[-1] == "d"
