"""Why an execution was not run, read or deleted."""

from runwright.errors import BadRequest, NotFound, RunwrightError
from runwright.functions.errors import BuildNotReady
from runwright.model.function import DeploymentStatus


class ExecutionNotFound(NotFound):
    type, noun = "execution_not_found", "Execution"


class ExecutionInProgress(RunwrightError):
    type, status = "execution_in_progress", 400

    def __init__(self, execution_id: str) -> None:
        super().__init__(
            f"Execution '{execution_id}' is still waiting or running. Delete it when it has ended."
        )


class KeyReused(RunwrightError):
    """An `Idempotency-Key` came again with another request."""

    type, status = "general_argument_invalid", 409

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used for another request within the last 24 hours. Send "
            "each request with a key of its own."
        )


class RepeatedExecutionGone(ExecutionNotFound):
    def __init__(self, execution_id: str) -> None:
        super().__init__(execution_id)
        self.args = (
            f"Execution '{execution_id}', which the first call with this Idempotency-Key made, was "
            "deleted. Send the call with another key to run the function again.",
        )


class NoActiveDeployment(RunwrightError):
    type, status = "deployment_not_found", 404

    def __init__(self) -> None:
        super().__init__("The function has no active deployment. Deploy it, then try again.")


class NotBuilt(BuildNotReady):
    """The active deployment is in another state than ready. The API says no more than that."""

    def __init__(self, deployment_id: str, state: DeploymentStatus) -> None:
        super().__init__(deployment_id, state)
        self.state = state


class BuildFailed(RunwrightError):
    """On domains, while the active deployment is one whose build failed."""

    type, status = "build_failed", 400

    def __init__(self) -> None:
        super().__init__("The build of the active deployment failed. Read its log, then redeploy.")


class BuildCanceled(RunwrightError):
    type, status = "build_canceled", 400

    def __init__(self) -> None:
        super().__init__("The build of the active deployment was cancelled. Deploy again.")


class ExecutePermissionMissing(RunwrightError):
    """Domains only; the API says `user_unauthorized`."""

    type, status = "function_execute_permission_missing", 401

    def __init__(self) -> None:
        super().__init__(
            "The function's execute permission does not cover this caller. "
            "Add the role `any` to open its domain to everyone."
        )


class SynchronousTimeout(RunwrightError):
    type, status = "function_synchronous_timeout", 408

    def __init__(self, execution_id: str) -> None:
        super().__init__(
            "Synchronous function execution timed out. The function goes on running and its "
            f"result is recorded as execution '{execution_id}'. Use an asynchronous execution "
            "for work that takes this long."
        )


class ScheduleRefused(BadRequest):
    def __init__(self, why: str) -> None:
        super().__init__(f"Invalid `scheduledAt`: {why}")


class ServiceOff(RunwrightError):
    type, status = "general_service_disabled", 403

    def __init__(self, service: str) -> None:
        super().__init__(f"The service `{service}` is switched off for this project.")
