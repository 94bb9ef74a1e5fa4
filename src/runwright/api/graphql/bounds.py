"""How much a query may ask for, counted before anything of it is validated or run.

A field is one unit, wherever it stands; a fragment costs what it holds each time it is used.
Introspection has bounds of its own, since what clients usually ask is deep: its lists multiply,
so they are counted.
"""

from dataclasses import dataclass
from typing import Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from runwright.api.graphql.requests import TooComplex

MAX_UNITS: Final = 250
MAX_DEPTH: Final = 8
MAX_SCHEMA_UNITS: Final = 500
MAX_SCHEMA_DEPTH: Final = 20
MAX_SCHEMA_LISTS: Final = 12
_LISTS: Final = frozenset(
    {
        "args",
        "directives",
        "enumValues",
        "fields",
        "inputFields",
        "interfaces",
        "possibleTypes",
        "types",
    }
)
_SCHEMA: Final = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class Weight:
    units: int = 0
    depth: int = 0
    schema_units: int = 0
    schema_depth: int = 0
    schema_lists: int = 0

    def beside(self, other: "Weight") -> "Weight":
        return Weight(
            self.units + other.units,
            max(self.depth, other.depth),
            self.schema_units + other.schema_units,
            max(self.schema_depth, other.schema_depth),
            self.schema_lists + other.schema_lists,
        )


def weight(document: DocumentNode) -> Weight:
    """Of all operations of the document. Fragments that contain themselves count once; validation
    refuses them. Raises TooComplex."""
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    scales = _Scales(fragments)
    total = Weight()
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            total = total.beside(scales.of(node.selection_set, in_schema=False))
    _require(total.units, MAX_UNITS, "fields")
    _require(total.depth, MAX_DEPTH, "levels")
    _require(total.schema_units, MAX_SCHEMA_UNITS, "fields of introspection")
    _require(total.schema_depth, MAX_SCHEMA_DEPTH, "levels of introspection")
    _require(total.schema_lists, MAX_SCHEMA_LISTS, "lists of introspection")
    return total


def _require(count: int, most: int, what: str) -> None:
    if count > most:
        raise TooComplex(f"The query has {count} {what}; at most {most} are allowed. Ask for less.")


class _Scales:
    """Each fragment is weighed once, so nested ones cost no more time than their text."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[tuple[str, bool], Weight] = {}

    def of(self, selections: SelectionSetNode | None, *, in_schema: bool) -> Weight:
        total = Weight()
        for node in selections.selections if selections is not None else ():
            if isinstance(node, FieldNode):
                total = total.beside(self._field(node, in_schema=in_schema))
            elif isinstance(node, InlineFragmentNode):
                total = total.beside(self.of(node.selection_set, in_schema=in_schema))
            elif isinstance(node, FragmentSpreadNode):
                total = total.beside(self._fragment(node.name.value, in_schema=in_schema))
        return total

    def _field(self, node: FieldNode, *, in_schema: bool) -> Weight:
        name = node.name.value
        if in_schema or name in _SCHEMA:
            inner = self.of(node.selection_set, in_schema=True)
            is_list = in_schema and name in _LISTS
            return Weight(
                schema_units=inner.schema_units + 1,
                schema_depth=inner.schema_depth + 1,
                schema_lists=inner.schema_lists + is_list,
            )
        inner = self.of(node.selection_set, in_schema=False)
        return Weight(
            inner.units + 1,
            inner.depth + 1,
            inner.schema_units,
            inner.schema_depth,
            inner.schema_lists,
        )

    def _fragment(self, name: str, *, in_schema: bool) -> Weight:
        key = name, in_schema
        if key not in self._known:
            self._known[key] = Weight()  # for one that contains itself
            found = self._fragments.get(name)
            if found is not None:
                self._known[key] = self.of(found.selection_set, in_schema=in_schema)
        return self._known[key]
