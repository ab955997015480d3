"""What is bound to flows, and what uses it: for many at once, or one by its key."""

from collections.abc import Callable, Mapping, Sequence
from itertools import starmap
from typing import Any, NamedTuple, TypeVar

from models.batch import NO_GROUPS, Batch, Grouped
from models.database import Database
from models.queries.bindings import (
    POLICY_BINDING_ROW,
    STAGE_BINDING_ROW,
    Component,
    ComponentByPk,
    FlowsUsing,
    Lookup,
    PolicyBindingRow,
    PolicyBindings,
    StageBindingRow,
    StageBindings,
    TypeLookup,
)
from models.queries.viewer import FlowAccess, Viewer
from models.tables.cached_plan import plan_prefix

# What belongs to others.
RelatedQuery = StageBindings | PolicyBindings | ComponentByPk | FlowsUsing
Row = TypeVar("Row", StageBindingRow, PolicyBindingRow)


class FlowBindings(NamedTuple):
    """All that is bound: stages by their flow's key, policies by the key of what they are bound to."""

    stages: Mapping[str, Sequence[StageBindingRow]]
    policies: Mapping[str, Sequence[PolicyBindingRow]]


async def find_stage_binding(
    database: Database, viewer: Viewer, pk: str, columns: tuple[str, ...]
) -> Batch:
    """The stage binding of this primary key; no row if it is of no flow that the viewer may see."""
    question = _stage_bindings_query(Lookup.BY_PK, database, viewer, columns)
    return (await _read_related(database, viewer, question, {"pk": pk})).batch


async def find_policy_binding(
    database: Database, viewer: Viewer, pk: str, columns: tuple[str, ...]
) -> Batch:
    """The policy binding of this primary key; no row if it is of no flow that the viewer may see."""
    question = _policy_bindings_query(Lookup.BY_PK, database, viewer, columns)
    return (await _read_related(database, viewer, question, {"pk": pk})).batch


async def find_component(
    part: Component, database: Database, viewer: Viewer, pk: str, columns: tuple[str, ...]
) -> Batch:
    """The stage or policy of this primary key; no row if a restricted viewer may see no flow that uses it."""
    types = _type_lookup(database, part, "type", columns)
    question = ComponentByPk(part, columns, types, viewer.is_restricted)
    return (await _read_related(database, viewer, question, {"pk": pk})).batch


async def list_stage_bindings(
    database: Database, viewer: Viewer, flows: Sequence[str], columns: tuple[str, ...]
) -> Grouped:
    """The stage bindings of flows that the viewer may see, in the order that they run."""
    question = _stage_bindings_query(Lookup.OF_PARENTS, database, viewer, columns)
    return await _read_related(database, viewer, question, {"parents": flows})


async def list_policy_bindings(
    database: Database, viewer: Viewer, targets: Sequence[str], columns: tuple[str, ...]
) -> Grouped:
    """What is bound to flows and stage bindings that the viewer may see, in order."""
    question = _policy_bindings_query(Lookup.OF_PARENTS, database, viewer, columns)
    return await _read_related(database, viewer, question, {"parents": targets})


async def load_bindings(
    database: Database, viewer: Viewer, flows: Mapping[str, str]
) -> FlowBindings:
    """All that is bound to flows that the viewer may see, whose keys are given with their targets'."""
    found = await list_stage_bindings(database, viewer, list(flows), STAGE_BINDING_ROW)
    stages = _build_rows(found, STAGE_BINDING_ROW, StageBindingRow)
    targets = [row.policybindingmodel_ptr_id for rows in stages.values() for row in rows]
    wanted = [*flows.values(), *targets]
    found = await list_policy_bindings(database, viewer, wanted, POLICY_BINDING_ROW)
    return FlowBindings(stages, _build_rows(found, POLICY_BINDING_ROW, PolicyBindingRow))


def _build_rows(
    found: Grouped, columns: tuple[str, ...], make: Callable[..., Row]
) -> Mapping[str, Sequence[Row]]:
    rows = list(starmap(make, found.batch.tuples(columns)))
    return {key: rows[start:stop] for key, (start, stop) in found.spans.items()}


async def list_flows_using(  # noqa: PLR0913, PLR0917 - what is asked, of what, for whom
    part: Component,
    database: Database,
    viewer: Viewer,
    parts: Sequence[str],
    columns: tuple[str, ...],
    first: int,
) -> Grouped:
    """The first flows, by slug, that use each of the stages or policies, and that the viewer may see."""
    question = FlowsUsing(part, columns, database.catalog.plan_keys, viewer.is_restricted)
    return await _read_related(database, viewer, question, {"parents": parts, "first": first})


def _stage_bindings_query(
    ask: Lookup, database: Database, viewer: Viewer, columns: tuple[str, ...]
) -> StageBindings:
    types = _type_lookup(database, Component.STAGE, "stage.type", columns)
    restricted = viewer.is_restricted and ask is Lookup.BY_PK
    return StageBindings(ask, columns, types, database.catalog.plan_keys, restricted)


def _policy_bindings_query(
    ask: Lookup, database: Database, viewer: Viewer, columns: tuple[str, ...]
) -> PolicyBindings:
    types = _type_lookup(database, Component.POLICY, "policy.type", columns)
    return PolicyBindings(ask, columns, types, viewer.is_restricted and ask is Lookup.BY_PK)


def _type_lookup(
    database: Database, part: Component, name: str, columns: tuple[str, ...]
) -> TypeLookup | None:
    if name not in columns:
        return None
    return TypeLookup(
        part, None if database.is_flowql else database.catalog.child_tables(part.value)
    )


async def _read_related(
    database: Database, viewer: Viewer, question: RelatedQuery, values: Mapping[str, Any]
) -> Grouped:
    """The rows of a question whose first column is the key that they belong to."""
    if viewer.access is FlowAccess.NONE or not values.get("parents", True):
        return NO_GROUPS
    scope = {"plans": plan_prefix(database.schema), "user_id": viewer.user_id}
    found = await database.columns(question, scope | dict(values))
    return (
        Grouped.from_sorted(
            found[0], Batch(dict(zip(question.columns, found[1:], strict=True)), len(found[0]))
        )
        if found
        else NO_GROUPS
    )
