"""Creating, replacing, activating, deleting functions, and seeing them as they run."""

from typing import Any, Final

import pytest

from runwright.errors import InvalidParam
from runwright.functions.errors import (
    BuildNotReady,
    DeploymentNotFound,
    FunctionAlreadyExists,
    FunctionNotFound,
    InstallationNotFound,
    RuntimeUnsupported,
)
from runwright.functions.settings import FunctionLimits
from runwright.functions.variables import PROJECT as OF_PROJECT
from runwright.functions.variables import NewVariable, VariableChange
from runwright.model.function import DEFAULT_SPECIFICATION, DeploymentStatus, RuleStatus
from runwright.model.query import Filter, ListQuery, Order
from tests.unit.functions.desk import OTHER_PROJECT, PROJECT, Desk, open_desk

pytestmark = pytest.mark.anyio


async def test_a_new_function_has_the_defaults_of_the_contract(desk: Desk) -> None:
    function = (await desk.create()).function
    assert (function.timeout_s, function.schedule, function.execute) == (15, "", ())
    assert function.is_enabled
    assert function.is_logging
    assert function.is_live
    assert function.build_specification == DEFAULT_SPECIFICATION
    assert function.runtime_specification == DEFAULT_SPECIFICATION
    assert function.deployment_id == ""


async def test_unique_becomes_a_generated_id(desk: Desk) -> None:
    first, second = await desk.create("unique()"), await desk.create("unique()")
    assert first.function.id != second.function.id
    assert len(first.function.id) == 20


async def test_an_id_is_taken_within_its_project_only(desk: Desk) -> None:
    await desk.create("f1")
    with pytest.raises(FunctionAlreadyExists):
        await desk.create("f1")
    other = await desk.create("f1", OTHER_PROJECT)
    assert other.function.project_id == OTHER_PROJECT


async def test_a_known_runtime_that_is_not_installed_is_refused_with_the_way_to_add_it(
    desk: Desk,
) -> None:
    with pytest.raises(RuntimeUnsupported, match=r"python-3\.13.*runtimes add"):
        await desk.create(runtime="python-3.13")
    assert await desk.stored() is None


async def test_bad_parameters_are_told_before_a_missing_runtime(desk: Desk) -> None:
    with pytest.raises(InvalidParam):
        await desk.create(runtime="python-3.13", timeout_s=901)


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("timeout_s", 901, "timeout"),
        ("timeout_s", 0, "timeout"),
        ("schedule", "* * * *", "schedule"),
        ("schedule", "0 0 30 2 *", "schedule"),
        ("schedule", "not a cron expression", "schedule"),
        ("schedule", "0 * * * * *", "schedule"),
        ("events", ("users.*.bogus",), "events"),
        ("events", ("functions.*.create",), "events"),
        ("events", ("users.*.create", ""), "events"),
        ("scopes", ("users.read", "account"), "scopes"),
        ("build_specification", "s-64vcpu-1tb", "buildSpecification"),
        ("runtime_specification", "", "runtimeSpecification"),
    ],
)
async def test_a_bad_setting_is_refused_by_name_on_create_and_update(
    desk: Desk, setting: str, value: object, named: str
) -> None:
    sent: dict[str, Any] = {setting: value}
    with pytest.raises(InvalidParam, match=f"Invalid `{named}` param: ") as created:
        await desk.create("f2", **sent)
    assert created.value.name == named
    await desk.create()
    with pytest.raises(InvalidParam, match=f"Invalid `{named}` param: "):
        await desk.update(**sent)


async def test_cron_and_interval_exclude_each_other(desk: Desk) -> None:
    with pytest.raises(InvalidParam, match="interval"):
        await desk.create(schedule="* * * * *", interval_min=5)
    function = (await desk.create(schedule="* * * * *", interval_min=0)).function
    assert (function.schedule, function.interval_min) == ("* * * * *", None)


async def test_function_events_are_refused_with_the_reason(desk: Desk) -> None:
    with pytest.raises(InvalidParam, match="Triggering a function on a function event"):
        await desk.create(events=("functions.*.executions.*.create",))


async def test_no_connection_to_version_control_can_be_named(desk: Desk) -> None:
    with pytest.raises(InstallationNotFound):
        await desk.create(installation_id="i1", provider_repository_id="r", provider_branch="b")
    await desk.create()
    with pytest.raises(InstallationNotFound):
        await desk.update(installation_id="i1")


