"""Creating a synchronous execution: checks in order, what the function gets, what is kept."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runwright.errors import BadArgument, BadRequest, RunwrightError, Unauthorized
from runwright.executions.headers import MAX_CHARS
from runwright.model.execution import ErrorClass, Outcome, Phases, Status
from runwright.model.function import DeploymentStatus
from runwright.model.identity import Principal
from runwright.model.lineage import Lineage
from runwright.model.network import Network
from runwright.ports.executor import NoSlot
from tests.fakes.user_code import answering, failing
from tests.unit.executions.bench import (
    FUNCTION,
    PROJECT,
    Bench,
    a_bench,
    a_deployment,
    a_function,
    a_guest,
    a_key,
    a_member,
    a_session,
    a_user,
    an_admin,
    signed_in,
)

pytestmark = pytest.mark.anyio


async def refusal(bench: Bench, principal: Principal, **given: Any) -> str:
    """How a call is refused, for which no sandbox is made ready."""
    before = len(bench.code.expected)
    executions = bench.executions
    create: Callable[..., Awaitable[object]]
    create = executions.accept if given.pop("is_async", False) else executions.create
    with pytest.raises(RunwrightError) as caught:
        await create(principal, given.pop("function_id", FUNCTION), **given)
    had_slot = caught.value.status != 429  # else the executor knew, and refused
    assert not had_slot or len(bench.code.expected) == before
    return f"{caught.value.status} {caught.value.type}"


async def test_a_call_returns_the_response_and_a_stored_record_without_it() -> None:
    async with a_bench() as bench:
        done = await bench.executions.create(a_key(), FUNCTION, body=b"in", path="/a?b=1")
        stored = await bench.storage.read(
            lambda uow: uow.executions.get(PROJECT, done.execution.id)
        )
    assert done.outcome.body == b"hello"
    assert stored is not None
    assert (stored.status, stored.response_status_code) == (Status.COMPLETED, 200)
    assert (stored.request_method, stored.request_path) == ("POST", "/a?b=1")
    assert stored.deployment_id == "d1"
    assert bench.code.calls[0][1].body == b"in"
    assert bench.code.expected == [bench.code.calls[0][0]]


async def test_an_unknown_function_is_not_found() -> None:
    async with a_bench() as bench:
        assert await refusal(bench, a_key(), function_id="no") == "404 function_not_found"


async def test_a_disabled_function_exists_for_keys_and_admins_only() -> None:
    async with a_bench() as bench:
        await bench.put(replace(a_function(), is_enabled=False))
        assert await refusal(bench, a_guest()) == "404 function_not_found"
        assert await refusal(bench, signed_in(a_user())) == "404 function_not_found"
        for trusted in (a_key(), an_admin(a_user())):
            done = await bench.executions.create(trusted, FUNCTION)
            assert done.execution.status is Status.COMPLETED


async def test_checks_stand_in_the_documented_order() -> None:
    """Each step removes the first obstacle, so the next one shows."""
    guest = a_guest()
    async with a_bench() as bench:
        function = replace(a_function(execute=()), runtime="ruby-3.3", deployment_id="")
        await bench.put(function, a_deployment(DeploymentStatus.BUILDING))
        at = {"scheduled_at": "2099-01-01T00:00:30", "headers": {"x_bad": "1"}}
        unknown: dict[str, Any] = {"function_id": "no", **at}
        assert await refusal(bench, guest, **unknown) == "400 general_bad_request"
        unknown["is_async"] = True
        assert await refusal(bench, guest, **unknown) == "400 general_bad_request"
        unknown["scheduled_at"] = "2099-01-01T00:00:00"
        assert await refusal(bench, guest, **unknown) == "400 general_argument_invalid"
        unknown["headers"] = {}
        assert await refusal(bench, guest, **unknown) == "404 function_not_found"
        assert await refusal(bench, guest) == "404 function_runtime_unsupported"
        function = replace(function, runtime="node-22")
        await bench.put(function)
        assert await refusal(bench, guest) == "404 deployment_not_found"
        await bench.put(replace(function, deployment_id="d1"))
        assert await refusal(bench, guest) == "400 build_not_ready"
        await bench.put(a_deployment())
        assert await refusal(bench, guest) == "401 user_unauthorized"
        await bench.put(a_function())
        assert (await bench.executions.accept(guest, FUNCTION)).status is Status.WAITING
        assert (await bench.executions.create(guest, FUNCTION)).execution.user_id == ""


@pytest.mark.parametrize(
    ("moment", "is_async", "is_right"),
    [
        (timedelta(minutes=5), True, True),
        (timedelta(minutes=5), False, False),
        (timedelta(seconds=30), True, False),
        (timedelta(minutes=-5), True, False),
        ("tomorrow", True, False),
        ("26-01-01", True, False),
        ("2099-01-01T10:00:01+00:00", True, False),
        ("2099-01-01T10:00:00.500+00:00", True, False),
        ("2099-01-01 10:00", True, True),
    ],
)
async def test_a_schedule_is_checked_before_anything_is_said_of_the_function(
    moment: timedelta | str, is_async: bool, is_right: bool
) -> None:
    if isinstance(moment, timedelta):
        moment = (datetime.now(UTC) + moment).replace(second=0, microsecond=0).isoformat()
    async with a_bench() as bench:
        answer = await refusal(
            bench, a_guest(), function_id="no", scheduled_at=moment, is_async=is_async
        )
    assert (answer != f"400 {BadRequest.type}") is is_right


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Appwrite-User-Id": "root"},
        {"x-open-runtimes-log-id": "../../x"},
        {"with space": "1"},
        {"under_score": "1"},
        {"-edge": "1"},
        {"": "1"},
        {"umlaut-\u00e4": "1"},
        {"split": "a\r\nset-cookie: b"},
        {"split": "a\nb"},
        {"zero": "a\0b"},
        {"list": ["a"]},
        {"big": "x" * MAX_CHARS},
        {f"h{number}": "" for number in range(101)},
    ],
)
async def test_headers_that_break_a_rule_are_refused(headers: dict[str, Any]) -> None:
    async with a_bench() as bench:
        with pytest.raises(BadArgument, match="headers"):
            await bench.executions.create(a_key(), FUNCTION, headers=headers)
        assert bench.code.expected == []


async def test_header_limits_are_met_exactly() -> None:
    async with a_bench() as bench:
        fits = {f"h{number:02}": "x" for number in range(99)}
        fits["z"] = "x" * (MAX_CHARS - 2 - 99 * 4)
        done = await bench.executions.create(a_key(), FUNCTION, headers=fits)
        assert done.execution.status is Status.COMPLETED
        fits["z"] += "x"
        assert await refusal(bench, a_key(), headers=fits) == "400 general_argument_invalid"


async def test_the_function_gets_the_platform_headers_and_the_callers() -> None:
    session = a_session()
    async with a_bench() as bench:
        await bench.put(a_user(), session)
        done = await bench.executions.create(
            signed_in(a_user(), session=session),
            FUNCTION,
            headers={"Content-Type": "application/json", "X-Mine": "1", "Host": "me"},
            client_ip="203.0.113.9",
            host="api.example.com",
        )
        seen = bench.code.seen
        claims = bench.tokens.read_execution_key(seen["x-appwrite-key"], PROJECT)
        acting = await bench.authenticator.user_for_jwt(PROJECT, seen["x-appwrite-user-jwt"])
    assert seen["x-appwrite-execution-id"] == done.execution.id
    assert seen["x-appwrite-trigger"] == "http"
    assert seen["x-appwrite-user-id"] == "ada"
    assert seen["x-appwrite-client-ip"] == "203.0.113.9"
    assert (seen["x-appwrite-country-code"], seen["x-appwrite-continent-code"]) == ("", "")
    assert seen["x-appwrite-continent-eu"] == "false"
    assert "x-appwrite-event" not in seen
    assert (seen["content-type"], seen["x-mine"], seen["host"]) == ("application/json", "1", "me")
    assert acting.user_id == "ada"
    assert claims is not None
    assert (claims.scopes, claims.lineage) == (("users.read",), Lineage((FUNCTION,)))
    assert dict(done.execution.request_headers) == {
        "content-type": "application/json",
        "host": "me",
        "x-appwrite-client-ip": "203.0.113.9",
    }


async def test_a_jwt_caller_passes_on_its_own_token() -> None:
    async with a_bench() as bench:
        by_jwt = signed_in(a_user(), by_jwt=True)
        await bench.executions.create(by_jwt, FUNCTION, user_jwt="the very token")
        seen = bench.code.seen
    assert (seen["x-appwrite-user-id"], seen["x-appwrite-user-jwt"]) == ("ada", "the very token")


@pytest.mark.parametrize("caller", [a_guest(), a_key()])
async def test_callers_without_a_user_give_empty_headers_not_missing_ones(
    caller: Principal,
) -> None:
    async with a_bench() as bench:
        done = await bench.executions.create(caller, FUNCTION)
        seen = bench.code.seen
    assert (seen["x-appwrite-user-id"], seen["x-appwrite-user-jwt"]) == ("", "")
    assert done.execution.user_id == ""


async def test_the_environment_is_variables_then_the_platforms_own() -> None:
    async with a_bench() as bench:
        await bench.executions.create(a_key(), FUNCTION)
        workload = bench.code.calls[0][0]
    assert workload.env["APPWRITE_FUNCTION_ID"] == FUNCTION
    assert workload.env["APPWRITE_FUNCTION_PROJECT_ID"] == PROJECT
    assert workload.env["APPWRITE_FUNCTION_DEPLOYMENT"] == "d1"
    assert workload.env["APPWRITE_FUNCTION_RUNTIME_NAME"] == "Node.js"
    assert workload.env["APPWRITE_FUNCTION_CPUS"] == "0.5"
    assert workload.env["APPWRITE_FUNCTION_API_ENDPOINT"] == "http://localhost/v1"
    assert workload.env["OPEN_RUNTIMES_ENTRYPOINT"] == "main.js"
    assert "APPWRITE_FUNCTION_API_KEY" not in workload.env
    assert workload.artifact == "/artifacts/d1"


async def test_the_workload_changes_with_what_user_code_sees_and_only_then() -> None:
    async with a_bench() as bench:
        keys = []
        for function in (
            a_function(),
            replace(a_function(), timeout_s=99, scopes=(), execute=("users",)),
            replace(a_function(), name="Other"),
            replace(a_function(), runtime_specification="s-1vcpu-1gb"),
        ):
            await bench.put(function)
            await bench.executions.create(a_key(), FUNCTION)
            keys.append(bench.code.calls[-1][0].key)
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


async def test_a_warm_call_reads_nothing_from_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_bench() as bench:
        await bench.executions.create(a_key(), FUNCTION)

        async def forbidden(work: object) -> None:
            raise AssertionError("a warm run read the database")

        monkeypatch.setattr(bench.storage, "read", forbidden)
        done = await bench.executions.create(a_guest(), FUNCTION)
    assert done.execution.status is Status.COMPLETED


@pytest.mark.parametrize(
    ("code", "status", "error_class"),
    [
        (200, Status.COMPLETED, None),
        (404, Status.COMPLETED, None),
        (500, Status.FAILED, ErrorClass.USER_EXCEPTION),
        (503, Status.FAILED, ErrorClass.USER_EXCEPTION),
    ],
)
async def test_an_answer_of_500_or_more_is_a_failure_of_the_function(
    code: int, status: Status, error_class: ErrorClass | None
) -> None:
    async with a_bench() as bench:
        bench.code.run_next = answering(Outcome(status_code=code))
        done = await bench.executions.create(a_key(), FUNCTION)
    assert (done.execution.status, done.execution.response_status_code) == (status, code)
    assert done.execution.error_class is error_class


@pytest.mark.parametrize("error_class", list(ErrorClass))
async def test_every_failure_is_recorded_with_its_class_and_phases(error_class: ErrorClass) -> None:
    outcome = Outcome(
        status_code=500,
        errors="what happened",
        error_class=error_class,
        is_cold=True,
        phases=Phases(queue_s=0.1, start_s=0.2, user_s=0.3),
        duration_s=0.6,
    )
    async with a_bench() as bench:
        bench.code.run_next = answering(outcome)
        done = await bench.executions.create(a_key(), FUNCTION)
        stored = await bench.executions.history.get(a_key(), FUNCTION, done.execution.id)
    assert (stored.status, stored.error_class) == (Status.FAILED, error_class)
    assert (stored.errors, stored.response_status_code) == ("what happened", 500)
    assert (stored.queue_s, stored.start_s, stored.user_s) == (0.1, 0.2, 0.3)
    assert (stored.is_cold, stored.duration_s) == (True, 0.6)


async def test_a_fault_of_the_executor_is_a_failed_execution_that_tells_no_detail() -> None:
    async with a_bench() as bench:
        bench.code.run_next = failing(OSError("/var/lib/secret/path is broken"))
        done = await bench.executions.create(a_key(), FUNCTION)
    assert done.execution.status is Status.FAILED
    assert done.execution.error_class is ErrorClass.PLATFORM
    assert "secret" not in done.execution.errors
    assert done.execution.errors


async def test_no_free_slot_is_429_and_leaves_no_record() -> None:
    async with a_bench() as bench:
        bench.code.run_next = failing(NoSlot())
        assert await refusal(bench, a_key()) == "429 general_rate_limit_exceeded"
        await bench.recorder.flush()
        stored = await bench.storage.read(lambda uow: uow.executions.find(PROJECT))
    assert stored == []


async def test_logging_off_keeps_neither_logs_nor_the_runtimes_errors() -> None:
    async with a_bench() as bench:
        await bench.put(replace(a_function(), is_logging=False))
        crash = ErrorClass.USER_EXCEPTION
        bench.code.run_next = answering(
            Outcome(status_code=500, logs="a", errors="b", error_class=crash)
        )
        done = await bench.executions.create(a_key(), FUNCTION)
        assert (done.execution.logs, done.execution.errors) == ("", "")
        assert bench.code.calls[-1][1].is_logging is False
        start = ErrorClass.COLD_START
        bench.code.run_next = answering(
            Outcome(status_code=503, errors="not started", error_class=start)
        )
        done = await bench.executions.create(a_key(), FUNCTION)
    assert done.execution.errors == "not started"


async def test_a_path_gets_its_leading_slash_and_cannot_split_the_request() -> None:
    async with a_bench() as bench:
        await bench.executions.create(a_key(), FUNCTION, path="a b\nx-evil: 1?q=\u00e4")
        invocation = bench.code.calls[-1][1]
    assert invocation.target == "/a%20b%0Ax-evil:%201?q=\u00e4"


async def test_the_sixteenth_run_of_one_function_in_a_chain_is_stopped() -> None:
    async with a_bench() as bench:
        done = await bench.executions.create(a_key(lineage=(FUNCTION,) * 14), FUNCTION)
        assert done.execution.status is Status.COMPLETED
        done = await bench.executions.create(a_key(lineage=(FUNCTION,) * 15), FUNCTION)
        assert done.execution.error_class is ErrorClass.LOOP
        assert len(bench.code.calls) == 1
        stored = await bench.executions.history.get(a_key(), FUNCTION, done.execution.id)
        assert (stored.status, stored.error_class) == (Status.FAILED, ErrorClass.LOOP)
        others = tuple(f"f{number}" for number in range(63))
        done = await bench.executions.create(a_key(lineage=others), FUNCTION)
    assert done.execution.error_class is ErrorClass.LOOP


VERIFIED = replace(a_user(), email="ada@example.com", is_email_verified=True)
PERSONAS: dict[str, Principal] = {
    "guest": a_guest(),
    "unverified": signed_in(a_user(), session=a_session()),
    "verified": signed_in(VERIFIED, session=a_session()),
    "by jwt": signed_in(VERIFIED, by_jwt=True),
    "member": signed_in(a_user(), a_member("ada", "crew", "cook")),
    "invited": signed_in(a_user(), a_member("ada", "crew", "cook", is_confirmed=False)),
    "labelled": signed_in(replace(a_user(), labels=("vip",))),
    "stranger": signed_in(a_user("eve")),
    "key": a_key(),
    "admin": an_admin(a_user("root")),
}
ADA = {"unverified", "verified", "by jwt", "member", "invited", "labelled"}
UNVERIFIED = {"unverified", "member", "invited", "labelled"}
MAY_EXECUTE: dict[str, set[str]] = {
    "any": {*PERSONAS},
    "guests": {"guest"},
    "users": {*ADA, "stranger"},
    "users/verified": {"verified", "by jwt"},
    "users/unverified": {*UNVERIFIED, "stranger"},
    "user:ada": ADA,
    "user:ada/verified": {"verified", "by jwt"},
    "user:ada/unverified": UNVERIFIED,
    "team:crew": {"member"},
    "team:crew/cook": {"member"},
    "team:crew/boss": set(),
    "member:crew-ada": {"member"},
    "label:vip": {"labelled"},
    "": set(),
}


@pytest.mark.parametrize("role", MAY_EXECUTE)
async def test_execute_roles_decide_who_may_run(role: str) -> None:
    allowed = set()
    async with a_bench() as bench:
        await bench.put(a_function(execute=(role,) if role else ()))
        for name, principal in PERSONAS.items():
            try:
                done = await bench.executions.create(principal, FUNCTION)
            except Unauthorized:
                continue
            assert done.execution.status is Status.COMPLETED
            allowed.add(name)
        assert len(bench.code.calls) == len(allowed)
    assert allowed == MAY_EXECUTE[role] | {"key", "admin"}


async def test_another_network_is_another_workload() -> None:
    async with a_bench() as bench:
        await bench.executions.create(a_key(), FUNCTION)
        await bench.put(replace(a_function(), network=Network.NONE))
        await bench.executions.create(a_key(), FUNCTION)
        before, after = [call[0] for call in bench.code.calls]
    assert (before.network, after.network) == (Network.EGRESS, Network.NONE)
    assert before.key != after.key
