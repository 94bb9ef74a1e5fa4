"""Response models -> JSON schemas."""

from collections.abc import Iterable
from typing import Any, Final

from runwright.api.models import MODELS, Field, Kind, Model

Schema = dict[str, Any]

ERROR: Final = "error"
_TEXT: Final = {"type": "string"}
ERROR_SCHEMA: Final[Schema] = {
    "type": "object",
    "description": "Why a request was refused.",
    "properties": {
        "message": _TEXT | {"description": "What happened and what to do, for people."},
        "code": {"type": "integer", "description": "The status."},
        "type": _TEXT | {"description": "Its name, for programs."},
        "version": _TEXT | {"description": "The version of the API."},
    },
    "required": ["message", "code", "type", "version"],
}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def components(names: Iterable[str]) -> dict[str, Schema]:
    """Of these models and of all inside them."""
    made: dict[str, Schema] = {ERROR: ERROR_SCHEMA}
    waiting = [MODELS[name] for name in names]
    while waiting:
        model = waiting.pop()
        if model.name in made:
            continue
        made[model.name] = schema(model)
        for field in model.fields:
            if field.model is not None:
                waiting.append(field.model)
            if field.model is not None and field.is_trimmed:
                made[_part_name(field.model)] = _part(field.model)
        waiting += model.variants.values()
        waiting += [model.each] if model.each is not None else []
    return dict(sorted(made.items()))


def schema(model: Model) -> Schema:
    if model.is_free:
        return {"type": "object", "description": model.about, "additionalProperties": True}
    if model.each is not None:
        return {"type": "array", "description": model.about, "items": reference(model.each.name)}
    if model.variants:
        return {
            "description": model.about,
            "oneOf": [reference(item.name) for item in model.variants.values()],
            "discriminator": {
                "propertyName": model.tag,
                "mapping": {
                    value: f"#/components/schemas/{item.name}"
                    for value, item in model.variants.items()
                },
            },
        }
    return {
        "type": "object",
        "description": model.about,
        "properties": {field.name: _field(field) for field in model.fields},
        "required": [field.name for field in model.fields],
    }


def _part_name(model: Model) -> str:
    return f"{model.name}Part"


def _part(model: Model) -> Schema:
    """Callers who select fields get those and the ones that every row has."""
    whole = schema(model)
    return whole | {"required": [name for name in whole["required"] if name.startswith("$")]}


def _field(field: Field) -> Schema:
    value = _value(field)
    if field.is_list:
        value = {"type": "array", "items": value}
    if field.is_nullable:
        value = or_null(value)
    return value | {"description": field.about}


def _value(field: Field) -> Schema:
    if field.model is not None:
        return reference(_part_name(field.model) if field.is_trimmed else field.model.name)
    match field.kind:
        case Kind.MOMENT:
            moment = {"type": "string", "format": "date-time"}
            return {"anyOf": [moment, {"const": ""}]} if field.may_be_empty else moment
        case Kind.TEXT if field.words:
            return {"type": "string", "enum": [str(word) for word in field.words]}
    return {"type": str(field.kind)}


def or_null(value: Schema) -> Schema:
    if "$ref" in value or "anyOf" in value:
        return {"anyOf": [*value.get("anyOf", [value]), {"type": "null"}]}
    nullable = value | {"type": [value["type"], "null"]}
    if "enum" in value:
        nullable["enum"] = [*value["enum"], None]
    return nullable
