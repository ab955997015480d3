"""A page of flows that begins or ends at one of them, and costs the same wherever that lies."""

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
from models.queries.conditions import Columns, column_parameter
from models.queries.flows import SORTABLE, Flows, Ordering, order_by, select_matches
from models.tables.flow import Flow

# The ends of a page; a cursor's values are the parameters `after_name`, or `before_name`, of each
# term's name.
Side: TypeAlias = Literal["after", "before"]
Run: TypeAlias = Sequence[Ordering]
Compare: TypeAlias = Callable[[Any, Any], ColumnElement[bool]]

# By whether the run descends, and whether what is equal counts as behind.
COMPARE: dict[tuple[bool, bool], Compare] = {
    (False, False): gt,
    (False, True): ge,
    (True, False): lt,
    (True, True): le,
}


class KeysetPage(NamedTuple):
    """What is told of the flows between two cursors, but for the values: the first, or the last.

    A row is that of `flows`; behind it, if asked for, how many are admitted, wherever they lie, and
    whether there is any on the other side of the cursor that the page starts from, or at it. The
    ordering is `complete`; a backward page comes in its reverse. Besides the parameters of Flows
    there are those of the cursors, and `limit`.
    """

    flows: Flows
    ordering: tuple[Ordering, ...]
    is_backward: bool
    has_after: bool
    has_before: bool
    is_counted: bool
    has_opposite_side: bool

    def select(self) -> Select[*tuple[Any, ...]]:
        """The page, in the order that it is read.

        As in a listing, what takes more than a flow's own row is told when its slug is found.
        """
        found = self._shared_matches()
        if self._sorts_in_place and found is None:
            page = self.flows.select().where(*self._between(SORTABLE)).limit(_limit())
        else:
            page = self.flows.select_all().where(InSubquery(col(Flow.slug), self._slugs(found)))
        page = page.add_columns(*self._page_info(found))
        return page.order_by(*order_by(self._direction, SORTABLE))

    def select_page_info(self) -> Select[*tuple[Any, ...]]:
        """What is behind a row's flow, where no flow is found: one row."""
        return select(*self._page_info(self._shared_matches()))

    @property
    def _sorts_in_place(self) -> bool:
        """Whether a flow may be told as it is found: nothing of it is sorted, if an index can do that."""
        return self.flows.sorts_in_place and len(_runs(self.ordering)) == 1

    @property
    def _direction(self) -> tuple[Ordering, ...]:
        return _reversed(self.ordering) if self.is_backward else self.ordering

    def _shared_matches(self) -> FromClause | None:
        """The admitted flows, where they are better found once for all that is asked."""
        if not (self.is_counted and self.flows.filter.is_narrow):
            return None
        found = select_matches(self.flows.filter, self.ordering).element.cte("hits")
        return found.prefix_with("MATERIALIZED", dialect="postgresql")

    def _slugs(self, found: FromClause | None) -> Select[str]:
        among = select_matches(self.flows.filter, self.ordering) if found is None else found
        slugs = select(among.c.slug).where(*self._between(among.c)).limit(_limit())
        return slugs.order_by(*order_by(self._direction, among.c))

    def _between(self, columns: Columns) -> Iterator[ColumnElement[bool]]:
        if self.has_after:
            yield _after_cursor(self.ordering, columns, "after")
        if self.has_before:
            yield _after_cursor(_reversed(self.ordering), columns, "before")

    def _page_info(self, found: FromClause | None) -> Iterator[ColumnElement[Any]]:
        admitted = self.flows.filter
        if self.is_counted:
            counted = (
                admitted.select() if found is None else select(func.count()).select_from(found)
            )
            yield counted.correlate(None).scalar_subquery()
        if self.has_opposite_side:
            among = select_matches(admitted, self.ordering) if found is None else found
            yield self._opposite_side(among)

    def _opposite_side(self, among: FromClause) -> ColumnElement[bool]:
        end: Side = "before" if self.is_backward else "after"
        away = self.ordering if self.is_backward else _reversed(self.ordering)
        condition = _after_cursor(away, among.c, end, or_at=True)
        return exists().select_from(among).where(condition).correlate(None)


class PageInfoQuery(NamedTuple):
    """What a page tells besides its flows, where it has none: one row, with the same parameters."""

    page: KeysetPage

    def select(self) -> Select[*tuple[Any, ...]]:
        """How many are admitted, and whether there is any beyond, as far as they are asked for."""
        return self.page.select_page_info()


def cursor_values(end: Side, values: Sequence[Any], ordering: Sequence[Ordering]) -> dict[str, Any]:
    """The parameters of a cursor, from its values in the ordering."""
    return {f"{end}_{term.name}": value for term, value in zip(ordering, values, strict=True)}


def _reversed(ordering: Run) -> tuple[Ordering, ...]:
    return tuple(Ordering(term.name, not term.descending) for term in ordering)


def _limit() -> ColumnElement[int]:
    return bindparam("limit", type_=Integer)


def _after_cursor(
    ordering: Run, columns: Columns, end: Side, *, or_at: bool = False
) -> ColumnElement[bool]:
    """The condition that a row comes behind a cursor, in a form that an index can start from."""
    run = _runs(ordering)[0]
    rest = ordering[len(run) :]
    if not rest:
        return _compared(run, columns, end, or_equal=or_at)
    return and_(
        _compared(run, columns, end, or_equal=True),
        or_(
            _compared(run, columns, end, or_equal=False),
            _after_cursor(rest, columns, end, or_at=or_at),
        ),
    )


def _runs(ordering: Run) -> Sequence[Run]:
    """The terms that follow each other in one direction, and so can be compared together."""
    return [tuple(run) for _, run in groupby(ordering, attrgetter("descending"))]


def _compared(run: Run, columns: Columns, end: Side, *, or_equal: bool) -> ColumnElement[bool]:
    stored = [columns[term.name] for term in run]
    given = [column_parameter(f"{end}_{term.name}", columns[term.name]) for term in run]
    compare = COMPARE[run[0].descending, or_equal]
    if len(run) == 1:
        return compare(*stored, *given)
    return compare(tuple_(*stored), tuple_(*given))
