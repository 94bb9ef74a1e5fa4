"""Webhooks that lead back to a function of ours say which runs led there, and to nobody else."""

from datetime import UTC, datetime

import pytest

from runwright.identity.tokens import Tokens
from runwright.model.function import Rule, RuleStatus, RuleType
from runwright.model.lineage import NO_LINEAGE, Lineage
from runwright.triggers.trace import traced
from tests.fakes.clock import ManualClock

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LINEAGE = Lineage(("a", "b", "a"), "chain")


def a_rule(project_id: str, status: RuleStatus) -> Rule:
    return Rule(
        id="rule",
        project_id=project_id,
        created_at=NOW,
        updated_at=NOW,
        domain="a.example.com",
        type=RuleType.DEPLOYMENT,
        status=status,
    )


async def test_a_function_of_the_project_learns_which_runs_led_to_it() -> None:
    tokens = Tokens(b"k" * 32, ManualClock())

    async def by_host(host: str) -> Rule | None:
        return {
            "a.example.com": a_rule("shop", RuleStatus.VERIFIED),
            "b.example.com": a_rule("bakery", RuleStatus.VERIFIED),
            "c.example.com": a_rule("shop", RuleStatus.CREATED),
        }.get(host)

    trace = traced(by_host, tokens)
    ((name, key),) = await trace("a.example.com", "shop", LINEAGE)
    claims = tokens.read_execution_key(key, "shop")
    assert name == "X-Appwrite-Key"
    assert claims is not None
    assert (claims.lineage, tuple(claims.scopes)) == (LINEAGE, ())
    for host in ("b.example.com", "c.example.com", "elsewhere.example.com"):
        assert await trace(host, "shop", LINEAGE) == ()
    assert await trace("a.example.com", "shop", NO_LINEAGE) == ()