async def test_caps_limit_the_sizes_and_the_default_stays_within_them() -> None:
    limits = FunctionLimits(timeout_s=900, scopes=(), cpus=2.0, memory_mib=1024)
    assert [item.slug for item in limits.specifications] == [
        "s-0.5vcpu-512mb",
        "s-1vcpu-512mb",
        "s-1vcpu-1gb",
    ]
    async with open_desk(limits=limits) as desk:
        with pytest.raises(InvalidParam, match="runtimeSpecification"):
            await desk.create(runtime_specification="s-2vcpu-2gb")
        shown = await desk.create(runtime_specification="s-1vcpu-1gb")
        assert shown.function.build_specification == DEFAULT_SPECIFICATION


# -- update ---------------------------------------------------------------------------------


FULL: Final[dict[str, Any]] = {
    "execute": ("any",),
    "events": ("users.*.create",),
    "schedule": "0 4 * * *",
    "timeout_s": 60,
    "is_enabled": False,
    "is_logging": False,
    "entrypoint": "src/main.js",
    "commands": "npm install",
    "scopes": ("users.read",),
    "deployment_retention_days": 7,
    "is_provider_silent": True,
    "provider_branches": ("main",),
    "provider_paths": ("src/**",),
    "build_specification": "s-1vcpu-1gb",
    "runtime_specification": "s-1vcpu-512mb",
    "description": "Sends mail",
    "is_email_enabled": True,
}


@pytest.mark.parametrize(
    ("field", "after"),
    [
        ("execute", ()),
        ("events", ()),
        ("scopes", ()),
        ("schedule", ""),
        ("commands", ""),
        ("timeout_s", 15),
        ("is_enabled", True),
        ("is_logging", True),
        ("deployment_retention_days", 0),
        ("is_provider_silent", False),
        ("runtime", "node-22"),
        ("entrypoint", "src/main.js"),
        ("build_specification", "s-1vcpu-1gb"),
        ("runtime_specification", "s-1vcpu-512mb"),
        ("provider_branches", ("main",)),
        ("provider_paths", ("src/**",)),
        ("description", "Sends mail"),
        ("is_email_enabled", True),
    ],
)
async def test_an_update_resets_or_keeps_what_it_leaves_out(
    desk: Desk, field: str, after: object
) -> None:
    await desk.create(**FULL)
    changed = await desk.update(name="Post")
    assert changed.name == "Post"
    assert getattr(changed, field) == after
    assert await desk.stored() == changed


async def test_an_update_sets_everything_that_it_names(desk: Desk) -> None:
    await desk.create()
    changed = await desk.update(runtime="python-3.11", **FULL)
    assert changed.runtime == "python-3.11"
    assert {name: getattr(changed, name) for name in FULL} == FULL


async def test_empty_lists_clear_branches_and_paths(desk: Desk) -> None:
    await desk.create(**FULL)
    changed = await desk.update(provider_branches=(), provider_paths=(), description="")
    assert (changed.provider_branches, changed.provider_paths) == ((), ())
    assert changed.description == ""


@pytest.mark.parametrize(
    ("sent", "after"),
    [
        ({}, 5),
        ({"interval_min": 0}, None),
        ({"interval_min": 9}, 9),
        ({"schedule": "@daily"}, None),
    ],
)
async def test_an_interval_stays_until_it_is_changed_or_a_cron_takes_its_place(
    desk: Desk, sent: dict[str, Any], after: int | None
) -> None:
    await desk.create(interval_min=5)
    assert (await desk.update(**sent)).interval_min == after


async def test_an_update_may_name_a_runtime_that_is_not_installed(desk: Desk) -> None:
    await desk.create()
    assert (await desk.update(runtime="python-3.13")).runtime == "python-3.13"


@pytest.mark.parametrize(
    "sent",
    [
        {"name": "Other"},
        {"entrypoint": "x.js"},
        {"commands": "npm ci"},
        {"provider_root_directory": "app"},
        {"runtime": "python-3.11"},
    ],
)
async def test_a_setting_that_builds_see_makes_the_function_not_live(
    desk: Desk, sent: dict[str, Any]
) -> None:
    await desk.create()
    assert not (await desk.update(**sent)).is_live


async def test_other_settings_leave_the_function_live(desk: Desk) -> None:
    await desk.create()
    changed = await desk.update(timeout_s=60, execute=("any",), scopes=("users.read",))
    assert changed.is_live


async def test_an_unrelated_update_does_not_make_an_old_build_live_again(desk: Desk) -> None:
    await desk.create()
    await desk.update(commands="npm ci")
    assert not (await desk.update(commands="npm ci", timeout_s=60)).is_live


