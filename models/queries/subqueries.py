"""Correlated subqueries for the related data of flows: stages, policies and cached plans."""

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

from models.queries.arrays import VALUE_COLUMN, ArrayAggregate
from models.tables.cached_plan import CacheEntry, PlanKeys
from models.tables.columns import TEXT
from models.tables.flow import FlowStageBinding, PolicyBindingModel
from models.tables.policy import PolicyBinding

UUID_LENGTH = 36
# SQLAlchemy's precedence of `=`. It puts operands that are expressions in parentheses.
COMPARISON_PRECEDENCE = 5
# The last code point. It sorts after every character of a key.
LAST_CHARACTER = "\U0010ffff"


def select_policy_engine_mode(target: SQLColumnExpression[str]) -> ColumnElement[str]:
    """SELECT the policy engine mode of a policy target."""
    mode = select(col(PolicyBindingModel.policy_engine_mode))
    return mode.where(col(PolicyBindingModel.pbm_uuid) == target).scalar_subquery()


def select_stages(flow: SQLColumnExpression[str]) -> ColumnElement[Sequence[str]]:
    """SELECT the stages bound to a flow, in execution order."""
    return ArrayAggregate(
        select(cast(col(FlowStageBinding.stage_id), Text).label(VALUE_COLUMN))
        .where(col(FlowStageBinding.target_id) == flow)
        .order_by(col(FlowStageBinding.order), col(FlowStageBinding.fsb_uuid))
        .correlate_except(FlowStageBinding)
    )


def select_policies(target: SQLColumnExpression[str]) -> ColumnElement[Sequence[str]]:
    """SELECT the policies bound to a policy target, in order.

    Disabled bindings count; bindings of a group or a user have no policy and do not.
    """
    return ArrayAggregate(
        select(cast(col(PolicyBinding.policy_id), Text).label(VALUE_COLUMN))
        .where(col(PolicyBinding.target_id) == target, col(PolicyBinding.policy_id).is_not(None))
        .order_by(col(PolicyBinding.order), col(PolicyBinding.policy_binding_uuid))
        .correlate_except(PolicyBinding)
    )


def count_cached_plans(flow: SQLColumnExpression[str], keys: PlanKeys) -> ColumnElement[int]:
    """SELECT the number of cached plans of a flow, including expired ones.

    The parameter `plans` is the prefix of the cache keys of plans.
    """
    if keys is PlanKeys.ABSENT:
        return literal_column("0", Integer())
    if keys is PlanKeys.UNINDEXED:
        return _count_in_all_plans(flow)
    key = col(CacheEntry.cache_key)
    prefix = bindparam("plans", type_=TEXT) + cast(flow, TEXT)
    operators = (">=", "<") if keys is PlanKeys.IN_KEY_INDEX else ("~>=~", "~<~")
    at_least, below = (key.op(name, precedence=COMPARISON_PRECEDENCE) for name in operators)
    count = select(func.count()).select_from(CacheEntry)
    return count.where(at_least(prefix), below(prefix + LAST_CHARACTER)).scalar_subquery()


def _count_in_all_plans(flow: SQLColumnExpression[str]) -> ColumnElement[int]:
    prefix = bindparam("plans", type_=TEXT)
    key = collate(col(CacheEntry.cache_key), "C")
    start = func.length(prefix)
    counts = (
        select(func.substr(key, start + 1, UUID_LENGTH).label("flow"), func.count().label("plans"))
        .where(func.starts_with(key, prefix))
        .group_by("flow")
        .cte("counts")
    )
    count = select(counts.c.plans).where(counts.c.flow == cast(flow, TEXT))
    return func.coalesce(count.scalar_subquery(), 0)
