"""Queries for bindings, their components, and the flows that use a component.

One statement selects the rows of many parents. Its first column is the key of the parent, and the
rows of one parent are adjacent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
    Select,
    SQLColumnExpression,
    Text,
    bindparam,
    cast,
    func,
    select,
    union_all,
)
from sqlmodel import col

from models.queries.arrays import InUuidArray
from models.queries.components import (
    POLICY_KEY,
    STAGE_KEY,
    ColumnExpressions,
    Component,
    TypeLookup,
    table_of,
)
from models.queries.flows import flow_columns
from models.queries.rights import Permission, Rights
from models.queries.subqueries import select_policy_engine_mode
from models.tables.access import Group, User
from models.tables.cached_plan import PlanKeys
from models.tables.columns import UUID
from models.tables.flow import Flow, FlowStageBinding
from models.tables.policy import Policy, PolicyBinding
from models.tables.stage import Stage

GROUP_COLUMNS: ColumnExpressions = {
    "pk": cast(col(Group.group_uuid), Text),
    "name": col(Group.name),
}
USER_COLUMNS: ColumnExpressions = {
    "pk": col(User.id),
    "name": col(User.name),
    "username": col(User.username),
}
STAGE_BINDING_COLUMNS: ColumnExpressions = {
    "pk": cast(col(FlowStageBinding.fsb_uuid), Text),
    "policybindingmodel_ptr_id": cast(col(FlowStageBinding.policybindingmodel_ptr_id), Text),
    "order": col(FlowStageBinding.order),
    "evaluate_on_plan": col(FlowStageBinding.evaluate_on_plan),
    "re_evaluate_policies": col(FlowStageBinding.re_evaluate_policies),
    "invalid_response_action": col(FlowStageBinding.invalid_response_action),
    "policy_engine_mode": select_policy_engine_mode(
        col(FlowStageBinding.policybindingmodel_ptr_id)
    ),
}
POLICY_BINDING_COLUMNS: ColumnExpressions = {
    "pk": cast(col(PolicyBinding.policy_binding_uuid), Text),
    "target": cast(col(PolicyBinding.target_id), Text),
    "order": col(PolicyBinding.order),
    "enabled": col(PolicyBinding.enabled),
    "negate": col(PolicyBinding.negate),
    "timeout": col(PolicyBinding.timeout),
    "failure_result": col(PolicyBinding.failure_result),
}


@dataclass(frozen=True, slots=True)
class StageBindingRow:
    """A stage binding with its stage; `stage_model` is None if the type is unknown."""

    pk: str
    policybindingmodel_ptr_id: str
    order: int
    evaluate_on_plan: bool
    re_evaluate_policies: bool
    invalid_response_action: str
    policy_engine_mode: str
    stage: str
    stage_name: str
    stage_model: str | None


@dataclass(frozen=True, slots=True)
class PolicyBindingRow:
    """A binding of a policy, a group or a user to `target`.

    `policy_model` is None if the type is unknown.
    """

    pk: str
    target: str
    order: int
    enabled: bool
    negate: bool
    timeout: int
    failure_result: bool
    policy: str | None
    policy_name: str | None
    execution_logging: bool | None
    policy_model: str | None
    group: str | None
    group_name: str | None
    user: int | None
    username: str | None


# The columns of the rows, in the order of their fields.
STAGE_BINDING_ROW = (
    *("pk", "policybindingmodel_ptr_id", "order", "evaluate_on_plan", "re_evaluate_policies"),
    *("invalid_response_action", "policy_engine_mode", "stage.pk", "stage.name", "stage.type"),
)
POLICY_BINDING_ROW = (
    *("pk", "target", "order", "enabled", "negate", "timeout", "failure_result", "policy.pk"),
    *("policy.name", "policy.execution_logging", "policy.type"),
    *("group.pk", "group.name", "user.pk", "user.username"),
)


class Lookup(Enum):
    """The key by which bindings are selected. The value is the name of the parameter."""

    BY_PARENTS = "parents"
    BY_PK = "pk"

    def to_sql(
        self, parent: SQLColumnExpression[str], pk: SQLColumnExpression[str]
    ) -> ColumnElement[bool]:
        """Return the condition that a binding, with its parent and its own key, is selected."""
        if self is Lookup.BY_PARENTS:
            return InUuidArray(parent, self.value)
        return pk == bindparam(self.value, type_=UUID)


class StageBindings(NamedTuple):
    """SELECT the visible stage bindings with their stages and flows, in execution order.

    `types` is None if no type is selected. Parameters: `parents`, the keys of visible flows, or
    `pk`, the key of a binding; `plans` for the number of cached plans, and those of `rights`.
    """

    lookup: Lookup
    columns: tuple[str, ...]
    types: TypeLookup | None
    plan_keys: PlanKeys
    rights: Rights

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, with one row for each binding."""
        flow = col(FlowStageBinding.target_id)
        conditions = list(self._conditions())
        columns, source = _join_types(
            {
                **STAGE_BINDING_COLUMNS,
                **_add_prefix("stage", Component.STAGE.columns(self.rights)),
                **_add_prefix("flow", flow_columns(self.plan_keys)),
            },
            self._tables(),
            "stage",
            self.types,
            select(col(FlowStageBinding.stage_id)).where(*conditions).distinct(),
        )
        order = (flow, col(FlowStageBinding.order), col(FlowStageBinding.fsb_uuid))
        rows = _select_with_parent(flow, self.columns, columns)
        return rows.select_from(source).where(*conditions).order_by(*order)

    def _tables(self) -> FromClause:
        source = table_of(FlowStageBinding)
        if _has_object(self.columns, "stage"):
            source = source.join(Stage, col(FlowStageBinding.stage_id) == STAGE_KEY)
        if _has_object(self.columns, "flow"):
            source = source.join(Flow, col(FlowStageBinding.target_id) == col(Flow.flow_uuid))
        return source

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        flow, pk = col(FlowStageBinding.target_id), col(FlowStageBinding.fsb_uuid)
        yield self.lookup.to_sql(flow, pk)
        yield from self.rights.conditions(Permission.VIEW_STAGE_BINDING, pk)
        if self.lookup is Lookup.BY_PK:
            yield from self.rights.conditions(Permission.VIEW_FLOW, flow)


