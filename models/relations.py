"""What belongs to many flows at once: stages, policies and cached plans; pure SELECTs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable, Select, column, func, literal, select, table, union_all
from sqlmodel import col

from models.access import Group, User
from models.cached_plan import CacheEntry
from models.catalog import ChildTable
from models.columns import UUID
from models.flow import FlowStageBinding, PolicyBindingModel
from models.policy import Policy, PolicyBinding, PolicyType
from models.stage import Stage, StageType

UUID_LENGTH = 36
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
    key = col(CacheEntry.cache_key)
    # A uuid has one length, so that all keys of a flow have the same start.
    start = func.substr(key, 1, len(prefix) + UUID_LENGTH)
    flow = func.substr(key, len(prefix) + 1, UUID_LENGTH).label("flow")
    plans = (
        select(flow)
        # Alone for an index, where the database has one that serves it.
        .where(key.startswith(prefix, autoescape=True))
        .where(start.in_([prefix + pk for pk in flow_pks]))
        .subquery()
    )
    return select(plans.c.flow, func.count()).group_by(plans.c.flow)


def stage_bindings(flow_pks: Sequence[str]) -> Select[*tuple[Any, ...]]:
    """The stage bindings of the flows, as the fields of a StageBindingRow, in order."""
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
        .where(col(FlowStageBinding.target_id).in_(flow_pks))
        .order_by(col(FlowStageBinding.order), col(FlowStageBinding.fsb_uuid))
    )


def policy_bindings(target_pks: Sequence[str]) -> Select[*tuple[Any, ...]]:
    """All that is bound to the policybindingmodel rows, as the fields of a PolicyBindingRow."""
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
        .where(col(PolicyBinding.target_id).in_(target_pks))
        .order_by(col(PolicyBinding.order), col(PolicyBinding.policy_binding_uuid))
    )


def models(
    pks: Sequence[str], key: str, children: Sequence[ChildTable] | None
) -> Executable | None:
    """(stage or policy, blueprint model) for those whose type is known.

    `key` is authentik's name for the key of a type's table; `children` are those tables, None in
    FlowQL's own database. None where there are no such tables.
    """
    if children is None:
        types = TYPE_TABLES[key]
        return select(col(types.ptr_id), col(types.model)).where(col(types.ptr_id).in_(pks))
    parts = [_child_rows(child, pks) for child in children]
    return union_all(*parts) if parts else None


def _child_rows(child: ChildTable, pks: Sequence[str]) -> Select[*tuple[Any, ...]]:
    key = column(child.key, UUID)
    return select(key, literal(child.model)).select_from(table(child.name)).where(key.in_(pks))
