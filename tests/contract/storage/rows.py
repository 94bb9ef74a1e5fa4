"""One row of each kind, with every field set to something that a lossy column would spoil."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from runwright.model.execution import ErrorClass, Execution, Status, Trigger
from runwright.model.function import (
    Deployment,
    DeploymentStatus,
    Function,
    Rule,
    RuleStatus,
    RuleType,
    Variable,
)
from runwright.model.identity import (
    ApiKey,
    Membership,
    Platform,
    Project,
    Session,
    Target,
    Team,
    Token,
    User,
)
from runwright.model.job import Job, JobKind
from runwright.ports.storage import UnitOfWork

PROJECT: Final = "shop"
NOW: Final = datetime(2026, 8, 21, 13, 42, 57, 123456, tzinfo=UTC)
EAST: Final = timezone(timedelta(hours=5, minutes=30))


def _base(id: str, project_id: str) -> dict[str, Any]:
    return {"id": id, "project_id": project_id, "created_at": NOW, "updated_at": NOW}


def a_project(id: str = "shop", **more: Any) -> Project:
    return replace(
        Project(
            id=id,
            created_at=NOW,
            updated_at=NOW,
            name="Shöp 東京",
            team_id="org",
            labels=("a b", 'quote"', "back\\slash"),
            policies={"z": {"limit": 5}, "a": [1, None, True]},
            ping_count=2**40,
            pinged_at=NOW.astimezone(EAST),
        ),
        **more,
    )


def a_key(id: str = "key", project_id: str = PROJECT, **more: Any) -> ApiKey:
    base = ApiKey(
        **_base(id, project_id),
        name="deploy",
        scopes=("functions.read", "functions.write"),
        secret_hash=f"hash of {id}",
        expires_at=NOW + timedelta(days=1),
        sdks=("python",),
    )
    return replace(base, **more)


def a_platform(id: str = "platform", project_id: str = PROJECT, **more: Any) -> Platform:
    base = Platform(**_base(id, project_id), name="Web", type="web", identifier="app.example.com")
    return replace(base, **more)


def a_user(id: str = "ann", project_id: str = PROJECT, **more: Any) -> User:
    base = User(
        **_base(id, project_id),
        name="Ann O'Hara",
        email=f"{id}@example.com",
        hash_options={"memoryCost": 65536},
        labels=("vip", "staff"),
        prefs={"theme": "dark", "nested": {"b": 1, "a": 2.5}},
        registration=NOW,
    )
    return replace(base, **more)


def a_session(id: str = "session", project_id: str = PROJECT, **more: Any) -> Session:
    base = Session(
        **_base(id, project_id), user_id="ann", secret_hash="hash", expires_at=NOW, ip="::1"
    )
    return replace(base, **more)


def a_token(id: str = "token", project_id: str = PROJECT, **more: Any) -> Token:
    base = Token(
        **_base(id, project_id),
        user_id="ann",
        purpose="sign-in",
        secret_hash="hash",
        expires_at=NOW,
    )
    return replace(base, **more)


def a_target(id: str = "target", project_id: str = PROJECT, **more: Any) -> Target:
    base = Target(
        **_base(id, project_id), user_id="ann", provider_type="email", identifier=f"{id}@x.org"
    )
    return replace(base, **more)


def a_team(id: str = "team", project_id: str = PROJECT, **more: Any) -> Team:
    base = Team(**_base(id, project_id), name="Crew", total=3, prefs={"k": "v"})
    return replace(base, **more)


def a_membership(id: str = "member", project_id: str = PROJECT, **more: Any) -> Membership:
    base = Membership(
        **_base(id, project_id),
        team_id="team",
        user_id=f"user of {id}",
        roles=("owner",),
        invited_at=NOW,
    )
    return replace(base, **more)


def a_function(id: str = "fn", project_id: str = PROJECT, **more: Any) -> Function:
    base = Function(
        **_base(id, project_id),
        name="Hello World",
        runtime="node-22",
        execute=("any", "team:x/owner"),
        events=("users.*.create",),
        interval_min=5,
    )
    return replace(base, **more)


def a_deployment(id: str = "build", project_id: str = PROJECT, **more: Any) -> Deployment:
    base = Deployment(
        **_base(id, project_id),
        function_id="fn",
        source_bytes=10,
        build_bytes=2**33,
        status=DeploymentStatus.BUILDING,
        build_logs="line\n\x1b[32mgreen\x1b[0m\r\n",
    )
    return replace(base, **more)


def a_variable(id: str = "variable", project_id: str = PROJECT, **more: Any) -> Variable:
    base = Variable(
        **_base(id, project_id), function_id="fn", key=f"KEY_{id}", sealed_value=bytes(range(256))
    )
    return replace(base, **more)


def a_rule(id: str = "rule", project_id: str = PROJECT, **more: Any) -> Rule:
    base = Rule(
        **_base(id, project_id),
        domain=f"{id}.example.com",
        type=RuleType.DEPLOYMENT,
        status=RuleStatus.VERIFYING,
    )
    return replace(base, **more)


def an_execution(id: str = "run", project_id: str = PROJECT, **more: Any) -> Execution:
    base = Execution(
        **_base(id, project_id),
        function_id="fn",
        trigger=Trigger.SCHEDULE,
        status=Status.PROCESSING,
        request_headers=(("accept", "*/*"), ("accept", "text/html"), ("x-é", "")),
        duration_s=0.1,
        scheduled_at=NOW,
        error_class=ErrorClass.OUT_OF_MEMORY,
        is_cold=True,
    )
    return replace(base, **more)


def a_job(id: str = "run", project_id: str = PROJECT, **more: Any) -> Job:
    base = Job(
        **_base(id, project_id),
        function_id="fn",
        kind=JobKind.DELAYED,
        trigger=Trigger.SCHEDULE,
        due_at=NOW,
        ready_at=NOW + timedelta(microseconds=1),
        attempt=2,
        owner="host",
        epoch="epoch",
        sealed=bytes(range(256)),
    )
    return replace(base, **more)


EVERY_KIND: Final[dict[str, Any]] = {
    "projects": a_project,
    "keys": a_key,
    "platforms": a_platform,
    "users": a_user,
    "sessions": a_session,
    "tokens": a_token,
    "targets": a_target,
    "teams": a_team,
    "memberships": a_membership,
    "functions": a_function,
    "deployments": a_deployment,
    "variables": a_variable,
    "rules": a_rule,
    "executions": an_execution,
    "jobs": a_job,
}


def adding(kind: str, *rows: Any) -> Callable[[UnitOfWork], None]:
    """A work that stores rows of one kind."""

    def work(unit: UnitOfWork) -> None:
        for row in rows:
            getattr(unit, kind).add(row)

    return work
