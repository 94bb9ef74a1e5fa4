"""A request to a function's domain: what reaches the function, what comes back, who may."""

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.gateway.incoming import Incoming
from runwright.gateway.messages import MAX_BODY_BYTES
from runwright.gateway.outgoing import head
from runwright.identity.tokens import encode_session
from runwright.model.execution import ErrorClass, Headers, Invocation, Outcome, Status
from runwright.model.function import DeploymentStatus
from runwright.model.identity import Platform
from runwright.model.lineage import Lineage
from runwright.ports.executor import NoSlot, ResponseSink
from tests.fakes.user_code import answering, failing
from tests.unit.executions.bench import (
    FUNCTION,
    NOW,
    PROJECT,
    a_deployment,
    a_function,
    a_key,
    a_member,
    a_project,
    a_session,
    a_user,
    until,
)
from tests.unit.executions.test_headers import spellings
from tests.unit.gateway.door import HOST, Door, Reply, a_door

pytestmark = pytest.mark.anyio
TEXT: Headers = (("content-type", "text/plain; charset=utf-8"),)


async def user_jwt(door: Door, user_id: str = "ada") -> str:
    return door.bench.tokens.user_jwt(user_id, "", 60, project_id=PROJECT)


async def is_completed(door: Door, execution_id: str) -> bool:
    found = await door.bench.executions.history.get(a_key(), FUNCTION, execution_id)
    return found.status is Status.COMPLETED


def as_json(reply: Reply) -> str:
    body = json.loads(reply.body)
    assert list(body) == ["message", "code", "type", "version"]
    assert body["code"] == reply.status
    return f"{reply.status} {body['type']}"


ASK_JSON = [("accept", "application/json")]


async def test_method_path_query_and_body_reach_the_function_byte_for_byte() -> None:
    async with a_door() as door:
        reply = await door.call("PATCH", "/a%20b//c/../d?x=1%202&y&z=?", body=bytes(range(256)))
        invocation = door.bench.code.calls[0][1]
    assert reply.status == 200
    assert (invocation.method, invocation.target) == ("PATCH", "/a%20b//c/../d?x=1%202&y&z=?")
    assert invocation.body == bytes(range(256))


async def test_a_body_in_parts_arrives_in_one_piece() -> None:
    async with a_door() as door:
        await door.call("POST", body=[b"one ", b"", b"two"])
        assert door.bench.code.calls[0][1].body == b"one two"


async def test_names_are_lower_case_and_values_untouched_in_order_with_repeats() -> None:
    sent = [(b"X-One", b"  A  "), (b"x-two", b"caf\xc3\xa9"), (b"X-ONE", b"\xff\xfe")]
    async with a_door() as door:
        await door.call(headers=sent)
        headers = door.bench.code.calls[0][1].headers
    own = [pair for pair in headers if pair[0].startswith("x-o") or pair[0] == "x-two"]
    raw = [(name, value.encode("utf-8", "surrogateescape")) for name, value in own]
    assert raw == [("x-one", b"  A  "), ("x-two", b"caf\xc3\xa9"), ("x-one", b"\xff\xfe")]


async def test_hop_by_hop_headers_end_here() -> None:
    sent = [
        ("connection", "keep-alive, x-mine"),
        ("x-mine", "1"),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "x"),
        ("authorization", "Bearer y"),
    ]
    async with a_door() as door:
        await door.call(headers=sent)
        seen = door.bench.code.seen
    assert seen["authorization"] == "Bearer y"
    assert not set(seen) & {name for name, _ in sent if name != "authorization"}


@given(name=spellings())
def test_no_spelling_of_a_platform_header_reaches_the_function(name: str) -> None:
    raw = name.encode("latin-1", "ignore")
    passed = Incoming([(raw, b"forged"), (b"x-mine", b"1")]).passed
    assert passed == (("x-mine", "1"),)


