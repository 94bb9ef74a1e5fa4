"""A parsed list query: filters, order, page. Pure values; `api/queries.py` makes them."""

from typing import Final, Generic, TypeVar

from runwright.values import dataclass

T = TypeVar("T")

MAX_TOTAL: Final = 5000  # list answers never count further


@dataclass(frozen=True, slots=True)
class Filter:
    """`attribute method values`; for `and`/`or` the values are filters and attribute is ""."""

    method: str
    attribute: str  # wire name, such as deploymentId or $createdAt
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Order:
    attribute: str  # wire name; "$sequence" is creation order
    is_descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    filters: tuple[Filter, ...] = ()
    orders: tuple[Order, ...] = ()
    is_random: bool = False
    limit: int = 25
    offset: int = 0
    cursor: str = ""  # id of a row; "" = none
    is_cursor_before: bool = False
    select: tuple[str, ...] = ()  # () = everything
    search: str = ""
    with_total: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    total: int  # matches of the filters, at most MAX_TOTAL; 0 when not asked for
