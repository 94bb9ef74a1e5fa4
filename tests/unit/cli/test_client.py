"""The stream of a run's logs, over connections that break."""

from collections.abc import Iterator

import httpx
import pytest

from runwright.cli.client import ApiError, Client, Target

TARGET = Target(endpoint="http://server/v1", project_id="p", api_key="k")
FIRST = b'retry: 1000\n\nevent: log\nid: 3\ndata: {"text": "one\\n"}\n\n: nothing new\n\n'
LAST = b'event: error\nid: 4\ndata: {"text": "two"}\n\nevent: end\ndata: {"status": "failed"}\n\n'


class Breaking(httpx.SyncByteStream):
    def __init__(self, *parts: bytes) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        raise httpx.ReadError("reset")


class Server:
    """Answers one request after the other; remembers where each asked to go on."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.marks: list[str | None] = []

    def client(self) -> Client:
        return Client(TARGET, transport=httpx.MockTransport(self.answer), again_after_s=0.0)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.marks.append(request.headers.get("last-event-id"))
        return self.answers.pop(0)


def test_a_stream_that_breaks_goes_on_where_it_broke() -> None:
    server = Server(httpx.Response(200, stream=Breaking(FIRST)), httpx.Response(200, content=LAST))
    with server.client() as client:
        events = list(client.stream("/logs", {}))
    assert events == [
        ("log", {"text": "one\n"}),
        ("error", {"text": "two"}),
        ("end", {"status": "failed"}),
    ]
    assert server.marks == [None, "3"]


def test_a_stream_that_is_cut_inside_of_an_event_shows_no_half_of_it() -> None:
    half = httpx.Response(200, stream=Breaking(FIRST, LAST[:20]))
    server = Server(half, httpx.Response(200, content=LAST))
    with server.client() as client:
        assert [name for name, _ in client.stream("/logs", {})] == ["log", "error", "end"]


def test_a_server_that_stays_away_is_given_up_and_a_refusal_is_told_at_once() -> None:
    server = Server(*(httpx.Response(200, stream=Breaking()) for _ in range(20)))
    with server.client() as client, pytest.raises(ApiError, match="does not answer"):
        list(client.stream("/logs", {}))
    assert len(server.marks) == 6
    error = {"message": "It does not exist.", "type": "execution_not_found"}
    server = Server(httpx.Response(404, json=error))
    with server.client() as client, pytest.raises(ApiError, match="does not exist"):
        list(client.stream("/logs", {}))
    assert len(server.marks) == 1
