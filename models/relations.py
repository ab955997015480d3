"""What belongs to many flows at once: stages, policies and cached plans; pure SELECTs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Integer,
    Select,
    SQLColumnExpression,
    Text,
    bindparam,
    cast,
    collate,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
    union_all,
)
from sqlmodel import col

from models.access import Group, User
from models.cached_plan import CacheEntry, PlanKeys
from models.catalog import ChildTable
from models.columns import TEXT, UUID
from models.flow import FlowStageBinding, PolicyBindingModel
from models.lists import VALUE, IsAny, Listed
from models.policy import Policy, PolicyBinding, PolicyType
from models.stage import Stage, StageType

UUID_LENGTH = 36
# What is compared stands in brackets, if it is more than a name: SQLAlchemy's precedence of `=`.
COMPARISON = 5
# No key has a character behind this one.
LAST = "\U0010ffff"
TYPE_TABLES = {"stage_ptr_id": StageType, "policy_ptr_id": PolicyType}


@dataclass(frozen=True, slots=True)
class StageBindingRow:
    """A stage's place in a flow, and the stage."""

    pk: str
    policybindingmodel_ptr_id: str
    order: int
    evaluate_on_plan: bool
    re_evaluate_policies: bool
    invalid_response_action: str
    policy_engine_mode: str
    stage: str
    stage_name: str


@dataclass(frozen=True, slots=True)
class PolicyBindingRow:
    """What is bound to a policybindingmodel row: a policy, or a group's or a user's name."""

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
    group_name: str | None
    username: str | None


def policy_engine_mode(target: SQLColumnExpression[str]) -> ColumnElement[str]:
    """The mode of a policybindingmodel row."""
    mode = select(col(PolicyBindingModel.policy_engine_mode))
    return mode.where(col(PolicyBindingModel.pbm_uuid) == target).scalar_subquery()


def stages(flow: SQLColumnExpression[str]) -> ColumnElement[Sequence[str]]:
    """The stages of a flow's bindings, in the order that it runs them."""
    return Listed(
        select(cast(col(FlowStageBinding.stage_id), Text).label(VALUE))
        .where(col(FlowStageBinding.target_id) == flow)
        .order_by(col(FlowStageBinding.order), col(FlowStageBinding.fsb_uuid))
        .correlate_except(FlowStageBinding)
    )


def policies(target: SQLColumnExpression[str]) -> ColumnElement[Sequence[str]]:
    """The policies bound to a policybindingmodel row, in order.

    Bindings of a group or a user are none of a policy; disabled ones are.
    """
    return Listed(
        select(cast(col(PolicyBinding.policy_id), Text).label(VALUE))
        .where(col(PolicyBinding.target_id) == target, col(PolicyBinding.policy_id).is_not(None))
        .order_by(col(PolicyBinding.order), col(PolicyBinding.policy_binding_uuid))
        .correlate_except(PolicyBinding)
    )


def plan_count(flow: SQLColumnExpression[str], keys: PlanKeys) -> ColumnElement[int]:
    """How many plans of a flow are cached, expired ones too."""
    if keys is PlanKeys.ABSENT:
        return literal_column("0", Integer())
    if keys is PlanKeys.ANYWHERE:
        return _plan_count_of_all(flow)
    key = col(CacheEntry.cache_key)
    prefix = bindparam("plans", type_=TEXT) + cast(flow, TEXT)
    least, less = (">=", "<") if keys is PlanKeys.IN_KEY_INDEX else ("~>=~", "~<~")
    # Below that of || in PostgreSQL.
    at_least, below = (key.op(operator, precedence=COMPARISON) for operator in (least, less))
    counted = select(func.count()).select_from(CacheEntry)
    return counted.where(at_least(prefix), below(prefix + LAST)).scalar_subquery()


