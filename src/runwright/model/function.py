"""What can be run: functions, their deployments and variables, and the domains they answer on."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Final

from runwright.model.lineage import SAME_FUNCTION_RUNS
from runwright.model.network import Network
from runwright.model.retry import NO_RETRY, Retry
from runwright.model.timer import CatchUp, Overlap
from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """A size that a build or a run may have."""

    slug: str
    cpus: float
    memory_mib: int


SPECIFICATIONS: Final = tuple(
    Specification(slug=slug, cpus=cpus, memory_mib=memory)
    for slug, cpus, memory in (
        ("s-0.5vcpu-512mb", 0.5, 512),
        ("s-1vcpu-512mb", 1.0, 512),
        ("s-1vcpu-1gb", 1.0, 1024),
        ("s-2vcpu-2gb", 2.0, 2048),
        ("s-2vcpu-4gb", 2.0, 4096),
        ("s-4vcpu-4gb", 4.0, 4096),
        ("s-4vcpu-8gb", 4.0, 8192),
        ("s-8vcpu-4gb", 8.0, 4096),
        ("s-8vcpu-8gb", 8.0, 8192),
    )
)
DEFAULT_SPECIFICATION: Final = "s-0.5vcpu-512mb"


def specification(slug: str) -> Specification:
    """The specification of a stored slug; an unknown one falls back to the default."""
    by_slug = {item.slug: item for item in SPECIFICATIONS}
    return by_slug.get(slug) or by_slug[DEFAULT_SPECIFICATION]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    name: str
    runtime: str
    execute: tuple[str, ...] = ()  # roles that may start it
    events: tuple[str, ...] = ()
    schedule: str = ""  # five-field cron, or ""
    interval_min: int | None = None  # minutes between runs; not together with `schedule`
    time_zone: str = ""  # IANA name in which `schedule` is read; "" = UTC
    catch_up: CatchUp = CatchUp.LAST
    overlap: Overlap = Overlap.ALLOW
    concurrency: int = 0  # queued runs at once; 0 = only the server's own limits
    retry: Retry = NO_RETRY
    request_retention_s: int = 0  # how long requests of ended queued runs stay replayable
    loop_limit: int = SAME_FUNCTION_RUNS  # see model/lineage.py; 0 = never stopped
    min_instances: int = 0  # sandboxes that are kept ready, whether or not anybody calls
    max_instances: int = 0  # sandboxes at once; 0 = only the server's own limits
    network: Network = Network.EGRESS
    timeout_s: int = 15
    is_enabled: bool = True
    is_live: bool = True  # the active deployment was built with the present settings
    is_logging: bool = True
    entrypoint: str = ""
    commands: str = ""
    scopes: tuple[str, ...] = ()  # of the key that each execution is given
    description: str = ""
    is_email_enabled: bool = False
    deployment_retention_days: int = 0  # 0 = keep for ever
    build_specification: str = DEFAULT_SPECIFICATION
    runtime_specification: str = DEFAULT_SPECIFICATION
    deployment_id: str = ""  # the active one
    deployment_created_at: datetime | None = None
    latest_deployment_id: str = ""
    latest_deployment_created_at: datetime | None = None
    latest_deployment_status: str = ""
    installation_id: str = ""
    provider_repository_id: str = ""
    provider_branch: str = ""
    provider_root_directory: str = ""
    is_provider_silent: bool = False
    provider_branches: tuple[str, ...] = ()
    provider_paths: tuple[str, ...] = ()

    @property
    def search(self) -> str:
        return f"{self.id} {self.name} {self.runtime}"


class DeploymentStatus(StrEnum):
    WAITING = "waiting"  # uploading, or queued for a build
    PROCESSING = "processing"
    BUILDING = "building"
    READY = "ready"
    CANCELED = "canceled"
    FAILED = "failed"


FINAL_DEPLOYMENT_STATUSES: Final = frozenset(
    {DeploymentStatus.READY, DeploymentStatus.CANCELED, DeploymentStatus.FAILED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    function_id: str
    type: str = "manual"  # manual, cli or vcs
    entrypoint: str = ""  # frozen at creation
    commands: str = ""
    source_bytes: int = 0
    build_bytes: int = 0
    is_activating: bool = False  # claims to go live when the build succeeds
    claim_lost_to: str = ""  # the later deployment that took the claim; it may give it back
    status: DeploymentStatus = DeploymentStatus.WAITING
    build_logs: str = ""
    build_started_at: datetime | None = None
    build_ended_at: datetime | None = None
    build_duration_s: int = 0  # rounded up
    build_attempts: int = 0  # times a build was begun; a dead server's build is begun again
    chunks_total: int = 0
    chunks_uploaded: int = 0
    is_uploaded: bool = False  # the source archive is complete
    template: str = ""  # id and variant of the shipped template it was made from, or ""

    @property
    def total_bytes(self) -> int:
        return self.source_bytes + self.build_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    function_id: str  # "" = of the whole project
    key: str
    sealed_value: bytes  # AES-GCM; never leaves the server in this form
    is_secret: bool = True
    description: str = ""


class RuleType(StrEnum):
    API = "api"
    DEPLOYMENT = "deployment"
    REDIRECT = "redirect"


class RuleStatus(StrEnum):
    """As stored; CREATED is shown to clients as `unverified`."""

    CREATED = "created"  # DNS not right yet
    VERIFYING = "verifying"
    UNVERIFIED = "unverified"  # certificate failed
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A host name and what answers there."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    domain: str  # lower case; unique over the whole installation
    type: RuleType
    trigger: str = "manual"
    redirect_url: str = ""
    redirect_status_code: int = 301
    deployment_id: str = ""
    resource_type: str = ""  # "function" or ""
    resource_id: str = ""
    branch: str = ""
    status: RuleStatus = RuleStatus.CREATED
    logs: str = ""
    is_generated: bool = False  # made with the function; goes with it

    @property
    def is_serving(self) -> bool:
        """Whether requests to the name are answered: only once its owner has shown, by DNS,
        that it is meant to lead here."""
        return self.is_generated or self.status in (RuleStatus.VERIFYING, RuleStatus.VERIFIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFunction:
    """A function with all that a run of it needs, as of one moment."""

    function: Function
    deployment: Deployment | None = None  # the active one
    variables: Mapping[str, str] = field(default_factory=dict)  # project's, then function's
    version: str = ""  # changes with every setting that user code can see
