"""What leaves the server: bodies, headers, errors."""

import gzip
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from runwright.api.routing import JSON_TYPE, Answer, empty
from runwright.errors import NotFound, RunwrightError, ServiceUnavailable
from tests.unit.api.world import World, a_route, about, problem

pytestmark = pytest.mark.anyio


async def _get(world: World, answer: Answer, **headers: str) -> Any:
    world.seen.answer = lambda: answer
    async with world.client() as client:
        return await client.get("/v1/things", headers=about(**headers))


async def _head(world: World, answer: Answer) -> Any:
    world.seen.answer = lambda: answer
    async with world.client() as client:
        return await client.head("/v1/things", headers=about())


async def test_json_is_utf8_and_says_so(world: World) -> None:
    response = await _get(world, Answer(content={"name": "Zoë"}))
    assert response.content == '{"name":"Zoë"}'.encode()
    assert response.headers["content-type"] == "application/json; charset=UTF-8"
    assert response.headers["server"] == "Runwright"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert len(response.headers["x-request-id"]) == 20


async def test_an_empty_answer_still_names_a_type_that_is_not_json(world: World) -> None:
    for answer in (empty(), Answer(status=204)):
        response = await _get(world, answer)
        assert (response.status_code, response.content) == (204, b"")
        assert response.headers["content-type"] == "text/html; charset=UTF-8"
        assert "content-length" not in response.headers


async def test_the_status_is_the_routes_unless_the_handler_says_another(world: World) -> None:
    route = a_route(world.seen, status=202)
    async with world.client(route) as client:
        assert (await client.get("/v1/things", headers=about())).status_code == 202
        world.seen.answer = lambda: Answer(content={}, status=201)
        assert (await client.get("/v1/things", headers=about())).status_code == 201


async def test_text_and_bytes_leave_as_they_are(world: World) -> None:
    text = await _get(world, Answer(content="Pong!", media_type="text/plain; charset=UTF-8"))
    assert (text.text, text.headers["content-type"]) == ("Pong!", "text/plain; charset=UTF-8")
    raw = await _get(world, Answer(content=b"\x00\xff", media_type="application/octet-stream"))
    assert raw.content == b"\x00\xff"


async def test_cookies_repeat_and_other_headers_do_not(world: World) -> None:
    headers = (("set-cookie", "a=1"), ("set-cookie", "b=2"), ("cache-control", "no-store"))
    response = await _get(world, Answer(content={}, headers=headers))
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert response.headers["cache-control"] == "no-store"


async def test_parts_are_streamed(world: World) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    headers = (("content-length", "6"),)
    answer = Answer(parts=parts(), media_type="application/gzip", headers=headers)
    response = await _get(world, answer)
    assert (response.content, response.headers["content-type"]) == (b"onetwo", "application/gzip")
    assert response.headers["content-length"] == "6"


