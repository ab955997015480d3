"""Keyset pages: flows after or before a cursor, at the same cost anywhere in the list."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter, ge, gt, le, lt
from typing import Any, Literal, NamedTuple, TypeAlias

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
from sqlmodel import col

from models.queries.arrays import InSubquery
from models.queries.conditions import ColumnSource, column_parameter
from models.queries.flows import (
    SORT_COLUMNS,
    FlowCount,
    Flows,
    Ordering,
    build_shared_matches,
    order_by,
    select_matches,
)
from models.tables.flow import Flow

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


class KeysetPage(NamedTuple):
    """SELECT the first flows between two cursors, or the last.

    The columns are those of `flows`; if counted, the number of flows that match the filter; and
    with `needs_opposite_side`, whether there is a flow at the start cursor or on its other side.
    The ordering must be complete; the rows of a backward page are in reverse order. Parameters:
    those of `flows`, the cursors and `limit`.
    """

    flows: Flows
    ordering: tuple[Ordering, ...]
    is_backward: bool
    has_after: bool
    has_before: bool
    is_counted: bool
    needs_opposite_side: bool

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the page, in the direction of reading.

        As in an OffsetPage, the slugs are selected before columns outside the flow's own row.
        """
        matches = self._build_shared_matches()
        if self._sorts_in_place and matches is None:
            page = (
                self.flows.select()
                .where(*self._build_cursor_conditions(SORT_COLUMNS))
                .limit(_build_limit())
            )
        else:
            slugs = self._select_slugs(matches)
            page = self.flows.select_all().where(InSubquery(col(Flow.slug), slugs))
        page = page.add_columns(*self._build_page_info(matches))
        return page.order_by(*order_by(self._direction, SORT_COLUMNS))

    def select_page_info(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT of the columns after those of the flows, with one row."""
        return select(*self._build_page_info(self._build_shared_matches()))

    @property
    def _sorts_in_place(self) -> bool:
        """True if whole rows are sorted, and an index can provide the order."""
        return self.flows.sorts_in_place and len(_split_by_direction(self.ordering)) == 1

    @property
    def _direction(self) -> tuple[Ordering, ...]:
        return _reverse(self.ordering) if self.is_backward else self.ordering

    def _build_shared_matches(self) -> FromClause | None:
        """Return the matching flows if the page and the count share one evaluation of the filter."""
        if not (self.is_counted and self.flows.filter.has_conditions):
            return None
        return build_shared_matches(self.flows.filter, self.ordering)

    def _select_slugs(self, shared: FromClause | None) -> Select[str]:
        matches = self._select_matches(shared)
        slugs = (
            select(matches.c.slug)
            .where(*self._build_cursor_conditions(matches.c))
            .limit(_build_limit())
        )
        return slugs.order_by(*order_by(self._direction, matches.c))

    def _select_matches(self, shared: FromClause | None) -> FromClause:
        return select_matches(self.flows.filter, self.ordering) if shared is None else shared

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
            return FlowCount(self.flows.filter).select()
        return select(func.count()).select_from(shared)

    def _build_opposite_side(self, matches: FromClause) -> ColumnElement[bool]:
        side: Side = "before" if self.is_backward else "after"
        ordering = self.ordering if self.is_backward else _reverse(self.ordering)
        condition = _after_cursor(ordering, matches.c, side, or_equal=True)
        return exists().select_from(matches).where(condition).correlate(None)


class PageInfoQuery(NamedTuple):
    """SELECT the page information of a page without flows, with the parameters of the page."""

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
