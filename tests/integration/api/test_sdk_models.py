"""Answers and tables, held against the code of the official SDKs."""

import importlib.util
import inspect
import re
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from appwrite.enums.id_token_provider import IdTokenProvider
from appwrite.enums.o_auth_provider import OAuthProvider
from appwrite.services.project import Project

from runwright.api.formats import NEWEST, adapt_answer
from runwright.api.routing import Version
from runwright.api.shapes import projects
from runwright.identity.oauth.provider import Provider
from runwright.identity.oauth.providers import GONE, NATIVE, PROVIDERS
from tests.unit.api.samples import newest
from tests.unit.api.world import PROJECT, a_project

Json = dict[str, Any]
SAMPLES: Final = newest()
SDK_22: Final = Path(sys.prefix) / "sdk22" / "appwrite"

# Models that the older SDK does not have.
NEWER: Final = frozenset({"mfaChallengeSecret", "passkey", "passkeyChallenge", "tokenSecret"})


def _model(name: str, package: str) -> Any:
    snake = re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)
    module = import_module(f"{package}.models.{snake}")
    return getattr(module, name[:1].upper() + name[1:])


def _sdk_22() -> ModuleType:
    """The older SDK beside the newer one, under a name of its own."""
    if "appwrite22" not in sys.modules:
        assert SDK_22.is_dir(), "`make test` installs the older SDK"
        spec = importlib.util.spec_from_file_location(
            "appwrite22", SDK_22 / "__init__.py", submodule_search_locations=[str(SDK_22)]
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["appwrite22"] = module
        spec.loader.exec_module(module)
    return sys.modules["appwrite22"]


def _check(model: Any, content: Json) -> None:
    """Valid, and complete without the defaults that some SDK models fill in."""
    required = {
        item.alias or name for name, item in model.model_fields.items() if item.is_required()
    }
    assert required - set(content) == set()
    model.model_validate(content)


@pytest.mark.parametrize("name", sorted(SAMPLES))
@pytest.mark.parametrize("version", [None, NEWEST, (2, 0, 0), (3, 0, 0)])
def test_the_newest_shapes_are_what_sdk_27_reads(name: str, version: Version | None) -> None:
    content = adapt_answer(name, SAMPLES[name], version, PROJECT)
    assert content == SAMPLES[name]
    _check(_model(name, "appwrite"), content)


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - NEWER))
def test_the_shapes_of_1_9_5_are_what_sdk_22_reads(name: str) -> None:
    _sdk_22()
    content = adapt_answer(name, SAMPLES[name], (1, 9, 5), PROJECT)
    _check(_model(name, "appwrite22"), content)


def test_older_formats_list_no_policies_that_their_clients_do_not_know() -> None:
    _sdk_22()
    ours = projects.policies(a_project(PROJECT))
    answer = {"total": len(ours), "policies": ours}
    _check(_model("policyList", "appwrite"), adapt_answer("policyList", answer, NEWEST))
    older = adapt_answer("policyList", answer, (1, 9, 5))
    assert older["total"] == len(older["policies"]) == 14
    _check(_model("policyList", "appwrite22"), older)


@cache
def sdk_methods() -> dict[str, tuple[str, set[str]]]:
    """Provider id -> the method that sets it, its parameters on the wire."""
    found = {}
    for name, method in inspect.getmembers(Project, inspect.isfunction):
        source = inspect.getsource(method)
        path = re.search(r"api_path = '/project/oauth2/(\w+)'", source)
        if path and name.startswith("update_o_auth2_"):
            found[path[1]] = (name, set(re.findall(r"api_params\['(\w+)'\]", source)))
    return found


def test_the_providers_are_those_of_the_sdk() -> None:
    assert set(PROVIDERS) == set(sdk_methods())
    assert {item.value for item in OAuthProvider} == {*PROVIDERS, *GONE}
    assert {item.value for item in IdTokenProvider} == set(NATIVE)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda item: item.id)
def test_a_provider_takes_what_the_sdk_sends(provider: Provider) -> None:
    name, sent = sdk_methods()[provider.id]
    assert sent == {*provider.fields, "enabled"}
    spelled = "".join(part.capitalize() for part in name.removeprefix("update_o_auth2_").split("_"))
    assert spelled.lower() == provider.title.lower()
