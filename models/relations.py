"""What belongs to many flows at once: stages, policies and cached plans; pure SELECTs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, literal, select
from sqlmodel import col

from models.cached_plan import CacheEntry
from models.flow import FlowStageBinding
from models.policy import PolicyBinding

UUID_LENGTH = 36


def stages(flow_pks: Sequence[str]) -> Select[str, str]:
    """(flow, stage) for each stage binding of the flows, in the order that a flow runs them."""
    return (
        select(col(FlowStageBinding.target_id), col(FlowStageBinding.stage_id))
        .where(col(FlowStageBinding.target_id).in_(flow_pks))
        .order_by(col(FlowStageBinding.order), col(FlowStageBinding.fsb_uuid))
    )


def policies(target_pks: Sequence[str]) -> Select[str, str | None]:
    """(target, policy) for each policy bound to the policybindingmodel rows, in order.

    Bindings of a group or a user are none of a policy; disabled ones are.
    """
    return (
        select(col(PolicyBinding.target_id), col(PolicyBinding.policy_id))
        .where(col(PolicyBinding.target_id).in_(target_pks))
        .where(col(PolicyBinding.policy_id).is_not(None))
        .order_by(col(PolicyBinding.order), col(PolicyBinding.policy_binding_uuid))
    )


def plan_counts(flow_pks: Sequence[str], schema: str) -> Select[*tuple[Any, ...]]:
    """(flow, cached plans) for each of the flows that has any, expired ones too."""
    prefix = f"{schema}::1:goauthentik.io/flows/planner/"
    # A uuid has one length, so the start of a key can be compared instead of matched.
    start = func.substr(col(CacheEntry.cache_key), 1, len(prefix) + UUID_LENGTH)
    flow = func.substr(col(CacheEntry.cache_key), literal(len(prefix) + 1), literal(UUID_LENGTH))
    plans = select(flow.label("flow")).where(start.in_([prefix + pk for pk in flow_pks])).subquery()
    return select(plans.c.flow, func.count()).group_by(plans.c.flow)
