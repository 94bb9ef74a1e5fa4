"""Parameters as sent: JSON, bracket keys, multipart; sizes; files and their end."""

import asyncio
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.api import forms
from runwright.api.routing import Answer
from runwright.errors import BadRequest
from tests.integration.api.test_order_of_checks import Wanted
from tests.unit.api.world import World, a_route, about, problem

pytestmark = pytest.mark.anyio

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="[]"), min_size=1)
names = words.filter(lambda text: not text.isdecimal())
trees = st.recursive(
    words,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4)
        | st.dictionaries(names, inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)


def _pairs(key: str, value: Any) -> list[tuple[str, str]]:
    """A tree as a form writes it, with explicit indexes."""
    if isinstance(value, dict):
        return [pair for name, each in value.items() for pair in _pairs(f"{key}[{name}]", each)]
    if isinstance(value, list):
        numbered = enumerate(value)
        return [pair for index, each in numbered for pair in _pairs(f"{key}[{index}]", each)]
    return [(key, value)]


@given(st.dictionaries(names, trees, max_size=4))
def test_a_tree_written_as_a_form_is_read_as_it_was(tree: dict[str, Any]) -> None:
    pairs = [pair for name, value in tree.items() for pair in _pairs(name, value)]
    assert forms.from_pairs(pairs) == tree
    assert forms.from_query(urlencode(pairs)) == tree


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=5)), max_size=30))
def test_any_pairs_are_read_into_something_that_is_json(pairs: list[tuple[str, str]]) -> None:
    tree = forms.from_pairs(pairs)
    assert json.loads(json.dumps(tree)) == tree


@given(st.text(alphabet="ab[]0=&%+x", max_size=60))
def test_any_query_string_is_read_without_an_error(text: str) -> None:
    assert isinstance(forms.from_query(text), dict)


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("", {}),
        ("a=1&a=2", {"a": "2"}),
        ("a=", {"a": ""}),
        ("a[]=x&a[]=y", {"a": ["x", "y"]}),
        ("a[0]=x&a[1]=y", {"a": ["x", "y"]}),
        ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
        ("a[5]=y&a[2]=x", {"a": ["x", "y"]}),
        ("a[3]=x&a[]=y", {"a": ["x", "y"]}),
        ("a[k]=x&a[l]=y", {"a": {"k": "x", "l": "y"}}),
        ("a[k]=x&a[]=y", {"a": {"k": "x", "0": "y"}}),
        ("a[k][]=x&a[k][]=y", {"a": {"k": ["x", "y"]}}),
        ("a=1&a[k]=x", {"a": {"k": "x"}}),
        ("a[k]=x&a=1", {"a": "1"}),
        ("a[01]=x", {"a": {"01": "x"}}),
        ("a[=x&b]=y&[c]=z&d[x]y=1", {"a[": "x", "b]": "y", "[c]": "z", "d[x]y": "1"}),
        ("a%5B%5D=x", {"a": ["x"]}),
        ("a=x+y%20z", {"a": "x y z"}),
        ("a=%FF", {"a": "\ufffd"}),
        ("queries%5B0%5D=%7B%22method%22%3A%22limit%22%7D", {"queries": ['{"method":"limit"}']}),
    ],
)
def test_keys_follow_the_bracket_notation(query: str, tree: dict[str, Any]) -> None:
    assert forms.from_query(query) == tree


def test_depth_and_number_of_parameters_are_bounded() -> None:
    at_most = "a" + "[b]" * forms.MAX_DEPTH
    assert list(forms.from_query(f"{at_most}=1")) == ["a"]
    deeper = f"{at_most}[b]"
    assert forms.from_query(f"{deeper}=1") == {deeper: "1"}
    with pytest.raises(BadRequest, match="2000"):
        forms.from_query("&".join(["a=1"] * 2001))
    with pytest.raises(BadRequest, match="2000"):
        forms.from_pairs([("a", "1")] * 2001)


@pytest.mark.parametrize(
    ("body", "params"),
    [
        (b'{"a":1,"b":{}}', {"a": 1, "b": {}}),
        (b"", {}),
        (b"{", {}),
        (b"[1]", {}),
        (b'"a"', {}),
        (b"null", {}),
        (b'{"a":"\\ud800"}', {}),
        (b'{"a":"\xff"}', {}),
        (b'{"a":' * 100_000, {}),
        (b"[" * 100_000 + b"]" * 100_000, {}),
    ],
)
def test_json_that_is_no_object_is_no_parameters(body: bytes, params: dict[str, Any]) -> None:
    assert forms.from_json(body) == params


