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
# The operators of an index with collation "C", and of a pattern index.
BYTE_OPERATORS = (">=", "<")
PATTERN_OPERATORS = ("~>=~", "~<~")
# The last code point. It sorts after every character of a key.
LAST_CHARACTER = "\U0010ffff"
# One of these sorts last by the collations of ICU and of musl, and of glibc.
LINGUISTIC_LAST_CHARACTERS = ("\uffff", LAST_CHARACTER, "\u9fa5", "z")


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
    prefix = bindparam("plans", type_=TEXT) + cast(flow, TEXT)
    count = select(func.count()).select_from(CacheEntry)
    return count.where(*_list_prefix_conditions(prefix, keys)).scalar_subquery()


def _list_prefix_conditions(
    prefix: ColumnElement[str], keys: PlanKeys
) -> Sequence[ColumnElement[bool]]:
    """Return the conditions that a cache key starts with a prefix, in the form of an index."""
    key = col(CacheEntry.cache_key)
    if keys is PlanKeys.IN_LINGUISTIC_INDEX:
        return *_build_linguistic_range(key, prefix), func.starts_with(key, prefix)
    operators = PATTERN_OPERATORS if keys is PlanKeys.IN_PATTERN_INDEX else BYTE_OPERATORS
    return _build_prefix_conditions(key, prefix, operators)


def _build_linguistic_range(
    key: SQLColumnExpression[str], prefix: ColumnElement[str]
) -> Sequence[ColumnElement[bool]]:
    """Return the conditions that a key is in a range of strings with the prefix and similar ones.

    The prefix sorts before each string that starts with it. In a key, `#` follows it.
    """
    last = func.greatest(*(prefix + character for character in LINGUISTIC_LAST_CHARACTERS))
    return key >= prefix, key <= last


def _count_in_all_plans(flow: SQLColumnExpression[str]) -> ColumnElement[int]:
    """SELECT the number of a flow's plans from an object with the numbers of all flows.

    PostgreSQL builds the object once, in one scan, because it does not depend on the flow.
    """
    prefix = bindparam("plans", type_=TEXT)
    key = collate(col(CacheEntry.cache_key), "C")
    counts = (
        select(
            func.substr(key, func.length(prefix) + 1, UUID_LENGTH).label("flow"),
            func.count().label("plans"),
        )
        .where(*_build_prefix_conditions(key, prefix))
        .group_by("flow")
        .subquery("counts")
    )
    by_flow = select(func.jsonb_object_agg(counts.c.flow, counts.c.plans)).scalar_subquery()
    return func.coalesce(cast(by_flow.op("->>")(cast(flow, TEXT)), Integer), 0)


def _build_prefix_conditions(
    key: SQLColumnExpression[str],
    prefix: ColumnElement[str],
    operators: tuple[str, str] = BYTE_OPERATORS,
) -> Sequence[ColumnElement[bool]]:
    """Return the conditions that a key starts with a prefix; the operators compare bytes."""
    at_least, below = (key.op(name, precedence=COMPARISON_PRECEDENCE) for name in operators)
    return at_least(prefix), below(prefix + LAST_CHARACTER)
