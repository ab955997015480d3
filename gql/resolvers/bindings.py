"""Stage bindings, policy bindings and components, and the flows that use components."""

from collections.abc import Callable, Mapping, Sequence
from itertools import starmap
from typing import Any, NamedTuple, TypeVar

from gql import background
from models.batch import NO_GROUPS, Batch, GroupedRows
from models.database import Session
from models.queries.bindings import (
    POLICY_BINDING_ROW,
    STAGE_BINDING_ROW,
    FlowsUsing,
    Lookup,
    PolicyBindingRow,
    PolicyBindings,
    StageBindingRow,
    StageBindings,
)
from models.queries.component_lists import ComponentsByPk
from models.queries.components import Component, TypeLookup
from models.queries.flows import FlowsByPk
from models.queries.prompts import PromptsOfStages
from models.queries.rights import Access
from models.queries.viewer import Viewer
from models.tables.cached_plan import plan_prefix

# This number of rows takes some milliseconds to build.
MAX_INLINE_ROWS = 500
# SELECTs whose first column is the key of the group.
GroupedQuery = (
    StageBindings | PolicyBindings | ComponentsByPk | FlowsByPk | FlowsUsing | PromptsOfStages
)
Row = TypeVar("Row", StageBindingRow, PolicyBindingRow)


class FlowBindings(NamedTuple):
    """Bindings of several flows: stage bindings by flow, policy bindings by target."""

    stages: Mapping[str, Sequence[StageBindingRow]]
    policies: Mapping[str, Sequence[PolicyBindingRow]]


async def find_stage_bindings(
    session: Session, viewer: Viewer, pks: Sequence[str], columns: tuple[str, ...]
) -> GroupedRows:
    """Return the stage bindings with these primary keys, by key.

    Contains no row if the viewer may not see a stage binding or its flow.
    """
    query = _build_stage_bindings(Lookup.BY_PKS, session, viewer, columns)
    return await read_grouped(session, viewer, query, {"pks": pks})


async def find_policy_bindings(
    session: Session, viewer: Viewer, pks: Sequence[str], columns: tuple[str, ...]
) -> GroupedRows:
    """Return the policy bindings with these primary keys, by key.

    Contains no row if the viewer may not see a policy binding, or if its target is not a flow, or a
    stage binding of a flow, that the viewer may see.
    """
    query = _build_policy_bindings(Lookup.BY_PKS, session, viewer, columns)
    return await read_grouped(session, viewer, query, {"pks": pks})


async def find_components(
    component: Component,
    session: Session,
    viewer: Viewer,
    pks: Sequence[str],
    columns: tuple[str, ...],
) -> GroupedRows:
    """Return the stages or policies with these primary keys, by key.

    Contains no row if the viewer may not see a component, or none of the flows that use it.
    """
    query = ComponentsByPk(build_type_lookup(session, component), columns, viewer.rights)
    return await read_grouped(session, viewer, query, {"pks": pks})


async def list_stage_bindings(
    session: Session, viewer: Viewer, flows: Sequence[str], columns: tuple[str, ...]
) -> GroupedRows:
    """Return the visible stage bindings of flows, in execution order.

    `flows` are primary keys of flows that the viewer may see.
    """
    query = _build_stage_bindings(Lookup.BY_PARENTS, session, viewer, columns)
    return await read_grouped(session, viewer, query, {"parents": flows})


async def list_policy_bindings(
    session: Session, viewer: Viewer, targets: Sequence[str], columns: tuple[str, ...]
) -> GroupedRows:
    """Return the visible policy bindings of flows and stage bindings, in order.

    `targets` are the `policybindingmodel_ptr_id` of those that the viewer may see.
    """
    query = _build_policy_bindings(Lookup.BY_PARENTS, session, viewer, columns)
    return await read_grouped(session, viewer, query, {"parents": targets})