async def test_nothing_can_be_done_to_a_function_of_another_project(desk: Desk) -> None:
    await desk.create("f1", OTHER_PROJECT)
    with pytest.raises(FunctionNotFound):
        await desk.update()
    with pytest.raises(FunctionNotFound):
        await desk.catalog.get(PROJECT, "f1")
    with pytest.raises(FunctionNotFound):
        await desk.catalog.delete(PROJECT, "f1")
    with pytest.raises(FunctionNotFound):
        await desk.catalog.activate(PROJECT, "f1", "d1")
    assert await desk.catalog.live(PROJECT, "f1") is None


# -- list -----------------------------------------------------------------------------------


async def test_a_list_is_filtered_searched_and_carries_variables(desk: Desk) -> None:
    await desk.create("a", name="Send mail")
    await desk.create("b", name="Resize", runtime="python-3.11", is_enabled=False)
    await desk.variables.create(PROJECT, "b", NewVariable(id="v", key="K", value="1"))
    disabled = ListQuery(filters=(Filter("equal", "enabled", (False,)),))
    page = await desk.catalog.list(PROJECT, disabled)
    assert [shown.function.id for shown in page.items] == ["b"]
    assert [shown.variable.key for shown in page.items[0].variables] == ["K"]
    found = await desk.catalog.list(PROJECT, ListQuery(search="mail"))
    assert [shown.function.id for shown in found.items] == ["a"]
    newest = ListQuery(orders=(Order("$sequence", is_descending=True),), limit=1)
    page = await desk.catalog.list(PROJECT, newest)
    assert ([shown.function.id for shown in page.items], page.total) == (["b"], 2)


# -- activation -----------------------------------------------------------------------------


async def test_activation_moves_the_function_and_its_domains(desk: Desk) -> None:
    await desk.create()
    await desk.add_deployment("d1")
    custom = await desk.domains.create_for_function(PROJECT, "app.example.com", "f1")
    pinned = await desk.domains.create_for_function(PROJECT, "dev.example.com", "f1", "dev")
    shown = await desk.catalog.activate(PROJECT, "f1", "d1")
    assert shown.function.deployment_id == "d1"
    assert shown.function.deployment_created_at == desk.clock.now()
    assert (await desk.domains.get(PROJECT, custom.id)).deployment_id == "d1"
    assert (await desk.domains.get(PROJECT, pinned.id)).deployment_id == ""
    generated = await desk.domains.by_host("f1.functions.localhost")
    assert generated is not None
    assert generated.deployment_id == "d1"


async def test_activation_by_hand_leaves_live_as_it_is(desk: Desk) -> None:
    await desk.create()
    await desk.add_deployment("d1")
    await desk.update(commands="npm ci")
    assert not (await desk.catalog.activate(PROJECT, "f1", "d1")).function.is_live


@pytest.mark.parametrize(
    "status", [status for status in DeploymentStatus if status is not DeploymentStatus.READY]
)
async def test_only_a_ready_deployment_can_be_activated(
    desk: Desk, status: DeploymentStatus
) -> None:
    await desk.create()
    await desk.add_deployment("d1", status=status)
    with pytest.raises(BuildNotReady, match=status.value):
        await desk.catalog.activate(PROJECT, "f1", "d1")


async def test_a_deployment_of_another_function_is_not_found(desk: Desk) -> None:
    await desk.create("f1")
    await desk.create("f2")
    await desk.add_deployment("d2", "f2")
    for deployment_id in ("d2", "none"):
        with pytest.raises(DeploymentNotFound):
            await desk.catalog.activate(PROJECT, "f1", deployment_id)


# -- live -----------------------------------------------------------------------------------


async def test_a_live_function_comes_from_memory_until_something_in_it_changes(
    desk: Desk,
) -> None:
    await desk.create()
    await desk.add_deployment("d1")
    await desk.catalog.activate(PROJECT, "f1", "d1")
    first = await desk.catalog.live(PROJECT, "f1")
    assert first is not None
    assert first.deployment is not None
    assert first.deployment.id == "d1"
    assert await desk.catalog.live(PROJECT, "f1") is first
    await desk.update(timeout_s=99)
    second = await desk.catalog.live(PROJECT, "f1")
    assert second is not None
    assert second.function.timeout_s == 99
    assert second.version == first.version  # a sandbox does not see the timeout


