"""Types that GraphQL does not have: free JSON, and files."""

from typing import Any, Final

import msgspec
from graphql import GraphQLError, GraphQLScalarType, ValueNode, value_from_ast_untyped

from runwright.api.routing import Upload


def _as_it_is(value: Any) -> Any:
    return value


def _object(value: Any) -> Any:
    """An object, or the text of one: that is how it is written inside a query."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise GraphQLError("An object, or a text that holds one as JSON, is needed.") from exc


def _object_literal(node: ValueNode, variables: Any = None) -> Any:
    return _object(value_from_ast_untyped(node, variables))


def _file(value: Any) -> Any:
    if not isinstance(value, Upload):
        raise GraphQLError(
            "A file is sent as a part of a multipart request whose `map` leads to this variable."
        )
    return value


def _no_file(node: ValueNode, variables: Any = None) -> Any:
    raise GraphQLError("A file cannot be written inside a query. Use a variable.")


JSON: Final = GraphQLScalarType(
    "Json", description="Any JSON value.", serialize=_as_it_is, parse_value=_as_it_is
)
ASSOC: Final = GraphQLScalarType(
    "Assoc",
    description="A JSON object, or the text of one.",
    serialize=_as_it_is,
    parse_value=_object,
    parse_literal=_object_literal,
)
FILE: Final = GraphQLScalarType(
    "InputFile",
    description="A file of a multipart request.",
    serialize=_as_it_is,
    parse_value=_file,
    parse_literal=_no_file,
)