async def test_a_stream_that_breaks_is_logged_once_and_left_without_an_end(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        raise OSError("the disk is gone")

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    world.seen.answer = lambda: Answer(parts=parts(), media_type="application/gzip")
    scope = {"type": "http", "method": "GET", "path": "/v1/things", "headers": []}
    await world.app()({**scope, "asgi": {"spec_version": "2.4"}}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"] is True
    assert [record.message for record in caplog.records] == ["request failed"]


async def test_https_answers_ask_browsers_to_stay_there(world: World) -> None:
    async with world.client(trusted_proxies=("203.0.113.9",)) as client:
        headers = {"x-forwarded-proto": "https"}
        secure = await client.get("/v1/things", headers=about() | headers)
        plain = await client.get("/v1/things", headers=about())
    assert secure.headers["strict-transport-security"] == "max-age=10886400"
    assert "strict-transport-security" not in plain.headers


async def test_head_has_the_headers_of_get_and_no_body(world: World) -> None:
    answer = Answer(content={"a": "x" * 50})
    head, get = await _head(world, answer), await _get(world, answer)
    assert head.content == b""
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["content-type"] == JSON_TYPE


async def test_head_of_a_stream_does_not_read_it(world: World) -> None:
    async def parts() -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    response = await _head(world, Answer(parts=parts(), headers=(("content-length", "9"),)))
    assert (response.content, response.headers["content-length"]) == (b"", "9")


@pytest.mark.parametrize(
    ("accepts", "is_packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
    ],
)
async def test_long_json_is_packed_for_those_who_take_it(
    world: World, accepts: str, is_packed: bool
) -> None:
    content = {"text": "x" * 400_000}
    world.seen.answer = lambda: Answer(content=content)
    async with (
        world.client() as client,
        client.stream("GET", "/v1/things", headers=about(accept_encoding=accepts)) as response,
    ):
        raw = b"".join([part async for part in response.aiter_raw()])
    assert (response.headers.get("content-encoding") == "gzip") is is_packed
    assert json.loads(gzip.decompress(raw) if is_packed else raw) == content
    assert int(response.headers["content-length"]) == len(raw)
    assert "Accept-Encoding" in response.headers["vary"]


async def test_short_json_and_files_are_not_packed(world: World) -> None:
    short = await _get(world, Answer(content={"a": "x" * 900}), accept_encoding="gzip")
    file = await _get(
        world, Answer(content=b"x" * 5000, media_type="application/gzip"), accept_encoding="gzip"
    )
    for response in (short, file):
        assert "content-encoding" not in response.headers


# Errors


class ThingNotFound(NotFound):
    type = "thing_not_found"
    noun = "Thing"


class ProviderFailed(RunwrightError):
    type, status = "provider_failed", 424


def _failing(error: Exception) -> Any:
    def answer() -> Answer:
        raise error

    return answer


async def test_an_error_is_json_that_nobody_keeps(world: World) -> None:
    world.seen.answer = _failing(ThingNotFound("t1"))
    async with world.client() as client:
        response = await client.get("/v1/things", headers=about())
    assert response.json() == {
        "message": "Thing 't1' could not be found.",
        "code": 404,
        "type": "thing_not_found",
        "version": "1.9.6",
    }
    assert response.headers["cache-control"] == "no-cache, no-store, must-revalidate"
    assert (response.headers["expires"], response.headers["pragma"]) == ("0", "no-cache")
    assert response.headers["content-type"] == JSON_TYPE
    assert "access-control-allow-methods" in response.headers


async def test_headers_of_an_error_are_sent(world: World) -> None:
    error = ServiceUnavailable("The queue is full. Try again.")
    error.headers = (("retry-after", "5"),)
    world.seen.answer = _failing(error)
    async with world.client() as client:
        response = await client.get("/v1/things", headers=about())
    assert problem(response) == (503, "general_server_error")
    assert response.headers["retry-after"] == "5"


async def test_a_status_that_is_not_public_becomes_500_and_keeps_its_type(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.seen.answer = _failing(ProviderFailed("the password of the provider is hunter2"))
    async with world.client() as client:
        response = await client.get("/v1/things", headers=about())
    assert problem(response) == (500, "provider_failed")
    assert response.json()["message"] == "Server Error"
    assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_a_fault_of_ours_is_told_without_details_and_logged_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.seen.answer = _failing(ZeroDivisionError("secret detail"))
    async with world.client() as client:
        response = await client.get("/v1/things?q=private", headers=about(x_appwrite_jwt=""))
    assert problem(response) == (500, "general_unknown")
    assert response.json()["message"] == "Server Error"
    [record] = [item for item in caplog.records if item.levelno == logging.ERROR]
    assert record.exc_info is not None
    fields = vars(record)
    assert fields["request_id"] == response.headers["x-request-id"]
    assert (fields["method"], fields["route"]) == ("GET", "things.get")
    assert "private" not in str({**fields, "exc_info": ""})


async def test_head_of_an_error_has_no_body(world: World) -> None:
    async with world.client() as client:
        response = await client.head("/v1/nothing", headers=about())
    assert (response.status_code, response.content) == (404, b"")


async def test_too_many_query_parameters_are_refused_before_anything_else(world: World) -> None:
    async with world.client() as client:
        response = await client.get(f"/v1/things?{'&'.join(['a=1'] * 2001)}", headers=about("no"))
    assert problem(response) == (400, "general_bad_request")


async def test_other_kinds_of_connection_are_ended_politely(world: World) -> None:
    sent: list[dict[str, Any]] = []
    incoming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    app: Any = world.app()
    await app({"type": "lifespan"}, receive, send)
    assert [item["type"] for item in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    incoming.append({"type": "websocket.connect"})
    await app({"type": "websocket"}, receive, send)
    assert sent[-1] == {"type": "websocket.close", "code": 1000}
