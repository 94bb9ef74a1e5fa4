"""The rows of the runtime checklist that concern what happens inside the sandbox."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from runwright.executor.wire import ResultClass
from tests.integration.runners.harness import Result, Runner, Variant

CUT = "... Log truncated due to size limit (8000 characters)\n"
OK, FAILED, REFUSED = ResultClass.OK, ResultClass.USER_EXCEPTION, ResultClass.PAYLOAD
TEXT, JSON = "text/plain; charset=utf-8", "application/json; charset=utf-8"
PLAIN = ("content-type", "text/plain")


@dataclass(frozen=True, kw_only=True)
class Row:
    name: str
    action: str
    method: str = "POST"
    target: str = "/"
    send: Sequence[tuple[str, str]] = (PLAIN,)
    body: bytes | str = b""
    status: int = 200
    answer: bytes | str | None = None
    parsed: object = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    logs: str | None = None  # exact
    errors: Sequence[str] = ()  # each is contained
    result: ResultClass = OK
    needs: str = ""  # what not every language has; see LACKING


NESTED = {"a": {"b": [1, {"c": "ü"}]}, "d": None}
COOKIES = "cookie1=value1; cookie2=value2; cookie3=value=3; cookie4=val:ue4; cookie5=value5"
TEXT_TYPES = [
    "application/xhtml+xml",
    "not-application/json",
    "not-video/mp4",
    "application/octet-stream",
    "audio/mpeg",
    "font/woff2",
    "image/png",
    "video/mp4",
    "application/vnd.api+json",
    "text/json",
]

# Rows that are no matter of a runner alone, and where they are tested.
ELSEWHERE: Mapping[int, str] = {
    33: "ids of log files: containers only, integration/docker/test_protocol.py",
    35: "ids of log files: containers only, integration/docker/test_protocol.py",
    36: "the way out: integration/executor/test_network.py and integration/docker/test_server.py",
    39: "the executor's deadline: integration/executor/test_languages.py, for every language",
    40: "the executor's deadline: integration/executor/test_languages.py, for every language",
    41: "a header of the protocol: containers only, integration/docker/test_protocol.py",
    45: "refused before a function is asked: integration/api",
    48: "output of the server in an image: containers only, integration/docker/test_protocol.py",
    49: "programs of the public images, which are not ours",
    51: "what does not load: test_loading.py, and the pages of each language",
    52: "ids of log files: containers only, integration/docker/test_protocol.py",
}

ROWS = [
    Row(
        name="5 text",
        action="text",
        answer="Hello World 👋",
        headers={"content-type": TEXT},
    ),
    Row(
        name="6 json",
        action="json",
        parsed={"json": True, "message": "Developers are awesome. ü"},
        headers={"content-type": JSON},
    ),
    Row(
        name="7 compact json",
        action="echoJson",
        body=json.dumps(NESTED, indent=2),
        parsed=NESTED,
    ),
    *(
        Row(
            name=f"8-10 type {given}",
            action="type",
            send=[("x-type", given)],
            headers={"content-type": sent},
        )
        for given, sent in {
            "text/plain; charset=iso-8859-1": "text/plain; charset=iso-8859-1",
            "TEXT/PLAIN": TEXT,
            "multipart/form-data; boundary=12345": "multipart/form-data; boundary=12345",
            "Multipart/Form-Data; boundary=AbC": "Multipart/Form-Data; boundary=AbC",
            "image/png": "image/png; charset=utf-8",
            "Text/HTML; Charset=UTF-8": "Text/HTML; Charset=UTF-8",
        }.items()
    ),
    Row(
        name="11 redirect",
        action="redirect",
        status=301,
        answer="",
        headers={"location": "https://github.com/"},
    ),
    Row(
        name="11 redirect with status and headers",
        action="redirectWith",
        status=307,
        answer="",
        headers={"location": "/next", "x-why": "moved"},
    ),
    Row(name="12 empty", action="empty", status=204, answer=""),
    Row(
        name="13 no return",
        needs="missing return",
        action="noReturn",
        status=500,
        answer="",
        errors=["Return statement missing. return {empty} if no response is expected.\n"],
        result=REFUSED,
    ),
    Row(name="14 two helpers", action="doubleResponse", answer="This should be returned."),
    Row(
        name="15 headers",
        action="headers",
        send=[("x-open-runtimes-custom-in-header", "third"), ("cookie", COOKIES)],
        answer="OK",
        headers={
            "x-first": "first-value",
            "x-second": "missing",
            "x-cookie": COOKIES,
            "x-open-runtimes-custom-out-header": None,
        },
    ),
    Row(name="16 status", action="status", status=404, answer="FAIL"),
    Row(
        name="17 exception",
        action="unknown",
        status=500,
        answer="",
        logs="",
        errors=["Unknown action", "{entrypoint}"],
        result=FAILED,
    ),
    Row(
        name="18 log, then throw",
        action="logThenThrow",
        status=500,
        logs="before the end\n",
        errors=["Main function error"],
        result=FAILED,
    ),
    *(
        Row(name=f"26 {action}", action=action, body="été 🎉", answer="été 🎉")
        for action in ("bodyText", "body", "bodyRaw")
    ),
    Row(name="26 empty body", action="bodyText", answer=""),
    *(
        Row(
            name=f"27 body of {kind}",
            action="body",
            send=[("content-type", kind)],
            body='{"a":1}',
            answer='{"a":1}',
            headers={"x-kind": "text"},
        )
        for kind in TEXT_TYPES
    ),
    *(
        Row(
            name=f"28 body of {kind}",
            action="body",
            send=[("content-type", kind)],
            body='{"a":[1,"ü"]}',
            parsed={"a": [1, "ü"]},
            headers={"x-kind": "json"},
        )
        for kind in ("application/json", "ApPlIcAtIoN/JSON", "application/json; charset=utf-8")
    ),
    *(
        Row(
            name=f"28 bodyJson of {kind}",
            action="bodyJson",
            send=[("content-type", kind)],
            body='{"key1":"OK"}',
            parsed={"key": "OK", "all": {"key1": "OK"}},
        )
        for kind in ("application/json", "text/plain")
    ),
    Row(
        name="29 empty json body",
        action="body",
        send=[("content-type", "application/json")],
        parsed={},
        headers={"x-kind": "json"},
    ),
    *(
        Row(
            name=f"30 {data!r}",
            action="bodyBinary",
            send=[("content-type", kind)],
            body=data,
            answer=data,
        )
        for data in (bytes(range(8)), bytes([0, 10, 255]), b"\xff\xfe\x00")
        for kind in ("text/plain", "application/json", "image/png")
    ),
    Row(name="31 env", action="env", parsed={"set": "customValue", "unset": None}),
    Row(
        name="37 bad json",
        action="bodyJson",
        body='{"invaludJson:true}',
        status=500,
        answer="",
        errors=["JSON"],
        result=FAILED,
    ),
    Row(
        name="38 bodyJson of nothing",
        action="echoJson",
        status=500,
        answer="",
        errors=["JSON"],
        result=FAILED,
    ),
    Row(name="38 bodyJson of {}", action="echoJson", body="{}", answer="{}"),
    *(
        Row(
            name=f"42 send {kind}",
            action="bodyRaw",
            send=[("content-type", kind)],
            body="text é",
            answer="text é",
            headers={"content-type": TEXT},
        )
        for kind in ("text/plain", "application/json", "application/octet-stream")
    ),
    Row(name="42 send(50)", action="sendNumber", answer="50"),
    Row(
        name="42 send(bytes)",
        action="sendBytes",
        body=b"\x89PNG\r\n\x1a\n\x00",
        answer=b"\x89PNG\r\n\x1a\n\x00",
        headers={"content-type": "image/png; charset=utf-8"},
    ),
    *(
        Row(
            name=f"43 bytes of kind {kind}",
            action="binaryKinds",
            send=[("x-kind", str(kind))],
            answer=bytes([0, (kind + 1) * 10, 255]),
        )
        for kind in range(5)
    ),
    Row(
        name="50 two arguments",
        action="twoArguments",
        logs="log1 log2\n",
        errors=["error1 error2\n"],
    ),
    Row(name="empty map", action="nothing", answer="", headers={"content-type": TEXT}),
    Row(
        name="hand-made response",
        action="handMade",
        status=201,
        answer="made",
        headers={"x-made": "yes", "content-type": TEXT},
    ),
    *(
        Row(
            name=f"returns {action}",
            needs="values of any type",
            action=action,
            status=500,
            answer="",
            errors=["instead of a response", "text(...)"],
            result=REFUSED,
        )
        for action in ("bare", "bareNumber", "bareList")
    ),
    Row(
        name="kinds of header values",
        action="headerKinds",
        headers={"x-number": "248", "x-flag": "true", "x-accent": "é"},
    ),
    Row(
        name="53 several cookies",
        action="headerKinds",
        headers={"set-cookie": "b=2"},
    ),
    Row(
        name="header value that would split the response",
        action="badHeaderValue",
        status=500,
        answer="",
        headers={"set-cookie": None},
        errors=['Response header "x-bad" contains a character'],
        result=REFUSED,
    ),
    Row(
        name="header name with a space",
        action="badHeaderName",
        status=500,
        answer="",
        errors=["Response header name"],
        result=REFUSED,
    ),
    Row(name="large headers", action="manyHeaders", target="/?size=60000", answer=""),
    *(
        Row(
            name=f"headers of {size} bytes",
            action="manyHeaders",
            target=f"/?size={size}",
            status=500,
            answer="",
            headers={"x-big": None},
            errors=["Response headers are larger than 65536 bytes."],
            result=REFUSED,
        )
        for size in (66_000, 8_000_000)
    ),
    Row(
        name="text() of a number",
        needs="strict text",
        action="wrongText",
        status=500,
        answer="",
        errors=["TypeError", "context.res.text() needs"],
        result=FAILED,
    ),
    *(
        Row(
            name=f"status {given}",
            action="rawStatus",
            body=given,
            status=status,
            answer=answer,
            needs="values of any type" if given.startswith('"') else "",
        )
        for given, status, answer in (
            ("201", 201, "x"),
            ('"418"', 418, "x"),
            ("599", 599, "x"),
            ("204", 204, ""),
            ("304", 304, ""),
            ("null", 200, "x"),
        )
    ),
    *(
        Row(
            name=f"status {given}",
            action="rawStatus",
            body=given,
            status=500,
            answer="",
            errors=["Response status code must be an integer from 100 to 599"],
            result=REFUSED,
            needs="" if given in ("99", "600", "1000", "-200") else "values of any type",
        )
        for given in ("0", "99", "600", "1000", "-200", '"abc"', "200.5", "true", "[200]", '""')
    ),
]


class Calling(Protocol):
    def call(
        self,
        action: str = "",
        *,
        method: str = "POST",
        target: str = "/",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | str = b"",
    ) -> Result: ...


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(row: Row, runner: Runner, variant: Variant) -> None:
    if not variant.can(row.needs):
        pytest.skip(f"the language has no {row.needs}")
    holds(row, runner, variant)


def holds(row: Row, runner: Calling, variant: Variant) -> None:
    result = runner.call(
        row.action, method=row.method, target=row.target, headers=row.send, body=row.body
    )

    assert result.status == row.status, result.errors
    assert result.result == row.result
    if row.answer is not None:
        expected = row.answer.encode() if isinstance(row.answer, str) else row.answer
        assert result.body == expected
    if row.parsed is not None:
        assert result.json == row.parsed
    for name, value in row.headers.items():
        assert result.header(name) == value
    if row.logs is not None:
        assert result.logs == row.logs
    for text in row.errors:
        filled = text.replace("{entrypoint}", variant.entrypoint)
        assert filled.replace("{empty}", variant.empty_call) in result.errors
    if not row.errors:
        assert result.errors == ""


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_row_19_the_method_reaches_the_function(runner: Runner, method: str) -> None:
    result = runner.call("request", method=method)

    assert isinstance(result.json, dict)
    assert result.json["method"] == method


@pytest.mark.parametrize("length", [None, "0", ""])
def test_row_46_a_request_without_a_body_may_say_so(runner: Runner, length: str | None) -> None:
    headers = [("content-length", length)] if length is not None else []

    assert runner.call("text", method="GET", headers=headers).status == 200


def test_no_row_of_the_contract_is_forgotten() -> None:
    told = [row.name for row in ROWS] + [name for name in globals() if name.startswith("test_row")]
    found = set(ELSEWHERE)
    for name in told:
        numbers = re.match(r"(?:test_rows?_)?(\d+)(?:(?:-|_to_)(\d+))?", name)
        if numbers:
            found |= set(range(int(numbers[1]), int(numbers[2] or numbers[1]) + 1))
    assert set(range(5, 54)) - found == set()


def test_row_7_json_has_no_needless_space(runner: Runner) -> None:
    result = runner.call("echoJson", body=json.dumps(NESTED, indent=2))

    assert b" " not in result.body
    assert b"\n" not in result.body


@dataclass(frozen=True)
class Url:
    target: str
    host: str
    expected: Mapping[str, object]
    proto: str = ""


URLS = [
    Url(
        "/",
        "127.0.0.1:3000",
        {
            "port": 3000,
            "path": "/",
            "query": {},
            "queryString": "",
            "scheme": "http",
            "host": "127.0.0.1",
            "url": "http://127.0.0.1:3000/",
        },
    ),
    Url(
        "/a/b?c=d&e=f#something",
        "www.mydomain.com:3001",
        {
            "port": 3001,
            "path": "/a/b",
            "query": {"c": "d", "e": "f"},
            "queryString": "c=d&e=f",
            "scheme": "https",
            "host": "www.mydomain.com",
            "url": "https://www.mydomain.com:3001/a/b?c=d&e=f",
        },
        "https",
    ),
    Url("/", "myapp.com:80", {"port": 80, "url": "http://myapp.com/"}),
    Url(
        "/?a=b&c==d&e=f=g=&h&i=j&&k",
        "a.b",
        {"query": {"a": "b", "c": "=d", "e": "f=g=", "h": "", "i": "j", "k": ""}},
    ),
    Url("/", "myapp.com", {"port": 443, "url": "https://myapp.com/"}, "https"),
    Url("/", "myapp.com:443", {"port": 443, "url": "https://myapp.com/"}, "https"),
    Url("/", "myapp.com:80", {"port": 80, "url": "https://myapp.com:80/"}, "https"),
    Url("/", "myapp.com", {"port": 80, "url": "http://myapp.com/"}),
    # What the languages of the reference disagree about.
    Url("/a%20b/c%2Fd", "h", {"path": "/a%20b/c%2Fd", "url": "http://h/a%20b/c%2Fd"}),
    Url("//x/../y", "h", {"path": "//x/../y"}),
    Url("/?x=1%202&y=+v", "h", {"query": {"x": "1%202", "y": "+v"}, "queryString": "x=1%202&y=+v"}),
    Url("/?a=1&a=2", "h", {"query": {"a": "2"}}),
    Url("/?=q&a=1", "h", {"query": {"a": "1"}}),
    Url("/a?b=1?c=2&d=3", "h", {"queryString": "b=1?c=2&d=3", "query": {"b": "1?c=2", "d": "3"}}),
    Url("/%", "h", {"path": "/%"}),
    Url("/?", "h", {"queryString": "", "url": "http://h/"}),
    Url("/?__proto__=x", "h", {"query": {"__proto__": "x"}}),
    Url("/", "[::1]:3000", {"host": "[::1]", "port": 3000, "url": "http://[::1]:3000/"}),
    Url("/", "[2001:db8::1]", {"host": "[2001:db8::1]", "port": 80}),
    Url("/", "h:abc", {"host": "h", "port": 80, "url": "http://h/"}),
    Url("/", "h", {"scheme": "ftp", "url": "ftp://h/"}, "ftp"),
]


@pytest.mark.parametrize("url", URLS, ids=lambda url: f"{url.proto}{url.host}{url.target}")
def test_rows_20_to_24_parts_of_the_url(url: Url, runner: Runner) -> None:
    is_understood(url, runner)


def is_understood(url: Url, runner: Calling) -> None:
    headers = [("host", url.host)]
    if url.proto:
        headers.append(("x-forwarded-proto", url.proto))
    result = runner.call("request", method="GET", target=url.target, headers=headers)

    assert isinstance(result.json, dict)
    assert {name: result.json[name] for name in url.expected} == url.expected


def test_row_25_header_names_are_lower_case_and_ours_are_hidden(runner: Runner) -> None:
    result = runner.call(
        "request",
        headers=[
            ("X-UpPeRcAsE-KeY", "value"),
            ("x-open-runtimes-custom-header", "a"),
            ("X-Open-Runtimes-Other", "b"),
            ("__proto__", "c"),
        ],
    )

    assert isinstance(result.json, dict)
    headers = result.json["headers"]
    assert headers["x-uppercase-key"] == "value"
    assert headers["x-action"] == "request"
    assert headers["__proto__"] == "c"
    assert "X-UpPeRcAsE-KeY" not in headers
    assert [name for name in headers if name.startswith("x-open-runtimes-")] == [
        "x-open-runtimes-custom"
    ]


def test_repeated_headers_are_joined(runner: Runner) -> None:
    result = runner.call(
        "request",
        headers=[("x-a", "1"), ("X-A", "2"), ("cookie", "a=1"), ("cookie", "b=2"), ("x-e", "")],
    )

    assert isinstance(result.json, dict)
    headers = result.json["headers"]
    assert headers["x-a"] == "1, 2"
    assert headers["cookie"] == "a=1; b=2"
    assert headers["x-e"] == ""


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_row_47_enforced_headers_win(runner: Runner, change: type[str]) -> None:
    names = ["x-custom", "x-custom-uppercase", "x-open-runtimes-custom"]
    result = runner.call("request", headers=[(change(name), "mine") for name in names])

    assert isinstance(result.json, dict)
    headers = result.json["headers"]
    assert [headers[name] for name in names] == ["value", "Value2", "248"]


def test_row_32_logs(runner: Runner, variant: Variant) -> None:
    result = runner.call("logs")

    assert result.logs.startswith(
        variant.notice + "Native log\nDebug log\nLog+With+Plus+Symbol\n42\n4.2\n"
    )
    assert "\ntrue\n" in result.logs.lower()
    assert '\n{"objectKey":"objectValue"}\n["arrayValue"]\n' in result.logs
    assert "\n" + "a" * 8000 + CUT in result.logs
    assert result.logs.endswith("\n" + "c" * 8000 + "\n")
    assert result.errors == "Error log\n" + "b" * 8000 + CUT
    assert result.body == b""


def test_row_34_nothing_is_logged_when_logging_is_off(runner: Runner) -> None:
    for action in ("logs", "unknown", "logThenThrow", "nativeStreams"):
        result = runner.call(action, is_logging=False)

        assert (result.logs, result.errors) == ("", "")


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_row_44_a_large_body_arrives_whole(runner: Runner, method: str) -> None:
    data = bytes(range(256)) * 4 * 1024 * 17
    result = runner.call("md5", method=method, body=data)

    assert result.text == hashlib.md5(data).hexdigest()
    assert result.header("x-method") == method


def test_a_body_of_the_largest_size_arrives_whole(runner: Runner) -> None:
    data = b"\0" * (20 * 1024 * 1024)

    assert runner.call("md5", body=data).text == hashlib.md5(data).hexdigest()


def test_row_53_list_values_are_repeated_headers(runner: Runner, variant: Variant) -> None:
    if not variant.can("header lists"):
        pytest.skip("a header has one value")
    result = runner.call("headerKinds")

    cookies = [value for name, value in result.headers if name == "set-cookie"]
    assert cookies == ["a=1; Path=/", "b=2"]


def test_native_streams_are_one_entry_per_line(runner: Runner, variant: Variant) -> None:
    if not variant.can("captured stderr"):
        pytest.skip("what is written to stderr is the process's own")
    assert runner.call("nativeStreams").logs == variant.notice + "out line\nerr line\n"


def test_the_user_s_time_is_measured(runner: Runner) -> None:
    result = runner.call("sleep", target="/?id=1&ms=50")

    assert result.user_s >= 0.045  # timers may be a little early
