"""Error answers of domains."""

import json

import pytest

from runwright.errors import BadRequest
from runwright.gateway.pages import error_answer, page, wants_json


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("", False),
        ("*/*", False),
        ("text/html", False),
        ("application/json", True),
        ("application/problem+json", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("application/json, text/html;q=0.5", True),
        ("text/html;q=0.5, application/json;q=0.9", True),
        ("text/html, application/json", False),
        ("application/json;q=0", False),
        ("application/json;q=nonsense", False),
        ("APPLICATION/JSON", True),
    ],
)
def test_json_is_for_those_who_prefer_it(accept: str, is_json: bool) -> None:
    assert wants_json(accept) is is_json


def test_a_page_says_what_happened_and_cannot_be_made_to_say_more() -> None:
    text = page(404, "rule_not_found", "<script>alert(1)</script>").decode()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "rule_not_found" in text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 418, 429, 500, 501, 503, 504])
def test_every_status_has_a_title_and_a_sentence(status: int) -> None:
    text = page(status, "", "").decode()
    assert f"<title>{status} " in text
    assert "<h1></h1>" not in text
    assert "<p></p>" not in text


def test_an_error_is_never_kept_by_caches() -> None:
    answer = error_answer(BadRequest("what happened"), "application/json")
    headers = dict(answer.headers)
    assert headers[b"cache-control"] == b"no-cache, no-store, must-revalidate"
    assert headers[b"content-length"] == str(len(answer.body)).encode()
    assert json.loads(answer.body) == {
        "message": "what happened",
        "code": 400,
        "type": "general_bad_request",
        "version": "1.9.6",
    }
