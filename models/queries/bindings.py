"""What is bound to many flows at once, and which flows use what is bound.

Pure SELECTs. The first column of what belongs to `parents` is the key of the parent, and the rows of
one parent are next to each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple
from typing import cast as cast_type

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

from models.queries import flows as listing
from models.queries.arrays import InUuidArray
from models.queries.components import (
    POLICY,
    POLICY_KEY,
    STAGE,
    STAGE_KEY,
    Columns,
    Component,
    TypeLookup,
)
from models.queries.subqueries import policy_engine_mode
from models.queries.viewer import is_granted
from models.tables.access import Group, User
from models.tables.cached_plan import PlanKeys
from models.tables.columns import UUID, Table
from models.tables.flow import Flow, FlowStageBinding
from models.tables.policy import Policy, PolicyBinding
from models.tables.stage import Stage

GROUP: Columns = {"pk": cast(col(Group.group_uuid), Text), "name": col(Group.name)}
USER: Columns = {"pk": col(User.id), "name": col(User.name), "username": col(User.username)}
STAGE_BINDING: Columns = {
    "pk": cast(col(FlowStageBinding.fsb_uuid), Text),
    "policybindingmodel_ptr_id": cast(col(FlowStageBinding.policybindingmodel_ptr_id), Text),
    "order": col(FlowStageBinding.order),
    "evaluate_on_plan": col(FlowStageBinding.evaluate_on_plan),
    "re_evaluate_policies": col(FlowStageBinding.re_evaluate_policies),
    "invalid_response_action": col(FlowStageBinding.invalid_response_action),
    "policy_engine_mode": policy_engine_mode(col(FlowStageBinding.policybindingmodel_ptr_id)),
}
POLICY_BINDING: Columns = {
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
    """A stage's place in a flow, and the stage; its model is None where unknown."""

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
    """What is bound to `target`: a policy, whose model is None where unknown, or a group or a user."""

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
    group_name: str | None
    username: str | None


# The columns that rows are made of, in the order of their fields.
STAGE_BINDING_ROW = (
    *("pk", "policybindingmodel_ptr_id", "order", "evaluate_on_plan", "re_evaluate_policies"),
    *("invalid_response_action", "policy_engine_mode", "stage.pk", "stage.name", "stage.type"),
)
POLICY_BINDING_ROW = (
    *("pk", "target", "order", "enabled", "negate", "timeout", "failure_result", "policy.pk"),
    *("policy.name", "policy.execution_logging", "policy.type", "group.name", "user.username"),
)


class Lookup(Enum):
    """By what bindings are found; the value is the parameter that names it."""

    OF_PARENTS = "parents"
    BY_PK = "pk"

    def to_sql(
        self, parent: SQLColumnExpression[str], pk: SQLColumnExpression[str]
    ) -> ColumnElement[bool]:
        """The condition that a binding, with its parent and its own key, is asked for."""
        if self is Lookup.OF_PARENTS:
            return InUuidArray(parent, self.value)
        return pk == bindparam(self.value, type_=UUID)


class StageBindings(NamedTuple):
    """What is told of stage bindings, in the order that flows run them, but for the values.

    `types` is None where no type is told. Parameters: `parents` are flows, or `pk` is one binding's;
    besides those of listing.Flows.
    """

    lookup: Lookup
    columns: tuple[str, ...]
    types: TypeLookup | None
    plan_keys: PlanKeys
    is_restricted: bool

    def select(self) -> Select[*tuple[Any, ...]]:
        """Each with its stage and its flow."""
        flow = col(FlowStageBinding.target_id)
        conditions = list(self._conditions())
        known, source = _typed(
            {
                **STAGE_BINDING,
                **_inside("stage", STAGE),
                **_inside("flow", listing.flow_columns(self.plan_keys)),
            },
            self._tables(),
            "stage",
            self.types,
            select(col(FlowStageBinding.stage_id)).where(*conditions).distinct(),
        )
        order = (flow, col(FlowStageBinding.order), col(FlowStageBinding.fsb_uuid))
        rows = _told(flow, self.columns, known).select_from(source).where(*conditions)
        return rows.order_by(*order)

    def _tables(self) -> FromClause:
        source = _table(FlowStageBinding)
        if _has(self.columns, "stage"):
            source = source.join(Stage, col(FlowStageBinding.stage_id) == STAGE_KEY)
        if _has(self.columns, "flow"):
            source = source.join(Flow, col(FlowStageBinding.target_id) == col(Flow.flow_uuid))
        return source

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        flow = col(FlowStageBinding.target_id)
        yield self.lookup.to_sql(flow, col(FlowStageBinding.fsb_uuid))
        if self.is_restricted:
            yield flow.in_(_granted(col(Flow.flow_uuid)))


