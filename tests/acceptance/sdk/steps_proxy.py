"""Rules that lead domains to functions, to the API and elsewhere."""

import secrets

from tests.acceptance.sdk.world import World


def rules_of_domains(world: World) -> None:
    """A domain belongs to one project of a server, so each run takes its own."""
    key, domain = world.key, f"{secrets.token_hex(6)}.example.com"
    key("functions.create", functionId="f", name="F", runtime="node-22", entrypoint="main.js")
    api = key("proxy.createAPIRule", domain=f"api.{domain}")
    made = key("proxy.createFunctionRule", domain=f"f.{domain}", functionId="f")
    assert made["deploymentResourceId"] == "f"
    old = key(
        "proxy.createRedirectRule",
        domain=f"old.{domain}",
        url="https://example.com",
        statusCode=301,
        resourceId="f",
        resourceType="function",
    )
    assert old["redirectStatusCode"] == 301
    assert key("proxy.listRules")["total"] == 4  # with the one that the function came with
    assert key("proxy.getRule", ruleId=api["$id"])["domain"] == f"api.{domain}"
    key("proxy.deleteRule", ruleId=old["$id"])
    key.refused("proxy.getRule", 404, "rule_not_found", ruleId=old["$id"])
    nowhere = made["$id"]  # no name server knows the domain
    key.refused("proxy.updateRuleStatus", 400, "rule_verification_failed", ruleId=nowhere)


def rules_for_what_does_not_exist(world: World) -> None:
    world.key.refused(
        "proxy.createSiteRule",
        404,
        "rule_resource_not_found",
        domain=f"{secrets.token_hex(6)}.example.com",
        siteId="none",
    )
