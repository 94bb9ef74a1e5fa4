"""Types that GraphQL does not have: free JSON, and files."""

from typing import Any, Final

import msgspec
from graphql import GraphQLError, GraphQLScalarType, ValueNode, value_from_ast_untyped

from runwright.api.routing import Upload


def _as_it_is(value: Any) -> Any:
    return value


def _plain(value: Any) -> Any:
    """What a variable holds. A file would be stored with what it says of this server."""
    if _holds_file(value):
        raise GraphQLError("A file cannot be a part of an object.")
    return value


def _holds_file(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_file, value.values()))
    if isinstance(value, list):
        return any(map(_holds_file, value))
    return isinstance(value, Upload)


def _object(value: Any) -> Any:
    """An object, or the text of one: that is how it is written inside a query."""
    if not isinstance(value, str):
        return _plain(value)
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
    "Json", description="Any JSON value.", serialize=_as_it_is, parse_value=_plain
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
