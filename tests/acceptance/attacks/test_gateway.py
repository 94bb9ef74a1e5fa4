"""HTTP on a function's domain: neither answers nor requests can be split or smuggled."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import httpx
import pytest

from runwright.executor import wire
from tests.acceptance.attacks.rows import BOTH, GATEWAY, Row
from tests.acceptance.attacks.stand import NEIGHBOUR, Stand
from tests.acceptance.attacks.talking import Answer, exchange, request
from tests.acceptance.attacks.test_wire import OWN, answer
from tests.acceptance.deploying import domain, on_domain

Headers = list[tuple[str, str]]
SPLIT: Final[Sequence[Headers]] = [
    [("x-a", "b\r\nx-split: 1")],
    [("x-a", "b\nx-split: 1")],
    [("x-a", "b\rx-split: 1")],
    [("x-a", "b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")],
    [("x-a\r\nx-split", "1")],
    [("x-a: b\r\nx-split", "1")],
    [("x a", "1")],
    [("x-a ", "1")],
    [(" x-a", "1")],
    [("", "1")],
    [("x-a", "\0")],
    [("x-ä", "ö\u2028\u010d\u010a")],
    [("x-a", "v" * 300_000)],
    [(f"x-{number}", "v") for number in range(5000)],
]
LIES: Final[Sequence[Headers]] = [
    [("transfer-encoding", "chunked")],
    [("Transfer-Encoding", "gzip, chunked")],
    [("transfer-encoding", "identity")],
    [("content-length", "0")],
    [("content-length", "3")],
    [("Content-Length", "99999")],
    [("content-length", "-1")],
    [("content-length", "6, 7")],
    [("content-length", "6"), ("Content-length", "7")],
    [("content-length", "6"), ("transfer-encoding", "chunked")],
    [("connection", "close, x-a"), ("x-a", "1")],
    [("connection", "keep-alive"), ("keep-alive", "timeout=1")],
    [("connection", "upgrade"), ("upgrade", "websocket")],
    [("te", "trailers"), ("trailer", "x-split")],
    [("proxy-authenticate", "Basic"), ("proxy-connection", "close")],
]
STATUSES: Final = (100, 101, 102, 103, 199, 204, 205, 304)
# Each with a body, whole and in parts. 204 and 304 have none, and a client reads what follows a
# status below 200 as another answer.
SECOND: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
HOP_BY_HOP: Final = {"te", "trailer", "upgrade", "keep-alive", "proxy-authenticate",
                     "proxy-connection"}  # fmt: skip


@pytest.fixture(scope="session")
def hosts(stand: Stand) -> dict[str, str]:
    names = [
        NEIGHBOUR,
        *(f"{name}-{language}" for name in ("hostile", "brief") for language in BOTH),
    ]
    return {name: domain(stand.api, name) for name in names}


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize("row", GATEWAY, ids=lambda row: row.name)
def test_one_request_is_one_answer(
    stand: Stand, hosts: dict[str, str], row: Row, language: str
) -> None:
    for _ in stand.rounds(row):
        with stand.watched(row):
            ATTACKS[row.name](stand, hosts, language)


def both(stand: Stand, hosts: dict[str, str], first: bytes) -> list[Answer]:
    """The answer to a request and that to the neighbour's, which follows on the same line."""
    return exchange(stand.server.port, first + request(hosts[NEIGHBOUR]), 2)


def check(answers: list[Answer], *, is_cut: bool = False) -> None:
    if is_cut and not answers:
        return  # a stream that its sandbox never ended: the connection ends instead
    assert answers, "not answered at all"
    first = answers[0]
    assert not first.values("x-split")
    assert not HOP_BY_HOP & {name for name, _ in first.headers}
    assert {value.lower() for value in first.values("connection")} <= {"close", "keep-alive"}
    if len(answers) == 2:
        assert (answers[1].status, answers[1].body) == (200, b"well")
    else:
        assert is_cut or first.values("connection") == ["close"]


def split_by_function(stand: Stand, hosts: dict[str, str], language: str) -> None:
    host = hosts[f"hostile-{language}"]
    for headers in (*SPLIT, *LIES):
        told = json.dumps({"headers": headers}).encode()
        check(both(stand, hosts, request(host, "/answers/headers", told)))


