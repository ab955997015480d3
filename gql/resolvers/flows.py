"""Flows by page, slug or primary key, as far as the viewer may see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

from gql.errors import InvalidPageError
from gql.resolvers import bindings
from models.batch import NO_ROWS, Batch, GroupedRows
from models.database import Session
from models.queries import flows as flow_queries
from models.queries.conditions import WhereClause
from models.queries.flows import (
    COLUMNS,
    FlowCount,
    FlowFilter,
    FlowQuery,
    Flows,
    FlowsByPk,
    OffsetPage,
)
from models.queries.viewer import Viewer
from models.tables.cached_plan import plan_prefix


class FlowSelection(NamedTuple):
    """The parts of a page to read. `columns` is None if no flows are needed."""

    columns: tuple[str, ...] | None = COLUMNS
    pagination: bool = True


ALL_FIELDS = FlowSelection()


class PaginationData(TypedDict):
    """Position of a page. Pages and indexes count from 1; 0 means that there is none."""

    next: int
    previous: int
    count: int
    current: int
    total_pages: int
    start_index: int
    end_index: int


class FlowPageData(NamedTuple):
    """A page of flows. `pagination` is None if it was not selected."""

    pagination: PaginationData | None
    flows: Batch


async def list_flows(
    session: Session, viewer: Viewer, query: FlowQuery, selection: FlowSelection = ALL_FIELDS
) -> FlowPageData:
    """Return the page of flows that the query requests.

    Executes one statement, or two if the page is requested as "last" or is empty and not the first.
    Raises InvalidPageError if there is no such page.
    """
    flows = _VisibleFlows(session, viewer, query)
    offset = query.offset
    if selection.columns is None or offset is None:
        return await _list_after_count(flows, selection)
    page, count = await flows.read_page(selection.columns, offset, is_counted=selection.pagination)
    if not page.size and offset:
        count = await flows.count_flows()
    return FlowPageData(None if count is None else paginate(count, query), page)


async def _list_after_count(flows: "_VisibleFlows", selection: FlowSelection) -> FlowPageData:
    query = flows.query
    if query.offset == 0 and not selection.pagination:
        return FlowPageData(None, NO_ROWS)
    pagination = paginate(await flows.count_flows(), query)
    if selection.columns is None or not pagination["count"]:
        return FlowPageData(pagination, NO_ROWS)
    page, _ = await flows.read_page(selection.columns, pagination["start_index"] - 1)
    return FlowPageData(pagination, page)


async def find_flow(
    session: Session, viewer: Viewer, query: FlowQuery, columns: tuple[str, ...] = COLUMNS
) -> Batch:
    """Return the flow that matches the query; no row if the viewer may not see it.

    The query filters by a unique column, `slug` or `pk`.
    """
    return await _VisibleFlows(session, viewer, query).read_all(columns)


async def find_matching_flows(
    session: Session, viewer: Viewer, where: WhereClause, columns: tuple[str, ...]
) -> Batch:
    """Return all flows that match a condition and that the viewer may see, in no order."""
    if not viewer.has_flows:
        return NO_ROWS
    flow_filter = FlowFilter((), is_searched=False, rights=viewer.rights, where=where.condition)
    query = Flows(flow_filter, columns, session.catalog.plan_keys)
    values = {"plans": plan_prefix(session.schema), **viewer.parameters, **where.values}
    return _build_batch(columns, await session.read_columns(query, values))


async def find_flows(
    session: Session, viewer: Viewer, pks: Sequence[str], columns: tuple[str, ...]
) -> GroupedRows:
    """Return the flows with these primary keys, by key, as far as the viewer may see them."""
    query = FlowsByPk(columns, session.catalog.plan_keys, viewer.rights)
    return await bindings.read_grouped(session, viewer, query, {"pks": pks})


def paginate(count: int, query: FlowQuery) -> PaginationData:
    """Return the position of the query's page among `count` flows.

    Raises InvalidPageError if there is no such page.
    """
    total_pages = max(1, -(-count // query.page_size))
    page = total_pages if query.page == "last" else query.page
    if not 1 <= page <= total_pages:
        raise InvalidPageError(page, total_pages)
    start = (page - 1) * query.page_size
    return PaginationData(
        next=page + 1 if page < total_pages else 0,
        previous=page - 1,
        count=count,
        current=page,
        total_pages=total_pages,
        start_index=start + 1 if count else 0,
        end_index=min(start + query.page_size, count),
    )


@dataclass(frozen=True, slots=True)
class _VisibleFlows:
    """The flows that match a query and that the viewer may see. Each method reads the database."""

    session: Session
    viewer: Viewer
    query: FlowQuery

    async def count_flows(self) -> int:
        if self._matches_nothing:
            return 0
        flow_count = FlowCount(flow_queries.build_filter(self.query, self.viewer))
        [(count,)] = await self.session.read(flow_count, self._values())
        return count

    async def read_all(self, columns: tuple[str, ...]) -> Batch:
        """SELECT all flows, in no particular order."""
        if self._matches_nothing:
            return NO_ROWS
        values = await self.session.read_columns(self._select(columns), self._values())
        return _build_batch(columns, values)

    async def read_page(
        self, columns: tuple[str, ...], offset: int, *, is_counted: bool = False
    ) -> tuple[Batch, int | None]:
        """SELECT the page at `offset`, and the count of all flows.

        The count is 0 if the page is empty, None if it is not requested.
        """
        if self._matches_nothing:
            return NO_ROWS, 0 if is_counted else None
        ordering = flow_queries.complete_ordering(self.query.ordering)
        page = OffsetPage(self._select(columns), ordering, is_counted)
        position = {"limit": self.query.page_size, "offset": offset}
        values = await self.session.read_columns(page, self._values() | position)
        count = values[-1][0] if values else 0
        return _build_batch(columns, values), count if is_counted else None

    def _select(self, columns: tuple[str, ...]) -> Flows:
        flow_filter = flow_queries.build_filter(self.query, self.viewer)
        return Flows(flow_filter, columns, self.session.catalog.plan_keys)

    def _values(self) -> dict[str, Any]:
        values = flow_queries.filter_values(self.query, self.viewer)
        return {**values, "plans": plan_prefix(self.session.schema)}

    @property
    def _matches_nothing(self) -> bool:
        # By the contract of GraphQL's arguments, an empty `name` or `slug` matches no flow.
        return not self.viewer.has_flows or "" in self.query.filters.values()


def _build_batch(columns: tuple[str, ...], values: Sequence[Sequence[Any]]) -> Batch:
    # A result without rows has no columns; a counted page has one more than `columns`.
    return Batch(dict(zip(columns, values, strict=False)), len(values[0])) if values else NO_ROWS