class PolicyBindings(NamedTuple):
    """SELECT the visible policy bindings with their policies, groups and users, in order.

    `types` is None if no type is selected. Parameters: `parents`, the keys of visible policy
    targets, or `pk`, the key of a binding; and those of `rights`.
    """

    lookup: Lookup
    columns: tuple[str, ...]
    types: TypeLookup | None
    rights: Rights

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, with one row for each binding."""
        target = col(PolicyBinding.target_id)
        conditions = list(self._conditions())
        columns, source = _join_types(
            {
                **POLICY_BINDING_COLUMNS,
                **_add_prefix("policy", Component.POLICY.columns(self.rights)),
                **_add_prefix("group", GROUP_COLUMNS),
                **_add_prefix("user", USER_COLUMNS),
            },
            self._tables(),
            "policy",
            self.types,
            select(col(PolicyBinding.policy_id)).where(*conditions).distinct(),
        )
        order = (target, col(PolicyBinding.order), col(PolicyBinding.policy_binding_uuid))
        rows = _select_with_parent(target, self.columns, columns)
        return rows.select_from(source).where(*conditions).order_by(*order)

    def _tables(self) -> FromClause:
        source = table_of(PolicyBinding)
        if _has_object(self.columns, "policy"):
            source = source.outerjoin(Policy, col(PolicyBinding.policy_id) == POLICY_KEY)
        if _has_object(self.columns, "group"):
            source = source.outerjoin(Group, col(PolicyBinding.group_id) == col(Group.group_uuid))
        if _has_object(self.columns, "user"):
            source = source.outerjoin(User, col(PolicyBinding.user_id) == col(User.id))
        return source

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        target, pk = col(PolicyBinding.target_id), col(PolicyBinding.policy_binding_uuid)
        yield self.lookup.to_sql(target, pk)
        yield from self.rights.conditions(Permission.VIEW_POLICY_BINDING, pk)
        if self.lookup is Lookup.BY_PK:
            # Policies are bound to applications too, which the schema excludes.
            yield target.in_(_select_targets(self.rights))


class ComponentByPk(NamedTuple):
    """SELECT the stage or the policy with the primary key `pk`, if a visible flow uses it.

    `types` is None if no type is selected. Parameters: `pk`, and those of `rights`.
    """

    component: Component
    columns: tuple[str, ...]
    types: TypeLookup | None
    rights: Rights

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, with at most one row."""
        key = self.component.key
        columns, source = _join_types(
            self.component.columns(self.rights),
            table_of(self.component.table),
            "",
            self.types,
            select(bindparam("pk", type_=UUID)),
        )
        rows = _select_with_parent(key, self.columns, columns).select_from(source)
        return rows.where(key == self.component.select_visible("pk", self.rights))