def split_by_frame(stand: Stand, hosts: dict[str, str], language: str) -> None:
    """The same past the runner, which would have refused some of it."""
    host = hosts[f"brief-{language}"]
    for headers in (*SPLIT[:1], *SPLIT[2:-2], *LIES):  # \n is how a frame parts its headers
        head = "\n".join(f"{name}:{value}" for name, value in headers).encode()
        told = {"frames": [answer(OWN, head=head, body=b"answer").hex()], "then": "silence"}
        check(both(stand, hosts, request(host, "/wire/forge", json.dumps(told).encode())))
    for status in STATUSES:
        for flags in (1, 0):
            frames = [answer(OWN, status=status, body=SECOND, flags=flags)]
            if flags == 0:
                frames.append(wire.frame(wire.Kind.END, OWN, bytes(5)))
            told = {"frames": [frame.hex() for frame in frames], "then": "silence"}
            raw = request(host, "/wire/forge", json.dumps(told).encode())
            check(both(stand, hosts, raw), is_cut=flags == 0)


def smuggle(stand: Stand, hosts: dict[str, str], language: str) -> None:
    host = hosts[f"hostile-{language}"]
    inner = request(host, "/answers/echo?smuggled")
    for raw in smuggling(host, inner):
        answers = exchange(stand.server.port, raw + request(hosts[NEIGHBOUR]), 3)
        for one in answers:
            assert b"smuggled" not in one.body, raw
        if answers and answers[0].status >= 400:
            assert len(answers) == 1, raw
        else:
            assert [one.body for one in answers[1:]] in ([b"well"], []), raw


def smuggling(host: str, inner: bytes) -> list[bytes]:
    start = f"POST /answers/echo HTTP/1.1\r\nhost: {host}\r\n"
    sizes = f"content-length: {len(inner) + 5}\r\n"
    codings = ["transfer-encoding: chunked", "transfer-encoding : chunked",
               "transfer-encoding: xchunked", "transfer-encoding:\tchunked",
               "transfer-encoding: chunked, identity", "transfer-encoding: identity, chunked",
               "transfer-encoding: chunked\r\ntransfer-encoding: identity",
               "transfer_encoding: chunked", "x: y\ntransfer-encoding: chunked",
               "transfer-encoding:\r\n chunked", "transfer-encoding: \"chunked\""]  # fmt: skip
    raw = [f"{start}{sizes}{coding}\r\n\r\n0\r\n\r\n".encode() + inner for coding in codings[:7]]
    raw += [f"{start}{sizes}{coding}\r\n\r\n0\r\n\r\n".encode() + inner for coding in codings[8:]]
    for lengths in ("0\r\ncontent-length: 5", "+0", "0x0", "0, 5", "-1", "0 0", "\u0660",
                    "18446744073709551616"):  # fmt: skip
        raw.append(f"{start}content-length: {lengths}\r\n\r\n".encode() + inner)
    chunked = f"{start}transfer-encoding: chunked\r\n\r\n"
    for chunks in ("0x0\r\n\r\n", "-0\r\n\r\n", "0;a=\n\r\n\r\n", "10000000000000000\r\n\r\n",
                   "0\n\n", "2\r\nab0\r\n\r\n", "0 \t x\r\n\r\n"):  # fmt: skip
        raw.append((chunked + chunks).encode() + inner)
    raw += [
        f"POST /answers/echo HTTP/1.1\nhost: {host}\ncontent-length: 0\n\n".encode() + inner,
        f"POST /answers/echo HTTP/1.1\r\nhost: {host}\r\nhost: other\r\n\r\n".encode() + inner,
        f"POST /answers/echo HTTP/1.1\r\nhost: {host}\r\nx: a\0b\r\n\r\n".encode() + inner,
        f"POST /answers/echo HTTP/1.1\r\nhost: {host}\r\nx y: z\r\n\r\n".encode() + inner,
        f"POST /answers/echo HTTP/1.1\r\n host: {host}\r\n\r\n".encode() + inner,
        f"POST /answers/echo HTTP/9.9\r\nhost: {host}\r\n\r\n".encode() + inner,
        b"POST /answers/echo HTTP/1.1\r\n\r\n" + inner,
    ]
    return raw


