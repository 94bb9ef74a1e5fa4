"""What callers may hear about functions, their variables, templates and domains."""

from runwright.errors import Conflict, NotFound, RunwrightError


class FunctionNotFound(NotFound):
    type, noun = "function_not_found", "Function"


class FunctionAlreadyExists(Conflict):
    type, noun = "function_already_exists", "Function"


class RuntimeUnsupported(RunwrightError):
    """A runtime of the catalogue that has no interpreter on this server."""

    type, status = "function_runtime_unsupported", 404

    def __init__(self, runtime: str) -> None:
        super().__init__(
            f"The runtime '{runtime}' is not installed on this server; GET /v1/functions/runtimes "
            "lists those that are ready. Its operator can add others with `runwright runtimes add`."
        )


class DeploymentNotFound(NotFound):
    type, noun = "deployment_not_found", "Deployment"


class BuildNotReady(RunwrightError):
    type, status = "build_not_ready", 400

    def __init__(self, deployment_id: str, state: str) -> None:
        super().__init__(
            f"Deployment '{deployment_id}' is {state}, not ready. Only a deployment whose build "
            "has succeeded can be used."
        )


class InstallationNotFound(NotFound):
    type, noun = "installation_not_found", "Installation"


class ProviderRepositoryNotFound(NotFound):
    type, noun = "provider_repository_not_found", "Repository"


class VariableNotFound(NotFound):
    type, noun = "variable_not_found", "Variable"


class VariableAlreadyExists(Conflict):
    type, noun = "variable_already_exists", "Variable"

    def __init__(self) -> None:
        super().__init__(
            "A variable with this ID or this key already exists. Update that one, or choose "
            "another ID and key."
        )


class VariableCannotUnsetSecret(RunwrightError):
    type, status = "variable_cannot_unset_secret", 400

    def __init__(self, variable_id: str) -> None:
        super().__init__(
            f"Variable '{variable_id}' is secret and stays so. Delete it and create it anew to "
            "make its value readable."
        )


class TemplateNotFound(NotFound):
    type, noun = "function_template_not_found", "Function template"


class RuleNotFound(NotFound):
    type, noun = "rule_not_found", "Rule"


class RuleAlreadyExists(Conflict):
    type, noun = "rule_already_exists", "Rule"

    def __init__(self, domain: str) -> None:
        super().__init__(f"The domain '{domain}' is already in use. Choose another domain.")


class RuleResourceNotFound(NotFound):
    type, noun = "rule_resource_not_found", "Resource of the rule"


class RuleVerificationFailed(RunwrightError):
    type, status = "rule_verification_failed", 400

    def __init__(self, domain: str, why: str) -> None:
        super().__init__(f"The domain '{domain}' could not be verified. {why}")
