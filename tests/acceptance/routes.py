"""Every route that a server has, as a table; its handlers cannot be called."""

from unittest.mock import MagicMock

from runwright.api.routes.console import console_routes
from runwright.api.routes.deployments import deployment_routes
from runwright.api.routes.executions import ExecutionRoutes
from runwright.api.routes.functions import function_routes
from runwright.api.routes.identity import identity_routes
from runwright.api.routes.locale import locale_routes
from runwright.api.routes.proxy import proxy_routes
from runwright.api.routes.system import system_routes
from runwright.api.routes.variables import variable_routes
from runwright.api.routes.webhooks import webhook_routes
from runwright.api.routing import Route


def every_route() -> list[Route]:
    service = MagicMock()
    return [
        *system_routes(service, service),
        *locale_routes(),
        *console_routes(service, service),
        *identity_routes(service),
        *function_routes(service),
        *variable_routes(service),
        *deployment_routes(service, service),
        *ExecutionRoutes(service).routes(),
        *proxy_routes(service),
        *webhook_routes(service),
    ]
