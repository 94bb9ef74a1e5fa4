"""What subscribers of an event are told: the JSON of its subject."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from runwright.api.shapes import executions
from runwright.model.actor import Actor
from runwright.model.execution import Execution
from runwright.triggers.outbox import Custom

Json = dict[str, Any]

_SHAPES: Final[dict[type, Callable[[Any, Actor], Any]]] = {
    Execution: lambda item, actor: executions.execution(item, shows_logs=actor.is_trusted),
    Custom: lambda item, actor: item.payload,
    dict: lambda item, actor: item,
}


def payload(subject: object, actor: Actor) -> Mapping[str, Any]:
    """Raises KeyError for a subject that has no shape: an event without one is a mistake."""
    shaped: Mapping[str, Any] = _SHAPES[type(subject)](subject, actor)
    return shaped
