"""Making a deployment the one that runs."""

from dataclasses import replace
from datetime import datetime

from runwright.functions import claims
from runwright.functions.timers import keep_timer
from runwright.model.function import Deployment, Function, Rule, RuleType
from runwright.ports.storage import UnitOfWork


def activate(
    uow: UnitOfWork, function: Function, deployment: Deployment, now: datetime, *, is_built: bool
) -> Function:
    """Point the function and its domains at `deployment`; the caller has checked that it is
    ready.

    `is_built` says that the deployment was built just now, with the present settings.
    """
    active = replace(
        function,
        updated_at=now,
        deployment_id=deployment.id,
        deployment_created_at=deployment.created_at,
        is_live=function.is_live or is_built,
    )
    uow.functions.put(active)
    keep_timer(uow, active, now)
    if not is_built:
        claims.overrule(uow, active)
    repoint(uow, function, deployment.id, now)
    uow.touch("function", function.project_id, function.id)
    return active


def repoint(uow: UnitOfWork, function: Function, deployment_id: str, now: datetime) -> None:
    """Let the function's domains follow it; those pinned to a branch stay. "" = none active."""
    for rule in uow.rules.find(function.project_id, resource_id=function.id):
        if not _follows(rule) or rule.deployment_id == deployment_id:
            continue
        uow.rules.put(replace(rule, updated_at=now, deployment_id=deployment_id))
        uow.touch("rule", rule.project_id, rule.id)


def _follows(rule: Rule) -> bool:
    return rule.type is RuleType.DEPLOYMENT and rule.trigger == "manual" and not rule.branch
