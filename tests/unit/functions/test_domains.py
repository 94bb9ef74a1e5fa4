"""Proxy rules: who may have which name, and when it serves."""

import hashlib
from datetime import timedelta

import pytest

from runwright.errors import InvalidParam
from runwright.functions import rule_verifier
from runwright.functions.errors import (
    RuleAlreadyExists,
    RuleNotFound,
    RuleResourceNotFound,
    RuleVerificationFailed,
)
from runwright.functions.rule_verifier import UNTIL_AGE, RuleVerifier
from runwright.functions.verification import DnsTargets
from runwright.model.function import RuleStatus, RuleType
from runwright.model.identity import CONSOLE
from runwright.model.query import ListQuery
from tests.unit.functions.desk import OTHER_PROJECT, PROJECT, Desk, open_desk

pytestmark = pytest.mark.anyio

DOMAIN = "app.example.com"


def point(desk: Desk, domain: str = DOMAIN) -> None:
    desk.resolver.table[(domain, "CNAME")] = ["in.example.com"]


async def test_a_function_rule_takes_the_active_deployment(desk: Desk) -> None:
    await desk.create()
    await desk.add_deployment("d1")
    await desk.catalog.activate(PROJECT, "f1", "d1")
    rule = await desk.domains.create_for_function(PROJECT, "App.Example.com", "f1")
    assert rule.domain == DOMAIN
    assert rule.type is RuleType.DEPLOYMENT
    assert (rule.resource_type, rule.resource_id, rule.deployment_id) == ("function", "f1", "d1")
    assert rule.id == hashlib.md5(DOMAIN.encode(), usedforsecurity=False).hexdigest()


async def test_a_rule_needs_a_function_of_its_own_project(desk: Desk) -> None:
    await desk.create("f1", OTHER_PROJECT)
    with pytest.raises(RuleResourceNotFound):
        await desk.domains.create_for_function(PROJECT, DOMAIN, "f1")
    assert desk.resolver.asked == []


async def test_a_redirect_belongs_to_a_function(desk: Desk) -> None:
    await desk.create()
    rule = await desk.domains.create_redirect(
        PROJECT,
        DOMAIN,
        url="https://example.org/x",
        status_code=308,
        resource_type="function",
        resource_id="f1",
    )
    assert rule.type is RuleType.REDIRECT
    assert (rule.redirect_url, rule.redirect_status_code) == ("https://example.org/x", 308)
    for resource_type, resource_id in (("site", "f1"), ("function", "none")):
        with pytest.raises(RuleResourceNotFound):
            await desk.domains.create_redirect(
                PROJECT,
                "b.example.com",
                url="https://example.org",
                status_code=301,
                resource_type=resource_type,
                resource_id=resource_id,
            )


@pytest.mark.parametrize(
    "domain",
    [
        "https://app.example.com",
        "app.example.com/path",
        "app.example.com:8080",
        "app.example.com.",
        "app.example-",
        "-app.example.com",
        "*.example.com",
        "a..b",
        "exa mple.com",
        "bücher.example",
        "127.0.0.1",
        "::1",
        "1.2.3",
        "",
        "localhost",
        "API.test",
        "functions.localhost",
        "a.b.functions.localhost",
        "a." * 130 + "com",
    ],
)
async def test_what_is_no_host_name_or_is_ours_is_refused(desk: Desk, domain: str) -> None:
    with pytest.raises(InvalidParam, match="Invalid `domain` param: "):
        await desk.domains.create_for_api(PROJECT, domain)


async def test_a_look_alike_of_our_domain_is_not_ours(desk: Desk) -> None:
    rule = await desk.domains.create_for_api(PROJECT, "evilfunctions.localhost")
    assert rule.status is RuleStatus.CREATED
    rule = await desk.domains.create_for_api(PROJECT, "fine.functions.localhost")
    assert rule.status is RuleStatus.VERIFIED


async def test_a_name_is_taken_for_the_whole_installation(desk: Desk) -> None:
    await desk.create()
    await desk.domains.create_for_api(PROJECT, DOMAIN)
    with pytest.raises(RuleAlreadyExists):
        await desk.domains.create_for_api(OTHER_PROJECT, DOMAIN.upper())
    with pytest.raises(RuleAlreadyExists):
        await desk.domains.create_for_api(OTHER_PROJECT, "f1.functions.localhost")


