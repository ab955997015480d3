"""Stages and policies: what flows are put together from, who uses them, and of which type they are."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    SQLColumnExpression,
    Text,
    cast,
    column,
    false,
    func,
    literal,
    select,
    table,
    union,
    union_all,
)
from sqlmodel import col

from models.queries.arrays import InSubquery, InUuidArray
from models.tables.child_table import ChildTable
from models.tables.columns import TEXT, UUID, Table
from models.tables.flow import Flow, FlowStageBinding
from models.tables.policy import Policy, PolicyBinding, PolicyType
from models.tables.stage import Stage, StageType

Columns = Mapping[str, SQLColumnExpression[Any]]

STAGE_KEY = col(Stage.stage_uuid)
POLICY_KEY = col(Policy.policy_uuid)
STAGE: Columns = {"pk": cast(STAGE_KEY, Text), "name": col(Stage.name)}
POLICY: Columns = {
    "pk": cast(POLICY_KEY, Text),
    "name": col(Policy.name),
    "execution_logging": col(Policy.execution_logging),
}


class Component(Enum):
    """What flows use; the value is authentik's name for the key of a type's table."""

    STAGE = "stage_ptr_id"
    POLICY = "policy_ptr_id"

    @property
    def columns(self) -> Columns:
        """What is told of one, but for its type."""
        return STAGE if self is Component.STAGE else POLICY

    @property
    def table(self) -> type[Table]:
        """Where each has a row."""
        return Stage if self is Component.STAGE else Policy

    @property
    def key(self) -> SQLColumnExpression[str]:
        """Its primary key."""
        return STAGE_KEY if self is Component.STAGE else POLICY_KEY

    @property
    def types(self) -> FromClause:
        """Where FlowQL's own database keeps the model of each, by `ptr_id`."""
        types = StageType if self is Component.STAGE else PolicyType
        return Table.metadata.tables[types.__tablename__]

    def select_uses(self, parameter: str | None = None) -> Any:
        """(part, flow) for each use of one, or of those that a parameter lists.

        A flow uses the stages of its bindings, and the policies bound to it or to one of these.
        """
        part = BOUND_COMPONENT[self]
        listed = InUuidArray(part, parameter) if parameter else part.is_not(None)
        if self is Component.STAGE:
            return _use(part, col(FlowStageBinding.target_id)).where(listed).distinct()
        target = col(PolicyBinding.target_id)
        by_flow = target == col(Flow.policybindingmodel_ptr_id)
        by_binding = target == col(FlowStageBinding.policybindingmodel_ptr_id)
        own, bound = _use(part, col(Flow.flow_uuid)), _use(part, col(FlowStageBinding.target_id))
        return union(
            own.join_from(PolicyBinding, Flow, by_flow).where(listed),
            bound.join_from(PolicyBinding, FlowStageBinding, by_binding).where(listed),
        )


def _use(part: Any, flow: Any) -> Any:
    return select(part.label("part"), flow.label("flow"))


BOUND_COMPONENT: Mapping[Component, SQLColumnExpression[Any]] = {
    Component.STAGE: col(FlowStageBinding.stage_id),
    Component.POLICY: col(PolicyBinding.policy_id),
}


class TypeLookup(NamedTuple):
    """Where the types of stages or policies are found.

    `children` are authentik's tables, one for each type; None in FlowQL's own database.
    """

    component: Component
    child_tables: tuple[ChildTable, ...] | None = None

    def select_types(self, keys: Select[Any]) -> FromClause:
        """(ptr_id, model) of those that the SELECT names, as far as they are known."""
        if self.child_tables is None:
            return self.component.types
        if not self.child_tables:
            nothing = select(
                literal(None, UUID).label("ptr_id"), literal(None, TEXT).label("model")
            )
            return nothing.where(false()).subquery("types")
        wanted = keys.cte("wanted")
        found = union_all(*(_among(child, wanted) for child in self.child_tables)).subquery()
        # A row in two tables would be two objects.
        first = select(found.c.ptr_id, func.min(found.c.model).label("model"))
        return first.group_by(found.c.ptr_id).subquery("types")


def select_models(child: ChildTable) -> Select[str, str]:
    """(ptr_id, model) of all that are of the type of a table."""
    key: ColumnElement[str] = column(child.key, UUID)
    rows = select(key.label("ptr_id"), literal(child.model, TEXT).label("model"))
    return rows.select_from(table(child.name))


def _among(child: ChildTable, wanted: CTE) -> Select[str, str]:
    key: ColumnElement[str] = column(child.key, UUID)
    return select_models(child).where(InSubquery(key, select(*wanted.c)))