async def test_the_function_gets_the_platforms_own_headers_of_a_guest() -> None:
    async with a_door() as door:
        forged = [("x-appwrite-user-id", "root"), ("X-Appwrite-Event", "users.x.create")]
        reply = await door.call(headers=forged)
        seen = door.bench.code.seen
    assert seen["x-appwrite-user-id"] == ""
    assert seen["x-appwrite-user-jwt"] == ""
    assert "x-appwrite-event" not in seen
    assert seen["x-appwrite-trigger"] == "http"
    assert seen["x-appwrite-client-ip"] == "198.51.100.7"
    assert seen["x-appwrite-execution-id"] == reply["x-appwrite-execution-id"]
    assert seen["host"] == HOST


async def test_the_run_is_recorded_with_its_path_and_without_an_owner() -> None:
    async with a_door() as door:
        door.bench.code.run_next = answering(Outcome(status_code=404, logs="seen", body=b"x"))
        reply = await door.call("DELETE", "/thing?id=1")
        execution_id = reply["x-appwrite-execution-id"]
        record = await door.bench.executions.history.get(a_key(), FUNCTION, execution_id)
    assert (record.request_method, record.request_path) == ("DELETE", "/thing?id=1")
    assert (record.status, record.response_status_code) == (Status.COMPLETED, 404)
    assert (record.user_id, record.logs) == ("", "seen")


async def test_status_headers_and_body_come_back_as_the_function_gave_them() -> None:
    given_headers = (
        ("content-type", "image/png"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2; Path=/"),
        ("x-bytes", b"\xff\xc3\xa9".decode("utf-8", "surrogateescape")),
    )
    async with a_door() as door:
        outcome = Outcome(status_code=418, headers=given_headers, body=b"\x00\xff")
        door.bench.code.run_next = answering(outcome)
        reply = await door.call()
    assert (reply.status, reply.body) == (418, b"\x00\xff")
    assert reply["content-type"] == "image/png"
    assert reply.all("set-cookie") == ["a=1", "b=2; Path=/"]
    assert (b"x-bytes", b"\xff\xc3\xa9") in reply.headers
    assert reply["content-length"] == "2"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-split", "a\r\nset-cookie: evil=1"),
        ("x-split", "a\nb"),
        ("x-split", "a\0b"),
        ("x-bad\r\nset-cookie", "1"),
        ("x bad", "1"),
        ("x-bad:", "1"),
        ("", "1"),
        ("\u00e4", "1"),
        ("transfer-encoding", "chunked"),
        ("connection", "upgrade"),
        ("content-length", "99"),
        ("x-open-runtimes-log-id", "1"),
        ("X-Appwrite-Execution-Id", "forged"),
    ],
)
async def test_a_function_cannot_split_or_misframe_the_response(name: str, value: str) -> None:
    async with a_door() as door:
        headers = ((name, value), ("x-good", "1"))
        door.bench.code.run_next = answering(Outcome(status_code=200, headers=headers, body=b"ok"))
        reply = await door.call()
    names = [name for name, _ in reply.headers]
    assert sorted(names) == sorted(
        [b"x-good", b"content-type", b"content-length", b"x-appwrite-execution-id"]
    )
    assert reply["content-length"] == "2"
    assert reply["x-appwrite-execution-id"] != "forged"
    assert not any(b"\r" in value or b"\n" in value for _, value in reply.headers)


@given(
    st.lists(st.tuples(st.text(max_size=12), st.text(max_size=30)), max_size=6),
)
def test_no_response_header_can_end_its_line(pairs: list[tuple[str, str]]) -> None:
    for name, value in head(tuple(pairs), "id"):
        assert name
        assert not set(name) & set(b" :\r\n\0\t")
        assert not set(value) & set(b"\r\n\0")


async def test_head_and_options_reach_the_function() -> None:
    async with a_door() as door:
        length = (*TEXT, ("content-length", "1234"))
        door.bench.code.run_next = answering(Outcome(status_code=200, headers=length))
        reply = await door.call("HEAD")
        assert (reply.status, reply["content-length"], reply.body) == (200, "1234", b"")
        door.bench.code.run_next = answering(
            Outcome(status_code=204, headers=(("access-control-allow-origin", "*"),))
        )
        reply = await door.call("OPTIONS")
        assert (reply.status, reply["access-control-allow-origin"]) == (204, "*")
        assert reply["content-length"] == ""
        methods = [invocation.method for _, invocation in door.bench.code.calls]
    assert methods == ["HEAD", "OPTIONS"]


