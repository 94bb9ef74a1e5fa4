"""What every list endpoint shares: parameters, errors, shape of the answer."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from runwright.api.params import Bool, ListOf, Text
from runwright.api.queries import MAX_QUERIES, MAX_QUERY_CHARS, Attributes, parse_queries
from runwright.api.routing import Answer
from runwright.errors import CursorNotFound, OrderByNull
from runwright.model.query import ListQuery, Page
from runwright.ports.storage import CursorMissing, CursorOrderNull
from runwright.values import dataclass

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Parameters of a list; subclass it to add more."""

    queries: Annotated[tuple[str, ...], ListOf(Text(MAX_QUERY_CHARS), MAX_QUERIES)] = ()
    total: Annotated[bool, Bool(is_loose=True)] = True

    def query(self, allowed: Attributes, *, default_limit: int = 25) -> ListQuery:
        """Raises BadArgument that names the offending query."""
        return parse_queries(
            self.queries, allowed, with_total=self.total, default_limit=default_limit
        )


@dataclass(frozen=True, kw_only=True)
class SearchListing(Listing):
    search: Annotated[str, Text(256, least=0)] = ""

    def query(self, allowed: Attributes, *, default_limit: int = 25) -> ListQuery:
        return parse_queries(
            self.queries,
            allowed,
            search=self.search,
            with_total=self.total,
            default_limit=default_limit,
        )


@contextmanager
def cursor_errors(noun: str) -> Iterator[None]:
    """Around the reading of a page: storage's cursor failures get their public names."""
    try:
        yield
    except CursorMissing as exc:
        raise CursorNotFound(noun, exc.item_id) from exc
    except CursorOrderNull as exc:
        raise OrderByNull(exc.attribute) from exc


def listed(
    model: str, plural: str, page: Page[T], shape: Callable[[T], Mapping[str, Any]]
) -> Answer:
    """`model` is the list's, such as functionList."""
    return Answer(
        content={"total": page.total, plural: [shape(item) for item in page.items]}, model=model
    )


def listed_all(
    model: str,
    plural: str,
    items: list[T] | tuple[T, ...],
    shape: Callable[[T], Mapping[str, Any]],
    *,
    with_total: bool = True,
) -> Answer:
    """A list that is not paged."""
    page = Page(tuple(items), len(items) if with_total else 0)
    return listed(model, plural, page, shape)
