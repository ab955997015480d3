"""The diagrams expected for the rows that a viewer may see."""

from collections.abc import Iterable, Mapping, Sequence

from gql.diagram.flow import Diagram, FlowSummary, build_diagram
from models.queries.bindings import PolicyBindingRow, StageBindingRow
from support.rights_model import View
from support.rights_tables import (
    GROUPS,
    POLICIES,
    POLICY_TYPES,
    STAGE_TYPES,
    STAGES,
    TARGETS,
    USERS,
    Row,
)


def expected_diagram(view: View, flow: Row) -> Diagram:
    """Return the diagram of a visible flow, with the visible bindings only."""
    stage_bindings = view.list_stage_bindings(flow)
    return build_diagram(
        _build_summary(view, flow),
        [_build_stage_row(view, row) for row in stage_bindings],
        _build_policy_rows(view, (flow, *stage_bindings)),
        may_hide_bindings=view.may_hide_bindings,
    )


def _build_summary(view: View, flow: Row) -> FlowSummary:
    columns = {name: flow[name] for name in FlowSummary._fields if name in flow}
    mode = view.find(TARGETS, flow["policybindingmodel_ptr_id"])["policy_engine_mode"]
    return FlowSummary(**columns, pk=flow["flow_uuid"], policy_engine_mode=mode)


def _build_stage_row(view: View, row: Row) -> StageBindingRow:
    target = row["policybindingmodel_ptr_id"]
    return StageBindingRow(
        pk=row["fsb_uuid"],
        policybindingmodel_ptr_id=target,
        order=row["order"],
        evaluate_on_plan=row["evaluate_on_plan"],
        re_evaluate_policies=row["re_evaluate_policies"],
        invalid_response_action=row["invalid_response_action"],
        policy_engine_mode=view.find(TARGETS, target)["policy_engine_mode"],
        stage=row["stage_id"],
        stage_name=view.find(STAGES, row["stage_id"])["name"],
        stage_model=view.find_model(STAGE_TYPES, row["stage_id"]),
    )


def _build_policy_rows(
    view: View, targets: Iterable[Row]
) -> Mapping[str, Sequence[PolicyBindingRow]]:
    return {
        target["policybindingmodel_ptr_id"]: [
            _build_policy_row(view, row) for row in view.list_policy_bindings(target)
        ]
        for target in targets
    }


def _build_policy_row(view: View, row: Row) -> PolicyBindingRow:
    policy, group, user = row["policy_id"], row["group_id"], row["user_id"]
    return PolicyBindingRow(
        pk=row["policy_binding_uuid"],
        target=row["target_id"],
        order=row["order"],
        enabled=row["enabled"],
        negate=row["negate"],
        timeout=row["timeout"],
        failure_result=row["failure_result"],
        policy=policy,
        policy_name=view.find(POLICIES, policy)["name"] if policy else None,
        execution_logging=None,
        policy_model=view.find_model(POLICY_TYPES, policy) if policy else None,
        group=group,
        group_name=view.find(GROUPS, group)["name"] if group else None,
        user=user,
        username=view.find(USERS, user)["username"] if user else None,
    )