class FlowsUsing(NamedTuple):
    """SELECT the first visible flows, by slug, that use each of the components `parents`.

    Parameters: `parents`, `first`, the maximum number of flows of a component, `plans` for the
    number of cached plans, and those of `rights`.
    """

    component: Component
    columns: tuple[str, ...]
    plan_keys: PlanKeys
    rights: Rights

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, with one row for each component and flow."""
        uses = self.component.select_uses("parents", self.rights).subquery("uses")
        rank = func.row_number().over(partition_by=uses.c.component, order_by=col(Flow.slug))
        ranked = (
            select(uses.c.component, uses.c.flow, rank.label("rank"))
            .join_from(uses, Flow, uses.c.flow == col(Flow.flow_uuid))
            .where(*self.rights.flow_conditions(col(Flow.flow_uuid)))
            .subquery("ranked")
        )
        return (
            _select_with_parent(ranked.c.component, self.columns, flow_columns(self.plan_keys))
            .join_from(ranked, Flow, ranked.c.flow == col(Flow.flow_uuid))
            .where(ranked.c.rank <= bindparam("first", type_=Integer))
            .order_by(ranked.c.component, ranked.c.rank)
        )


def _has_object(columns: tuple[str, ...], name: str) -> bool:
    """Return True if a column of the joined object of this name is selected."""
    return any(column.startswith(f"{name}.") for column in columns)


def _add_prefix(name: str, columns: ColumnExpressions) -> ColumnExpressions:
    return {f"{name}.{column}": expression for column, expression in columns.items()}


def _join_types(
    columns: ColumnExpressions, source: Any, name: str, types: TypeLookup | None, keys: Select[Any]
) -> tuple[ColumnExpressions, Any]:
    """Add the type of the object of this name to the columns and to their source."""
    if types is None:
        return columns, source
    models = types.select_types(keys)
    column = f"{name}.type" if name else "type"
    joined = source.outerjoin(models, models.c.ptr_id == types.component.key)
    return {**columns, column: models.c.model}, joined


def _select_with_parent(
    parent: SQLColumnExpression[str], names: tuple[str, ...], columns: ColumnExpressions
) -> Select[*tuple[Any, ...]]:
    return select(cast(parent, Text), *(columns[name] for name in names))


def _select_targets(rights: Rights) -> CompoundSelect[str]:
    """SELECT the keys of visible flows and stage bindings as policy targets."""
    conditions = list(rights.conditions(Permission.VIEW_FLOW, col(Flow.flow_uuid)))
    flows = select(col(Flow.policybindingmodel_ptr_id)).where(*conditions)
    bindings = (
        select(col(FlowStageBinding.policybindingmodel_ptr_id))
        .join_from(FlowStageBinding, Flow, col(FlowStageBinding.target_id) == col(Flow.flow_uuid))
        .where(*rights.conditions(Permission.VIEW_STAGE_BINDING, col(FlowStageBinding.fsb_uuid)))
    )
    return union_all(flows, bindings.where(*conditions))
