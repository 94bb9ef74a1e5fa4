"""Who may go live: at most one deployment of a function holds the claim.

The deployment that was submitted last holds it, whatever order builds end in. One that has
lost it before its own build ended remembers to whom (`claim_lost_to`). When the holder then
fails, is cancelled or is deleted, the claim goes back to the newest deployment that lost it;
when the holder goes live, or somebody chooses another deployment by hand, what lost to it has
lost for good.
"""

from dataclasses import replace

from runwright.model.function import (
    FINAL_DEPLOYMENT_STATUSES,
    Deployment,
    DeploymentStatus,
    Function,
)
from runwright.ports.storage import UnitOfWork

_LOST = frozenset({DeploymentStatus.FAILED, DeploymentStatus.CANCELED})


def take(uow: UnitOfWork, claimant: Deployment) -> None:
    """`claimant` was submitted to go live: every other deployment loses the claim.

    A final holder has had its turn: it is live, or was, and gets nothing back.
    """
    for other in _of(uow, claimant, is_activating=True):
        if other.id != claimant.id:
            is_spent = other.status in FINAL_DEPLOYMENT_STATUSES
            lost_to = "" if is_spent else claimant.id
            uow.deployments.put(replace(other, is_activating=False, claim_lost_to=lost_to))


def settle(uow: UnitOfWork, holder: Deployment) -> None:
    """`holder` has gone live."""
    for heir in _of(uow, holder, claim_lost_to=holder.id):
        uow.deployments.put(replace(heir, claim_lost_to=""))


def give_back(uow: UnitOfWork, gone: Deployment) -> Deployment | None:
    """`gone`, as it is stored now or was, will never go live.

    Returns the ready deployment that goes live instead, if any.
    """
    heirs = [item for item in _of(uow, gone, claim_lost_to=gone.id) if item.status not in _LOST]
    if not heirs:
        return None
    if not gone.is_activating:  # it had lost the claim itself, or never had a turn to pass on
        _pass_on(uow, heirs, gone.claim_lost_to)
        return None
    *older, heir = heirs
    if uow.deployments.get(gone.project_id, gone.id) is not None:
        uow.deployments.put(replace(gone, is_activating=False))
    _pass_on(uow, older, heir.id)
    claimant = replace(heir, is_activating=True, claim_lost_to="")
    uow.deployments.put(claimant)
    return claimant if claimant.status is DeploymentStatus.READY else None


def overrule(uow: UnitOfWork, function: Function) -> None:
    """Somebody chose the active deployment by hand: ready ones that wait for a claim to come
    back wait no longer. Builds that are still on their way keep their turn."""
    losers = [
        item.id
        for item in uow.deployments.find(
            function.project_id, function_id=function.id, is_activating=True
        )
    ]
    while losers:
        heirs = uow.deployments.find(
            function.project_id, function_id=function.id, claim_lost_to=losers
        )
        for heir in heirs:
            if heir.status is DeploymentStatus.READY:
                uow.deployments.put(replace(heir, claim_lost_to=""))
        losers = [heir.id for heir in heirs]


def _pass_on(uow: UnitOfWork, heirs: list[Deployment], to: str) -> None:
    for heir in heirs:
        uow.deployments.put(replace(heir, claim_lost_to=to))


def _of(uow: UnitOfWork, deployment: Deployment, **equals: object) -> list[Deployment]:
    return uow.deployments.find(deployment.project_id, function_id=deployment.function_id, **equals)