def test_json_may_hold_much_text_and_not_many_values() -> None:
    text = json.dumps("a,[{" * 600_000)
    assert len(forms.from_json(f'{{"body":{text}}}'.encode())["body"]) == 2_400_000
    assert len(forms.from_json(b'{"a":[' + b"0," * 199_000 + b"0]}")["a"]) == 199_001
    quoted = json.dumps(json.dumps({"a": 1, "b\\": [2]}) * 100_000)
    assert forms.from_json(f'{{"body":{quoted}}}'.encode())["body"] == json.loads(quoted)
    names = ",".join(f'"k\\\\{number}\\\\" :1' for number in range(200_001))
    lists = (b'{"a":[' + b"[]," * 200_000 + b"0]}", b"[" + b"{}," * 200_000 + b"0]")
    for many in (*lists, f"{{{names}}}".encode()):
        with pytest.raises(BadRequest, match="200000 values"):
            forms.from_json(many)
    members = ",".join(f'"k{number}":1' for number in range(2001))
    with pytest.raises(BadRequest, match="2000 parameters"):
        forms.from_json(f"{{{members}}}".encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_json_parameters_or_none(body: bytes) -> None:
    assert isinstance(forms.from_json(body), dict)


# Through the application


def _names(folder: str | Path) -> list[str]:
    return [path.name for path in Path(folder).iterdir()]


def _bytes(path: str | Path) -> bytes:
    return Path(path).read_bytes()


def _move(path: str, target: Path) -> None:
    Path(path).rename(target)


async def _raw(world: World, method: str, **request: Any) -> dict[str, Any]:
    route = a_route(world.seen, method=method)
    async with world.client(route) as client:
        headers = about() | request.pop("headers", {})
        response = await client.request(method, "/v1/things", headers=headers, **request)
    assert response.status_code == 200, response.text
    return dict(world.seen.last.raw)


async def test_get_reads_the_query_and_other_methods_read_the_body(world: World) -> None:
    both = {"params": {"a": "query"}, "json": {"a": "body"}}
    assert await _raw(world, "GET", **both) == {"a": "query"}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert await _raw(world, method, **both) == {"a": "body"}
        assert await _raw(world, method, params={"a": "query"}) == {}


@pytest.mark.parametrize(
    ("content_type", "params"),
    [
        ("application/json", {"a": 1}),
        ("application/json; charset=utf-8", {"a": 1}),
        ("Application/JSON", {}),
        ("text/json", {}),
        ("", {}),
    ],
)
async def test_the_content_type_is_taken_literally(
    world: World, content_type: str, params: dict[str, Any]
) -> None:
    headers = {"content-type": content_type}
    assert await _raw(world, "POST", content=b'{"a":1}', headers=headers) == params


async def test_a_form_body_is_read(world: World) -> None:
    assert await _raw(world, "POST", data={"a[]": ["x", "y"], "b": "z"}) == {
        "a": ["x", "y"],
        "b": "z",
    }


async def test_path_parameters_win(world: World) -> None:
    route = a_route(world.seen, "/v1/things/{thingId}", method="POST")
    async with world.client(route) as client:
        await client.post("/v1/things/mine", json={"thingId": "other", "a": 1}, headers=about())
    assert world.seen.last.raw == {"thingId": "mine", "a": 1}


async def test_files_are_there_for_the_handler_and_gone_after_the_answer(world: World) -> None:
    inside: dict[str, bytes] = {}

    async def handler(call: Any, params: Any) -> Answer:
        inside.update({name: _bytes(item.path) for name, item in call.uploads.items()})
        world.seen.calls.append(call)
        return Answer(content={})

    route = a_route(world.seen, method="POST", handler=handler)
    big = bytes(range(256)) * 4096
    async with world.client(route) as client:
        response = await client.post(
            "/v1/things",
            headers=about(),
            files={"code": ("code.tar.gz", big), "empty": ("none", b"")},
            data={"activate": "true", "tags[]": ["a", "b"]},
        )
    assert response.status_code == 200
    assert inside == {"code": big, "empty": b""}
    upload = world.seen.last.uploads["code"]
    assert (upload.name, upload.size) == ("code.tar.gz", len(big))
    assert Path(upload.path).parent == Path(world.upload_dir)
    assert world.seen.last.raw == {"activate": "true", "tags": ["a", "b"]}
    assert _names(world.upload_dir) == []


async def test_a_file_that_the_handler_took_away_is_not_missed(
    world: World, tmp_path: Path
) -> None:
    async def handler(call: Any, params: Any) -> Answer:
        _move(call.uploads["code"].path, tmp_path / "kept")
        return Answer(content={})

    route = a_route(world.seen, method="POST", handler=handler)
    async with world.client(route) as client:
        files = {"code": ("code", b"data")}
        response = await client.post("/v1/things", headers=about(), files=files)
    assert response.status_code == 200
    assert _bytes(tmp_path / "kept") == b"data"


def _multipart(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


TEXT_PART = b'Content-Disposition: form-data; name="a"\r\n\r\nx'
FILE_PART = b'Content-Disposition: form-data; name="f"; filename="f"\r\n\r\nx'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        _multipart(TEXT_PART)[:-8],
        _multipart(TEXT_PART, FILE_PART)[:-8],
        _multipart(b"no header at all"),
        _multipart(b"Content-Disposition: form-data\r\n\r\nx"),
    ],
)
async def test_a_broken_multipart_body_is_no_parameters_and_leaves_no_file(
    world: World, body: bytes
) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert await _raw(world, "POST", content=body, headers=headers) == {}
    assert world.seen.last.uploads == {}
    assert _names(world.upload_dir) == []