async def test_a_name_left_by_a_deleted_project_is_free(desk: Desk) -> None:
    old = await desk.domains.create_for_api(OTHER_PROJECT, DOMAIN)
    await desk.database.write(lambda uow: uow.projects.remove(CONSOLE, OTHER_PROJECT))
    new = await desk.domains.create_for_api(PROJECT, DOMAIN)
    assert new.id == old.id
    assert await desk.domains.by_host(DOMAIN) == new
    with pytest.raises(RuleNotFound):
        await desk.domains.get(OTHER_PROJECT, old.id)


async def test_projects_do_not_see_each_others_rules(desk: Desk) -> None:
    rule = await desk.domains.create_for_api(PROJECT, DOMAIN)
    assert (await desk.domains.list(OTHER_PROJECT, ListQuery())).items == ()
    for call in (
        desk.domains.get(OTHER_PROJECT, rule.id),
        desk.domains.delete(OTHER_PROJECT, rule.id),
        desk.domains.verify(OTHER_PROJECT, rule.id),
    ):
        with pytest.raises(RuleNotFound):
            await call
    assert (await desk.domains.list(PROJECT, ListQuery())).items == (rule,)


# -- verification ---------------------------------------------------------------------------


async def test_a_domain_whose_dns_leads_here_is_verified_and_serves(desk: Desk) -> None:
    point(desk)
    rule = await desk.domains.create_for_api(PROJECT, DOMAIN)
    assert (rule.status, rule.logs, rule.is_serving) == (RuleStatus.VERIFIED, "", True)


@pytest.mark.parametrize(
    ("kind", "values"), [("CNAME", ["in.example.com"]), ("A", ["198.51.100.1", "192.0.2.7"])]
)
async def test_either_target_will_do(desk: Desk, kind: str, values: list[str]) -> None:
    desk.resolver.table[(DOMAIN, kind)] = values
    assert (await desk.domains.create_for_api(PROJECT, DOMAIN)).status is RuleStatus.VERIFIED


async def test_a_domain_that_leads_elsewhere_is_told_what_to_set_and_does_not_serve(
    desk: Desk,
) -> None:
    desk.resolver.table[(DOMAIN, "CNAME")] = ["elsewhere.example.net"]
    rule = await desk.domains.create_for_api(PROJECT, DOMAIN)
    assert rule.status is RuleStatus.CREATED
    assert not rule.is_serving
    for part in ("CNAME in.example.com", "A 192.0.2.7", "elsewhere.example.net", "A none"):
        assert part in rule.logs


async def test_a_resolver_that_is_down_leaves_the_domain_unverified(desk: Desk) -> None:
    point(desk)
    desk.resolver.is_down = True
    rule = await desk.domains.create_for_api(PROJECT, DOMAIN)
    assert rule.status is RuleStatus.CREATED
    assert "did not answer" in rule.logs


async def test_a_server_without_targets_says_which_settings_are_missing() -> None:
    async with open_desk(targets=DnsTargets()) as desk:
        rule = await desk.domains.create_for_api(PROJECT, DOMAIN)
        assert rule.status is RuleStatus.CREATED
        assert "RUNWRIGHT_DOMAIN_TARGET_CNAME" in rule.logs


async def test_a_status_call_looks_again(desk: Desk) -> None:
    rule = await desk.domains.create_for_api(PROJECT, DOMAIN)
    desk.clock.moment += timedelta(seconds=5)
    with pytest.raises(RuleVerificationFailed, match=r"in\.example\.com"):
        await desk.domains.verify(PROJECT, rule.id)
    failed = await desk.domains.get(PROJECT, rule.id)
    assert (failed.status, failed.updated_at) == (RuleStatus.CREATED, desk.clock.now())
    point(desk)
    assert (await desk.domains.verify(PROJECT, rule.id)).status is RuleStatus.VERIFIED
    asked = len(desk.resolver.asked)
    assert (await desk.domains.verify(PROJECT, rule.id)).status is RuleStatus.VERIFIED
    assert len(desk.resolver.asked) == asked


async def test_with_tls_of_our_own_a_domain_waits_for_its_certificate() -> None:
    async with open_desk(with_certificates=True) as desk:
        point(desk)
        rule = await desk.domains.create_for_api(PROJECT, DOMAIN)
        assert (rule.status, rule.is_serving) == (RuleStatus.VERIFYING, True)
        assert await desk.domains.verify(PROJECT, rule.id) == rule
        desk.certificates.add(DOMAIN)
        assert (await desk.domains.verify(PROJECT, rule.id)).status is RuleStatus.VERIFIED


