"""Components: stages and policies, their types, and the flows that use them."""

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

ColumnExpressions = Mapping[str, SQLColumnExpression[Any]]

STAGE_KEY = col(Stage.stage_uuid)
POLICY_KEY = col(Policy.policy_uuid)
STAGE_COLUMNS: ColumnExpressions = {"pk": cast(STAGE_KEY, Text), "name": col(Stage.name)}
POLICY_COLUMNS: ColumnExpressions = {
    "pk": cast(POLICY_KEY, Text),
    "name": col(Policy.name),
    "execution_logging": col(Policy.execution_logging),
}


class Component(Enum):
    """A kind of component. The value is the name of the primary key of authentik's child tables."""

    STAGE = "stage_ptr_id"
    POLICY = "policy_ptr_id"

    @property
    def columns(self) -> ColumnExpressions:
        """The columns of a component, without its type."""
        return STAGE_COLUMNS if self is Component.STAGE else POLICY_COLUMNS

    @property
    def table(self) -> type[Table]:
        """The parent table of all types."""
        return Stage if self is Component.STAGE else Policy

    @property
    def key(self) -> SQLColumnExpression[str]:
        """The primary key of the parent table."""
        return STAGE_KEY if self is Component.STAGE else POLICY_KEY

    @property
    def types(self) -> FromClause:
        """The table (ptr_id, model) of FlowQL's own database."""
        types = StageType if self is Component.STAGE else PolicyType
        return Table.metadata.tables[types.__tablename__]

    def select_uses(self, parameter: str | None = None) -> Any:
        """SELECT (component, flow) for each use of a component, or of those that a parameter lists.

        A flow uses the stages of its stage bindings, and the policies bound to it or to one of
        these.
        """
        component = BOUND_COMPONENT[self]
        is_listed = InUuidArray(component, parameter) if parameter else component.is_not(None)
        stage_flow = col(FlowStageBinding.target_id)
        if self is Component.STAGE:
            return _select_use(component, stage_flow).where(is_listed).distinct()
        target = col(PolicyBinding.target_id)
        on_flow = target == col(Flow.policybindingmodel_ptr_id)
        on_binding = target == col(FlowStageBinding.policybindingmodel_ptr_id)
        by_flow = _select_use(component, col(Flow.flow_uuid))
        by_binding = _select_use(component, stage_flow)
        return union(
            by_flow.join_from(PolicyBinding, Flow, on_flow).where(is_listed),
            by_binding.join_from(PolicyBinding, FlowStageBinding, on_binding).where(is_listed),
        )


def _select_use(component: Any, flow: Any) -> Any:
    return select(component.label("component"), flow.label("flow"))


BOUND_COMPONENT: Mapping[Component, SQLColumnExpression[Any]] = {
    Component.STAGE: col(FlowStageBinding.stage_id),
    Component.POLICY: col(PolicyBinding.policy_id),
}


class TypeLookup(NamedTuple):
    """The source of the types of components.

    `child_tables` are authentik's tables, one for each type; None in FlowQL's own database.
    """

    component: Component
    child_tables: tuple[ChildTable, ...] | None = None

    def select_types(self, keys: Select[Any]) -> FromClause:
        """SELECT (ptr_id, model) of the components with these keys whose type is known."""
        if self.child_tables is None:
            return self.component.types
        if not self.child_tables:
            no_types = select(
                literal(None, UUID).label("ptr_id"), literal(None, TEXT).label("model")
            )
            return no_types.where(false()).subquery("types")
        component_keys = keys.cte("component_keys")
        models = union_all(
            *(_select_models_of(child, component_keys) for child in self.child_tables)
        ).subquery()
        # MIN keeps one row of a component that is in two child tables.
        types = select(models.c.ptr_id, func.min(models.c.model).label("model"))
        return types.group_by(models.c.ptr_id).subquery("types")


def select_models(child: ChildTable) -> Select[str, str]:
    """SELECT (ptr_id, model) of all components in a child table."""
    key: ColumnElement[str] = column(child.key, UUID)
    rows = select(key.label("ptr_id"), literal(child.model, TEXT).label("model"))
    return rows.select_from(table(child.name))


def _select_models_of(child: ChildTable, keys: CTE) -> Select[str, str]:
    key: ColumnElement[str] = column(child.key, UUID)
    return select_models(child).where(InSubquery(key, select(*keys.c)))
