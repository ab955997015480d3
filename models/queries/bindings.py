"""Queries for bindings, and for the flows that use a component.

One statement selects the rows of many keys: of parents, or of the bindings themselves. Its first
column is the key, and the rows of one key are adjacent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    SQLColumnExpression,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    func,
    or_,
    select,
)
from sqlmodel import col

from models.queries.arrays import InUuidArray
from models.queries.components import (
    POLICY_KEY,
    STAGE_KEY,
    ColumnExpressions,
    Component,
    TypeLookup,
    join_types,
    table_of,
)
from models.queries.flows import flow_columns
from models.queries.rights import Permission, Rights
from models.queries.subqueries import select_policy_engine_mode
from models.queries.subselects import InSubquery
from models.tables.access import Group, User
from models.tables.cached_plan import PlanKeys
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
    BY_PKS = "pks"

    def key(
        self, parent: SQLColumnExpression[str], pk: SQLColumnExpression[str]
    ) -> SQLColumnExpression[str]:
        """Return the key of a binding with this parent and this primary key."""
        return parent if self is Lookup.BY_PARENTS else pk


class StageBindings(NamedTuple):
    """SELECT the visible stage bindings with their stages and flows, in execution order.

    `types` is None if no type is selected. Parameters: `parents`, the keys of visible flows, or
    `pks`, the keys of bindings; `plans` for the number of cached plans, and those of `rights`.
    """

    lookup: Lookup
    columns: tuple[str, ...]
    types: TypeLookup | None
    plan_keys: PlanKeys
    rights: Rights

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, with one row for each binding."""
        flow, pk = col(FlowStageBinding.target_id), col(FlowStageBinding.fsb_uuid)
        conditions = list(self._conditions())
        columns, source = join_types(
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
        order = (flow, col(FlowStageBinding.order), pk)
        rows = _select_with_key(self.lookup.key(flow, pk), self.columns, columns)
        return rows.select_from(source).where(*conditions).order_by(*order)

    def _tables(self) -> FromClause:
        source = table_of(FlowStageBinding)
        if _has_object(self.columns, "stage"):
            source = source.join(Stage, col(FlowStageBinding.stage_id) == STAGE_KEY)
        if _has_object(self.columns, "flow"):
            source = source.join(Flow, and_(*self._join_flow()))
        return source

    def _join_flow(self) -> Iterator[ColumnElement[bool]]:
        yield col(FlowStageBinding.target_id) == col(Flow.flow_uuid)
        # Without statistics, PostgreSQL would sort all flows to join them.
        if self.lookup is Lookup.BY_PARENTS:
            yield InUuidArray(col(Flow.flow_uuid), self.lookup.value)
        else:
            bound = select(col(FlowStageBinding.target_id)).where(
                InUuidArray(col(FlowStageBinding.fsb_uuid), self.lookup.value)
            )
            yield InSubquery(col(Flow.flow_uuid), bound.correlate(None))

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        flow, pk = col(FlowStageBinding.target_id), col(FlowStageBinding.fsb_uuid)
        yield InUuidArray(self.lookup.key(flow, pk), self.lookup.value)
        yield from self.rights.conditions(Permission.VIEW_STAGE_BINDING, pk)
        if self.lookup is Lookup.BY_PKS:
            yield from self.rights.conditions(Permission.VIEW_FLOW, flow)


class PolicyBindings(NamedTuple):
    """SELECT the visible policy bindings with their policies, groups and users, in order.

    `types` is None if no type is selected. Parameters: `parents`, the keys of visible policy
    targets, or `pks`, the keys of bindings; and those of `rights`.
    """

    lookup: Lookup
    columns: tuple[str, ...]
    types: TypeLookup | None
    rights: Rights

    def select(self) -> Select[*tuple[Any, ...]]:
        """Return the SELECT, with one row for each binding."""
        target, pk = col(PolicyBinding.target_id), col(PolicyBinding.policy_binding_uuid)
        conditions = list(self._conditions())
        columns, source = join_types(
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
        order = (target, col(PolicyBinding.order), pk)
        rows = _select_with_key(self.lookup.key(target, pk), self.columns, columns)
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
        yield InUuidArray(self.lookup.key(target, pk), self.lookup.value)
        yield from self.rights.conditions(Permission.VIEW_POLICY_BINDING, pk)
        if self.lookup is Lookup.BY_PKS:
            # Policies are bound to applications too, which the schema excludes.
            yield or_(*map(exists, _select_targets(target, self.rights)))


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
            .where(*self.rights.list_conditions(Permission.VIEW_FLOW, col(Flow.flow_uuid)))
            .subquery("ranked")
        )
        return (
            _select_with_key(ranked.c.component, self.columns, flow_columns(self.plan_keys))
            .join_from(ranked, Flow, ranked.c.flow == col(Flow.flow_uuid))
            .where(ranked.c.rank <= bindparam("first", type_=Integer))
            .order_by(ranked.c.component, ranked.c.rank)
        )


def _has_object(columns: tuple[str, ...], name: str) -> bool:
    """Return True if a column of the joined object of this name is selected."""
    return any(column.startswith(f"{name}.") for column in columns)


def _add_prefix(name: str, columns: ColumnExpressions) -> ColumnExpressions:
    return {f"{name}.{column}": expression for column, expression in columns.items()}


def _select_with_key(
    key: SQLColumnExpression[str], names: tuple[str, ...], columns: ColumnExpressions
) -> Select[*tuple[Any, ...]]:
    return select(cast(key, Text), *(columns[name] for name in names))


def _select_targets(
    target: SQLColumnExpression[str], rights: Rights
) -> Iterator[Select[*tuple[Any, ...]]]:
    """SELECT the visible flow, and the visible stage binding, with a key as policy target."""
    flow, binding = col(Flow.flow_uuid), col(FlowStageBinding.fsb_uuid)
    yield select(flow).where(
        col(Flow.policybindingmodel_ptr_id) == target,
        *rights.conditions(Permission.VIEW_FLOW, flow),
    )
    yield select(binding).where(
        col(FlowStageBinding.policybindingmodel_ptr_id) == target,
        *rights.conditions(Permission.VIEW_STAGE_BINDING, binding),
        *rights.conditions(Permission.VIEW_FLOW, col(FlowStageBinding.target_id)),
    )
