"""The GraphQL schema against the table that it is made from, and the bounds of queries."""

from typing import Any

import pytest
from graphql import GraphQLNonNull, GraphQLUnionType, get_introspection_query, parse

from runwright.api.graphql.bounds import (
    MAX_DEPTH,
    MAX_RENAMED,
    MAX_SCHEMA_LISTS,
    MAX_SCHEMA_RENAMED,
    MAX_UNITS,
    Weight,
    weight,
)
from runwright.api.graphql.requests import TooComplex
from runwright.api.graphql.schema import build, is_field
from runwright.api.openapi.operations import operation_id
from tools.api_reference import table

SCHEMA: Any = build(table())
FIELDS = {**SCHEMA.query_type.fields, **SCHEMA.mutation_type.fields}


def test_each_operation_with_json_is_a_field_of_the_root_that_fits() -> None:
    for route in table():
        name = operation_id(route)
        reads = route.method == "GET"
        assert (name in SCHEMA.query_type.fields) == (is_field(route) and reads), name
        assert (name in SCHEMA.mutation_type.fields) == (is_field(route) and not reads), name
    left_out = {route.name for route in table() if not is_field(route)}
    assert left_out >= {
        "ping.get",
        "openapi.get",
        "graphql.get",
        "graphql.query",
        "graphql.mutation",
        "events.create",
        "functions.getDeploymentDownload",
        "functions.getExecutionLogs",
    }


@pytest.mark.parametrize(
    ("field", "argument", "type_"),
    [
        ("functionsCreateExecution", "functionId", "String!"),
        ("functionsCreateExecution", "async", "Boolean"),
        ("functionsCreateExecution", "headers", "Assoc"),
        ("functionsCreate", "execute", "[String]"),
        ("functionsCreate", "timeout", "Int"),
        ("functionsCreateDeployment", "code", "InputFile!"),
        ("usersUpdateEmail", "email", "String!"),
        ("accountUpdatePrefs", "prefs", "Assoc!"),
        ("projectUpdateService", "serviceId", "String!"),
    ],
)
def test_arguments_have_the_types_of_the_parameters(field: str, argument: str, type_: str) -> None:
    assert str(FIELDS[field].args[argument].type) == type_


@pytest.mark.parametrize(
    ("type_", "field", "shown"),
    [
        ("Account", "_id", "String!"),
        ("Account", "prefs", "Preferences!"),
        ("Account", "emailCanonical", "String"),
        ("Preferences", "data", "String!"),
        ("Function", "vars", "[Variable!]!"),
        ("Function", "retry", "Retry"),
        ("Execution", "duration", "Float!"),
        ("Execution", "requestHeaders", "[Headers!]!"),
        ("Deployment", "_createdAt", "String!"),
        ("Deployment", "status", "String"),  # a list may leave it out
        ("User", "hashOptions", "Json"),
        ("None", "status", "String!"),
    ],
)
def test_results_have_the_types_of_the_models(type_: str, field: str, shown: str) -> None:
    assert str(SCHEMA.type_map[type_].fields[field].type) == shown


def test_models_with_variants_are_unions() -> None:
    union = SCHEMA.type_map["Platform"]
    assert isinstance(union, GraphQLUnionType)
    assert {item.name for item in union.types} >= {"PlatformWeb", "PlatformApple"}


def test_what_a_path_needs_must_be_given() -> None:
    for route in table():
        for name in [part[1:-1] for part in route.paths[0].split("/") if part.startswith("{")]:
            if is_field(route):
                kind = FIELDS[operation_id(route)].args[name].type
                assert isinstance(kind, GraphQLNonNull), (route.name, name)


# Bounds


def weighed(text: str) -> Weight:
    return weight(parse(text))


def test_fields_are_counted_wherever_they_stand() -> None:
    assert weighed("{ a b { c d } ... on Query { e } }").units == 5
    assert weighed("query x { a } query y { b { c } }").units == 3


def test_a_fragment_costs_what_it_holds_each_time() -> None:
    text = "{ a { ...f } b { ...f } } fragment f on X { c d { e } }"
    assert weighed(text) == Weight(units=8, depth=3)


def test_fragments_of_fragments_cost_no_time() -> None:
    count = 200  # two to the 200th fields
    text = "{ ...f0 } " + " ".join(
        f"fragment f{at} on Query {{ ...f{at + 1} ...f{at + 1} }}" for at in range(count)
    )
    with pytest.raises(TooComplex, match="fields"):
        weighed(f"{text} fragment f{count} on Query {{ a }}")


def test_a_fragment_that_holds_itself_is_left_to_validation() -> None:
    assert weighed("{ ...f } fragment f on Query { a ...f }").units <= 2


def test_a_query_has_at_most_so_many_fields_and_levels() -> None:
    weighed("{" + " ".join(f"a{at}: a" for at in range(MAX_UNITS)) + "}")
    with pytest.raises(TooComplex, match="251 fields"):
        weighed("{" + " ".join(f"a{at}: a" for at in range(MAX_UNITS + 1)) + "}")
    weighed("{a" * MAX_DEPTH + "}" * MAX_DEPTH)
    with pytest.raises(TooComplex, match="9 levels"):
        weighed("{a" * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1))


def test_what_is_asked_of_each_row_is_not_multiplied_by_other_names() -> None:
    names = " ".join(f"a{at}: name" for at in range(MAX_RENAMED + 1))
    for text in (
        f"{{ rows {{ {names} }} }}",
        f"{{ rows {{ ...f }} }} fragment f on X {{ {names} }}",
        f"{{ rows {{ ... on X {{ {names} }} }} }}",
    ):
        with pytest.raises(TooComplex, match="names of its own"):
            weighed(text)
    roots = " ".join(f"a{at}: one {{ id: _id }}" for at in range(MAX_RENAMED))
    assert weighed(f"{{ {roots} }}").renamed == MAX_RENAMED


def test_the_schema_is_not_multiplied_by_other_names() -> None:
    names = " ".join(f"a{at}: name" for at in range(MAX_SCHEMA_RENAMED + 1))
    with pytest.raises(TooComplex, match="renamed fields of introspection"):
        weighed(f"{{ __schema {{ types {{ fields {{ {names} }} }} }} }}")


def test_queries_of_one_request_are_weighed_together() -> None:
    half = parse("{" + " ".join(f"a{at}: a" for at in range(MAX_UNITS // 2 + 1)) + "}")
    first = weight(half)
    with pytest.raises(TooComplex, match=f"{MAX_UNITS + 2} fields"):
        weight(half, first)


def test_what_clients_ask_about_the_schema_is_allowed() -> None:
    text = get_introspection_query(input_value_deprecation=True, specified_by_url=True)
    assert weighed(text).units == 0


def test_lists_of_the_schema_do_not_multiply_without_end() -> None:
    deep = "fields { type { " * MAX_SCHEMA_LISTS + "name" + "}}" * MAX_SCHEMA_LISTS
    with pytest.raises(TooComplex, match="of introspection"):
        weighed("{ __schema { types { " + deep + " } } }")
    many = " ".join(f"t{at}: types {{ name }}" for at in range(MAX_SCHEMA_LISTS + 1))
    with pytest.raises(TooComplex, match="lists"):
        weighed("{ __schema { " + many + " } }")