async def test_multipart_without_a_boundary_is_no_parameters(world: World) -> None:
    headers = {"content-type": "multipart/form-data"}
    assert await _raw(world, "POST", content=_multipart(TEXT_PART), headers=headers) == {}


async def test_text_that_is_not_utf8_stays_bytes(world: World) -> None:
    part = b'Content-Disposition: form-data; name="a"\r\n\r\n\xff\x00'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    raw = await _raw(world, "POST", content=_multipart(part), headers=headers)
    assert raw == {"a": b"\xff\x00"}


async def test_too_many_files_and_too_large_bodies_are_refused_and_cleaned(world: World) -> None:
    route = a_route(world.seen, method="POST")
    headers = about(content_type="multipart/form-data; boundary=b")
    many = _multipart(*[FILE_PART] * (forms.MAX_FILES + 1))
    large = _multipart(FILE_PART + b"x" * 3_000_000)
    async with world.client(route, most_body_bytes=1024 * 1024) as client:
        for body in (many, large):
            response = await client.post("/v1/things", content=body, headers=headers)
            assert problem(response) == (400, "general_bad_request")
    assert not world.seen.calls
    assert _names(world.upload_dir) == []


@pytest.mark.parametrize("size", [100, 3 * forms.BATCH_BYTES], ids=["small", "large"])
async def test_an_upload_for_which_the_disk_is_full_is_answered_503(
    world: World, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def on_a_full_disk(**_: object) -> tuple[int, str]:
        return os.open("/dev/full", os.O_WRONLY), str(Path(world.upload_dir) / "never")

    monkeypatch.setattr("runwright.api.forms.tempfile.mkstemp", on_a_full_disk)
    route = a_route(world.seen, method="POST")
    async with world.client(route) as client:
        files = {"code": ("code", b"x" * size)}
        response = await client.post("/v1/things", headers=about(), files=files)
    assert problem(response) == (503, "general_server_error")
    assert "disk" in response.json()["message"]
    assert not world.seen.calls


@given(body=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5))
async def test_multipart_does_not_depend_on_how_it_is_cut(
    body: bytes, cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    part = b'Content-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + body
    whole = _multipart(TEXT_PART, part)
    at = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})

    messages = [
        {"type": "http.request", "body": whole[start:end], "more_body": end < len(whole)}
        for start, end in pairwise(at)
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    folder = tmp_path_factory.mktemp("uploads")
    form = forms.Form()
    headers = {"content-type": "multipart/form-data; boundary=b"}
    await forms.read_multipart(form, receive, headers, str(folder))
    if b"\r\n--b" not in body:
        assert form.params == {"a": "x"}
        assert _bytes(form.uploads["f"].path) == body
    await form.clean()
    assert _names(folder) == []


async def test_parameters_of_wrong_kinds_are_told_by_name(world: World) -> None:
    route = a_route(world.seen, method="POST", params=Wanted)
    async with world.client(route) as client:

        async def message(body: Any) -> str:
            response: httpx.Response = await client.post("/v1/things", json=body, headers=about())
            assert problem(response) == (400, "general_argument_invalid")
            return str(response.json()["message"])

        assert await message({}) == 'Param "name" is not optional.'
        assert await message({"name": None}) == 'Param "name" is not optional.'
        assert (await message({"name": {}})).startswith("Invalid `name` param: ")
        assert (await message({"name": ""})).startswith("Invalid `name` param: ")


async def test_a_caller_that_leaves_gets_no_answer_and_is_no_fault(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"a"', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent = await _exchange(world, messages)
    assert (sent, world.seen.calls, caplog.records) == ([], [], [])


async def test_a_body_that_does_not_come_ends_in_408(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "BODY_WAIT_S", 0.01)
    sent = await _exchange(world, [{"type": "http.request", "body": b"{", "more_body": True}])
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["type"] == "general_bad_request"


async def _exchange(world: World, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is sent to a caller that sends these messages and then nothing."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/things",
        "headers": [(b"content-type", b"application/json")],
    }
    app: Any = world.app(a_route(world.seen, method="POST"))
    await app(scope, receive, send)
    return sent
