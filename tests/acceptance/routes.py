"""Every route that a server has, as a table; its handlers cannot be called."""

from runwright.api.routing import Route
from tools.api_reference import table


def every_route() -> list[Route]:
    return list(table())
