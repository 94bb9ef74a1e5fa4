"""The unit of work: every repository over one connection."""

from typing import Final

from sqlalchemy import delete
from sqlalchemy.engine import Connection, Dialect

from runwright.model.event import Event
from runwright.model.factors import MfaChallenge, Passkey, PasskeyCeremony, SecondFactors
from runwright.model.function import Deployment, Rule, Variable
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
from runwright.model.mail import MailTemplate
from runwright.model.webhook import EventSource, Webhook
from runwright.ports.storage import (
    ActivityRepository,
    Emit,
    ExecutionRepository,
    FunctionRepository,
    JobRepository,
    OutboxRepository,
    RepeatKeyRepository,
    Repository,
    TimerRepository,
)
from runwright.storage.activities import SqlActivities
from runwright.storage.codec import Codec, ExecutionCodec, JobCodec, TimerCodec
from runwright.storage.jobs import SqlJobs
from runwright.storage.pending import SqlOutbox, SqlTimers
from runwright.storage.repeats import SqlRepeatKeys
from runwright.storage.repository import SqlExecutions, SqlFunctions, SqlRepository
from runwright.storage.tables import (
    ACTIVITIES,
    CEREMONIES,
    DEPLOYMENTS,
    EVENT_SOURCES,
    EXECUTIONS,
    FACTORS,
    FUNCTIONS,
    IDENTITIES,
    JOBS,
    KEYS,
    MAIL_TEMPLATES,
    MEMBERSHIPS,
    MFA_CHALLENGES,
    OUTBOX,
    PASSKEYS,
    PLATFORMS,
    PROJECTS,
    REPEAT_KEYS,
    RULES,
    SESSIONS,
    TARGETS,
    TEAMS,
    TIMERS,
    TOKENS,
    USERS,
    VARIABLES,
    WEBHOOKS,
    metadata,
)

Touched = tuple[str, str, str]  # kind, project id, item id


class Codecs:
    """Compiled statements; one for each database, shared by its connections."""

    def __init__(self, dialect: Dialect) -> None:
        self.projects = Codec(PROJECTS, dialect)
        self.keys = Codec(KEYS, dialect)
        self.platforms = Codec(PLATFORMS, dialect)
        self.users = Codec(USERS, dialect)
        self.sessions = Codec(SESSIONS, dialect)
        self.tokens = Codec(TOKENS, dialect)
        self.identities = Codec(IDENTITIES, dialect)
        self.targets = Codec(TARGETS, dialect)
        self.factors = Codec(FACTORS, dialect)
        self.mfa_challenges = Codec(MFA_CHALLENGES, dialect)
        self.passkeys = Codec(PASSKEYS, dialect)
        self.ceremonies = Codec(CEREMONIES, dialect)
        self.teams = Codec(TEAMS, dialect)
        self.memberships = Codec(MEMBERSHIPS, dialect)
        self.functions = Codec(FUNCTIONS, dialect)
        self.deployments = Codec(DEPLOYMENTS, dialect)
        self.variables = Codec(VARIABLES, dialect)
        self.rules = Codec(RULES, dialect)
        self.executions = ExecutionCodec(EXECUTIONS, dialect)
        self.jobs = JobCodec(JOBS, dialect)
        self.timers = TimerCodec(TIMERS, dialect)
        self.outbox = Codec(OUTBOX, dialect)
        self.webhooks = Codec(WEBHOOKS, dialect)
        self.event_sources = Codec(EVENT_SOURCES, dialect)
        self.mail_templates = Codec(MAIL_TEMPLATES, dialect)
        self.repeat_keys = Codec(REPEAT_KEYS, dialect)
        self.activities = Codec(ACTIVITIES, dialect)


_CODECS: Final[dict[str, Codecs]] = {}


def codecs_for(dialect: Dialect) -> Codecs:
    """Compiling takes tens of milliseconds, so it is done once in a process."""
    if dialect.name not in _CODECS:
        _CODECS[dialect.name] = Codecs(dialect)
    return _CODECS[dialect.name]


class SqlUnitOfWork:
    """Lives as long as its connection; `take_touched` empties it between two works."""

    def __init__(self, connection: Connection, codecs: Codecs, emit: Emit | None = None) -> None:
        self._emit = emit
        self.projects: Repository[Project] = SqlRepository(connection, codecs.projects)
        self.keys: Repository[ApiKey] = SqlRepository(connection, codecs.keys)
        self.platforms: Repository[Platform] = SqlRepository(connection, codecs.platforms)
        self.users: Repository[User] = SqlRepository(connection, codecs.users)
        self.sessions: Repository[Session] = SqlRepository(connection, codecs.sessions)
        self.tokens: Repository[Token] = SqlRepository(connection, codecs.tokens)
        self.identities: Repository[Identity] = SqlRepository(connection, codecs.identities)
        self.targets: Repository[Target] = SqlRepository(connection, codecs.targets)
        self.factors: Repository[SecondFactors] = SqlRepository(connection, codecs.factors)
        self.mfa_challenges: Repository[MfaChallenge] = SqlRepository(
            connection, codecs.mfa_challenges
        )
        self.passkeys: Repository[Passkey] = SqlRepository(connection, codecs.passkeys)
        self.ceremonies: Repository[PasskeyCeremony] = SqlRepository(connection, codecs.ceremonies)
        self.teams: Repository[Team] = SqlRepository(connection, codecs.teams)
        self.memberships: Repository[Membership] = SqlRepository(connection, codecs.memberships)
        self.functions: FunctionRepository = SqlFunctions(connection, codecs.functions)
        self.deployments: Repository[Deployment] = SqlRepository(connection, codecs.deployments)
        self.variables: Repository[Variable] = SqlRepository(connection, codecs.variables)
        self.rules: Repository[Rule] = SqlRepository(connection, codecs.rules)
        self.executions: ExecutionRepository = SqlExecutions(connection, codecs.executions)
        self.jobs: JobRepository = SqlJobs(connection, codecs.jobs)
        self.timers: TimerRepository = SqlTimers(connection, codecs.timers)
        self.outbox: OutboxRepository = SqlOutbox(connection, codecs.outbox)
        self.webhooks: Repository[Webhook] = SqlRepository(connection, codecs.webhooks)
        self.mail_templates: Repository[MailTemplate] = SqlRepository(
            connection, codecs.mail_templates
        )
        self.event_sources: Repository[EventSource] = SqlRepository(
            connection, codecs.event_sources
        )
        self.repeat_keys: RepeatKeyRepository = SqlRepeatKeys(connection, codecs.repeat_keys)
        self.activities: ActivityRepository = SqlActivities(connection, codecs.activities)
        self._connection = connection
        self._touched: list[Touched] = []

    def remove_project_rows(self, project_id: str) -> None:
        for table in metadata.sorted_tables:
            if "project_id" in table.c:
                self._connection.execute(delete(table).where(table.c.project_id == project_id))

    def emit(self, project_id: str, event: Event, subject: object) -> None:
        if self._emit is not None:
            self._emit(self, project_id, event, subject)

    def touch(self, kind: str, project_id: str, item_id: str) -> None:
        self._touched.append((kind, project_id, item_id))

    def take_touched(self) -> list[Touched]:
        touched, self._touched = self._touched, []
        return touched