@pytest.mark.parametrize("code", [204, 304])
async def test_an_answer_that_may_have_no_body_has_none(code: int) -> None:
    async with a_door() as door:
        door.bench.code.run_next = answering(Outcome(status_code=code, body=b"x"))
        reply = await door.call()
    assert (reply.status, reply.body, reply["content-length"]) == (code, b"", "")


async def test_an_error_without_a_body_gets_a_page_and_keeps_its_headers() -> None:
    async with a_door() as door:
        headers = (*TEXT, ("www-authenticate", "Basic"), ("content-encoding", "br"))
        door.bench.code.run_next = answering(Outcome(status_code=401, headers=headers))
        reply = await door.call()
        assert (reply.status, reply["content-type"]) == (401, "text/html; charset=utf-8")
        assert reply["www-authenticate"] == "Basic"
        assert reply["content-encoding"] == ""
        assert "<h1>" in reply.text
        assert reply["content-length"] == str(len(reply.body))
        as_api = await door.call(headers=ASK_JSON)
    assert as_json(as_api) == "401 general_unknown"


async def test_a_status_below_200_is_not_an_answer() -> None:
    async with a_door() as door:
        door.bench.code.run_next = answering(Outcome(status_code=101))
        reply = await door.call()
    assert reply.status == 500


@pytest.mark.parametrize("error_class", list(ErrorClass))
async def test_a_failed_run_is_a_page_or_json_and_names_its_execution(
    error_class: ErrorClass,
) -> None:
    failed = Outcome(status_code=503, error_class=error_class, errors="secret details")
    async with a_door() as door:
        door.bench.code.run_next = answering(failed)
        page = await door.call(headers=[("accept", "text/html,*/*;q=0.8")])
        reply = await door.call(headers=ASK_JSON)
        record = await door.bench.executions.history.get(
            a_key(), FUNCTION, reply["x-appwrite-execution-id"]
        )
    assert page["content-type"].startswith("text/html")
    assert page["x-appwrite-execution-id"]
    assert as_json(reply) == "503 general_server_error"
    assert "secret" not in page.text + reply.text
    assert record.error_class is error_class


async def test_a_fault_of_the_executor_still_has_an_execution() -> None:
    async with a_door() as door:
        door.bench.code.run_next = failing(ConnectionResetError("/run/sandbox/7.sock"))
        reply = await door.call(headers=ASK_JSON)
        record = await door.bench.executions.history.get(
            a_key(), FUNCTION, reply["x-appwrite-execution-id"]
        )
    assert as_json(reply) == "500 general_server_error"
    assert "sock" not in reply.text
    assert record.error_class is ErrorClass.PLATFORM


async def test_no_free_slot_is_429_with_a_time_to_wait() -> None:
    async with a_door() as door:
        door.bench.code.run_next = failing(NoSlot())
        reply = await door.call(headers=ASK_JSON)
    assert as_json(reply) == "429 general_rate_limit_exceeded"
    assert reply["retry-after"] == "1"


async def test_the_limit_of_a_synchronous_call_is_a_408_that_names_the_execution() -> None:
    release = asyncio.Event()

    async def wait(invocation: Invocation, sink: ResponseSink | None) -> Outcome:
        await release.wait()
        return Outcome(status_code=200)

    async with a_door(sync_timeout_s=0.1) as door:
        door.bench.code.run_next = wait
        reply = await door.call()
        assert reply.status == 408
        assert "function_synchronous_timeout" in reply.text
        release.set()
        execution_id = reply["x-appwrite-execution-id"]
        await until(lambda: is_completed(door, execution_id))


@pytest.mark.parametrize("is_chunked", [True, False])
async def test_a_body_above_the_limit_is_413_and_does_not_run(is_chunked: bool) -> None:
    parts = [b"x" * 1024 * 1024] * 12 + [b"x"]
    async with a_door() as door:
        reply = await door.call("POST", body=parts, is_chunked=is_chunked)
        assert (reply.status, reply["connection"]) == (413, "close")
        assert door.bench.code.calls == []


async def test_a_body_of_exactly_the_limit_runs() -> None:
    async with a_door() as door:
        reply = await door.call("POST", body=b"x" * MAX_BODY_BYTES)
        assert reply.status == 200
        assert len(door.bench.code.calls[0][1].body) == MAX_BODY_BYTES


