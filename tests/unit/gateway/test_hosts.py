"""Which host is answered by whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.gateway.router import Kind, Router, normal_host
from runwright.model.function import Rule, RuleStatus, RuleType
from tests.unit.gateway.door import HOST, a_door, a_rule

pytestmark = pytest.mark.anyio
REDIRECT = {"type": RuleType.REDIRECT, "redirect_url": "https://example.com/there?x=1"}


@pytest.mark.parametrize(
    ("raw", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com:8080", "example.com"),
        ("example.com.", "example.com"),
        ("a_b.example.com", "a_b.example.com"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("", None),
        (":80", None),
        ("a b", None),
        ("a/b", None),
        ("a@b", None),
        ("a..b", None),
        (".a", None),
        ("a,b", None),
        ("a:b", None),
        ("a:123456", None),
        ("[::1", None),
        ("[x]:80", None),
        ("[::1]x", None),
        ("\u212a.com", None),
        ("a\r\nb", None),
    ],
)
def test_a_host_header_is_a_plain_name_or_nothing(raw: str, host: str | None) -> None:
    assert normal_host(raw) == host


@given(st.text(max_size=40))
def test_a_normal_host_never_holds_what_could_mean_more(raw: str) -> None:
    host = normal_host(raw)
    if host is not None:
        assert set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_:")
        assert host == host.lower()


UNVERIFIED = a_rule("site.example.com", status=RuleStatus.CREATED)
PLACES = [
    ("localhost", None, False, Kind.API),
    ("localhost", None, True, Kind.API),
    ("127.0.0.1", None, True, Kind.API),
    ("192.0.2.1", None, False, Kind.API),
    ("192.0.2.1", None, True, Kind.REFUSED),
    ("functions.localhost", None, False, Kind.BASE),
    ("nobody.functions.localhost", None, False, Kind.NOTHING),
    ("evilfunctions.localhost", None, False, Kind.API),
    ("evilfunctions.localhost", None, True, Kind.REFUSED),
    (HOST, a_rule(), True, Kind.FUNCTION),
    ("site.example.com", a_rule("site.example.com"), False, Kind.FUNCTION),
    ("site.example.com", UNVERIFIED, False, Kind.UNVERIFIED),
    ("api.example.com", a_rule("api.example.com", type=RuleType.API), True, Kind.API),
    ("old.example.com", a_rule("old.example.com", **REDIRECT), False, Kind.REDIRECT),
    ("localhost", a_rule("localhost"), False, Kind.API),
]


@pytest.mark.parametrize(("host", "rule", "is_protected", "kind"), PLACES)
def test_the_place_of_a_host(host: str, rule: Rule | None, is_protected: bool, kind: Kind) -> None:
    router = Router(
        api_hosts=("localhost",), functions_domain="functions.localhost", is_protected=is_protected
    )
    assert router.place(host, rule).kind is kind


async def test_the_api_answers_on_its_own_hosts_and_on_unknown_ones() -> None:
    async with a_door() as door:
        for host in ("localhost", "LOCALHOST:8080", "127.0.0.1:8080", "unknown.example.com"):
            assert (await door.call(host=host)).text == "api"
        assert len(door.api_calls) == 4


async def test_unknown_hosts_are_refused_where_the_operator_says_so() -> None:
    async with a_door(is_protected=True) as door:
        reply = await door.call(host="unknown.example.com")
        assert (reply.status, "general_access_forbidden" in reply.text) == (401, True)
        assert (await door.call(host="localhost")).text == "api"


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("functions.localhost", (401, "general_access_forbidden")),
        ("nobody.functions.localhost", (404, "rule_not_found")),
        ("a.b.functions.localhost", (404, "rule_not_found")),
    ],
)
async def test_names_of_ours_that_are_nobodys_get_a_page(
    host: str, answer: tuple[int, str]
) -> None:
    async with a_door() as door:
        reply = await door.call(host=host)
    assert reply.status == answer[0]
    assert answer[1] in reply.text
    assert reply["content-type"].startswith("text/html")
    assert reply["cache-control"] == "no-cache, no-store, must-revalidate"


async def test_an_unverified_domain_does_not_serve() -> None:
    async with a_door() as door:
        await door.bench.put(a_rule("site.example.com", status=RuleStatus.CREATED))
        reply = await door.call(host="site.example.com")
        assert reply.status == 404
        assert door.bench.code.calls == []
        await door.bench.put(a_rule("site.example.com"))
        assert (await door.call(host="site.example.com")).status == 200


async def test_a_redirect_names_its_page_and_nothing_of_the_request() -> None:
    async with a_door() as door:
        await door.bench.put(a_rule("old.example.com", redirect_status_code=307, **REDIRECT))
        reply = await door.call("POST", "/path?q=1", host="old.example.com", body=b"x")
    assert (reply.status, reply["location"]) == (307, "https://example.com/there?x=1")
    assert reply.body == b""


async def test_a_new_or_removed_rule_counts_at_once() -> None:
    async with a_door() as door:
        assert (await door.call(host="site.example.com")).text == "api"
        await door.bench.put(a_rule("site.example.com"))
        assert (await door.call(host="site.example.com")).text == "hello"

        def remove(uow: object) -> None:
            uow.rules.remove("shop", "site.example.com")  # type: ignore[attr-defined]
            uow.touch("rule", "shop", "site.example.com")  # type: ignore[attr-defined]

        await door.bench.storage.write(remove)
        assert (await door.call(host="site.example.com")).text == "api"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_plain_http_is_led_to_https_where_that_is_forced(method: str) -> None:
    async with a_door(forces_https=True) as door:
        reply = await door.call(method, "/a?b=1")
        assert (reply.status, reply["location"]) == (301, f"https://{HOST}/a?b=1")
        assert (await door.call(scheme="https")).status == 200
        refused = await door.call("POST", headers=[("accept", "application/json")])
    assert (refused.status, "general_protocol_unsupported" in refused.text) == (500, True)


async def test_certificate_challenges_never_reach_a_function() -> None:
    async with a_door() as door:
        reply = await door.call(target="/.well-known/acme-challenge/token")
        assert reply.status == 404
        assert (await door.call(target="/.well-known/other")).status == 200
        assert len(door.bench.code.calls) == 1


@pytest.mark.parametrize("path", ["/v1/health", "/robots.txt", "/_runwright/tls/ask?domain=x"])
async def test_every_other_path_of_a_domain_is_the_functions(path: str) -> None:
    async with a_door() as door:
        assert (await door.call(target=path)).text == "hello"
        assert door.api_calls == []


@pytest.mark.parametrize("headers", [[], [("host", HOST), ("host", "localhost")]])
async def test_a_missing_or_doubled_host_is_refused(headers: list[tuple[str, str]]) -> None:
    async with a_door() as door:
        reply = await door.call(host=None, headers=headers)
        assert (reply.status, reply["connection"]) == (400, "close")
        assert (door.api_calls, door.bench.code.calls) == ([], [])


async def test_a_proxy_may_ask_which_names_are_ours() -> None:
    async with a_door() as door:
        await door.bench.put(a_rule("new.example.com", status=RuleStatus.CREATED))
        answers = {
            name: (await door.call(target=f"/_runwright/tls/ask?domain={name}", host="localhost"))
            for name in (HOST, "localhost", "new.example.com", "evil.example.com", "")
        }
    assert {name: reply.status for name, reply in answers.items()} == {
        HOST: 200,
        "localhost": 200,
        "new.example.com": 404,
        "evil.example.com": 404,
        "": 404,
    }


async def test_a_web_socket_that_the_function_ignores_is_refused_and_the_apis_pass() -> None:
    async with a_door() as door:
        reply = await door.call(kind="websocket", scheme="ws")
        assert reply.status == 400
        assert reply["content-type"].startswith("application/json")
        assert "does not accept web sockets" in reply.text
        await door.call(kind="websocket", scheme="ws", host="localhost")
    assert len(door.api_calls) == 1
