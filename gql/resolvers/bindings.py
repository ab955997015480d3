"""What is bound to flows, and what uses it: for many at once, or one by its key."""

from collections.abc import Callable, Mapping, Sequence
from itertools import starmap
from typing import Any, NamedTuple, TypeVar

from models.batch import NOTHING, Batch, Grouped
from models.database.database import Database
from models.queries.bindings import (
    POLICY_BINDING_ROW,
    STAGE_BINDING_ROW,
    Ask,
    FlowsUsing,
    Part,
    Parts,
    PolicyBindingRow,
    PolicyBindings,
    StageBindingRow,
    StageBindings,
    Types,
)
from models.queries.viewer import Sight, Viewer
from models.tables.cached_plan import plan_prefix

# What belongs to others.
Related = StageBindings | PolicyBindings | Parts | FlowsUsing
Row = TypeVar("Row", StageBindingRow, PolicyBindingRow)


class Bound(NamedTuple):
    """All that is bound: stages by their flow's key, policies by the key of what they are bound to."""

    stages: Mapping[str, Sequence[StageBindingRow]]
    policies: Mapping[str, Sequence[PolicyBindingRow]]


async def find_stage_binding(
    database: Database, viewer: Viewer, pk: str, columns: tuple[str, ...]
) -> Batch:
    """The stage binding of this primary key; no row if it is of no flow that the viewer may see."""
    question = _stage_bindings(Ask.BY_PK, database, viewer, columns)
    return (await _related(database, viewer, question, {"pk": pk})).batch


async def find_policy_binding(
    database: Database, viewer: Viewer, pk: str, columns: tuple[str, ...]
) -> Batch:
    """The policy binding of this primary key; no row if it is of no flow that the viewer may see."""
    question = _policy_bindings(Ask.BY_PK, database, viewer, columns)
    return (await _related(database, viewer, question, {"pk": pk})).batch


async def find_part(
    part: Part, database: Database, viewer: Viewer, pk: str, columns: tuple[str, ...]
) -> Batch:
    """The stage or policy of this primary key; no row if a restricted viewer may see no flow that uses it."""
    types = _types(database, part, "type", columns)
    question = Parts(part, columns, types, viewer.is_restricted)
    return (await _related(database, viewer, question, {"pk": pk})).batch


async def stage_bindings(
    database: Database, viewer: Viewer, flows: Sequence[str], columns: tuple[str, ...]
) -> Grouped:
    """The stage bindings of flows that the viewer may see, in the order that they run."""
    question = _stage_bindings(Ask.OF_PARENTS, database, viewer, columns)
    return await _related(database, viewer, question, {"parents": flows})


async def policy_bindings(
    database: Database, viewer: Viewer, targets: Sequence[str], columns: tuple[str, ...]
) -> Grouped:
    """What is bound to flows and stage bindings that the viewer may see, in order."""
    question = _policy_bindings(Ask.OF_PARENTS, database, viewer, columns)
    return await _related(database, viewer, question, {"parents": targets})


async def bound_to(database: Database, viewer: Viewer, flows: Mapping[str, str]) -> Bound:
    """All that is bound to flows that the viewer may see, whose keys are given with their targets'."""
    found = await stage_bindings(database, viewer, list(flows), STAGE_BINDING_ROW)
    stages = _rows(found, STAGE_BINDING_ROW, StageBindingRow)
    targets = [row.policybindingmodel_ptr_id for rows in stages.values() for row in rows]
    wanted = [*flows.values(), *targets]
    found = await policy_bindings(database, viewer, wanted, POLICY_BINDING_ROW)
    return Bound(stages, _rows(found, POLICY_BINDING_ROW, PolicyBindingRow))


def _rows(
    found: Grouped, columns: tuple[str, ...], make: Callable[..., Row]
) -> Mapping[str, Sequence[Row]]:
    rows = list(starmap(make, found.batch.tuples(columns)))
    return {key: rows[start:stop] for key, (start, stop) in found.spans.items()}


async def flows_using(  # noqa: PLR0913, PLR0917 - what is asked, of what, for whom
    part: Part,
    database: Database,
    viewer: Viewer,
    parts: Sequence[str],
    columns: tuple[str, ...],
    first: int,
) -> Grouped:
    """The first flows, by slug, that use each of the stages or policies, and that the viewer may see."""
    question = FlowsUsing(part, columns, database.catalog.plan_keys, viewer.is_restricted)
    return await _related(database, viewer, question, {"parents": parts, "first": first})


def _stage_bindings(
    ask: Ask, database: Database, viewer: Viewer, columns: tuple[str, ...]
) -> StageBindings:
    types = _types(database, Part.STAGE, "stage.type", columns)
    restricted = viewer.is_restricted and ask is Ask.BY_PK
    return StageBindings(ask, columns, types, database.catalog.plan_keys, restricted)


def _policy_bindings(
    ask: Ask, database: Database, viewer: Viewer, columns: tuple[str, ...]
) -> PolicyBindings:
    types = _types(database, Part.POLICY, "policy.type", columns)
    return PolicyBindings(ask, columns, types, viewer.is_restricted and ask is Ask.BY_PK)


def _types(database: Database, part: Part, name: str, columns: tuple[str, ...]) -> Types | None:
    if name not in columns:
        return None
    return Types(part, None if database.is_ours else database.catalog.children(part.value))


async def _related(
    database: Database, viewer: Viewer, question: Related, values: Mapping[str, Any]
) -> Grouped:
    """The rows of a question whose first column is the key that they belong to."""
    if viewer.sight is Sight.NOTHING or not values.get("parents", True):
        return NOTHING
    scope = {"plans": plan_prefix(database.schema), "user_id": viewer.user_id}
    found = await database.columns(question, scope | dict(values))
    return (
        Grouped.by(
            found[0], Batch(dict(zip(question.columns, found[1:], strict=True)), len(found[0]))
        )
        if found
        else NOTHING
    )
