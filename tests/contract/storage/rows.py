"""One row of each kind, with every field set to something that a lossy column would spoil."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from runwright.model.activity import Activity
from runwright.model.execution import ErrorClass, Execution, Status, Trigger
from runwright.model.factors import MfaChallenge, Passkey, PasskeyCeremony, SecondFactors
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
    Identity,
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
from runwright.model.mail import MailTemplate
from runwright.model.network import Network
from runwright.model.outbox import OutboxEvent
from runwright.model.repeat import RepeatKey
from runwright.model.retry import Retry
from runwright.model.timer import CatchUp, Overlap, Timer
from runwright.model.webhook import EventSource, Webhook
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
            mail={"host": "mäil", "port": 25},
            sealed_mail_password=bytes(range(256)),
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
        hash_options={"memory_cost": 65536},
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


def some_factors(id: str = "ann", project_id: str = PROJECT, **more: Any) -> SecondFactors:
    base = SecondFactors(
        **_base(id, project_id),
        sealed_totp=bytes(range(256)),
        is_totp_verified=True,
        totp_step=59_000_000,
        sealed_codes=b"\0codes",
    )
    return replace(base, **more)


def an_mfa_challenge(id: str = "asked", project_id: str = PROJECT, **more: Any) -> MfaChallenge:
    base = MfaChallenge(
        **_base(id, project_id),
        user_id="ann",
        session_id="session",
        factor="email",
        code_hash="hash",
        sealed_code=b"\0code",
        failures=2,
        expires_at=NOW,
    )
    return replace(base, **more)


def a_passkey(id: str = "passkey", project_id: str = PROJECT, **more: Any) -> Passkey:
    base = Passkey(
        **_base(id, project_id),
        user_id="ann",
        credential_id=f"credential-{id}",
        public_key=bytes(range(256)),
        sign_count=7,
        rp_id="example.com",
        name="Laptop",
        transports=("internal", "hybrid"),
        accessed_at=NOW,
    )
    return replace(base, **more)


def a_ceremony(id: str = "ceremony", project_id: str = PROJECT, **more: Any) -> PasskeyCeremony:
    base = PasskeyCeremony(
        **_base(id, project_id),
        challenge=bytes(range(32)),
        rp_id="example.com",
        expires_at=NOW,
        user_id="ann",
        session_id="session",
        passkey_id="passkey",
        name="Laptop",
    )
    return replace(base, **more)


def an_identity(id: str = "identity", project_id: str = PROJECT, **more: Any) -> Identity:
    base = Identity(
        **_base(id, project_id),
        user_id="ann",
        provider="github",
        provider_uid=f"uid of {id}",
        provider_email="ann@x.org",
        sealed_grant=b"\x00sealed",
        grant_expires_at=NOW,
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
        time_zone="Asia/Kolkata",
        catch_up=CatchUp.SKIP,
        overlap=Overlap.SKIP,
        concurrency=4,
        retry=Retry(attempts=3, backoff_s=0.5, classes=("exit", "timeout")),
        request_retention_s=60,
        loop_limit=0,
        min_instances=1,
        max_instances=3,
        network=Network.NONE,
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
        failures=1,
        owner="host",
        epoch="epoch",
        sealed=bytes(range(256)),
    )
    return replace(base, **more)


def a_timer(id: str = "fn", project_id: str = PROJECT, **more: Any) -> Timer:
    base = Timer(
        **_base(id, project_id),
        due_at=NOW + timedelta(minutes=1),
        schedule="*/5 * * * *",
        interval_min=7,
        time_zone="Europe/Berlin",
        catch_up=CatchUp.ALL,
        overlap=Overlap.SKIP,
        deployment_id="build",
    )
    return replace(base, **more)


def an_outbox_event(id: str = "event", project_id: str = PROJECT, **more: Any) -> OutboxEvent:
    base = OutboxEvent(
        **_base(id, project_id),
        path=("users", "a.b", "sessions", "s"),
        action="update",
        attribute="email",
        user_id="ann",
        session_id="session",
        chain_id="chain",
        lineage=("fn", "other", "fn"),
        origin="source:main",
        epoch="epoch",
        sealed=bytes(range(256)),
    )
    return replace(base, **more)


def a_webhook(id: str = "hook", project_id: str = PROJECT, **more: Any) -> Webhook:
    base = Webhook(
        **_base(id, project_id),
        name="Hook ä",
        url="https://example.com/hook?a=b",
        events=("users.*", "functions.*.create"),
        is_enabled=False,
        is_tls_verified=True,
        auth_username="ann",
        sealed_auth_password=bytes(range(256)),
        sealed_secret=bytes(reversed(range(256))),
        logs="a\nb",
        attempts=3,
        description="tells ünits",
    )
    return replace(base, **more)


def an_event_source(id: str = "source", project_id: str = PROJECT, **more: Any) -> EventSource:
    base = EventSource(
        **_base(id, project_id),
        name="Old server",
        url="https://example.com/v1/events",
        sealed_secret=bytes(range(256)),
    )
    return replace(base, **more)


def a_mail_template(
    id: str = "recovery-de", project_id: str = PROJECT, **more: Any
) -> MailTemplate:
    base = MailTemplate(
        **_base(id, project_id),
        occasion="recovery",
        locale="de",
        subject="Neues Passwort",
        message="<p>{{redirect}}</p>",
        sender_name="Shop",
        sender_email="hi@example.com",
        reply_to_name="Help",
        reply_to_email="help@example.com",
    )
    return replace(base, **more)


def a_repeat_key(id: str = "digest", project_id: str = PROJECT, **more: Any) -> RepeatKey:
    base = RepeatKey(
        **_base(id, project_id),
        function_id="fn",
        result_id="run",
        fingerprint="f" * 64,
        expires_at=NOW + timedelta(days=1),
    )
    return replace(base, **more)


def an_activity(id: str = "act", project_id: str = PROJECT, **more: Any) -> Activity:
    base = Activity(
        **_base(id, project_id),
        user_id="ann",
        name="session.create",
        done_by="user",
        ip="198.51.100.7",
        user_agent="Mozilla/5.0",
    )
    return replace(base, **more)


EVERY_KIND: Final[dict[str, Any]] = {
    "projects": a_project,
    "keys": a_key,
    "platforms": a_platform,
    "users": a_user,
    "sessions": a_session,
    "tokens": a_token,
    "identities": an_identity,
    "targets": a_target,
    "factors": some_factors,
    "mfa_challenges": an_mfa_challenge,
    "passkeys": a_passkey,
    "ceremonies": a_ceremony,
    "teams": a_team,
    "memberships": a_membership,
    "functions": a_function,
    "deployments": a_deployment,
    "variables": a_variable,
    "rules": a_rule,
    "executions": an_execution,
    "jobs": a_job,
    "timers": a_timer,
    "outbox": an_outbox_event,
    "webhooks": a_webhook,
    "event_sources": an_event_source,
    "mail_templates": a_mail_template,
    "repeat_keys": a_repeat_key,
    "activities": an_activity,
}


def adding(kind: str, *rows: Any) -> Callable[[UnitOfWork], None]:
    """A work that stores rows of one kind."""

    def work(unit: UnitOfWork) -> None:
        for row in rows:
            getattr(unit, kind).add(row)

    return work