@pytest.mark.parametrize(
    "headers",
    [
        [("content-length", "1"), ("content-length", "2")],
        [("content-length", "1"), ("transfer-encoding", "chunked")],
        [("content-length", "+1")],
        [("content-length", "1, 1")],
    ],
)
async def test_an_ambiguous_length_is_refused(headers: list[tuple[str, str]]) -> None:
    async with a_door() as door:
        reply = await door.call("POST", headers=headers)
        assert (reply.status, reply["connection"]) == (400, "close")
        assert door.bench.code.calls == []


@pytest.mark.parametrize(
    "headers",
    [[(f"h{number}", "") for number in range(256)], [("h", "x" * 64 * 1024)]],
)
async def test_headers_beyond_the_limits_are_431(headers: list[tuple[str, str]]) -> None:
    async with a_door() as door:
        assert (await door.call(headers=headers)).status == 431
        assert door.bench.code.calls == []


async def test_checks_stand_in_the_documented_order() -> None:
    """Each step removes the first obstacle, so the next one shows."""
    async with a_door() as door:
        put = door.bench.put
        function = replace(
            a_function(execute=()), is_enabled=False, runtime="ruby-3.3", deployment_id=""
        )
        await put(replace(a_project(), disabled_services=("proxy",)), function)
        await put(a_deployment(DeploymentStatus.FAILED))

        async def refusal() -> str:
            return as_json(await door.call(headers=ASK_JSON))

        assert await refusal() == "403 general_service_disabled"
        await put(a_project())
        assert await refusal() == "404 function_not_found"
        function = replace(function, is_enabled=True)
        await put(function)
        assert await refusal() == "404 deployment_not_found"
        function = replace(function, deployment_id="d1")
        await put(function)
        assert await refusal() == "404 function_runtime_unsupported"
        await put(replace(function, runtime="node-22"))
        assert await refusal() == "400 build_failed"
        await put(a_deployment(DeploymentStatus.CANCELED))
        assert await refusal() == "400 build_canceled"
        await put(a_deployment(DeploymentStatus.BUILDING))
        assert await refusal() == "400 build_not_ready"
        await put(a_deployment())
        assert await refusal() == "401 function_execute_permission_missing"
        assert door.bench.code.expected == []  # no sandbox is made ready for what is refused
        await put(a_function())
        assert (await door.call()).status == 200


MAY_CALL = {
    "any": {"guest", "ada", "eve"},
    "guests": {"guest"},
    "users": {"ada", "eve"},
    "users/verified": {"ada"},
    "users/unverified": {"eve"},
    "user:ada": {"ada"},
    "user:ada/verified": {"ada"},
    "user:ada/unverified": set(),
    "team:crew": {"ada"},
    "team:crew/cook": {"ada"},
    "team:crew/boss": set(),
    "member:crew-ada": {"ada"},
    "label:vip": {"ada"},
    "": set(),
}


@pytest.mark.parametrize("role", MAY_CALL)
async def test_execute_roles_are_judged_for_the_user_of_the_jwt(role: str) -> None:
    """Sessions and keys of the API give nothing on a domain: such callers are guests."""
    async with a_door() as door:
        ada = replace(a_user(), email="a@b.cd", is_email_verified=True, labels=("vip",))
        await door.bench.put(a_function(execute=(role,) if role else ()))
        await door.bench.put(ada, a_user("eve"), a_member("ada", "crew", "cook"), a_session())
        key = door.bench.tokens.execution_key(PROJECT, ("users.read",), 60)
        callers = {
            "guest": [],
            "guest with a session": [("x-appwrite-session", encode_session("ada", "s3cret"))],
            "guest with a key": [("x-appwrite-key", key), ("x-appwrite-project", PROJECT)],
            "ada": [("x-appwrite-user-jwt", await user_jwt(door, "ada"))],
            "eve": [("x-appwrite-user-jwt", await user_jwt(door, "eve"))],
        }
        allowed = set()
        for caller, headers in callers.items():
            reply = await door.call(headers=[*headers, *ASK_JSON])
            if reply.status != 200:
                assert as_json(reply) == "401 function_execute_permission_missing"
                continue
            allowed.add(caller)
            is_user = caller in ("ada", "eve")
            assert door.bench.code.seen["x-appwrite-user-id"] == (caller if is_user else "")
    guests = {caller for caller in callers if caller.startswith("guest")}
    expected = MAY_CALL[role]
    assert allowed == (expected - {"guest"}) | (guests if "guest" in expected else set())


