"""The API's own description, put to the test: requests made from it, answers held against it.

Every operation is called as a guest, as a signed-in user and with a key; with ids that exist
nowhere and with ids of things that do. What the requests hold follows from a fixed seed: it is
made up once, which takes longer than sending it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from tests.acceptance.deploying import create, upload, wait_built
from tests.acceptance.running import Running

# Guests are mostly turned away before anything of what they send is looked at.
EXAMPLES: Final = {"guest": 1, "user": 2, "key": 3}
# 501 and 503 are refusals that the description names: switched off, no mail server.
EXPECTED: Final = ["2xx", "3xx", "4xx", "501", "503"]
CALL_S: Final = 60.0
CHECKS: Final = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
# Without a project there is nothing left to call.
DESTROYS_THE_RUN: Final = {"key": {"projectDelete"}}
# Ends the user's session, so whatever came after would be a guest's.
LAST: Final = ("accountUpdateStatus", "accountDeleteSession", "accountDeleteSessions")
# Operations that were done at least once, of some 300: so much of what is made up is right.
LEAST_DONE: Final = {"guest": 10, "user": 20, "key": 60}
_MAIN: Final = "def main(context):\n    return context.res.text('hello')\n"
ORDER: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass
class Target:
    """A server, its description, and what there is in its project."""

    server: Running
    schema: Any
    ids: dict[str, str]  # by the name of the parameter
    user: dict[str, str]  # headers of a signed-in user

    def headers(self, caller: str) -> dict[str, str]:
        named = {"X-Appwrite-Project": self.server.project_id}
        match caller:
            case "key":
                return named | {"X-Appwrite-Key": self.server.api_key}
            case "user":
                return named | self.user
        return named


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    server = Running(tmp_path_factory.mktemp("openapi") / "data").start()
    try:
        with server.client() as client:
            ids, user = _filled(client)
        config = schemathesis.Config.from_dict(
            {
                "generation": {"with-security-parameters": False, "allow-x00": True},
                "checks": {"not_a_server_error": {"expected-statuses": EXPECTED}},
            }
        )
        schema = schemathesis.openapi.from_url(f"{server.endpoint}/openapi.json", config=config)
        schema.config.update(base_url=server.endpoint.removesuffix("/v1"))
        yield Target(server, schema, ids, user)
    finally:
        assert server.stop() == 0, server.tail()


def _filled(client: httpx.Client) -> tuple[dict[str, str], dict[str, str]]:
    """One of each thing, with its id; and a user who is signed in."""

    def made(path: str, **params: Any) -> dict[str, Any]:
        answer = client.post(path, json=params)
        assert answer.is_success, (path, answer.text)
        return dict(answer.json())

    made("/users", userId="ann", email="ann@example.com", password="correct horse")
    session = made("/users/ann/sessions")
    create(client, "fn", "python", execute=["any"], events=["teams.*.create"])
    deployment_id = upload(client, "fn", {"main.py": _MAIN})["$id"]
    wait_built(client, "fn", deployment_id)
    made("/teams", teamId="team", name="Team")
    event = ["users.*.create"]
    hook = made(
        "/webhooks", webhookId="hook", name="Hook", url="https://example.com/", events=event
    )
    ids = {
        "userId": "ann",
        "sessionId": made("/users/ann/sessions")["$id"],
        "targetId": made(
            "/users/ann/targets",
            targetId="target",
            providerType="email",
            identifier="ann@example.org",
        )["$id"],
        "functionId": "fn",
        "deploymentId": deployment_id,
        "executionId": made("/functions/fn/executions", **{"async": True})["$id"],
        "variableId": made("/functions/fn/variables", variableId="variable", key="A", value="1")[
            "$id"
        ],
        "teamId": "team",
        "membershipId": made("/teams/team/memberships", userId="ann", roles=["owner"])["$id"],
        "platformId": made(
            "/project/platforms/web", platformId="web", name="Web", hostname="example.com"
        )["$id"],
        "webhookId": hook["$id"],
        "ruleId": made("/proxy/rules/api", domain="api.example.com")["$id"],
        "sourceId": made("/events/sources", sourceId="source", name="Source")["$id"],
    }
    return ids, {"X-Appwrite-Session": session["secret"]}


def _all(schema: Any) -> list[Any]:
    return [item.ok() for item in schema.get_all_operations()]


def _operations(target: Target) -> list[Any]:
    return sorted(
        _all(target.schema),
        key=lambda item: (
            item.definition.raw["operationId"] in LAST,
            ORDER.index(item.method.upper()),
            -item.path.count("/"),
            item.path,
        ),
    )


@pytest.fixture(scope="module")
def made_up(target: Target) -> list[tuple[str, list[Any]]]:
    """Operations in the order of their calls, each with what is sent to it."""
    return [
        (operation.definition.raw["operationId"], _cases(operation))
        for operation in _operations(target)
    ]


def a_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # else each request looks through the environment for proxies
    return session


def _cases(operation: Any) -> list[Any]:
    """The simplest comes first."""
    made: list[Any] = []

    @settings(
        max_examples=max(EXAMPLES.values()),
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def make(case: Any) -> None:
        made.append(case)

    make()
    return made


@pytest.mark.parametrize("caller", ["guest", "user", "key"])
def test_every_answer_is_as_the_description_says(
    target: Target, made_up: list[tuple[str, list[Any]]], caller: str
) -> None:
    faults: dict[str, str] = {}
    done: set[str] = set()
    with a_session() as session:
        for name, cases in made_up:
            if name in DESTROYS_THE_RUN.get(caller, ()):
                continue
            fault = _first_fault(target, cases[: EXAMPLES[caller]], caller, session, done)
            if fault:
                faults[name] = fault
    assert not faults, "\n\n".join(f"{name}: {fault}" for name, fault in faults.items())
    assert len(done) >= LEAST_DONE[caller], "too little of what was sent was good"


def _first_fault(
    target: Target,
    cases: Sequence[Any],
    caller: str,
    session: requests.Session,
    done: set[str],
) -> str:
    answers: list[str] = []

    def call(case: Any) -> None:
        check(case)
        given = case.path_parameters or {}
        known = {name: target.ids[name] for name in given if name in target.ids}
        if known:
            case.path_parameters = {**given, **known}
            check(case)
            case.path_parameters = given  # the next caller begins with it

    def check(case: Any) -> None:
        response = case.call(headers=target.headers(caller), session=session, timeout=CALL_S)
        sent = response.request
        answers.append(
            f"{sent.method} {sent.url} {sent.body!r:.2000} -> "
            f"{response.status_code} {response.content[:500]!r}"
        )
        if response.status_code < 300:
            done.add(case.operation.definition.raw["operationId"])
        case.validate_response(response, checks=CHECKS)

    try:
        for case in cases:
            call(case)
    except (FailureGroup, requests.RequestException) as exc:
        inner = exc.exceptions if isinstance(exc, FailureGroup) else [exc]
        return "\n".join([*(str(item) for item in inner), *answers[-1:]])
    return ""


def test_a_description_that_lies_is_found_out(target: Target) -> None:
    content = httpx.get(f"{target.server.endpoint}/openapi.json", timeout=60).json()
    content["components"]["schemas"]["healthVersion"]["required"].append("more")
    lying = schemathesis.openapi.from_dict(content)
    lying.config.update(base_url=target.server.endpoint.removesuffix("/v1"))
    [operation] = [item for item in _all(lying) if item.path == "/v1/health/version"]
    with a_session() as session:
        fault = _first_fault(target, _cases(operation), "key", session, set())
    assert "more" in fault
