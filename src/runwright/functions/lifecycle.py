"""The states of a deployment and everything that follows from each move.

    waiting -> building -> ready | failed | canceled

`waiting` while chunks arrive and while the complete upload is queued. A build whose server
died goes back to `waiting` once. A final state never changes: a late word from a build that
was cancelled or deleted changes nothing.

These are the inner parts of units of work: each leaves the function's `latest_*` fields, the
claims and the active deployment right. All of them touch what they change. Events tell of a
deployment whose source is complete, of its end and of its deletion.
"""

import math
from dataclasses import replace
from datetime import datetime
from typing import Final

from runwright import ids
from runwright.functions import claims
from runwright.functions.activation import activate, repoint
from runwright.functions.buildlog import with_line
from runwright.functions.timers import keep_timer
from runwright.model.event import Event
from runwright.model.function import (
    Deployment,
    DeploymentStatus,
    Function,
    RuleType,
)
from runwright.model.query import ListQuery, Order
from runwright.ports.storage import UnitOfWork

UNFINISHED: Final = (DeploymentStatus.BUILDING, DeploymentStatus.PROCESSING)
_NEWEST: Final = ListQuery(
    orders=(Order("$createdAt", True), Order("$sequence", True)), limit=1, with_total=False
)


def blank(
    function: Function,
    now: datetime,
    *,
    entrypoint: str,
    commands: str,
    is_activating: bool,
    type: str,
) -> Deployment:
    """A deployment that is not stored yet and has no source."""
    return Deployment(
        id=ids.new_id(),
        project_id=function.project_id,
        created_at=now,
        updated_at=now,
        function_id=function.id,
        type=type,
        entrypoint=entrypoint,
        commands=commands,
        is_activating=is_activating,
    )


def add(uow: UnitOfWork, deployment: Deployment, event_action: str = "create") -> None:
    """A new deployment appears. Raises AlreadyStored."""
    uow.deployments.add(deployment)
    if deployment.is_uploaded and deployment.is_activating:
        claims.take(uow, deployment)
    _changed(uow, deployment)
    if deployment.is_uploaded:
        _announce(uow, deployment, event_action)


def submit(uow: UnitOfWork, deployment: Deployment) -> Deployment:
    """Its source is complete: it may be built, and takes the claim if it wants to go live."""
    submitted = replace(deployment, is_uploaded=True, claim_lost_to="")
    uow.deployments.put(submitted)
    if submitted.is_activating:
        claims.take(uow, submitted)
    _changed(uow, submitted)
    _announce(uow, submitted, "create")
    return submitted


def begin(uow: UnitOfWork, deployment: Deployment, logs: str, now: datetime) -> Deployment:
    """A builder has taken it; with its first log line it is `building`."""
    building = replace(
        deployment,
        updated_at=now,
        status=DeploymentStatus.BUILDING,
        build_logs=logs,
        build_started_at=now,
        build_attempts=deployment.build_attempts + 1,
    )
    uow.deployments.put(building)
    _changed(uow, building)
    return building


def record(uow: UnitOfWork, deployment: Deployment, logs: str, now: datetime) -> None:
    """Log text alone: nothing that is cached holds it, so nobody is told."""
    uow.deployments.put(replace(deployment, updated_at=now, build_logs=logs))


def requeue(uow: UnitOfWork, deployment: Deployment, line: str, now: datetime) -> None:
    """Its builder is gone; another one may try."""
    waiting = replace(
        deployment,
        updated_at=now,
        status=DeploymentStatus.WAITING,
        build_logs=with_line(deployment.build_logs, line),
    )
    uow.deployments.put(waiting)
    _changed(uow, waiting)


def succeed(
    uow: UnitOfWork, deployment: Deployment, *, logs: str, build_bytes: int, now: datetime
) -> None:
    ready = _ended(deployment, DeploymentStatus.READY, logs, now)
    ready = replace(ready, build_bytes=build_bytes)
    uow.deployments.put(ready)
    if ready.is_activating:
        _go_live(uow, ready, now)
    _changed(uow, ready)
    _announce(uow, ready, "update")


