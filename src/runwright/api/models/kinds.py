"""What a response model is made of: fields in the order in which they are sent.

A model is declared once, beside those of its area; the OpenAPI description and the GraphQL schema
are made from it, and the tests hold every answer they see against it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Final

from runwright.values import dataclass

Schema = dict[str, Any]


class Kind(StrEnum):
    TEXT = "string"
    WHOLE = "integer"
    NUMBER = "number"
    FLAG = "boolean"
    MOMENT = "date-time"
    FREE = "object"  # any JSON object
    MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A JSON object. One with variants is any of these, told apart by the field `tag`; one with
    `each` is a bare list of such."""

    name: str
    about: str
    fields: tuple["Field", ...] = ()
    is_free: bool = False  # its members are the clients' own
    each: "Model | None" = None
    tag: str = ""
    variants: Mapping[str, "Model"] = field(default_factory=dict)  # by the value of the tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    name: str
    about: str
    kind: Kind
    model: Model | None = None
    words: tuple[str, ...] = ()  # the only values there are
    is_list: bool = False
    is_nullable: bool = False
    may_be_empty: bool = False  # of a moment: "" when there is none
    is_trimmed: bool = False  # of a model: callers may ask for some of its fields alone


def text(name: str, about: str, *, words: Iterable[str] = (), null: bool = False) -> Field:
    return Field(name=name, about=about, kind=Kind.TEXT, words=tuple(words), is_nullable=null)


def texts(name: str, about: str, *, words: Iterable[str] = ()) -> Field:
    return Field(name=name, about=about, kind=Kind.TEXT, words=tuple(words), is_list=True)


def whole(name: str, about: str) -> Field:
    return Field(name=name, about=about, kind=Kind.WHOLE)


def number(name: str, about: str) -> Field:
    return Field(name=name, about=about, kind=Kind.NUMBER)


def flag(name: str, about: str, *, null: bool = False) -> Field:
    return Field(name=name, about=about, kind=Kind.FLAG, is_nullable=null)


def moment(name: str, about: str, *, empty: bool = False, null: bool = False) -> Field:
    return Field(name=name, about=about, kind=Kind.MOMENT, may_be_empty=empty, is_nullable=null)


def free(name: str, about: str, *, null: bool = False) -> Field:
    return Field(name=name, about=about, kind=Kind.FREE, is_nullable=null)


def frees(name: str, about: str) -> Field:
    return Field(name=name, about=about, kind=Kind.FREE, is_list=True)


def one(name: str, model: Model, about: str, *, null: bool = False) -> Field:
    return Field(name=name, about=about, kind=Kind.MODEL, model=model, is_nullable=null)


def many(name: str, model: Model, about: str, *, trimmed: bool = False) -> Field:
    return Field(
        name=name, about=about, kind=Kind.MODEL, model=model, is_list=True, is_trimmed=trimmed
    )


ID: Final = text("$id", "Its id.")
CREATED: Final = moment("$createdAt", "When it was created.")
UPDATED: Final = moment("$updatedAt", "When it was last changed.")
ROW: Final = (ID, CREATED, UPDATED)


def listing(plural: str, model: Model, *, name: str = "", trimmed: bool = False) -> Model:
    """A page of a list. `total` counts all there are, or is 0 where no total was asked for."""
    return Model(
        name=name or f"{model.name}List",
        about=f"A page of {plural}.",
        fields=(
            whole("total", f"How many {plural} there are in all; 0 when no total was asked for."),
            many(plural, model, "Those of this page.", trimmed=trimmed),
        ),
    )
