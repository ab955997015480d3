"""The one way to flow data, for GraphQL and for REST."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gql.errors import InvalidPageError
from models import listing, relations
from models.blueprint import export
from models.database import Database
from models.listing import FlowQuery, FlowRow
from models.relations import PolicyBindingRow, StageBindingRow
from models.viewer import Viewer


@dataclass(frozen=True, slots=True)
class Selection:
    """What of flows is asked for; what is not is not read."""

    flows: bool = True
    stages: bool = True
    policies: bool = True
    cache_count: bool = True


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Pagination:
    """Where a page lies; pages and indexes count from 1, and 0 stands for none."""

    next: int
    previous: int
    count: int
    current: int
    total_pages: int
    start_index: int
    end_index: int


@dataclass(frozen=True, slots=True)
class FlowRecord:
    """A flow and what belongs to it, as far as it was selected; uuids are 36 characters."""

    row: FlowRow
    stages: Sequence[str] = ()
    policies: Sequence[str] = ()
    cache_count: int = 0


@dataclass(frozen=True, slots=True)
class FlowPage:
    """A page of flows, and where it lies among all."""

    pagination: Pagination
    results: Sequence[FlowRecord]


async def list_flows(
    database: Database, viewer: Viewer, query: FlowQuery, selection: Selection = EVERYTHING
) -> FlowPage:
    """The page of flows that the query asks for; raises InvalidPageError.

    Takes at most five statements, however many flows there are.
    """
    [(count,)] = await database.read(listing.count(query, viewer))
    pagination = paginate(count, query)
    if not (selection.flows and count):
        return FlowPage(pagination, ())
    offset = pagination.start_index - 1
    rows = await database.read(listing.page(query, viewer, offset))
    return FlowPage(pagination, await _records(database, rows, selection))


async def find_flow(
    database: Database, viewer: Viewer, query: FlowQuery, selection: Selection = EVERYTHING
) -> FlowRecord | None:
    """The first flow that the query admits, None if the viewer may see none such."""
    rows = await database.read(listing.flows(query, viewer).limit(1))
    records = await _records(database, rows, selection)
    return records[0] if records else None


async def export_flow(database: Database, viewer: Viewer, query: FlowQuery) -> str | None:
    """The flow that the query admits, as a blueprint; None if the viewer may see none such."""
    rows = await database.read(listing.flows(query, viewer).limit(1))
    if not rows:
        return None
    flow = FlowRow(*rows[0])
    bound = await database.read(relations.stage_bindings([flow.pk]))
    stages = [StageBindingRow(*row) for row in bound]
    targets = [flow.policybindingmodel_ptr_id, *(row.policybindingmodel_ptr_id for row in stages)]
    bound = await database.read(relations.policy_bindings(targets))
    policies = [PolicyBindingRow(*row) for row in bound]
    models = {
        **await _models(database, [row.stage for row in stages], "stage_ptr_id"),
        **await _models(database, [row.policy for row in policies if row.policy], "policy_ptr_id"),
    }
    return export.written(export.document(flow, stages, policies, models))


async def _models(database: Database, pks: Sequence[str], key: str) -> Mapping[str, str]:
    """The blueprint models of stages or policies, as far as they are known."""
    if not pks:
        return {}
    children = None if database.is_ours else database.catalog.children(key)
    statement = relations.models(pks, key, children)
    if statement is None:
        return {}
    return {row[0]: row[1] for row in await database.read(statement)}


def paginate(count: int, query: FlowQuery) -> Pagination:
    """Where the query's page lies among `count` flows; raises InvalidPageError."""
    total_pages = max(1, -(-count // query.page_size))
    page = total_pages if query.page == "last" else query.page
    if not 1 <= page <= total_pages:
        raise InvalidPageError(page, total_pages)
    start = (page - 1) * query.page_size
    return Pagination(
        next=page + 1 if page < total_pages else 0,
        previous=page - 1,
        count=count,
        current=page,
        total_pages=total_pages,
        start_index=start + 1 if count else 0,
        end_index=min(start + query.page_size, count),
    )


async def _records(
    database: Database, rows: Iterable[Sequence[Any]], selection: Selection
) -> Sequence[FlowRecord]:
    flows = [FlowRow(*row) for row in rows]
    if not flows:
        return ()
    pks = [flow.pk for flow in flows]
    targets = [flow.policybindingmodel_ptr_id for flow in flows]
    stages: Mapping[str, Sequence[str]] = {}
    policies: Mapping[str, Sequence[str]] = {}
    plans: Mapping[str, int] = {}
    if selection.stages:
        stages = _grouped(await database.read(relations.stages(pks)))
    if selection.policies:
        policies = _grouped(await database.read(relations.policies(targets)))
    if selection.cache_count and database.catalog.has_cached_plans:
        counts = await database.read(relations.plan_counts(pks, database.schema))
        plans = {row[0]: row[1] for row in counts}
    return [
        FlowRecord(
            flow,
            stages.get(flow.pk, ()),
            policies.get(flow.policybindingmodel_ptr_id, ()),
            plans.get(flow.pk, 0),
        )
        for flow in flows
    ]


def _grouped(pairs: Iterable[Sequence[str]]) -> Mapping[str, Sequence[str]]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups
