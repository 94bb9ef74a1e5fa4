"""How much a query may ask for, counted before anything of it is validated or run.

A field is one unit, wherever it stands; a fragment costs what it holds each time it is used. The
queries of one request are weighed together. What is asked of each row of a list is answered as
often as there are rows: new names for one field are counted, as without them a row has no more
than its model. Introspection has bounds of its own, since what clients usually ask is deep: its
lists multiply, so they are counted.
"""

from dataclasses import replace
from enum import Enum, auto
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
from runwright.values import dataclass

MAX_UNITS: Final = 250
MAX_DEPTH: Final = 8
MAX_RENAMED: Final = 100  # fields below the roots
MAX_SCHEMA_UNITS: Final = 500
MAX_SCHEMA_DEPTH: Final = 20
MAX_SCHEMA_LISTS: Final = 12
MAX_SCHEMA_RENAMED: Final = 10
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
    renamed: int = 0
    schema_units: int = 0
    schema_depth: int = 0
    schema_lists: int = 0
    schema_renamed: int = 0

    def beside(self, other: "Weight") -> "Weight":
        return Weight(
            self.units + other.units,
            max(self.depth, other.depth),
            self.renamed + other.renamed,
            self.schema_units + other.schema_units,
            max(self.schema_depth, other.schema_depth),
            self.schema_lists + other.schema_lists,
            self.schema_renamed + other.schema_renamed,
        )


NOTHING: Final = Weight()


def weight(document: DocumentNode, before: Weight = NOTHING) -> Weight:
    """Of all operations of the document, and of what came `before` in the same request. Fragments
    that contain themselves count once; validation refuses them. Raises TooComplex."""
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    scales = _Scales(fragments)
    own = NOTHING
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            own = own.beside(scales.of(node.selection_set, _Place.ROOT))
    total = before.beside(own)
    _require(total.units, MAX_UNITS, "fields")
    _require(total.depth, MAX_DEPTH, "levels")
    _require(total.renamed, MAX_RENAMED, "fields with names of its own")
    _require(total.schema_units, MAX_SCHEMA_UNITS, "fields of introspection")
    _require(total.schema_depth, MAX_SCHEMA_DEPTH, "levels of introspection")
    _require(total.schema_lists, MAX_SCHEMA_LISTS, "lists of introspection")
    _require(total.schema_renamed, MAX_SCHEMA_RENAMED, "renamed fields of introspection")
    return total


def _require(count: int, most: int, what: str) -> None:
    if count > most:
        raise TooComplex(
            f"The request has {count} {what}; at most {most} are allowed. Ask for less."
        )


class _Place(Enum):
    """Where a selection stands."""

    ROOT = auto()
    INSIDE = auto()
    SCHEMA = auto()


class _Scales:
    """Each fragment is weighed once, so nested ones cost no more time than their text."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[tuple[str, _Place], Weight] = {}

    def of(self, selections: SelectionSetNode | None, place: _Place) -> Weight:
        total = NOTHING
        for node in selections.selections if selections is not None else ():
            if isinstance(node, FieldNode):
                total = total.beside(self._field(node, place))
            elif isinstance(node, InlineFragmentNode):
                total = total.beside(self.of(node.selection_set, place))
            elif isinstance(node, FragmentSpreadNode):
                total = total.beside(self._fragment(node.name.value, place))
        return total

    def _field(self, node: FieldNode, place: _Place) -> Weight:
        name = node.name.value
        is_renamed = node.alias is not None and place is not _Place.ROOT
        if place is _Place.SCHEMA or name in _SCHEMA:
            inner = self.of(node.selection_set, _Place.SCHEMA)
            return replace(
                inner,
                schema_units=inner.schema_units + 1,
                schema_depth=inner.schema_depth + 1,
                schema_lists=inner.schema_lists + (place is _Place.SCHEMA and name in _LISTS),
                schema_renamed=inner.schema_renamed + is_renamed,
            )
        inner = self.of(node.selection_set, _Place.INSIDE)
        return replace(
            inner,
            units=inner.units + 1,
            depth=inner.depth + 1,
            renamed=inner.renamed + is_renamed,
        )

    def _fragment(self, name: str, place: _Place) -> Weight:
        key = name, place
        if key not in self._known:
            self._known[key] = NOTHING  # for one that contains itself
            found = self._fragments.get(name)
            if found is not None:
                self._known[key] = self.of(found.selection_set, place)
        return self._known[key]
