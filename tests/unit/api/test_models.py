"""Every model that a route names is declared, and the shapes make what is declared."""

from dataclasses import replace
from typing import Any

import pytest

from runwright.api.models import MODELS, Kind
from runwright.api.models.people import ACCOUNT, TEAM
from tests.fakes.declared import problems
from tests.unit.api.samples import newest
from tools.api_reference import table


@pytest.mark.parametrize("route", table(), ids=lambda route: route.name)
def test_a_route_says_what_it_answers_in_declared_models(route: Any) -> None:
    """Declare yours in `api/models/`: the API's description is made from them."""
    for name in (route.model, *route.other_models):
        assert not name or name in MODELS, f"{route.name} answers {name}, which is not declared"
    is_empty = route.status == 204
    assert is_empty == (not route.model and not route.media_types), route.name


@pytest.mark.parametrize(("name", "sample"), newest().items())
def test_a_shape_makes_its_model(name: str, sample: dict[str, Any]) -> None:
    assert list(problems(MODELS[name], sample)) == []


def test_each_field_says_what_it_is() -> None:
    for model in MODELS.values():
        assert model.about.endswith("."), model.name
        assert model.fields or model.is_free or model.variants or model.each, model.name
        for field in model.fields:
            assert field.about.endswith("."), (model.name, field.name)
            assert (field.kind is Kind.MODEL) == (field.model is not None)


def test_what_is_not_as_declared_is_found() -> None:
    team = newest()["team"]
    assert list(problems(TEAM, team | {"total": "1"})) == ["team.total is '1', no integer"]
    assert list(problems(TEAM, team | {"name": None})) == ["team.name is null"]
    assert list(problems(TEAM, team | {"$createdAt": "today"})) != []
    assert list(problems(TEAM, team | {"more": 1})) != []
    assert list(problems(TEAM, {"name": "x"})) != []
    shorter = replace(ACCOUNT, fields=ACCOUNT.fields[:-1])
    assert list(problems(shorter, newest()["user"])) != []