async def test_variables_of_project_and_function_reach_the_next_run(desk: Desk) -> None:
    await desk.create()
    seen = await desk.catalog.live(PROJECT, "f1")
    assert seen is not None
    assert dict(seen.variables) == {}
    versions = {seen.version}
    shared = NewVariable(id="shared", key="A", value="project")
    await desk.variables.create(PROJECT, OF_PROJECT, shared)
    await desk.variables.create(PROJECT, OF_PROJECT, NewVariable(id="b", key="B", value="kept"))
    await desk.variables.create(PROJECT, "f1", NewVariable(id="own", key="A", value="function"))
    seen = await desk.catalog.live(PROJECT, "f1")
    assert seen is not None
    assert dict(seen.variables) == {"A": "function", "B": "kept"}
    assert seen.function.is_live
    versions.add(seen.version)
    await desk.variables.update(PROJECT, "f1", "own", VariableChange(value="changed"))
    seen = await desk.catalog.live(PROJECT, "f1")
    assert seen is not None
    assert seen.variables["A"] == "changed"
    versions.add(seen.version)
    await desk.variables.delete(PROJECT, "f1", "own")
    seen = await desk.catalog.live(PROJECT, "f1")
    assert seen is not None
    assert seen.variables["A"] == "project"
    versions.add(seen.version)
    assert len(versions) == 4


async def test_a_change_of_size_makes_another_version(desk: Desk) -> None:
    await desk.create()
    before = await desk.catalog.live(PROJECT, "f1")
    await desk.update(runtime_specification="s-1vcpu-1gb")
    after = await desk.catalog.live(PROJECT, "f1")
    assert before is not None
    assert after is not None
    assert before.version != after.version


# -- delete ---------------------------------------------------------------------------------


async def test_deleting_a_function_takes_everything_of_it_and_nothing_else(desk: Desk) -> None:
    for function_id in ("f1", "f2"):
        await desk.create(function_id)
        await desk.add_deployment(f"{function_id}-d", function_id)
        await desk.add_executions(3, function_id)
        variable = NewVariable(id=f"{function_id}-v", key="K", value="1")
        await desk.variables.create(PROJECT, function_id, variable)
    await desk.domains.create_for_function(PROJECT, "app.example.com", "f1")
    await desk.domains.create_for_function(PROJECT, "two.example.com", "f2")
    assert await desk.catalog.live(PROJECT, "f1") is not None
    await desk.catalog.delete(PROJECT, "f1")
    assert await desk.catalog.live(PROJECT, "f1") is None
    assert await desk.domains.by_host("f1.functions.localhost") is None
    assert await desk.domains.by_host("app.example.com") is None
    assert (desk.executor.retired, desk.discarded) == (["f1-d"], ["f1-d"])
    left = await desk.database.read(
        lambda uow: (
            [item.id for item in uow.functions.find(PROJECT)],
            [item.id for item in uow.deployments.find(PROJECT)],
            [item.id for item in uow.variables.find(PROJECT)],
            [item.domain for item in uow.rules.find(PROJECT)],
            len(uow.executions.find(PROJECT)),
        )
    )
    assert left == (
        ["f2"],
        ["f2-d"],
        ["f2-v"],
        ["f2.functions.localhost", "two.example.com"],
        3,
    )


async def test_a_long_history_is_deleted_too(desk: Desk) -> None:
    await desk.create()
    await desk.add_executions(1201)
    await desk.catalog.delete(PROJECT, "f1")
    assert await desk.database.read(lambda uow: uow.executions.find(PROJECT)) == []


# -- generated domain -----------------------------------------------------------------------


async def test_a_function_gets_a_verified_domain_named_after_its_id(desk: Desk) -> None:
    await desk.create("Send-Mail")
    rule = await desk.domains.by_host("send-mail.functions.localhost")
    assert rule is not None
    assert rule.status is RuleStatus.VERIFIED
    assert rule.is_generated
    assert (rule.resource_type, rule.resource_id) == ("function", "Send-Mail")
    assert desk.resolver.asked == []


@pytest.mark.parametrize("function_id", ["a.b", "a_b", "trailing-", "xn--a"])
async def test_an_id_that_is_no_label_gets_a_random_domain(desk: Desk, function_id: str) -> None:
    await desk.create(function_id)
    (rule,) = await desk.database.read(lambda uow: uow.rules.find(PROJECT))
    label = rule.domain.removesuffix(".functions.localhost")
    assert len(label) == 20
    assert label.isalnum()


async def test_a_taken_label_gives_a_random_domain(desk: Desk) -> None:
    await desk.create("mail")
    await desk.create("MAIL")
    await desk.create("mail", OTHER_PROJECT)
    rules = await desk.database.read(lambda uow: uow.rules.find())
    labels = [rule.domain.removesuffix(".functions.localhost") for rule in rules]
    assert labels[0] == "mail"
    assert [len(label) for label in labels[1:]] == [20, 20]
    assert len(set(labels)) == 3
