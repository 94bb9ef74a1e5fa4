"""What a client may set on a function: checked, stored at creation, replaced by an update.

An update replaces everything that it leaves out by the default, except for what stands here
as None: those keep what is stored.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

from runwright.errors import BadArgument, InvalidParam
from runwright.functions.errors import InstallationNotFound
from runwright.model.event import is_function_event, is_pattern
from runwright.model.function import (
    DEFAULT_SPECIFICATION,
    SPECIFICATIONS,
    Function,
    Specification,
)
from runwright.model.lineage import SAME_FUNCTION_RUNS
from runwright.model.network import Network
from runwright.model.retry import NO_RETRY, Retry
from runwright.model.schedule import BadSchedule, UnknownZone, next_run, zone
from runwright.model.timer import CatchUp, Overlap
from runwright.values import dataclass

T = TypeVar("T")

MAX_INTERVAL_MIN: Final = 525_600  # a year
MAX_CONCURRENCY: Final = 10_000
MAX_MIN_INSTANCES: Final = 100
MAX_INSTANCES: Final = 8192
MAX_REQUEST_RETENTION_S: Final = 604_800  # a week


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionLimits:
    """What this server allows."""

    timeout_s: int
    scopes: Collection[str]
    cpus: float = 0.0  # 0 = no cap
    memory_mib: int = 0  # 0 = no cap
    allows_host_network: bool = False

    @property
    def specifications(self) -> tuple[Specification, ...]:
        return tuple(
            item
            for item in SPECIFICATIONS
            if (not self.cpus or item.cpus <= self.cpus)
            and (not self.memory_mib or item.memory_mib <= self.memory_mib)
        )

    @property
    def default_specification(self) -> str:
        slugs = [item.slug for item in self.specifications]
        return slugs[0] if slugs and DEFAULT_SPECIFICATION not in slugs else DEFAULT_SPECIFICATION


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    name: str
    runtime: str = ""  # "" on update = kept
    execute: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    schedule: str = ""
    timeout_s: int = 15
    is_enabled: bool = True
    is_logging: bool = True
    entrypoint: str = ""  # "" on update = kept
    commands: str = ""
    scopes: tuple[str, ...] = ()
    deployment_retention_days: int = 0
    installation_id: str = ""
    provider_repository_id: str | None = None
    provider_branch: str = ""
    provider_root_directory: str = ""
    is_provider_silent: bool = False
    provider_branches: tuple[str, ...] | None = None
    provider_paths: tuple[str, ...] | None = None
    build_specification: str | None = None
    runtime_specification: str | None = None
    interval_min: int | None = None
    time_zone: str | None = None
    catch_up: CatchUp | None = None
    overlap: Overlap | None = None
    concurrency: int | None = None
    retry: Retry | None = None
    request_retention_s: int | None = None
    loop_limit: int | None = None
    min_instances: int | None = None
    max_instances: int | None = None
    network: Network | None = None
    description: str | None = None
    is_email_enabled: bool | None = None

    def check(self, limits: FunctionLimits, now: datetime) -> None:
        """Raises InvalidParam."""
        self._check_events()
        self._check_timing(limits, now)
        self._check_scopes(limits)
        self._check_specifications(limits)
        self._check_network(limits)

    def check_connection(self) -> None:
        """Raises InstallationNotFound, BadArgument: no connection to version control exists
        on this server, so none can be named."""
        if self.installation_id:
            raise InstallationNotFound(self.installation_id)
        if self.provider_repository_id:
            raise BadArgument(
                "When connecting to a repository, `installationId` and `providerBranch` are "
                "needed besides `providerRepositoryId`."
            )

    def _check_events(self) -> None:
        for event in self.events:
            if is_function_event(event):
                raise InvalidParam(
                    "events", "Triggering a function on a function event is not allowed."
                )
            if not is_pattern(event):
                raise InvalidParam("events", f"Event is not valid: {event!r}.")

    def _check_timing(self, limits: FunctionLimits, now: datetime) -> None:
        if not 1 <= self.timeout_s <= limits.timeout_s:
            raise InvalidParam(
                "timeout", f"Value must be a valid range between 1 and {limits.timeout_s}"
            )
        if self.schedule and self.interval_min:
            raise InvalidParam("interval", "It cannot be combined with `schedule`.")
        try:
            zone(self.time_zone or "")
        except UnknownZone as exc:
            raise InvalidParam("timezone", f"{exc}.") from exc
        if self.schedule:
            try:
                next_run(self.schedule, now, self.time_zone or "")
            except BadSchedule as exc:
                raise InvalidParam("schedule", f"{exc}.") from exc

    def _check_scopes(self, limits: FunctionLimits) -> None:
        for scope in self.scopes:
            if scope not in limits.scopes:
                raise InvalidParam("scopes", f"{scope!r} is not a scope that keys may have.")

    def _check_specifications(self, limits: FunctionLimits) -> None:
        slugs = [item.slug for item in limits.specifications]
        for name, slug in (
            ("buildSpecification", self.build_specification),
            ("runtimeSpecification", self.runtime_specification),
        ):
            if slug is not None and slug not in slugs:
                raise InvalidParam(name, f"Value must be one of ({', '.join(slugs)})")

    def _check_network(self, limits: FunctionLimits) -> None:
        if self.network is Network.HOST and not limits.allows_host_network:
            raise InvalidParam(
                "network",
                "This server does not let functions into its own network (its operator can: "
                "`RUNWRIGHT_NETWORK_HOST`). Use `egress` or `none`.",
            )

    def created(
        self, function_id: str, project_id: str, now: datetime, limits: FunctionLimits
    ) -> Function:
        """The new function. Raises InvalidParam."""
        default = limits.default_specification
        made = Function(
            id=function_id,
            project_id=project_id,
            created_at=now,
            updated_at=now,
            name=self.name,
            runtime=self.runtime,
            execute=self.execute,
            events=self.events,
            schedule=self.schedule,
            interval_min=self.interval_min or None,
            time_zone=self.time_zone or "",
            catch_up=self.catch_up or CatchUp.LAST,
            overlap=self.overlap or Overlap.ALLOW,
            concurrency=self.concurrency or 0,
            retry=self.retry or NO_RETRY,
            request_retention_s=self.request_retention_s or 0,
            loop_limit=_given(self.loop_limit, SAME_FUNCTION_RUNS),
            min_instances=self.min_instances or 0,
            max_instances=self.max_instances or 0,
            network=self.network or Network.EGRESS,
            timeout_s=self.timeout_s,
            is_enabled=self.is_enabled,
            is_logging=self.is_logging,
            entrypoint=self.entrypoint,
            commands=self.commands,
            scopes=self.scopes,
            description=self.description or "",
            is_email_enabled=bool(self.is_email_enabled),
            deployment_retention_days=self.deployment_retention_days,
            build_specification=self.build_specification or default,
            runtime_specification=self.runtime_specification or default,
            provider_branch=self.provider_branch,
            provider_root_directory=self.provider_root_directory,
            is_provider_silent=self.is_provider_silent,
            provider_branches=self.provider_branches or (),
            provider_paths=self.provider_paths or (),
        )
        _check_instances(made)
        return made

    def applied_to(self, stored: Function, now: datetime) -> Function:
        """The function after an update with these settings. Raises InvalidParam."""
        changed = replace(
            stored,
            updated_at=now,
            name=self.name,
            runtime=self.runtime or stored.runtime,
            execute=self.execute,
            events=self.events,
            schedule=self.schedule,
            interval_min=self._interval_after(stored),
            time_zone=_given(self.time_zone, stored.time_zone),
            catch_up=_given(self.catch_up, stored.catch_up),
            overlap=_given(self.overlap, stored.overlap),
            concurrency=_given(self.concurrency, stored.concurrency),
            retry=_given(self.retry, stored.retry),
            request_retention_s=_given(self.request_retention_s, stored.request_retention_s),
            loop_limit=_given(self.loop_limit, stored.loop_limit),
            min_instances=_given(self.min_instances, stored.min_instances),
            max_instances=_given(self.max_instances, stored.max_instances),
            network=_given(self.network, stored.network),
            timeout_s=self.timeout_s,
            is_enabled=self.is_enabled,
            is_logging=self.is_logging,
            entrypoint=self.entrypoint or stored.entrypoint,
            commands=self.commands,
            scopes=self.scopes,
            description=_given(self.description, stored.description),
            is_email_enabled=_given(self.is_email_enabled, stored.is_email_enabled),
            deployment_retention_days=self.deployment_retention_days,
            build_specification=_given(self.build_specification, stored.build_specification),
            runtime_specification=_given(self.runtime_specification, stored.runtime_specification),
            provider_branch=self.provider_branch,
            provider_root_directory=self.provider_root_directory,
            is_provider_silent=self.is_provider_silent,
            provider_branches=_given(self.provider_branches, stored.provider_branches),
            provider_paths=_given(self.provider_paths, stored.provider_paths),
        )
        _check_instances(changed)
        return replace(changed, is_live=stored.is_live and not _needs_build(stored, changed))

    def _interval_after(self, stored: Function) -> int | None:
        """Left out, the interval stays, unless a cron expression takes its place."""
        if self.interval_min is not None:
            return self.interval_min or None
        return None if self.schedule else stored.interval_min


def _check_instances(function: Function) -> None:
    """An update may name one of the two bounds, so they are held against each other here."""
    if function.max_instances and function.min_instances > function.max_instances:
        raise InvalidParam(
            "minInstances",
            f"It is {function.min_instances}, which is more than the "
            f"{function.max_instances} of `maxInstances`.",
        )


def _needs_build(stored: Function, changed: Function) -> bool:
    """Whether the active deployment was built with other settings than these.

    Once that is so it stays so until a new build goes live: a later update that changes
    something else does not make the old build current again.
    """
    return any(
        getattr(stored, name) != getattr(changed, name)
        for name in ("name", "entrypoint", "commands", "provider_root_directory", "runtime")
    )


def _given(value: T | None, stored: T) -> T:
    return stored if value is None else value
