"""The runtimes' checklist against the protocol: the same rows as for our own runners."""

import hashlib
from collections.abc import Mapping
from typing import Final

import httpx
import pytest

from runwright.executor.docker.container import Container
from runwright.executor.docker.exchange import Answer, exchange, request_head
from runwright.executor.wire import ResultClass
from runwright.model.execution import ErrorClass, Invocation, Outcome, Workload
from tests.integration.docker.conftest import Bench
from tests.integration.executor.conftest import cut_short
from tests.integration.runners.harness import ENV, FUNCTIONS, Result, Variant
from tests.integration.runners.test_checklist import ROWS, URLS, Row, Url, holds, is_understood

VARIANT = Variant("python", "3", "", "main.py")
HOST: Final = ("host", "localhost:3000")
_RESULTS: Final[Mapping[ErrorClass | None, ResultClass]] = {
    None: ResultClass.OK,
    ErrorClass.USER_EXCEPTION: ResultClass.USER_EXCEPTION,
    ErrorClass.PAYLOAD: ResultClass.PAYLOAD,
    ErrorClass.ENTRYPOINT: ResultClass.ENTRYPOINT,
}


class Canned:
    """Answers a row with what the container has answered already."""

    def __init__(self, outcome: Outcome, *, is_refusal_told: bool) -> None:
        result = _RESULTS[outcome.error_class]
        if not is_refusal_told and result is ResultClass.USER_EXCEPTION:
            result = ResultClass.PAYLOAD
        self._result = Result(
            status=outcome.status_code,
            headers=outcome.headers,
            body=outcome.body,
            result=result,
            log_parts=[outcome.logs],
            error_parts=[outcome.errors],
        )

    def call(self, *_args: object, **_request: object) -> Result:
        return self._result


@pytest.fixture(scope="module")
async def workload(bench: Bench) -> Workload:
    return await bench.deploy(FUNCTIONS / "python", env=ENV)


async def _answered(bench: Bench, workload: Workload, row: Row) -> Canned:
    body = row.body.encode() if isinstance(row.body, str) else row.body
    outcome = await bench.call(
        workload,
        row.target,
        method=row.method,
        headers=(HOST, *row.send, ("x-action", row.action)),
        body=body,
    )
    # The protocol has one answer for an exception and for a value that is no response.
    return Canned(outcome, is_refusal_told=row.result is not ResultClass.PAYLOAD)


async def test_every_row_holds(bench: Bench, workload: Workload) -> None:
    broken = []
    for row in ROWS:
        canned = await _answered(bench, workload, row)
        try:
            holds(row, canned, VARIANT)
        except AssertionError as failure:
            broken.append(f"{row.name}: {failure}")
    assert broken == []


async def test_every_url_is_understood(bench: Bench, workload: Workload) -> None:
    broken = []
    for url in URLS:
        canned = await _asked(bench, workload, url)
        try:
            is_understood(url, canned)
        except AssertionError as failure:
            broken.append(f"{url.target}: {failure}")
    assert broken == []


async def _asked(bench: Bench, workload: Workload, url: Url) -> Canned:
    headers = [("host", url.host), ("x-action", "request")]
    if url.proto:
        headers.append(("x-forwarded-proto", url.proto))
    outcome = await bench.call(workload, url.target, headers=tuple(headers))
    return Canned(outcome, is_refusal_told=True)