async def test_a_valid_jwt_is_handed_to_the_function_with_the_user_id() -> None:
    async with a_door() as door:
        await door.bench.put(a_user())
        jwt = await user_jwt(door)
        reply = await door.call(headers=[("X-Appwrite-User-Jwt", jwt)])
        seen = door.bench.code.seen
        record = await door.bench.executions.history.get(
            a_key(), FUNCTION, reply["x-appwrite-execution-id"]
        )
    assert (seen["x-appwrite-user-id"], seen["x-appwrite-user-jwt"]) == ("ada", jwt)
    assert record.user_id == "ada"


@pytest.mark.parametrize("kind", ["forged", "expired", "other project", "no user", "twice", "key"])
async def test_a_jwt_that_proves_nobody_is_401(kind: str) -> None:
    async with a_door() as door:
        await door.bench.put(a_user())
        tokens = door.bench.tokens
        jwt = tokens.user_jwt("ada", "", 60, project_id=PROJECT)
        sent = {
            "forged": [jwt[:-4] + "AAAA"],
            "expired": [tokens.user_jwt("ada", "", -1, project_id=PROJECT)],
            "other project": [tokens.user_jwt("ada", "", 60, project_id="other")],
            "no user": [tokens.user_jwt("nobody", "", 60, project_id=PROJECT)],
            "twice": [jwt, jwt],
            "key": [tokens.execution_key(PROJECT, (), 60).removeprefix("ephemeral_")],
        }[kind]
        headers = [*(("x-appwrite-user-jwt", text) for text in sent), *ASK_JSON]
        assert as_json(await door.call(headers=headers)) == "401 user_jwt_invalid"
        assert door.bench.code.calls == []
        assert door.bench.code.expected == []


async def test_a_blocked_user_is_refused() -> None:
    async with a_door() as door:
        await door.bench.put(replace(a_user(), is_active=False))
        headers = [("x-appwrite-user-jwt", await user_jwt(door)), *ASK_JSON]
        assert as_json(await door.call(headers=headers)) == "403 user_blocked"


async def test_a_key_on_a_domain_tells_the_chain_of_runs_and_nothing_else() -> None:
    async with a_door() as door:
        tokens = door.bench.tokens
        chain = ("first", "second")
        key = tokens.execution_key(PROJECT, ("users.write",), 60, Lineage(chain))
        await door.call(headers=[("x-appwrite-key", key)])
        inner = tokens.read_execution_key(door.bench.code.seen["x-appwrite-key"], PROJECT)
        assert inner is not None
        assert inner.lineage == Lineage((*chain, FUNCTION))
        assert inner.scopes == ("users.read",)
        loop = tokens.execution_key(PROJECT, (), 60, Lineage((FUNCTION,) * 16))
        reply = await door.call(headers=[("x-appwrite-key", loop), *ASK_JSON])
        record = await door.bench.executions.history.get(
            a_key(), FUNCTION, reply["x-appwrite-execution-id"]
        )
    assert reply.status == 508
    assert record.error_class is ErrorClass.LOOP
    assert len(door.bench.code.calls) == 1


