"""Keyset pages: rows after or before a cursor, at the same cost anywhere in the list."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter, ge, gt, le, lt
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from models.queries.comparisons import ColumnSource, column_parameter
from models.queries.flows import MATCHES, Ordering, order_by, share_matches

# The side of a cursor. The values of a cursor are the parameters `after_<name>` or `before_<name>`,
# one for each term of the ordering.
Side: TypeAlias = Literal["after", "before"]
Terms: TypeAlias = Sequence[Ordering]
Comparator: TypeAlias = Callable[[Any, Any], ColumnElement[bool]]

# The comparator by (is descending, includes equal rows).
COMPARATORS: dict[tuple[bool, bool], Comparator] = {
    (False, False): gt,
    (False, True): ge,
    (True, False): lt,
    (True, True): le,
}


class KeysetRows(Protocol):
    """The rows of a list, without an order."""

    def __hash__(self) -> int: ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the selected columns."""
        ...

    @property
    def cursor_prefix(self) -> str:
        """The start of the ordering in cursors, which differs from that of other lists."""
        ...

    @property
    def sort_columns(self) -> ColumnSource:
        """The expressions of the columns that the rows can be sorted by."""
        ...

    @property
    def key(self) -> str:
        """The unique sort column that identifies the rows of a page."""
        ...

    @property
    def has_conditions(self) -> bool:
        """True if finding the matching rows takes more than reading a part of an index."""
        ...

    @property
    def is_selective(self) -> bool:
        """True if few rows match, which should be selected before they are sorted.

        Without statistics, PostgreSQL would search all rows in their order.
        """
        ...

    @property
    def sorts_in_place(self) -> bool:
        """True if whole rows are sorted; otherwise the keys of the page are selected first."""
        ...

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the matching rows."""
        ...

    def select_by_key(self, keys: Select[str], /) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the rows with these keys, all of which match."""
        ...

    def select_matches(self, ordering: Terms, /) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the keys and the sort columns of the matching rows."""
        ...

    def select_count(self) -> Select[int]:
        """Return the SELECT of the number of matching rows."""
        ...


class KeysetPage(NamedTuple):
    """SELECT the first rows between two cursors, or the last.

    The columns are those of `rows`; if counted, the number of matching rows; and with
    `needs_opposite_side`, whether there is a row at the start cursor or on its other side. The
    ordering must be complete; the rows of a backward page are in reverse order. Parameters: those
    of `rows`, the cursors and `limit`.
    """

    rows: KeysetRows
    ordering: tuple[Ordering, ...]
    is_backward: bool
    has_after: bool
    has_before: bool
    is_counted: bool
    needs_opposite_side: bool

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the page, in the direction of reading.

        As in an OffsetPage, the keys are selected before columns outside the table itself.
        """
        sort_columns, matches = self.rows.sort_columns, self._build_shared_matches()
        if self._sorts_in_place and matches is None:
            page = (
                self.rows.select()
                .where(*self._build_cursor_conditions(sort_columns))
                .limit(_build_limit())
            )
        else:
            page = self.rows.select_by_key(self._select_keys(matches))
        page = page.add_columns(*self._build_page_info(matches))
        return page.order_by(*order_by(self._direction, sort_columns))

    def select_page_info(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the columns after those of the rows, with one row."""
        return select(*self._build_page_info(self._build_shared_matches()))

    @property
    def _sorts_in_place(self) -> bool:
        """True if whole rows are sorted, and an index can provide the order."""
        return self.rows.sorts_in_place and len(_split_by_direction(self.ordering)) == 1

    @property
    def _direction(self) -> tuple[Ordering, ...]:
        return _reverse(self.ordering) if self.is_backward else self.ordering

    def _build_shared_matches(self) -> FromClause | None:
        """Return the matching rows if the filter is evaluated once, before they are sorted."""
        is_shared = self.is_counted and self.rows.has_conditions
        if not (is_shared or self.rows.is_selective):
            return None
        return share_matches(self.rows.select_matches(self.ordering))

    def _select_keys(self, shared: FromClause | None) -> Select[str]:
        matches = self._select_matches(shared)
        keys = (
            select(matches.c[self.rows.key])
            .where(*self._build_cursor_conditions(matches.c))
            .limit(_build_limit())
        )
        return keys.order_by(*order_by(self._direction, matches.c))

    def _select_matches(self, shared: FromClause | None) -> FromClause:
        if shared is None:
            return self.rows.select_matches(self.ordering).subquery(MATCHES)
        return shared

    def _build_cursor_conditions(self, columns: ColumnSource) -> Iterator[ColumnElement[bool]]:
        if self.has_after:
            yield _after_cursor(self.ordering, columns, "after")
        if self.has_before:
            yield _after_cursor(_reverse(self.ordering), columns, "before")

    def _build_page_info(self, shared: FromClause | None) -> Iterator[ColumnElement[Any]]:
        if self.is_counted:
            yield self._build_count(shared).correlate(None).scalar_subquery()
        if self.needs_opposite_side:
            yield self._build_opposite_side(self._select_matches(shared))

    def _build_count(self, shared: FromClause | None) -> Select[int]:
        if shared is None:
            return self.rows.select_count()
        return select(func.count()).select_from(shared)

    def _build_opposite_side(self, matches: FromClause) -> ColumnElement[bool]:
        side: Side = "before" if self.is_backward else "after"
        ordering = self.ordering if self.is_backward else _reverse(self.ordering)
        condition = _after_cursor(ordering, matches.c, side, or_equal=True)
        return exists().select_from(matches).where(condition).correlate(None)


class PageInfoQuery(NamedTuple):
    """SELECT the page information of a page without rows, with the parameters of the page."""

    page: KeysetPage

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, with one row."""
        return self.page.select_page_info()


def cursor_values(
    side: Side, values: Sequence[Any], ordering: Sequence[Ordering]
) -> dict[str, Any]:
    """Return the parameters of a cursor with these values of the ordering."""
    return {f"{side}_{term.name}": value for term, value in zip(ordering, values, strict=True)}


def _reverse(ordering: Terms) -> tuple[Ordering, ...]:
    return tuple(Ordering(term.name, not term.descending) for term in ordering)


def _build_limit() -> ColumnElement[int]:
    return bindparam("limit", type_=Integer)


def _after_cursor(
    ordering: Terms, columns: ColumnSource, side: Side, *, or_equal: bool = False
) -> ColumnElement[bool]:
    """Return the condition that a row comes after a cursor, in a form that can use an index."""
    terms = _split_by_direction(ordering)[0]
    rest = ordering[len(terms) :]
    if not rest:
        return _compare(terms, columns, side, or_equal=or_equal)
    return and_(
        _compare(terms, columns, side, or_equal=True),
        or_(
            _compare(terms, columns, side, or_equal=False),
            _after_cursor(rest, columns, side, or_equal=or_equal),
        ),
    )


def _split_by_direction(ordering: Terms) -> Sequence[Terms]:
    """Split an ordering into terms of one direction, which one row comparison can cover."""
    return [tuple(terms) for _, terms in groupby(ordering, attrgetter("descending"))]


def _compare(
    terms: Terms, columns: ColumnSource, side: Side, *, or_equal: bool
) -> ColumnElement[bool]:
    row = [columns[term.name] for term in terms]
    cursor = [column_parameter(f"{side}_{term.name}", columns[term.name]) for term in terms]
    comparator = COMPARATORS[terms[0].descending, or_equal]
    if len(terms) == 1:
        return comparator(*row, *cursor)
    return comparator(tuple_(*row), tuple_(*cursor))