async def test_the_verifier_looks_again_at_young_domains_only(desk: Desk) -> None:
    verifier = RuleVerifier(desk.domains, desk.clock)
    old = await desk.domains.create_for_api(PROJECT, "old.example.com")
    desk.clock.moment += UNTIL_AGE
    young = await desk.domains.create_for_api(PROJECT, "young.example.com")
    point(desk, old.domain)
    point(desk, young.domain)
    assert await verifier.round() == 1
    assert (await desk.domains.get(PROJECT, old.id)).status is RuleStatus.CREATED
    assert (await desk.domains.get(PROJECT, young.id)).status is RuleStatus.VERIFIED
    assert await verifier.round() == 0


async def test_the_verifier_notices_certificates_at_any_age() -> None:
    async with open_desk(with_certificates=True) as desk:
        point(desk)
        rule = await desk.domains.create_for_api(PROJECT, DOMAIN)
        desk.clock.moment += 2 * UNTIL_AGE
        verifier = RuleVerifier(desk.domains, desk.clock)
        assert await verifier.round() == 0
        desk.certificates.add(DOMAIN)
        assert await verifier.round() == 1
        assert (await desk.domains.get(PROJECT, rule.id)).status is RuleStatus.VERIFIED


async def test_more_domains_than_fit_a_round_all_get_their_turn(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_verifier, "PER_ROUND", 20)
    names = [f"n{number}.example.com" for number in range(25)]
    for name in names:
        await desk.domains.create_for_api(PROJECT, name)
    verifier = RuleVerifier(desk.domains, desk.clock)
    desk.resolver.asked.clear()
    for _ in range(2):
        desk.clock.moment += timedelta(seconds=120)
        await verifier.round()
    assert {name for name, _ in desk.resolver.asked} == set(names)


async def test_a_rule_that_is_deleted_during_its_check_stays_deleted(desk: Desk) -> None:
    rule = await desk.domains.create_for_api(PROJECT, DOMAIN)
    point(desk)
    records = desk.resolver.records

    async def delete_meanwhile(name: str, kind: str) -> list[str]:
        await desk.domains.delete(PROJECT, rule.id)
        return await records(name, kind)

    desk.resolver.records = delete_meanwhile  # type: ignore[method-assign]
    await desk.domains.verify(PROJECT, rule.id)
    with pytest.raises(RuleNotFound):
        await desk.domains.get(PROJECT, rule.id)


# -- look-up by host ------------------------------------------------------------------------


async def test_a_host_is_found_from_memory_and_forgotten_with_its_rule(desk: Desk) -> None:
    assert await desk.domains.by_host(DOMAIN) is None
    rule = await desk.domains.create_for_api(PROJECT, DOMAIN)
    found = await desk.domains.by_host(DOMAIN)
    assert found == rule
    assert await desk.domains.by_host(DOMAIN) is found
    point(desk)
    await desk.domains.verify(PROJECT, rule.id)
    found = await desk.domains.by_host(DOMAIN)
    assert found is not None
    assert found.status is RuleStatus.VERIFIED
    await desk.domains.delete(PROJECT, rule.id)
    assert await desk.domains.by_host(DOMAIN) is None


async def test_certificates_may_be_issued_for_names_that_serve(desk: Desk) -> None:
    await desk.create()
    await desk.domains.create_for_api(PROJECT, DOMAIN)
    point(desk, "good.example.com")
    await desk.domains.create_for_api(PROJECT, "good.example.com")
    allowed = {
        name: await desk.domains.may_issue(name)
        for name in (
            DOMAIN,
            "good.example.com",
            "Good.Example.com.",
            "f1.functions.localhost",
            "none.functions.localhost",
            "api.test",
            "stranger.example.com",
        )
    }
    assert allowed == {
        DOMAIN: False,
        "good.example.com": True,
        "Good.Example.com.": True,
        "f1.functions.localhost": True,
        "none.functions.localhost": False,
        "api.test": True,
        "stranger.example.com": False,
    }


async def test_the_verifier_starts_and_stops(desk: Desk) -> None:
    verifier = RuleVerifier(desk.domains, desk.clock)
    await verifier.stop()
    verifier.start()
    await verifier.stop()