class PolicyBindings(NamedTuple):
    """What is told of what is bound to flows and stage bindings, in order, but for the values.

    `types` is None where no type is told. Parameters: `parents` are the keys that policies are bound
    to, or `pk` is one binding's; `user_id` where it is restricted.
    """

    lookup: Lookup
    columns: tuple[str, ...]
    types: TypeLookup | None
    is_restricted: bool

    def select(self) -> Select[*tuple[Any, ...]]:
        """Each with its policy, its group or its user."""
        target = col(PolicyBinding.target_id)
        conditions = list(self._conditions())
        known, source = _typed(
            {
                **POLICY_BINDING,
                **_inside("policy", POLICY),
                **_inside("group", GROUP),
                **_inside("user", USER),
            },
            self._tables(),
            "policy",
            self.types,
            select(col(PolicyBinding.policy_id)).where(*conditions).distinct(),
        )
        order = (target, col(PolicyBinding.order), col(PolicyBinding.policy_binding_uuid))
        rows = _told(target, self.columns, known).select_from(source).where(*conditions)
        return rows.order_by(*order)

    def _tables(self) -> FromClause:
        source = _table(PolicyBinding)
        if _has(self.columns, "policy"):
            source = source.outerjoin(Policy, col(PolicyBinding.policy_id) == POLICY_KEY)
        if _has(self.columns, "group"):
            source = source.outerjoin(Group, col(PolicyBinding.group_id) == col(Group.group_uuid))
        if _has(self.columns, "user"):
            source = source.outerjoin(User, col(PolicyBinding.user_id) == col(User.id))
        return source

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        target = col(PolicyBinding.target_id)
        yield self.lookup.to_sql(target, col(PolicyBinding.policy_binding_uuid))
        if self.lookup is Lookup.BY_PK:
            # Policies are bound to applications too, which are no part of the graph.
            yield target.in_(_targets(is_restricted=self.is_restricted))


class ComponentByPk(NamedTuple):
    """What is told of the stage, or the policy, of the parameter `pk`, but for the values.

    `types` is None where no type is told. Restricted, it is one that a flow uses which the user
    `user_id` may see.
    """

    component: Component
    columns: tuple[str, ...]
    types: TypeLookup | None
    is_restricted: bool

    def select(self) -> Select[*tuple[Any, ...]]:
        """At most one row."""
        key = self.component.key
        pk = bindparam("pk", type_=UUID)
        known, source = _typed(
            self.component.columns, _table(self.component.table), "", self.types, select(pk)
        )
        rows = _told(key, self.columns, known).select_from(source).where(key == pk)
        if self.is_restricted:
            uses = self.component.select_uses().subquery()
            used = select(uses.c.part).where(uses.c.flow.in_(_granted(col(Flow.flow_uuid))))
            rows = rows.where(key.in_(used.where(uses.c.part == pk)))
        return rows


class FlowsUsing(NamedTuple):
    """What is told of the first flows, by slug, that use each of the stages or policies `parents`.

    Besides the parameters of listing.Flows there is `first`, how many flows at most.
    """

    component: Component
    columns: tuple[str, ...]
    plan_keys: PlanKeys
    is_restricted: bool

    def select(self) -> Select[*tuple[Any, ...]]:
        """A flow for each use, as long as there are not too many of one."""
        uses = self.component.select_uses("parents").subquery("uses")
        places = func.row_number().over(partition_by=uses.c.part, order_by=col(Flow.slug))
        ranked = (
            select(uses.c.part, uses.c.flow, places.label("place"))
            .join_from(uses, Flow, uses.c.flow == col(Flow.flow_uuid))
            .where(*_if_granted(is_restricted=self.is_restricted))
            .subquery("ranked")
        )
        return (
            _told(ranked.c.part, self.columns, listing.flow_columns(self.plan_keys))
            .join_from(ranked, Flow, ranked.c.flow == col(Flow.flow_uuid))
            .where(ranked.c.place <= bindparam("first", type_=Integer))
            .order_by(ranked.c.part, ranked.c.place)
        )


def _table(table: type[Table]) -> Any:
    """What SQLAlchemy joins on, which SQLModel's types do not tell."""
    return cast_type(Any, table).__table__


def _has(columns: tuple[str, ...], name: str) -> bool:
    """Whether anything is told of the embedded object of that name."""
    return any(column.startswith(f"{name}.") for column in columns)


def _inside(name: str, columns: Columns) -> Columns:
    return {f"{name}.{column}": told for column, told in columns.items()}


def _typed(
    known: Columns, source: Any, name: str, types: TypeLookup | None, keys: Select[Any]
) -> tuple[Columns, Any]:
    """The columns, and what they are selected from, with the type of the object of that name."""
    if types is None:
        return known, source
    found = types.select_types(keys)
    types_of = found.c.ptr_id == types.component.key
    column = f"{name}.type" if name else "type"
    return {**known, column: found.c.model}, source.outerjoin(found, types_of)


def _told(
    parent: SQLColumnExpression[str], columns: tuple[str, ...], known: Columns
) -> Select[*tuple[Any, ...]]:
    """The key of the parent, and behind it what is told."""
    return select(cast(parent, Text), *(known[name] for name in columns))


def _if_granted(*, is_restricted: bool) -> Iterator[ColumnElement[bool]]:
    if is_restricted:
        yield is_granted(bindparam("user_id", type_=Integer))


def _granted(told: SQLColumnExpression[str]) -> Select[str]:
    """What is told of the flows that the user may see."""
    return select(told).where(*_if_granted(is_restricted=True))


def _targets(*, is_restricted: bool) -> CompoundSelect[str]:
    """What policies are bound to: flows and their stage bindings, which the user may see."""
    granted = list(_if_granted(is_restricted=is_restricted))
    flows = select(col(Flow.policybindingmodel_ptr_id)).where(*granted)
    of_flow = col(FlowStageBinding.target_id) == col(Flow.flow_uuid)
    bindings = select(col(FlowStageBinding.policybindingmodel_ptr_id)).join_from(
        FlowStageBinding, Flow, of_flow
    )
    return union_all(flows, bindings.where(*granted))
