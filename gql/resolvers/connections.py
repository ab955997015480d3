"""Connections: pages of flows, stages or policies between two cursors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gql.errors import BadUserInputError, InvalidSizeError
from gql.resolvers import cursors
from gql.resolvers.bindings import build_type_lookup
from models.batch import NO_ROWS, Batch
from models.database import Session
from models.queries import flows as flow_queries
from models.queries import keyset
from models.queries.component_lists import BY_NAME, Components
from models.queries.components import Component
from models.queries.conditions import NO_CONDITION, WhereClause
from models.queries.flows import (
    BY_SLUG,
    COLUMNS,
    DEFAULT_PAGE_SIZE,
    MAX_PAGE_SIZE,
    FlowFilter,
    Flows,
    Ordering,
)
from models.queries.keyset import KeysetPage, KeysetRows, PageInfoQuery, Side
from models.queries.viewer import Viewer
from models.tables.cached_plan import plan_prefix


class ConnectionQuery(NamedTuple):
    """The arguments of a connection. Only flows have an ordering of their own."""

    where: WhereClause = NO_CONDITION
    ordering: tuple[Ordering, ...] = (BY_SLUG,)
    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def is_backward(self) -> bool:
        return self.last is not None

    @property
    def start(self) -> str | None:
        """The cursor that the page is adjacent to, if there is one."""
        return self.before if self.is_backward else self.after

    @property
    def size(self) -> int:
        """The maximum number of rows. Raises BadUserInputError if the arguments are invalid."""
        self._check()
        if self.last is not None:
            return self.last
        return DEFAULT_PAGE_SIZE if self.first is None else self.first

    def _check(self) -> None:
        for argument, size in (("first", self.first), ("last", self.last)):
            if size is not None and not 0 <= size <= MAX_PAGE_SIZE:
                raise InvalidSizeError(argument, size, minimum=0, maximum=MAX_PAGE_SIZE)
        if self.first is not None and self.last is not None:
            raise BadUserInputError("Send either 'first' or 'last', not both.")
        if self.before is not None and self.first is None and self.last is None:
            raise BadUserInputError("'before' requires 'first' or 'last'.")


class ConnectionSelection(NamedTuple):
    """The parts of a connection to read. `columns` is None if no rows are needed.

    `needs_next` and `needs_previous` are about the existence of rows on either side of the page.
    """

    columns: tuple[str, ...] | None = COLUMNS
    needs_cursors: bool = True
    needs_next: bool = True
    needs_previous: bool = True
    needs_total_count: bool = True


class ConnectionData(NamedTuple):
    """A page of a connection, with one cursor for each row.

    Parts that were not selected are empty, None or false.
    """

    rows: Batch
    cursors: Sequence[str] | None
    has_next: bool
    has_previous: bool
    total_count: int | None


async def load_flow_connection(
    session: Session, viewer: Viewer, query: ConnectionQuery, selection: ConnectionSelection
) -> ConnectionData:
    """Return the first or the last flows between two cursors.

    Executes at most one statement, or two if the page is empty and has a cursor.
    Raises BadUserInputError if the arguments are invalid.
    """
    query = query._replace(ordering=flow_queries.complete_ordering(query.ordering))
    flow_filter = FlowFilter(
        (), is_searched=False, rights=viewer.rights, where=query.where.condition
    )
    rows = Flows(flow_filter, _list_columns(query, selection), session.catalog.plan_keys)
    return await _load(session, viewer, query, selection, rows)


async def load_component_connection(
    component: Component,
    session: Session,
    viewer: Viewer,
    query: ConnectionQuery,
    selection: ConnectionSelection,
) -> ConnectionData:
    """Return the first or the last stages or policies between two cursors, sorted by name.

    Executes as many statements, and raises the same errors, as `load_flow_connection`.
    """
    query = query._replace(ordering=BY_NAME)
    types, columns = build_type_lookup(session, component), _list_columns(query, selection)
    rows = Components(types, columns, viewer.rights, query.where.condition)
    return await _load(session, viewer, query, selection, rows)


async def _load(
    session: Session,
    viewer: Viewer,
    query: ConnectionQuery,
    selection: ConnectionSelection,
    rows: KeysetRows,
) -> ConnectionData:
    page_query = _build_page_query(session, viewer, query, selection, rows)
    page = await page_query.execute() if viewer.has_flows else _EMPTY_PAGE
    sides = (page.has_more, page.has_opposite_side)
    has_next, has_previous = reversed(sides) if query.is_backward else sides
    return ConnectionData(
        page.rows,
        cursors.encode_cursors(rows.cursor_prefix, query.ordering, page.rows)
        if selection.needs_cursors
        else None,
        has_next=has_next,
        has_previous=has_previous,
        total_count=page.total if selection.needs_total_count else None,
    )


class _PageData(NamedTuple):
    """A page of rows, the existence of rows on either side of it, and the count of all rows.

    `has_more` is about the direction of paging, `has_opposite_side` about the other one.
    """

    rows: Batch
    has_more: bool
    has_opposite_side: bool
    total: int


_EMPTY_PAGE = _PageData(NO_ROWS, has_more=False, has_opposite_side=False, total=0)


@dataclass(frozen=True, slots=True)
class _PageQuery:
    """The SELECT of a page with its values.

    `limit` is 0 if no rows are needed, and `size + 1` to find out if there are more.
    """

    session: Session
    page: KeysetPage
    values: Mapping[str, Any]
    size: int
    limit: int

    async def execute(self) -> _PageData:
        """Read the page. Its rows are in the requested order."""
        columns = await self._read_columns() if self.limit else []
        if not columns:
            return self._build_page(NO_ROWS, await self._read_page_info(), has_more=False)
        # A page of no columns selects a constant instead.
        page_info = [values[0] for values in columns[len(self._column_names) or 1 :]]
        has_more = len(columns[0]) > self.size
        return self._build_page(self._build_batch(columns), page_info, has_more=has_more)

    async def _read_columns(self) -> list[Sequence[Any]]:
        return await self.session.read_columns(self.page, {**self.values, "limit": self.limit})

    async def _read_page_info(self) -> Sequence[Any]:
        """Return the page information of an empty page, by a statement of its own if necessary."""
        page = self.page
        has_read_all = self.limit and not (page.has_after or page.has_before)
        if has_read_all or not (page.is_counted or page.needs_opposite_side):
            return [0]
        [page_info] = await self.session.read(PageInfoQuery(page), self.values)
        return page_info

    def _build_page(self, rows: Batch, page_info: Sequence[Any], *, has_more: bool) -> _PageData:
        has_opposite_side = self.page.needs_opposite_side and bool(page_info[-1])
        total = page_info[0] if self.page.is_counted else 0
        return _PageData(rows, has_more, has_opposite_side, total)

    def _build_batch(self, columns: Sequence[Sequence[Any]]) -> Batch:
        size = min(len(columns[0]), self.size)
        # A backward page is read in reverse.
        step = -1 if self.page.is_backward else 1
        named_columns = zip(self._column_names, columns, strict=False)
        return Batch({name: values[:size][::step] for name, values in named_columns}, size)

    @property
    def _column_names(self) -> tuple[str, ...]:
        return self.page.rows.columns


def _list_columns(query: ConnectionQuery, selection: ConnectionSelection) -> tuple[str, ...]:
    sort_columns = (term.name for term in query.ordering) if selection.needs_cursors else ()
    return tuple(dict.fromkeys((*(selection.columns or ()), *sort_columns)))


def _build_page_query(
    session: Session,
    viewer: Viewer,
    query: ConnectionQuery,
    selection: ConnectionSelection,
    rows: KeysetRows,
) -> _PageQuery:
    page, size = _build_keyset_page(query, selection, rows), query.size
    needs_more = selection.needs_previous if query.is_backward else selection.needs_next
    needs_rows = needs_more or selection.columns is not None or selection.needs_cursors
    values = {
        **query.where.values,
        **_decode_values("after", query.after, page),
        **_decode_values("before", query.before, page),
        **viewer.parameters,
        "plans": plan_prefix(session.schema),
    }
    return _PageQuery(session, page, values, size, size + needs_more if needs_rows else 0)


def _build_keyset_page(
    query: ConnectionQuery, selection: ConnectionSelection, rows: KeysetRows
) -> KeysetPage:
    needs_opposite_side = selection.needs_next if query.is_backward else selection.needs_previous
    return KeysetPage(
        rows,
        query.ordering,
        query.is_backward,
        has_after=query.after is not None,
        has_before=query.before is not None,
        is_counted=selection.needs_total_count,
        needs_opposite_side=needs_opposite_side and query.start is not None,
    )


def _decode_values(side: Side, cursor: str | None, page: KeysetPage) -> Mapping[str, Any]:
    if cursor is None:
        return {}
    values = cursors.decode_cursor(side, cursor, page.rows.cursor_prefix, page.ordering)
    return keyset.cursor_values(side, values, page.ordering)