async def test_a_caller_cannot_steer_the_server(bench: Bench, workload: Workload) -> None:
    sly = (
        HOST,
        ("x-action", "request"),
        ("X-Open-Runtimes-Timeout", "1"),
        ("x-open-runtimes-log-id", "../../evil"),
        ("x-open-runtimes-logging", "disabled"),
        ("x-note", "a\r\nx-open-runtimes-secret: guess"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
    )

    outcome = await bench.call(workload, "/a b\r\nHost: evil", headers=sly)

    seen = httpx.Response(200, content=outcome.body).json()
    assert outcome.status_code == 200, outcome.errors
    assert seen["path"] == "/a%20b%0D%0AHost:%20evil"
    assert seen["headers"]["x-note"] == "a  x-open-runtimes-secret: guess"
    assert "content-length" not in seen["headers"]
    assert seen["headers"]["x-custom"] == "value"


async def ask(
    container: Container, target: str, *, secret: str = "", log_id: str = "", change: str = ""
) -> Answer:
    """One request as the driver would make it, or with a line of it changed."""
    entered = container._entered
    assert entered is not None
    invocation = Invocation(
        execution_id="", method="GET", target=target, headers=(("x-action", "text"),)
    )
    head = request_head(
        invocation, secret=secret or container.secret, host="localhost", log_id=log_id
    )
    name = change.partition(":")[0]
    if name:
        lines = head.decode().split("\r\n")
        head = "\r\n".join(change if it.startswith(name) else it for it in lines).encode()
    connection = entered.door.socket()
    return await exchange(connection, head, invocation, None, most_bytes=10_000)


async def test_log_files_have_the_id_that_was_asked_for(bench: Bench, workload: Workload) -> None:
    await bench.call(workload)
    container = bench.executor._containers[workload.key]
    off = "x-open-runtimes-logging: disabled"

    first, second = await ask(container, "/"), await ask(container, "/")
    chosen = await ask(container, "/", log_id="customLogs")
    silent = await ask(container, "/", log_id="customLogs", change=off)

    assert first.log_id != second.log_id
    assert len(first.log_id) == len(second.log_id) == 20
    assert (chosen.log_id, silent.log_id) == ("customLogs", "")


async def test_the_soft_timeout_keeps_what_was_logged(bench: Bench, workload: Workload) -> None:
    headers = (HOST, ("x-action", "sleep"))

    async def slept(timeout_s: float) -> Outcome:
        target = "/?id=7&ms=600000"
        return await bench.call(workload, target, headers=headers, timeout_s=timeout_s)

    late = await cut_short(slept, lambda ended: "start 7" in ended.logs)
    again = await bench.call(workload, "/?id=8&ms=1", headers=headers)
    container = bench.executor._containers[workload.key]
    broken = await ask(container, "/", change="x-open-runtimes-timeout: abc")

    assert (late.status_code, late.body, late.error_class) == (500, b"", ErrorClass.TIMEOUT)
    assert late.errors == "Execution timed out.\n"
    assert "start 7\n" in late.logs
    assert "end 7" not in late.logs
    assert "end 8\n" in again.logs
    assert broken.status == 500
    expected = 'Header "x-open-runtimes-timeout" must be an integer greater than 0.'
    assert broken.body.decode() == expected


async def test_a_body_beyond_the_limit_is_refused(bench: Bench, workload: Workload) -> None:
    headers = (HOST, ("x-action", "md5"))
    outcome = await bench.call(workload, method="POST", headers=headers, body=b"x" * 24_000_000)
    assert outcome.status_code in (413, 500)
    assert (await bench.call(workload, headers=headers)).status_code == 200


async def test_the_container_says_that_its_server_is_up(bench: Bench, workload: Workload) -> None:
    await bench.call(workload)
    entered = bench.executor._containers[workload.key]._entered
    assert entered is not None
    output = await bench.executor._engine.output_tail(entered.id)
    assert "HTTP server successfully started!" in output


async def test_the_servers_own_routes_and_its_secret(bench: Bench, workload: Workload) -> None:
    await bench.call(workload)
    container = bench.executor._containers[workload.key]

    health = await ask(container, "/__opr/health", secret="wrong")
    timings = await ask(container, "/__opr/timings", secret="wrong")
    refused = await ask(container, "/", secret="wrong")

    assert (health.status, bytes(health.body)) == (200, b"OK")
    assert b"extract=" in timings.body
    assert (refused.status, refused.log_id) == (500, "")
    assert b"Unauthorized" in refused.body


async def test_a_body_of_the_largest_size_arrives_whole(bench: Bench, workload: Workload) -> None:
    data = bytes(range(256)) * 4 * 1024 * 17
    headers = (HOST, ("x-action", "md5"))

    outcome = await bench.call(workload, method="PUT", headers=headers, body=data, timeout_s=60.0)

    assert outcome.body.decode() == hashlib.md5(data).hexdigest()
    assert ("x-method", "PUT") in outcome.headers