def fail(uow: UnitOfWork, deployment: Deployment, *, logs: str, now: datetime) -> None:
    """Works for `failed` builds and for uploads that never ended."""
    failed = _ended(deployment, DeploymentStatus.FAILED, logs, now)
    uow.deployments.put(failed)
    _inherit(uow, failed, now)
    _changed(uow, failed)
    if failed.is_uploaded:  # else nobody was told that it began
        _announce(uow, failed, "update")


def cancel(uow: UnitOfWork, deployment: Deployment, line: str, now: datetime) -> Deployment:
    """Also for one that is cancelled already: the line is added again."""
    logs = with_line(deployment.build_logs, line)
    if deployment.status is DeploymentStatus.CANCELED:
        canceled = replace(deployment, updated_at=now, build_logs=logs)
        uow.deployments.put(canceled)
        _announce(uow, canceled, "update")
        return canceled
    canceled = _ended(deployment, DeploymentStatus.CANCELED, logs, now)
    uow.deployments.put(canceled)
    _inherit(uow, canceled, now)
    _changed(uow, canceled)
    _announce(uow, canceled, "update")
    return canceled


def remove(uow: UnitOfWork, deployment: Deployment, now: datetime) -> None:
    """The row goes; the domains that showed this deployment show nothing, or go with it."""
    project_id = deployment.project_id
    uow.deployments.remove(project_id, deployment.id)
    function = uow.functions.get(project_id, deployment.function_id)
    if function is not None and function.deployment_id == deployment.id:
        function = replace(function, updated_at=now, deployment_id="", deployment_created_at=None)
        uow.functions.put(function)
        keep_timer(uow, function, now)
        repoint(uow, function, "", now)
    for rule in uow.rules.find(project_id, deployment_id=deployment.id):
        if rule.type is RuleType.DEPLOYMENT and rule.trigger == "deployment":
            uow.rules.remove(project_id, rule.id)
        else:
            uow.rules.put(replace(rule, updated_at=now, deployment_id=""))
        uow.touch("rule", project_id, rule.id)
    _inherit(uow, deployment, now)
    _changed(uow, deployment)
    _announce(uow, deployment, "delete")


def under_way(uow: UnitOfWork, deployment: Deployment) -> Deployment | None:
    """The row as it is now, while it still waits for this very attempt to end."""
    stored = uow.deployments.get(deployment.project_id, deployment.id)
    if stored is None or stored.status not in UNFINISHED:
        return None
    return stored if stored.build_attempts == deployment.build_attempts else None


def _announce(uow: UnitOfWork, deployment: Deployment, action: str) -> None:
    path = ("functions", deployment.function_id, "deployments", deployment.id)
    uow.emit(deployment.project_id, Event.of(action, *path), deployment)


def _ended(
    deployment: Deployment, status: DeploymentStatus, logs: str, now: datetime
) -> Deployment:
    started = deployment.build_started_at
    seconds = (now - started).total_seconds() if started else 0.0
    return replace(
        deployment,
        updated_at=now,
        status=status,
        build_logs=logs,
        build_ended_at=now,
        build_duration_s=max(0, math.ceil(seconds)),
    )


def _go_live(uow: UnitOfWork, deployment: Deployment, now: datetime) -> None:
    function = uow.functions.get(deployment.project_id, deployment.function_id)
    if function is not None:
        claims.settle(uow, deployment)
        activate(uow, function, deployment, now, is_built=True)


def _inherit(uow: UnitOfWork, gone: Deployment, now: datetime) -> None:
    heir = claims.give_back(uow, gone)
    if heir is not None:
        _go_live(uow, heir, now)


def _changed(uow: UnitOfWork, deployment: Deployment) -> None:
    """The function's view of its newest deployment, and the announcements."""
    project_id = deployment.project_id
    function = uow.functions.get(project_id, deployment.function_id)
    if function is not None:
        seen = _with_latest(uow, function)
        if seen != function:
            uow.functions.put(seen)
        uow.touch("function", project_id, function.id)
    uow.touch("deployment", project_id, deployment.id)


def _with_latest(uow: UnitOfWork, function: Function) -> Function:
    page = uow.deployments.page(function.project_id, _NEWEST, function_id=function.id)
    newest = page.items[0] if page.items else None
    return replace(
        function,
        latest_deployment_id=newest.id if newest else "",
        latest_deployment_created_at=newest.created_at if newest else None,
        latest_deployment_status=newest.status.value if newest else "",
    )