async def load_bindings(session: Session, viewer: Viewer, flows: Mapping[str, str]) -> FlowBindings:
    """Return the visible bindings of flows that the viewer may see, in at most two statements.

    `flows` maps the primary key of each flow to its `policybindingmodel_ptr_id`.
    """
    stages = await _load_stage_bindings(session, viewer, list(flows))
    stage_targets = [row.policybindingmodel_ptr_id for rows in stages.values() for row in rows]
    targets = [*flows.values(), *stage_targets]
    return FlowBindings(stages, await _load_policy_bindings(session, viewer, targets))


async def _load_stage_bindings(
    session: Session, viewer: Viewer, flows: Sequence[str]
) -> Mapping[str, Sequence[StageBindingRow]]:
    if viewer.rights.view_flowstagebinding is Access.NONE:
        return {}
    grouped = await list_stage_bindings(session, viewer, flows, STAGE_BINDING_ROW)
    return await _build_rows(grouped, STAGE_BINDING_ROW, StageBindingRow)


async def _load_policy_bindings(
    session: Session, viewer: Viewer, targets: Sequence[str]
) -> Mapping[str, Sequence[PolicyBindingRow]]:
    if viewer.rights.view_policybinding is Access.NONE:
        return {}
    grouped = await list_policy_bindings(session, viewer, targets, POLICY_BINDING_ROW)
    return await _build_rows(grouped, POLICY_BINDING_ROW, PolicyBindingRow)


async def _build_rows(
    grouped: GroupedRows, columns: tuple[str, ...], row_type: Callable[..., Row]
) -> Mapping[str, Sequence[Row]]:
    batch = grouped.batch
    rows = await background.call(
        lambda: list(starmap(row_type, batch.tuples(columns))), is_long=batch.size > MAX_INLINE_ROWS
    )
    return {key: rows[start:stop] for key, (start, stop) in grouped.spans.items()}


async def list_flows_using(  # noqa: PLR0913, PLR0917 - a relation's parameters and its argument
    component: Component,
    session: Session,
    viewer: Viewer,
    components: Sequence[str],
    columns: tuple[str, ...],
    first: int,
) -> GroupedRows:
    """Return the flows that use each stage or policy and that the viewer may see.

    `components` are primary keys. Each group has at most `first` flows, sorted by slug.
    """
    query = FlowsUsing(component, columns, session.catalog.plan_keys, viewer.rights)
    return await read_grouped(session, viewer, query, {"parents": components, "first": first})


def _build_stage_bindings(
    lookup: Lookup, session: Session, viewer: Viewer, columns: tuple[str, ...]
) -> StageBindings:
    types = build_type_lookup(session, Component.STAGE) if "stage.type" in columns else None
    return StageBindings(lookup, columns, types, session.catalog.plan_keys, viewer.rights)


def _build_policy_bindings(
    lookup: Lookup, session: Session, viewer: Viewer, columns: tuple[str, ...]
) -> PolicyBindings:
    types = build_type_lookup(session, Component.POLICY) if "policy.type" in columns else None
    return PolicyBindings(lookup, columns, types, viewer.rights)


def build_type_lookup(session: Session, component: Component) -> TypeLookup:
    """Return the source of the types of components in a session's database."""
    catalog = session.catalog
    child_tables = None if session.is_flowql else catalog.child_tables(component.value)
    return TypeLookup(component, child_tables)


async def read_grouped(
    session: Session, viewer: Viewer, query: GroupedQuery, values: Mapping[str, Any]
) -> GroupedRows:
    """Return the rows of a query by key; no rows if the viewer may see no flow."""
    if not (viewer.has_flows and values.get("parents", True)):
        return NO_GROUPS
    common_values = {"plans": plan_prefix(session.schema), **viewer.parameters}
    result = await session.read_columns(query, common_values | dict(values))
    if not result:
        return NO_GROUPS
    keys, *columns = result
    batch = Batch(dict(zip(query.columns, columns, strict=True)), len(keys))
    return GroupedRows.from_sorted(keys, batch)
