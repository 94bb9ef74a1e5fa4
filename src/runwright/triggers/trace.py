"""Loops that go through a webhook: a function changes something, the webhook that hears of it
calls the function's own domain, and so on.

A delivery carries no credential by which the chain of runs could be known. To functions of the
same project it therefore brings a key that says which runs led to it and gives no rights.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from runwright.identity.tokens import Tokens
from runwright.model.function import Rule, RuleStatus
from runwright.model.lineage import Lineage
from runwright.triggers.courier import Trace

_KEY_S: Final = 60.0


def traced(by_host: Callable[[str], Awaitable[Rule | None]], tokens: Tokens) -> Trace:
    async def trace(host: str, project_id: str, lineage: Lineage) -> tuple[tuple[str, str], ...]:
        if not lineage.functions:
            return ()
        rule = await by_host(host)
        if rule is None or rule.project_id != project_id or rule.status is not RuleStatus.VERIFIED:
            return ()
        return (("X-Appwrite-Key", tokens.execution_key(project_id, (), _KEY_S, lineage)),)

    return trace
