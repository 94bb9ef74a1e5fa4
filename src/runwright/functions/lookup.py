"""Finding a function or one of its deployments inside a unit of work, or saying it is not there."""

from runwright.functions.errors import DeploymentNotFound, FunctionNotFound
from runwright.model.function import Deployment, Function
from runwright.ports.storage import UnitOfWork


def load_function(uow: UnitOfWork, project_id: str, function_id: str) -> Function:
    """Raises FunctionNotFound."""
    function = uow.functions.get(project_id, function_id)
    if function is None:
        raise FunctionNotFound(function_id)
    return function


def load_deployment(
    uow: UnitOfWork, project_id: str, function_id: str, deployment_id: str
) -> Deployment:
    """One of another function is not there. Raises FunctionNotFound, DeploymentNotFound."""
    load_function(uow, project_id, function_id)
    deployment = uow.deployments.get(project_id, deployment_id)
    if deployment is None or deployment.function_id != function_id:
        raise DeploymentNotFound(deployment_id)
    return deployment