def _plan_count_of_all(flow: SQLColumnExpression[str]) -> ColumnElement[int]:
    prefix = bindparam("plans", type_=TEXT)
    key = collate(col(CacheEntry.cache_key), "C")
    start = func.length(prefix)
    counts = (
        select(func.substr(key, start + 1, UUID_LENGTH).label("flow"), func.count().label("plans"))
        .where(func.starts_with(key, prefix))
        .group_by("flow")
        .cte("counts")
    )
    found = select(counts.c.plans).where(counts.c.flow == cast(flow, TEXT))
    return func.coalesce(found.scalar_subquery(), 0)


@dataclass(frozen=True, slots=True)
class StageBindings:
    """The stage bindings of a `flow`, as the fields of a StageBindingRow, in order."""

    def select(self) -> Select[*tuple[Any, ...]]:
        """Each with its stage, and the mode of its own policies."""
        parent = col(FlowStageBinding.policybindingmodel_ptr_id) == col(PolicyBindingModel.pbm_uuid)
        return (
            select(
                col(FlowStageBinding.fsb_uuid),
                col(FlowStageBinding.policybindingmodel_ptr_id),
                col(FlowStageBinding.order),
                col(FlowStageBinding.evaluate_on_plan),
                col(FlowStageBinding.re_evaluate_policies),
                col(FlowStageBinding.invalid_response_action),
                col(PolicyBindingModel.policy_engine_mode),
                col(FlowStageBinding.stage_id),
                col(Stage.name),
            )
            .join_from(FlowStageBinding, PolicyBindingModel, parent)
            .join(Stage, col(FlowStageBinding.stage_id) == col(Stage.stage_uuid))
            .where(col(FlowStageBinding.target_id) == bindparam("flow", type_=UUID))
            .order_by(col(FlowStageBinding.order), col(FlowStageBinding.fsb_uuid))
        )


@dataclass(frozen=True, slots=True)
class PolicyBindings:
    """All that is bound to the policybindingmodel rows `targets`, as the fields of a PolicyBindingRow."""

    def select(self) -> Select[*tuple[Any, ...]]:
        """Each with its policy, or its group's or its user's name, in order."""
        return (
            select(
                col(PolicyBinding.policy_binding_uuid),
                col(PolicyBinding.target_id),
                col(PolicyBinding.order),
                col(PolicyBinding.enabled),
                col(PolicyBinding.negate),
                col(PolicyBinding.timeout),
                col(PolicyBinding.failure_result),
                col(PolicyBinding.policy_id),
                col(Policy.name),
                col(Policy.execution_logging),
                col(Group.name),
                col(User.username),
            )
            .select_from(PolicyBinding)
            .outerjoin(Policy, col(PolicyBinding.policy_id) == col(Policy.policy_uuid))
            .outerjoin(Group, col(PolicyBinding.group_id) == col(Group.group_uuid))
            .outerjoin(User, col(PolicyBinding.user_id) == col(User.id))
            .where(IsAny(col(PolicyBinding.target_id), "targets"))
            .order_by(col(PolicyBinding.order), col(PolicyBinding.policy_binding_uuid))
        )


@dataclass(frozen=True, slots=True)
class Models:
    """(stage or policy, blueprint model) for those of `pks` whose type is known.

    `key` is authentik's name for the key of a type's table; `children` are those tables, None in
    FlowQL's own database.
    """

    key: str
    children: tuple[ChildTable, ...] | None

    def select(self) -> Executable:
        """A SELECT from each table of a type."""
        if self.children is None:
            types = TYPE_TABLES[self.key]
            return select(col(types.ptr_id), col(types.model)).where(
                IsAny(col(types.ptr_id), "pks")
            )
        return union_all(*map(_child_rows, self.children))


def _child_rows(child: ChildTable) -> Select[*tuple[Any, ...]]:
    key = column(child.key, UUID)
    rows = select(cast(key, Text), literal(child.model, Text()))
    return rows.select_from(table(child.name)).where(IsAny(key, "pks"))