SPOOFED: Final = (
    "x-appwrite-user-id", "x-appwrite-user-jwt", "x-appwrite-trigger", "x-appwrite-key",
    "x-appwrite-execution-id", "x-appwrite-event", "x-appwrite-project", "x-appwrite-client-ip",
    "x-appwrite-continent-code", "x_appwrite_user_id", "X-Appwrite_User-Id",
    "x-open-runtimes-secret", "x-open-runtimes-log-id", "x-open-runtimes-timeout",
)  # fmt: skip


def spoof(stand: Stand, hosts: dict[str, str], language: str) -> None:
    """What only the platform may say, it alone says; what cannot be dropped is refused."""
    name = f"hostile-{language}"
    for key in SPOOFED:
        raw = request(hosts[name], "/answers/echo", b"{}", f"{key}: spoofed")
        (answered,) = exchange(stand.server.port, raw, 1)
        if answered.status == 200:
            seen = json.loads(answered.body)["headers"]
            assert seen["x-appwrite-trigger"] == "http"
            read = {spelling.replace("_", "-").lower() for spelling in seen if "_" not in spelling}
            assert "spoofed" not in {seen[spelling] for spelling in read if spelling in seen}, key
        else:
            assert answered.status == 401, key
        body = {
            "path": "/answers/echo",
            "body": "{}",
            "method": "POST",
            "headers": {key: "spoofed"},
        }
        ran = stand.api.post(f"/functions/{name}/executions", json=body)
        assert ran.status_code == 400 or "spoofed" not in ran.json()["responseBody"], key


@contextmanager
def begun(
    stand: Stand, host: str, path: str, chunk_size: int | None = None
) -> Iterator[Iterator[bytes]]:
    """The parts of an answer that has begun; loading can take all of the function's second."""
    with on_domain(stand.server, host) as client:
        for _ in range(TRIES):
            with client.stream("POST", path, content=b"{}") as stream:
                if stream.status_code == 200:
                    yield stream.iter_raw(chunk_size)
                    return
    raise AssertionError(f"{path} never began to answer")


def endless(stand: Stand, hosts: dict[str, str], language: str) -> None:
    """An answer that never ends, read and unread: the deadline ends it, nothing piles up."""
    before = stand.server_memory_mib()
    with begun(stand, hosts[f"brief-{language}"], "/answers/endless", 65536) as parts:
        next(parts)
        stand.neighbour.wait(40)  # nobody reads meanwhile
        assert stand.server_memory_mib() - before < MEMORY_MIB
        with pytest.raises(httpx.HTTPError):
            for _ in parts:
                pass
    ran = stand.api.post(
        f"/functions/brief-{language}/executions",
        json={"path": "/answers/endless", "method": "POST", "body": "{}"},
    ).json()
    assert ran["status"] == "failed"
    assert ran["errorClass"] in ("payload", "timeout")
    assert stand.server_memory_mib() - before < MEMORY_MIB


def slow(stand: Stand, hosts: dict[str, str], language: str) -> None:
    with begun(stand, hosts[f"brief-{language}"], "/answers/slow") as parts:
        assert set(next(parts)) == {ord("z")}
        with pytest.raises(httpx.HTTPError):
            list(parts)


def too_big(stand: Stand, hosts: dict[str, str], language: str) -> None:
    before = stand.server_memory_mib()
    for _ in range(2):
        ran = stand.api.post(
            f"/functions/hostile-{language}/executions",
            json={"path": "/answers/big", "method": "POST", "body": '{"mib": 48}'},
        ).json()
        assert (ran["status"], ran["errorClass"]) == ("failed", "payload")
    assert stand.server_memory_mib() - before < MEMORY_MIB


TRIES: Final = 8
MEMORY_MIB: Final = 160  # an answer of the largest size, in two copies, and some
ATTACKS: Final = {
    "response splitting": split_by_function,
    "response splitting by frame": split_by_frame,
    "request smuggling": smuggle,
    "spoofed headers": spoof,
    "endless answer": endless,
    "slow answer": slow,
    "oversize answer": too_big,
}
