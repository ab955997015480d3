"""What belongs to many flows at once: stages, policies and cached plans; pure SELECTs."""

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Integer,
    SQLColumnExpression,
    Text,
    bindparam,
    cast,
    collate,
    func,
    literal_column,
    select,
)
from sqlmodel import col

from models.queries.arrays import VALUE, ArrayAggregate
from models.tables.cached_plan import CacheEntry, PlanKeys
from models.tables.columns import TEXT
from models.tables.flow import FlowStageBinding, PolicyBindingModel
from models.tables.policy import PolicyBinding

UUID_LENGTH = 36
# What is compared stands in brackets, if it is more than a name: SQLAlchemy's precedence of `=`.
COMPARISON = 5
# No key has a character behind this one.
LAST = "\U0010ffff"


def policy_engine_mode(target: SQLColumnExpression[str]) -> ColumnElement[str]:
    """The mode of a policybindingmodel row."""
    mode = select(col(PolicyBindingModel.policy_engine_mode))
    return mode.where(col(PolicyBindingModel.pbm_uuid) == target).scalar_subquery()


def stages(flow: SQLColumnExpression[str]) -> ColumnElement[Sequence[str]]:
    """The stages of a flow's bindings, in the order that it runs them."""
    return ArrayAggregate(
        select(cast(col(FlowStageBinding.stage_id), Text).label(VALUE))
        .where(col(FlowStageBinding.target_id) == flow)
        .order_by(col(FlowStageBinding.order), col(FlowStageBinding.fsb_uuid))
        .correlate_except(FlowStageBinding)
    )


def policies(target: SQLColumnExpression[str]) -> ColumnElement[Sequence[str]]:
    """The policies bound to a policybindingmodel row, in order.

    Bindings of a group or a user are none of a policy; disabled ones are.
    """
    return ArrayAggregate(
        select(cast(col(PolicyBinding.policy_id), Text).label(VALUE))
        .where(col(PolicyBinding.target_id) == target, col(PolicyBinding.policy_id).is_not(None))
        .order_by(col(PolicyBinding.order), col(PolicyBinding.policy_binding_uuid))
        .correlate_except(PolicyBinding)
    )


def cached_plan_count(flow: SQLColumnExpression[str], keys: PlanKeys) -> ColumnElement[int]:
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
