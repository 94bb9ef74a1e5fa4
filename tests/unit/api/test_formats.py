"""Every response model in every format."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright.api.formats import adapt_answer, adapt_params, parse_version
from runwright.api.request_formats import PARAMS
from runwright.api.routing import Answer, Version
from tests.unit.api.samples import newest
from tests.unit.api.world import PROJECT, World, a_route, about

Json = dict[str, Any]
SAMPLES: Final = newest()
GIVEN: Final = frozenset({"$id", "$createdAt", "$updatedAt"})


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.9.5", (1, 9, 5)),
        ("2.5.0", (2, 5, 0)),
        (" 1.8 ", (1, 8, 0)),
        ("1.9.0-rc1", (1, 9, 0)),
        ("", None),
        ("newest", None),
        ("1", None),
        ("1.9.5.1", None),
        ("-1.0.0", None),
        ("99999.0.0", None),
    ],
)
def test_versions_are_read_or_are_none(text: str, version: Version | None) -> None:
    assert parse_version(text) == version


@given(st.text(max_size=20))
def test_any_text_is_a_version_or_none(text: str) -> None:
    version = parse_version(text)
    assert version is None or len(version) == 3


# What each version makes of the newest shape for versions below it: fields that go, fields
# that come, and fields that keep their value under another name.
TABLE: Final[list[tuple[str, Version, set[str], Json, dict[str, str]]]] = [
    ("execution", (2, 0, 0), {"resourceType"}, {}, {"resourceId": "functionId"}),
    ("membership", (1, 9, 2), {"userPhone"}, {}, {}),
    (
        "webhook",
        (1, 9, 1),
        set(),
        {},
        {
            "tls": "security",
            "authUsername": "httpUser",
            "authPassword": "httpPass",
            "secret": "signatureKey",
        },
    ),
    (
        "function",
        (1, 9, 0),
        {"runtimeSpecification"},
        {},
        {"buildSpecification": "specification"},
    ),
    ("variable", (1, 7, 0), {"secret"}, {}, {}),
    (
        "deployment",
        (1, 7, 0),
        {"totalSize", "screenshotLight", "screenshotDark"},
        {},
        {"sourceSize": "size", "buildDuration": "buildTime"},
    ),
    (
        "proxyRule",
        (1, 7, 0),
        {
            "type",
            "trigger",
            "redirectUrl",
            "redirectStatusCode",
            "deploymentId",
            "deploymentVcsProviderBranch",
        },
        {},
        {"deploymentResourceType": "resourceType", "deploymentResourceId": "resourceId"},
    ),
    ("runtime", (1, 6, 0), {"key"}, {}, {}),
]


@pytest.mark.parametrize(("name", "since", "gone", "come", "renamed"), TABLE)
def test_each_filter_makes_the_shape_below_its_version(
    name: str, since: Version, gone: set[str], come: Json, renamed: dict[str, str]
) -> None:
    before = SAMPLES[name]
    assert adapt_answer(name, before, since, PROJECT) == before
    after = adapt_answer(name, before, _just_below(since), PROJECT)
    expected = {renamed.get(key, key): value for key, value in before.items() if key not in gone}
    assert after == {**expected, **come}
    in_order = list(after) if name == "function" else list(expected)
    assert list(after) == in_order


def _just_below(version: Version) -> Version:
    major, minor, patch = version
    if patch:
        return major, minor, patch - 1
    return (major, minor - 1, 99) if minor else (major - 1, 99, 99)


def test_an_ephemeral_key_below_1_9_3_is_a_jwt_with_scopes() -> None:
    content = adapt_answer("ephemeralKey", SAMPLES["ephemeralKey"], (1, 9, 2), PROJECT)
    assert content == {"projectId": PROJECT, "jwt": "ephemeral_x", "scopes": ["users.read"]}


def test_a_function_below_1_7_names_its_deployment_and_its_variables_have_no_secret() -> None:
    content = adapt_answer("function", SAMPLES["function"], (1, 6, 9), PROJECT)
    assert content["deployment"] == "dep"
    assert content["specification"] == "s-0.5vcpu-512mb"
    assert [set(item) & {"key", "secret"} for item in content["vars"]] == [{"key"}]
    gone = ("deploymentId", "deploymentCreatedAt", "latestDeploymentId", "latestDeploymentStatus")
    assert not set(gone) & set(content)
    assert {"scopes", "specification"} & set(
        adapt_answer("function", SAMPLES["function"], (1, 5, 9), PROJECT)
    ) == set()


def test_the_oldest_execution_speaks_of_streams() -> None:
    content = adapt_answer("execution", SAMPLES["execution"], (1, 3, 8), PROJECT)
    assert content["functionId"] == "fn"
    assert (content["statusCode"], content["response"]) == (0, "hello")
    assert (content["stdout"], content["stderr"]) == ("", "")
    assert "scheduledAt" not in content
    deployment = adapt_answer("deployment", SAMPLES["deployment"], (1, 3, 8), PROJECT)
    assert (deployment["buildStdout"], deployment["buildStderr"]) == ("", "")


def test_a_project_below_1_9_5_is_one_flat_object_with_its_real_settings() -> None:
    content = adapt_answer("project", SAMPLES["project"], (1, 9, 4), PROJECT)
    assert content["description"] == "Our shop"
    assert (content["authLimit"], content["authSessionsLimit"]) == (0, 10)
    assert content["authEmailPassword"] is True
    assert content["serviceStatusForFunctions"] is True
    assert content["protocolStatusForRest"] is True
    assert content["oAuthProviders"][0] == {
        "key": "github",
        "name": "GitHub",
        "appId": "",
        "secret": "",
        "enabled": False,
    }
    assert not {"authMethods", "services", "protocols"} & set(content)
    assert set(content) >= GIVEN
    assert "devKeys" in content
    assert "devKeys" not in adapt_answer("project", SAMPLES["project"], (1, 6, 0), PROJECT)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_lists_have_the_shape_of_their_items_in_every_version(name: str) -> None:
    for version in ((2, 0, 0), (1, 9, 5), (1, 9, 4), (1, 9, 0), (1, 8, 0), (1, 6, 0), (1, 3, 0)):
        one = adapt_answer(name, SAMPLES[name], version, PROJECT)
        many = {"total": 2, "items": [SAMPLES[name]] * 2}
        listed = adapt_answer(f"{name}List", many, version, PROJECT)
        assert listed == {"total": 2, "items": [one, one]}


@given(
    st.sampled_from(sorted(SAMPLES)),
    st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 12)),
)
def test_no_filter_fails_or_changes_what_it_was_given(name: str, version: Version) -> None:
    before = newest()[name]
    adapt_answer(name, SAMPLES[name], version, PROJECT)
    assert SAMPLES[name] == before


def test_content_without_a_model_or_a_dict_is_left_alone() -> None:
    assert adapt_answer("execution", b"raw", (1, 0, 0)) == b"raw"
    assert adapt_answer("", {"resourceId": "x"}, (1, 0, 0)) == {"resourceId": "x"}


@pytest.mark.parametrize(
    ("route", "version", "sent", "taken"),
    [
        (
            "functions.createVariable",
            (1, 9, 3),
            {"key": "A"},
            {"key": "A", "variableId": "unique()"},
        ),
        ("functions.createVariable", (1, 9, 3), {"variableId": "v"}, {"variableId": "v"}),
        ("functions.createVariable", (1, 9, 4), {"key": "A"}, {"key": "A"}),
        (
            "functions.createVariable",
            (1, 6, 9),
            {"secret": True},
            {"secret": False, "variableId": "unique()"},
        ),
        (
            "functions.create",
            (1, 8, 0),
            {"specification": "s"},
            {"specification": "s", "buildSpecification": "s", "runtimeSpecification": "s"},
        ),
        ("functions.update", (1, 8, 0), {"name": "n"}, {"name": "n"}),
        ("functions.create", (1, 9, 0), {"specification": "s"}, {"specification": "s"}),
        (
            "functions.createTemplateDeployment",
            (1, 8, 0),
            {"version": "0.1.*"},
            {"version": "0.1.*", "type": "tag", "reference": "0.1.*"},
        ),
        (
            "functions.getDeploymentDownload",
            (1, 6, 0),
            {"type": "source"},
            {"type": "output"},
        ),
        (
            "project.createKey",
            (1, 8, 0),
            {"scopes": None},
            {"scopes": [], "keyId": "unique()"},
        ),
        ("project.createKey", (1, 9, 0), {"scopes": None}, {"scopes": []}),
        (
            "webhooks.create",
            (1, 9, 0),
            {"security": True, "httpUser": "u", "httpPass": "p"},
            {"tls": True, "authUsername": "u", "authPassword": "p"},
        ),
        ("webhooks.create", (1, 9, 1), {"security": True}, {"security": True}),
        ("webhooks.update", (1, 9, 0), {"security": True, "tls": False}, {"tls": False}),
        ("project.updateService", (1, 9, 0), {"status": False}, {"enabled": False}),
        ("project.updateUserLimitPolicy", (1, 9, 1), {"limit": 5}, {"total": 5}),
        (
            "project.createWebPlatform",
            (1, 8, 0),
            {"key": "a.example.com", "platformId": "p"},
            {"hostname": "a.example.com", "platformId": "p"},
        ),
        (
            "project.listVariables",
            (1, 8, 0),
            {},
            {"queries": ['{"method":"limit","values":[1000]}']},
        ),
        (
            "project.listVariables",
            (1, 8, 0),
            {"queries": ['{"method":"limit","values":[3]}']},
            {"queries": ['{"method":"limit","values":[3]}']},
        ),
        ("project.listVariables", (1, 8, 0), {"queries": "x"}, {"queries": "x"}),
    ],
)
def test_older_parameters_become_the_newest(
    route: str, version: Version, sent: Json, taken: Json
) -> None:
    before = dict(sent)
    assert adapt_params(route, sent, version) == taken
    assert adapt_params(route, sent, None) == sent == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change, id=f"{route} before {version}")
        for version, table in PARAMS
        for route, change in table.items()
    ],
)
def test_no_request_filter_stumbles_over_strange_parameters(
    change: Callable[[Json], Json],
) -> None:
    values: list[Any] = [None, 7, [], {}, ["x", 7]]
    for value in values:
        strange = dict.fromkeys(["queries", "scopes", "status", "version", "specification"], value)
        assert isinstance(change(strange), dict)


@pytest.mark.anyio
async def test_the_header_chooses_the_shape_and_newer_versions_are_warned_about(
    world: World,
) -> None:
    world.seen.answer = lambda: Answer(content=SAMPLES["execution"], model="execution")
    async with world.client(a_route(world.seen)) as client:

        async def ask(version: str) -> tuple[Json, bool]:
            headers = about(x_appwrite_response_format=version)
            response = await client.get("/v1/things", headers=headers)
            return response.json(), "x-appwrite-warning" in response.headers

        old, warned = await ask("1.9.5")
        assert (old["functionId"], "resourceId" in old, warned) == ("fn", False, False)
        new, warned = await ask("2.5.0")
        assert (new["resourceId"], new["resourceType"], warned) == ("fn", "functions", False)
        later, warned = await ask("2.6.0")
        assert (later, warned) == (new, True)
