"""Table of routes and models -> GraphQL schema.

Routes that read are fields of `Query`, all others of `Mutation`; a field is named like its SDK
method, `functionsCreateExecution`. `$` is no letter of GraphQL, so `$id` is `_id`. A route whose
answer or body is no JSON has no field.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import msgspec
from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFloat,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    assert_valid_schema,
)

from runwright.api.graphql.scalars import ASSOC, FILE, JSON
from runwright.api.models import MODELS, Field, Kind, Model
from runwright.api.openapi.operations import operation_id, summary
from runwright.api.params import declared
from runwright.api.routing import Nothing, Route

NOTHING: Final = "none"  # the type of an answer without a body
OK: Final = "OK"
_KINDS: Final[Mapping[Kind, GraphQLScalarType]] = {
    Kind.TEXT: GraphQLString,
    Kind.MOMENT: GraphQLString,
    Kind.WHOLE: GraphQLInt,
    Kind.NUMBER: GraphQLFloat,
    Kind.FLAG: GraphQLBoolean,
    Kind.FREE: JSON,
}
_PARAMS: Final[Mapping[str, GraphQLScalarType]] = {
    "string": GraphQLString,
    "integer": GraphQLInt,
    "number": GraphQLFloat,
    "boolean": GraphQLBoolean,
    "object": ASSOC,
}


def build(routes: Iterable[Route]) -> GraphQLSchema:
    """The context of an execution runs the fields: see `running.Running`."""
    types = _Types()
    fields: dict[str, dict[str, GraphQLField]] = {"Query": {}, "Mutation": {}}
    for route in routes:
        if is_field(route):
            root = "Query" if route.method == "GET" else "Mutation"
            fields[root][operation_id(route)] = _operation(route, types)
    roots = {name: GraphQLObjectType(name, found) for name, found in fields.items() if found}
    schema = GraphQLSchema(roots.get("Query"), roots.get("Mutation"))
    assert_valid_schema(schema)
    return schema


def is_field(route: Route) -> bool:
    is_json = bool(route.model) or not route.media_types
    is_about_api = route.name == "openapi.get" or route.protocol == "graphql"
    return is_json and not is_about_api and not route.body_bytes


def _operation(route: Route, types: "_Types") -> GraphQLField:
    async def resolve(root: Any, info: GraphQLResolveInfo[Any], /, **given: Any) -> Any:
        return await info.context.run(route, given)

    return GraphQLField(
        types.of(route.model or NOTHING),
        _arguments(route),
        resolve,
        description=f"{summary(route)}.",
    )


def _arguments(route: Route) -> dict[str, GraphQLArgument]:
    made = {}
    for item in declared(route.params or Nothing):
        is_needed = item.is_required or f"{{{item.name}}}" in route.paths[0]
        kind = _param(item.validator.schema())
        made[item.name] = GraphQLArgument(GraphQLNonNull(kind) if is_needed else kind)
    for name in route.files:
        if name not in made:  # one that may come as text as well stays text
            made[name] = GraphQLArgument(GraphQLNonNull(FILE))
    return made


def _param(schema: Mapping[str, Any]) -> Any:
    if "anyOf" in schema:
        return _param(schema["anyOf"][-1])  # the first of them is the empty text, which clears
    if schema.get("type") == "array":
        return GraphQLList(_param(schema["items"]))
    return _PARAMS.get(schema.get("type", ""), JSON)


class _Types:
    """One type per model, made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, GraphQLObjectType | GraphQLUnionType] = {}

    def of(self, name: str) -> GraphQLObjectType | GraphQLUnionType:
        if name not in self._made:
            self._made[name] = _nothing() if name == NOTHING else self._type(MODELS[name])
        return self._made[name]

    def _type(self, model: Model) -> GraphQLObjectType | GraphQLUnionType:
        name = _type_name(model)
        if model.variants:
            known = {tag: _type_name(item) for tag, item in model.variants.items()}
            return GraphQLUnionType(
                name,
                lambda: [self._object(item.name) for item in model.variants.values()],
                lambda value, info, union: known[value[model.tag]],
                description=model.about,
            )
        if model.is_free:
            fields = {"data": GraphQLField(GraphQLNonNull(GraphQLString), resolve=_as_text)}
            return GraphQLObjectType(name, fields, description=model.about)
        return GraphQLObjectType(
            name,
            lambda: {_name(field): self._field(field, model) for field in model.fields},
            description=model.about,
        )

    def _object(self, name: str) -> GraphQLObjectType:
        made = self.of(name)
        assert isinstance(made, GraphQLObjectType)  # variants have no variants
        return made

    def _field(self, field: Field, model: Model) -> GraphQLField:
        kind: Any = _KINDS[field.kind] if field.model is None else self.of(field.model.name)
        if field.is_list:
            kind = GraphQLList(GraphQLNonNull(kind))
        if not field.is_nullable and not _may_be_left_out(field, model):
            kind = GraphQLNonNull(kind)
        return GraphQLField(kind, resolve=_reading(field.name), description=field.about)


def _type_name(model: Model) -> str:
    return model.name[:1].upper() + model.name[1:]


def _name(field: Field) -> str:
    return field.name.replace("$", "_")


def _may_be_left_out(field: Field, model: Model) -> bool:
    """Of rows from which a query of the list may select."""
    return model.name in _trimmed() and not field.name.startswith("$")


@cache
def _trimmed() -> frozenset[str]:
    fields = (item for model in MODELS.values() for item in model.fields)
    return frozenset(item.model.name for item in fields if item.is_trimmed and item.model)


def _reading(name: str) -> Any:
    return lambda value, info: value.get(name)


def _as_text(value: Any, info: GraphQLResolveInfo[Any]) -> str:
    return msgspec.json.encode(value).decode()


def _nothing() -> GraphQLObjectType:
    """A type needs a field."""
    status = GraphQLField(GraphQLNonNull(GraphQLString), resolve=lambda value, info: OK)
    return GraphQLObjectType("None", {"status": status}, description="There is nothing to say.")
