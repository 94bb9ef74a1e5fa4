"""Response models by the name that routes give them."""

from collections.abc import Iterator, Mapping
from typing import Final

from runwright.api.models import (
    activities,
    executions,
    factors,
    functions,
    oauth,
    organizations,
    people,
    projects,
    system,
)
from runwright.api.models.kinds import Field, Kind, Model

__all__ = ["MODELS", "Field", "Kind", "Model"]


def _found(models: Iterator[Model]) -> Iterator[Model]:
    """Each model and those inside it."""
    for model in models:
        yield model
        yield from _found(iter(model.variants.values()))
        yield from _found(iter((model.each,) if model.each is not None else ()))
        yield from _found(field.model for field in model.fields if field.model is not None)


def _by_name() -> Mapping[str, Model]:
    known: dict[str, Model] = {}
    declared = (
        system,
        activities,
        people,
        factors,
        oauth,
        organizations,
        projects,
        functions,
        executions,
    )
    for model in _found(model for area in declared for model in area.MODELS):
        if known.setdefault(model.name, model) != model:
            raise ValueError(f"Two models have the name {model.name}")
    return known


MODELS: Final = _by_name()
