"""The shipped templates do what they say, and the same in every language."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from tests.integration.templates.languages import Call, Reply, run

pytestmark = pytest.mark.parametrize("language", ["node", "python"])

JSON = {"content-type": "application/json"}


def one(template_id: str, language: str, call: Call) -> Reply:
    (reply,) = run(template_id, language, [call])
    return reply


def test_the_starter_answers(language: str) -> None:
    ping, other = run(
        "starter",
        language,
        [Call(path="/ping"), Call(path="/x", headers={"x-appwrite-trigger": "schedule"})],
    )
    assert (ping.status, ping.text) == (200, "Pong")
    assert other.json["trigger"] == "schedule"
    assert other.json["message"].startswith("Hello from ")
    assert other.logs == ("GET /x",)


def test_the_echo_shows_the_request_and_masks_credentials(language: str) -> None:
    headers = {"x-b": "2", "authorization": "Bearer abc", "cookie": "a=1", "a-x": "1"}
    call = Call(
        method="PUT",
        path="/a/b%20c",
        query="q=a%20b&q=2&empty=&plus=a+b",
        headers=headers,
        body="grüße".encode(),
    )
    reply = one("request-echo", language, call)
    assert reply.json == {
        "method": "PUT",
        "path": "/a/b%20c",
        "query": {"q": ["a b", "2"], "empty": [""], "plus": ["a b"]},
        "headers": {
            "a-x": "1",
            "authorization": "(10 characters)",
            "cookie": "(3 characters)",
            "x-b": "2",
        },
        "body": {"bytes": 7, "encoding": "utf-8", "content": "grüße"},
    }
    assert list(reply.json["headers"]) == sorted(headers)


def test_the_echo_shows_bytes_in_base64(language: str) -> None:
    reply = one("request-echo", language, Call(method="POST", body=b"\xff\x00"))
    assert reply.json["body"] == {"bytes": 2, "encoding": "base64", "content": "/wA="}


# -- webhook-verifier -----------------------------------------------------------------------

SECRET = "top-secret"
HOOK = b'{"hello":"w\xc3\xb6rld"}'
SIGNED = hmac.new(SECRET.encode(), HOOK, hashlib.sha256).hexdigest()
ENV = {"WEBHOOK_SECRET": SECRET}


@pytest.mark.parametrize("signature", [f"sha256={SIGNED}", SIGNED, SIGNED.upper()])
def test_a_signed_webhook_is_taken(language: str, signature: str) -> None:
    headers = {"x-hub-signature-256": signature, "x-github-event": "push"}
    reply = one(
        "webhook-verifier", language, Call(method="POST", headers=headers, body=HOOK, env=ENV)
    )
    assert (reply.status, reply.json) == (200, {"received": True, "event": "push"})
    assert reply.logs == (f"Received push, {len(HOOK)} bytes",)


@pytest.mark.parametrize("signature", ["", "sha256=", SIGNED[:-1], SIGNED[::-1], "é" * 64])
def test_any_other_webhook_is_refused(language: str, signature: str) -> None:
    headers = {"x-hub-signature-256": signature}
    reply = one(
        "webhook-verifier", language, Call(method="POST", headers=headers, body=HOOK, env=ENV)
    )
    assert reply.status == 401
    assert reply.errors


def test_a_webhook_with_a_changed_body_or_method_is_refused(language: str) -> None:
    headers = {"x-sign": SIGNED}
    env = {**ENV, "SIGNATURE_HEADER": "X-Sign"}
    replies = run(
        "webhook-verifier",
        language,
        [
            Call(method="POST", headers=headers, body=HOOK + b" ", env=env),
            Call(method="GET", headers=headers, env=env),
            Call(method="POST", headers=headers, body=HOOK, env=env),
            Call(method="POST", headers=headers, body=HOOK),
        ],
    )
    assert [reply.status for reply in replies] == [401, 405, 200, 500]
    assert "WEBHOOK_SECRET" in replies[-1].errors[0]


# -- user-event-log -------------------------------------------------------------------------


def test_a_user_event_becomes_one_line(language: str) -> None:
    user = {"$id": "u1", "name": "Ann", "email": "a@b.c", "password": "hash", "labels": ["x"]}
    call = Call(
        method="POST",
        headers={**JSON, "x-appwrite-event": "users.u1.update"},
        body=json.dumps(user).encode(),
    )
    reply = one("user-event-log", language, call)
    assert reply.status == 200
    assert [json.loads(line) for line in reply.logs] == [
        {
            "event": "users.u1.update",
            "userId": "u1",
            "id": "u1",
            "name": "Ann",
            "email": "a@b.c",
            "labels": ["x"],
        }
    ]


def test_the_fields_to_log_can_be_chosen(language: str) -> None:
    call = Call(
        method="POST",
        headers={"x-appwrite-event": "users.u1.sessions.s1.create"},
        body=b'{"$id":"s1","provider":"email","ip":"192.0.2.1"}',
        env={"LOG_FIELDS": " provider "},
    )
    reply = one("user-event-log", language, call)
    assert json.loads(reply.logs[0]) == {
        "event": "users.u1.sessions.s1.create",
        "userId": "u1",
        "id": "s1",
        "provider": "email",
    }


def test_a_start_without_an_event_is_refused(language: str) -> None:
    reply = one("user-event-log", language, Call())
    assert (reply.status, reply.logs) == (400, ())


# -- csv-json -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "query", "items"),
    [
        ("a,b\n1,2\n", "", [{"a": "1", "b": "2"}]),
        ("a,b\r\n1,\r\n\r\n3", "", [{"a": "1", "b": ""}, {"a": "3", "b": ""}]),
        ('a,b\n"x,""y""\nz",2', "", [{"a": 'x,"y"\nz', "b": "2"}]),
        ("a;b\n1;2", "delimiter=%3B", [{"a": "1", "b": "2"}]),
        ("\ufeffa\tb\ngrün\t✓", "delimiter=%09", [{"a": "grün", "b": "✓"}]),
        (
            "a,b,c,d,e,f\n1,-2.5,true,,007,1234567890123456",
            "types=1",
            [
                {
                    "a": 1,
                    "b": -2.5,
                    "c": True,
                    "d": None,
                    "e": "007",
                    "f": "1234567890123456",
                }
            ],
        ),
        ("", "", []),
        ("a,b", "", []),
        ('a\nx"y"', "", [{"a": 'x"y"'}]),
        ('a,b\n"1",""\n', "", [{"a": "1", "b": ""}]),
    ],
)
def test_csv_becomes_json(language: str, text: str, query: str, items: list[Any]) -> None:
    call = Call(
        method="POST", query=query, headers={"content-type": "text/csv"}, body=text.encode()
    )
    reply = one("csv-json", language, call)
    assert (reply.status, reply.json) == (200, items)


@pytest.mark.parametrize(
    ("body", "headers", "query", "why"),
    [
        ('a\n"open', {}, "", "not closed"),
        ("a,a\n1,2", {}, "", "same name"),
        ("a\n1,2", {}, "", "Row 1"),
        ("a", {}, "delimiter=ab", "one character"),
        ("a", {}, "delimiter=%22", "one character"),
        ("a", {}, "delimiter=", "one character"),
        ("{", JSON, "", "not JSON"),
        ('{"a":1}', JSON, "", "list of objects"),
        ("[1]", JSON, "", "list of objects"),
        ("[null]", JSON, "", "list of objects"),
        ("[[1]]", JSON, "", "list of objects"),
    ],
)
def test_what_cannot_be_converted_is_explained(
    language: str, body: str, headers: dict[str, str], query: str, why: str
) -> None:
    call = Call(method="POST", query=query, headers=headers, body=body.encode())
    reply = one("csv-json", language, call)
    assert reply.status == 400
    assert why in reply.json["error"]


def test_json_becomes_csv_and_back(language: str) -> None:
    items: list[dict[str, Any]] = [
        {"a": "x", "b": 'q"uo,te', "c": "two\nlines"},
        {"a": None, "d": True, "e": 1.5, "f": [1, "ü"]},
    ]
    call = Call(method="POST", headers=JSON, body=json.dumps(items).encode())
    there = one("csv-json", language, call)
    assert there.headers["content-type"] == "text/csv; charset=utf-8"
    assert there.text == (
        'a,b,c,d,e,f\r\nx,"q""uo,te","two\nlines",,,\r\n,,,true,1.5,"[1,""ü""]"\r\n'
    )
    back = one("csv-json", language, Call(method="POST", query="types=1", body=there.body))
    empty: dict[str, Any] = {"d": None, "e": None, "f": None}
    assert back.json == [
        {**items[0], **empty},
        {"a": None, "b": None, "c": None, "d": True, "e": 1.5, "f": '[1,"ü"]'},
    ]


# -- markdown-page --------------------------------------------------------------------------


def body_of(reply: Reply) -> str:
    return reply.text.partition("<body>\n")[2].partition("\n</body>")[0]


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# A *b*", "<h1>A <em>b</em></h1>"),
        ("## T ##\ntext", "<h2>T</h2>\n<p>text</p>"),
        ("one\ntwo\n\nthree", "<p>one\ntwo</p>\n<p>three</p>"),
        ("- a\n- **b**", "<ul><li>a</li><li><strong>b</strong></li></ul>"),
        ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
        ("> q\n> # h", "<blockquote><p>q</p>\n<h1>h</h1></blockquote>"),
        ("---", "<hr>"),
        ("```js\na < b\n```\nx", "<pre><code>a &lt; b\n</code></pre>\n<p>x</p>"),
        ("`a*b*` *c*", "<p><code>a*b*</code> <em>c</em></p>"),
        ("[x](https://a.b/?c=1&d)", '<p><a href="https://a.b/?c=1&amp;d">x</a></p>'),
        ("![i](/p.png)", '<p><img src="/p.png" alt="i"></p>'),
        ("[x](javascript:alert)", "<p>[x](javascript:alert)</p>"),
        ("[x](JAVASCRIPT:a)", "<p>[x](JAVASCRIPT:a)</p>"),
        ("[x](data:text/html,y)", "<p>[x](data:text/html,y)</p>"),
        ('<script>alert("1")</script>', "<p>&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;</p>"),
        ('[a"b](/c"d)', '<p><a href="/c&quot;d">a&quot;b</a></p>'),
        ("a\r\n\r\nb", "<p>a</p>\n<p>b</p>"),
        ("", ""),
    ],
)
def test_markdown_is_rendered_and_never_brings_html_along(
    language: str, markdown: str, html: str
) -> None:
    reply = one("markdown-page", language, Call(method="POST", body=markdown.encode()))
    assert reply.status == 200
    assert body_of(reply) == html


def test_the_page_is_served_with_its_title(language: str) -> None:
    page, titled, refused = run(
        "markdown-page",
        language,
        [Call(path="/any"), Call(env={"PAGE_TITLE": "<Hi>"}), Call(method="DELETE")],
    )
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<title>It works</title>" in page.text
    assert "<title>&lt;Hi&gt;</title>" in titled.text
    assert refused.status == 405


# -- password-strength ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "score", "warnings"),
    [
        ("", 0, 1),
        ("Password", 0, 1),
        ("abcdefghijkl", 0, 1),
        ("aaaaaaaaaaaaaaaa", 0, 1),
        ("k9!", 0, 1),
        ("horsestaple", 2, 0),
        ("tr7!Kw0z", 2, 0),
        ("tr7!Kw0zQe", 3, 0),
        ("correct horse battery staple", 4, 0),
        ("пароль-Сложный-42", 4, 0),
    ],
)
def test_a_password_is_rated(language: str, password: str, score: int, warnings: int) -> None:
    body = json.dumps({"password": password}).encode()
    reply = one("password-strength", language, Call(method="POST", body=body, headers=JSON))
    assert reply.status == 200
    assert (reply.json["score"], len(reply.json["warnings"])) == (score, warnings)
    assert reply.logs == ()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"password":1}', b'"x"'])
def test_what_is_no_password_is_refused(language: str, body: bytes) -> None:
    reply = one("password-strength", language, Call(method="POST", body=body))
    assert reply.status == 400


def test_made_passwords_are_long_strong_and_different(language: str) -> None:
    replies = run("password-strength", language, [Call(path="/generate")] * 20)
    made = {reply.json["password"] for reply in replies}
    assert len(made) == 20
    assert {len(password) for password in made} == {20}
    assert all(reply.headers["cache-control"] == "no-store" for reply in replies)
    odd = run(
        "password-strength",
        language,
        [
            Call(path="/generate", query=f"length={length}")
            for length in ("8", "128", "7", "129", "x", "", "1e1")
        ],
    )
    assert [reply.status for reply in odd[:2]] == [200, 200]
    assert {reply.status for reply in odd[2:6]} == {400}
