"""The one way to flow data, for GraphQL and for REST."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypedDict

from gql.errors import InvalidPageError
from gql.resolvers import bindings
from models.batch import NO_ROWS, Batch
from models.blueprint import export
from models.database import Database
from models.queries import flows as listing
from models.queries.flows import (
    COLUMNS,
    FLOW_ROW,
    FlowCount,
    FlowQuery,
    FlowRow,
    Flows,
    OffsetPage,
)
from models.queries.viewer import FlowAccess, Viewer
from models.tables.cached_plan import plan_prefix


class FlowSelection(NamedTuple):
    """What is asked of flows; what is not is not read. None of columns is none of flows."""

    columns: tuple[str, ...] | None = COLUMNS
    pagination: bool = True


ALL_FIELDS = FlowSelection()


class PaginationData(TypedDict):
    """Where a page lies; pages and indexes count from 1, and 0 stands for none."""

    next: int
    previous: int
    count: int
    current: int
    total_pages: int
    start_index: int
    end_index: int


class FlowPageData(NamedTuple):
    """A page of flows, and where it lies among all, as far as they were selected."""

    pagination: PaginationData | None
    flows: Batch


async def list_flows(
    database: Database, viewer: Viewer, query: FlowQuery, selection: FlowSelection = ALL_FIELDS
) -> FlowPageData:
    """The page of flows that the query asks for; raises InvalidPageError.

    Takes one statement; two where no flow is found, or the last page is asked for.
    """
    reading = _FlowReader(database, viewer, query)
    offset = query.offset
    if selection.columns is None or offset is None:
        return await _count_first(reading, selection)
    flows, count = await reading.page(selection.columns, offset, is_counted=selection.pagination)
    if not flows.size and (selection.pagination or offset):
        count = await reading.count()
    return FlowPageData(None if count is None else paginate(count, query), flows)


async def _count_first(reading: "_FlowReader", selection: FlowSelection) -> FlowPageData:
    query = reading.query
    if query.offset == 0 and not selection.pagination:
        return FlowPageData(None, NO_ROWS)
    pagination = paginate(await reading.count(), query)
    if selection.columns is None or not pagination["count"]:
        return FlowPageData(pagination, NO_ROWS)
    flows, _ = await reading.page(selection.columns, pagination["start_index"] - 1)
    return FlowPageData(pagination, flows)


async def find_flow(
    database: Database, viewer: Viewer, query: FlowQuery, columns: tuple[str, ...] = COLUMNS
) -> Batch:
    """The flow that the query admits by its slug; no row if the viewer may see none such."""
    return await _FlowReader(database, viewer, query).all(columns)


async def find_flow_by_pk(
    database: Database, viewer: Viewer, pk: str, columns: tuple[str, ...]
) -> Batch:
    """The flow of this primary key; no row if the viewer may see none such."""
    return await find_flow(database, viewer, FlowQuery(pk=pk), columns)


async def export_flow(database: Database, viewer: Viewer, query: FlowQuery) -> str | None:
    """The flow that the query admits, as a blueprint; None if the viewer may see none such."""
    found = list((await find_flow(database, viewer, query, FLOW_ROW)).rows())
    if not found:
        return None
    flow = FlowRow(**found[0])
    targets = {flow.pk: flow.policybindingmodel_ptr_id}
    stages, policies = await bindings.load_bindings(database, viewer, targets)
    bound = list(chain.from_iterable(policies.values()))
    return export.dump(export.build_document(flow, stages.get(flow.pk, ()), bound))


def paginate(count: int, query: FlowQuery) -> PaginationData:
    """Where the query's page lies among `count` flows; raises InvalidPageError."""
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
class _FlowReader:
    """What is read for one question of one viewer."""

    database: Database
    viewer: Viewer
    query: FlowQuery

    async def count(self) -> int:
        """How many flows are admitted."""
        if self._matches_nothing:
            return 0
        question = FlowCount(listing.build_filter(self.query, self.viewer))
        [(count,)] = await self.database.read(question, self._values())
        return count

    async def all(self, columns: tuple[str, ...]) -> Batch:
        """All flows that are admitted, in no order."""
        if self._matches_nothing:
            return NO_ROWS
        found = await self.database.columns(self._flows(columns), self._values())
        return _batch(columns, found)

    async def page(
        self, columns: tuple[str, ...], offset: int, *, is_counted: bool = False
    ) -> tuple[Batch, int | None]:
        """The flows behind `offset`, and how many are admitted, if that is counted and any is found."""
        if self._matches_nothing:
            return NO_ROWS, None
        ordering = listing.complete_ordering(self.query.ordering)
        question = OffsetPage(self._flows(columns), ordering, is_counted)
        place = {"limit": self.query.page_size, "offset": offset}
        found = await self.database.columns(question, self._values() | place)
        return _batch(columns, found), found[-1][0] if found and is_counted else None

    def _flows(self, columns: tuple[str, ...]) -> Flows:
        admitted = listing.build_filter(self.query, self.viewer)
        return Flows(admitted, columns, self.database.catalog.plan_keys)

    def _values(self) -> dict[str, Any]:
        values = listing.filter_values(self.query, self.viewer)
        return {**values, "plans": plan_prefix(self.database.schema)}

    @property
    def _matches_nothing(self) -> bool:
        """Whether there is nothing to be found, whatever is stored."""
        return self.viewer.access is FlowAccess.NONE or "" in self.query.filters.values()


def _batch(columns: tuple[str, ...], found: Sequence[Sequence[Any]]) -> Batch:
    # Without a row there are no columns either, and a count is one more.
    return Batch(dict(zip(columns, found, strict=False)), len(found[0])) if found else NO_ROWS