async def test_a_credential_or_project_in_the_request_cannot_block_a_public_function() -> None:
    sent = [
        ("x-appwrite-jwt", "garbage"),
        ("x-appwrite-key", "standard_unknown"),
        ("x-appwrite-project", "no-such-project"),
        ("x-appwrite-mode", "admin"),
        ("cookie", f"a_session_{PROJECT}=garbage"),
    ]
    async with a_door() as door:
        reply = await door.call("POST", "/?project=other", headers=sent, body=b'{"project":"x"}')
        assert reply.status == 200
        assert door.bench.code.seen["cookie"] == f"a_session_{PROJECT}=garbage"


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("a=1; b=2", "a=1; b=2"),
        (f"a_session_{PROJECT}=x; a_session_{PROJECT}_legacy=y", None),
        ("a_session_console=x", ""),
        ("A_Session_Console=x", ""),
        ("a=1; a_session_console=x; b=2", "a=1; b=2"),
        (f"a_session_console_legacy=x; a_session_{PROJECT}=y", f"a_session_{PROJECT}=y"),
        ("a_session_other=x;a_session_other_legacy=y;c=3", "c=3"),
        (f"a_session_{PROJECT}2=x; a_session_{PROJECT}_=y", ""),
        ("a=a_session_console=x; b", "a=a_session_console=x; b"),
        ("my_a_session_console=x", "my_a_session_console=x"),
        (" a_session_console =x; a=1", "a=1"),
    ],
)
async def test_a_function_sees_no_session_of_the_console_or_of_another_project(
    sent: str, seen: str | None
) -> None:
    """Browsers send the API's cookies to hosts below it, which functions' domains may be."""
    async with a_door() as door:
        await door.call(headers=[("cookie", sent), ("x-mine", "a_session_console=x")])
        got = door.bench.code.seen
        assert got.get("cookie", "") == (sent if seen is None else seen)
        assert got["x-mine"] == "a_session_console=x"


async def test_the_scheme_reaches_the_function_when_it_is_https() -> None:
    async with a_door() as door:
        await door.call(scheme="https")
        assert door.bench.code.seen["x-forwarded-proto"] == "https"
        await door.call()
        assert "x-forwarded-proto" not in door.bench.code.seen


async def test_a_trusted_proxy_speaks_for_its_callers_and_nobody_else_does() -> None:
    forwarded = [
        ("x-forwarded-for", "203.0.113.1, 198.51.100.50"),
        ("x-forwarded-host", HOST),
        ("x-forwarded-proto", "https"),
    ]
    async with a_door(trusted=("10.0.0.0/8",), forces_https=True) as door:
        reply = await door.call(headers=forwarded, host="inner", peer="10.1.2.3")
        assert reply.status == 200
        assert door.bench.code.seen["x-appwrite-client-ip"] == "198.51.100.50"
        stranger = await door.call(headers=forwarded, peer="198.51.100.9")
        assert stranger.status == 301  # its word that it came over https counts for nothing


async def test_a_change_of_the_function_counts_for_the_next_request() -> None:
    async with a_door() as door:
        assert (await door.call()).status == 200
        await door.bench.put(a_function(execute=("users",)))
        assert (await door.call()).status == 401
        await door.bench.put(replace(a_function(), timeout_s=77))
        assert (await door.call()).status == 200
    assert door.bench.code.calls[-1][1].timeout_s == 77


async def test_a_warm_request_reads_nothing_from_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_door() as door:
        await door.call()

        async def forbidden(work: object) -> None:
            raise AssertionError("a warm request read the database")

        monkeypatch.setattr(door.bench.storage, "read", forbidden)
        assert (await door.call()).status == 200


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("https://app.example.com", True),
        ("http://localhost:3000", True),
        ("https://evil.com", False),
    ],
)
async def test_web_pages_of_the_project_may_read_our_refusals(
    origin: str, is_allowed: bool
) -> None:
    site = Platform(
        id="p",
        project_id=PROJECT,
        created_at=NOW,
        updated_at=NOW,
        name="app",
        type="web",
        identifier="app.example.com",
    )
    async with a_door() as door:
        await door.bench.storage.write(lambda uow: uow.platforms.add(site))
        sent = [("origin", origin), *ASK_JSON]
        own = await door.call(headers=sent)
        assert own["access-control-allow-origin"] == ""  # the function says who may read it
        assert door.bench.code.seen["origin"] == origin
        door.bench.code.run_next = answering(
            Outcome(status_code=500, error_class=ErrorClass.TIMEOUT)
        )
        failed = await door.call(headers=sent)
        await door.bench.put(a_function(execute=()))
        refused = await door.call(headers=sent)
    assert (failed.status, refused.status) == (500, 401)
    for reply in (failed, refused):
        assert reply["access-control-allow-origin"] == (origin if is_allowed else "")
        assert reply["access-control-allow-credentials"] == ("true" if is_allowed else "")
        assert "Origin" in reply.all("vary")
