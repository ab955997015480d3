"""The GraphQL data expected for the edge-case data: bindings, components and nodes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from support.app_client import AppClient, Response
from support.edge_case_data import (
    ACTIONS,
    KEYS,
    LONG_TYPE,
    ROWS,
    VISIBLE_FLOWS_BY_ROLE,
    Row,
    flow_uuid,
    identifier,
)
from support.stored_values import global_id

SUPERUSER = KEYS["superuser"]
# The viewers that may see some flows, with their roles.
RESTRICTED: Mapping[str, tuple[str, ...]] = {
    "object_role": ("some flows", "more flows"),
    "object_role_by_group": ("few flows",),
    "internal_service_account_object": ("more flows",),
}
BAD_INPUT = "BAD_USER_INPUT"
JSON_IN_UTF8 = "application/json; charset=utf-8"
MISSING = identifier("nothing", 0)

FLOWS = sorted(ROWS["authentik_flows_flow"], key=lambda row: str(row["slug"]))
STAGE_BINDINGS = ROWS["authentik_flows_flowstagebinding"]
POLICY_BINDINGS = ROWS["authentik_policies_policybinding"]
STAGE_ROWS = {str(row["stage_uuid"]): row for row in ROWS["authentik_flows_stage"]}
POLICY_ROWS = {str(row["policy_uuid"]): row for row in ROWS["authentik_policies_policy"]}
GROUP_ROWS = {row["group_uuid"]: row for row in ROWS["authentik_core_group"]}
USER_ROWS = {row["id"]: row for row in ROWS["authentik_core_user"]}
FLOW_ROWS = {str(row["flow_uuid"]): row for row in FLOWS}
MODES = {
    row["pbm_uuid"]: row["policy_engine_mode"]
    for row in ROWS["authentik_policies_policybindingmodel"]
}
# The known values of the enum fields of a stage binding.
BINDING_ENUMS: Mapping[str, Sequence[str]] = {
    "policyEngineMode": ("all", "any"),
    "invalidResponseAction": ACTIONS,
}

# The primary keys in authentik's tables of component types, by type and key column.
CHILD_ROWS: Mapping[tuple[str, str], Sequence[str]] = {
    ("authentik_stages_user_write.userwritestage", "stage_ptr_id"): list(STAGE_ROWS)[::3],
    (LONG_TYPE, "stage_ptr_id"): list(STAGE_ROWS)[1::3],
    ("authentik_policies_dummy.dummypolicy", "policy_ptr_id"): list(POLICY_ROWS)[::2],
    ("authentik_policies_empty.emptypolicy", "policy_ptr_id"): [],
}
TYPES = {pk: model for (model, _), pks in CHILD_ROWS.items() for pk in pks}

POLICY_BINDING = """fragment P on PolicyBinding {
    pk order enabled negate timeout failureResult
    policy { pk name type executionLogging } group { pk name } user { pk name } }"""
STAGE_BINDING = """fragment S on FlowStageBinding {
    pk order evaluateOnPlan reEvaluatePolicies policyEngineMode invalidResponseAction
    stage { pk name type } flow { pk slug } policyBindings { ...P } }"""
BINDINGS = f"{POLICY_BINDING} {STAGE_BINDING}"
WHOLE_FLOW = "pk slug stageBindings { ...S } policyBindings { ...P }"

# The tables of nodes, and their keys.
NODES: Mapping[str, tuple[str, str]] = {
    "Flow": ("authentik_flows_flow", "flow_uuid"),
    "FlowStageBinding": ("authentik_flows_flowstagebinding", "fsb_uuid"),
    "Stage": ("authentik_flows_stage", "stage_uuid"),
    "Policy": ("authentik_policies_policy", "policy_uuid"),
    "PolicyBinding": ("authentik_policies_policybinding", "policy_binding_uuid"),
}
NODE_QUERY = "query ($id: ID!) { node(id: $id) { __typename id } }"
NODE_FRAGMENTS = f"""
    ... on Flow {{ {WHOLE_FLOW} }}
    ... on FlowStageBinding {{ ...S }}
    ... on Stage {{ pk name type flows(first: 2) {{ slug }} }}
    ... on Policy {{ pk name type executionLogging flows(first: 2) {{ slug }} }}
    ... on PolicyBinding {{ ...P }}
    ... on Node {{ again: id }}"""


# Requests -----------------------------------------------------------------------------------------


def data_of(response: Response) -> Any:
    """Return the data of a response without errors."""
    assert (response.status, response.headers["content-type"]) == (200, JSON_IN_UTF8)
    assert list(response.json) == ["data"], response.json
    return response.json["data"]


def execute(client: AppClient, query: str, key: str = SUPERUSER, **variables: Any) -> Any:
    """Execute a query that causes no errors, and return its data."""
    return data_of(client.graphql(query, key, variables))


def objects_in(data: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects in the data of a response, parents first."""
    if isinstance(data, dict):
        fields = cast(dict[str, Any], data)
        yield fields
        data = list(fields.values())
    if isinstance(data, list):
        for item in cast(list[Any], data):
            yield from objects_in(item)


# Expected data ------------------------------------------------------------------------------------


def sort_bindings(rows: list[Row], key: str) -> list[Row]:
    """Sort bindings by their order and, among equals, by the primary key."""
    return sorted(rows, key=lambda row: (int(str(row["order"])), str(row[key])))


def expected_policy(pk: object) -> dict[str, Any] | None:
    """Return a policy, or None if there is none."""
    row = POLICY_ROWS.get(str(pk))
    return row and {
        "pk": pk,
        "name": row["name"],
        "type": TYPES.get(str(pk)),
        "executionLogging": row["execution_logging"],
    }


def expected_stage(pk: object) -> dict[str, Any]:
    """Return a stage."""
    return {"pk": pk, "name": STAGE_ROWS[str(pk)]["name"], "type": TYPES.get(str(pk))}


def expected_policy_binding(row: Row) -> dict[str, Any]:
    """Return a policy binding, as the fragment P selects it."""
    group, user = row["group_id"], row["user_id"]
    return {
        "pk": row["policy_binding_uuid"],
        "order": row["order"],
        "enabled": row["enabled"],
        "negate": row["negate"],
        "timeout": row["timeout"],
        "failureResult": row["failure_result"],
        "policy": expected_policy(row["policy_id"]),
        "group": {"pk": group, "name": GROUP_ROWS[group]["name"]} if group else None,
        "user": {"pk": user, "name": USER_ROWS[user]["name"]} if user else None,
    }


def expected_policy_bindings(target: object) -> list[dict[str, Any]]:
    """Return the policy bindings of a flow or a stage binding."""
    rows = [row for row in POLICY_BINDINGS if row["target_id"] == target]
    return [expected_policy_binding(row) for row in sort_bindings(rows, "policy_binding_uuid")]


def expected_stage_binding(row: Row) -> dict[str, Any]:
    """Return a stage binding, as the fragment S selects it."""
    return {
        "pk": row["fsb_uuid"],
        "order": row["order"],
        "evaluateOnPlan": row["evaluate_on_plan"],
        "reEvaluatePolicies": row["re_evaluate_policies"],
        **{field: _expected_enum_value(field, row) for field in BINDING_ENUMS},
        "stage": expected_stage(row["stage_id"]),
        "flow": {"pk": row["target_id"], "slug": FLOW_ROWS[str(row["target_id"])]["slug"]},
        "policyBindings": expected_policy_bindings(row["policybindingmodel_ptr_id"]),
    }


def stage_binding_rows(flow: Row) -> list[Row]:
    """Return the rows of a flow's stage bindings, in execution order."""
    rows = [row for row in STAGE_BINDINGS if row["target_id"] == flow["flow_uuid"]]
    return sort_bindings(rows, "fsb_uuid")


def expected_flow(flow: Row) -> dict[str, Any]:
    """Return a flow, as WHOLE_FLOW selects it."""
    return {
        "pk": flow["flow_uuid"],
        "slug": flow["slug"],
        "stageBindings": [expected_stage_binding(row) for row in stage_binding_rows(flow)],
        "policyBindings": expected_policy_bindings(flow["policybindingmodel_ptr_id"]),
    }


def unknown_value_paths(flow: Row, *path: str | int) -> list[list[str | int]]:
    """Return the paths of the errors that a flow's stage bindings cause."""
    return [
        [*path, "stageBindings", index, field]
        for index, row in enumerate(stage_binding_rows(flow))
        for field in unknown_value_fields(row)
    ]


def unknown_value_fields(stage_binding: Row) -> list[str]:
    """Return the sorted fields of a stage binding whose stored values are unknown."""
    return [
        field
        for field, values in sorted(BINDING_ENUMS.items())
        if stored_enum_value(field, stage_binding) not in values
    ]


def stored_enum_value(field: str, stage_binding: Row) -> str:
    """Return the stored value of an enum field of a stage binding."""
    if field == "policyEngineMode":
        return str(MODES[stage_binding["policybindingmodel_ptr_id"]])
    return str(stage_binding["invalid_response_action"])


def _expected_enum_value(field: str, stage_binding: Row) -> str | None:
    value = stored_enum_value(field, stage_binding)
    return value.upper() if value in BINDING_ENUMS[field] else None


def expected_node(type_: str, row: Row) -> dict[str, Any]:
    """Return a node, as NODE_FRAGMENTS selects it."""
    id_ = global_id(type_, row[NODES[type_][1]])
    return {"__typename": type_, "id": id_, **_expected_fields(type_, row), "again": id_}


def _expected_fields(type_: str, row: Row) -> dict[str, Any]:
    match type_:
        case "Flow":
            return expected_flow(row)
        case "FlowStageBinding":
            return expected_stage_binding(row)
        case "PolicyBinding":
            return expected_policy_binding(row)
        case "Stage":
            pk = str(row["stage_uuid"])
            return expected_stage(pk) | _expected_flows("stage", pk)
        case _:
            pk = str(row["policy_uuid"])
            return (expected_policy(pk) or {}) | _expected_flows("policy", pk)


def _expected_flows(component: str, pk: str) -> dict[str, Any]:
    return {"flows": [{"slug": slug} for slug in slugs_using(component, pk)[:2]]}


# Use and visibility -------------------------------------------------------------------------------


def uses_stage(flow: Row, pk: str) -> bool:
    """Return whether the flow uses the stage."""
    return any(row["stage_id"] == pk for row in stage_binding_rows(flow))


def uses_policy(flow: Row, pk: str) -> bool:
    """Return whether the policy is bound to the flow or to one of its stage bindings."""
    targets = {flow["policybindingmodel_ptr_id"]}
    targets |= {row["policybindingmodel_ptr_id"] for row in stage_binding_rows(flow)}
    return any(row["policy_id"] == pk and row["target_id"] in targets for row in POLICY_BINDINGS)


Uses = Callable[[Row, str], bool]
COMPONENTS: Mapping[str, tuple[Mapping[str, Row], Uses]] = {
    "stage": (STAGE_ROWS, uses_stage),
    "policy": (POLICY_ROWS, uses_policy),
}
COMPONENT_NAMES = tuple(COMPONENTS)


def visible_flows(viewer: str) -> list[Row]:
    """Return the flows that a viewer may see, sorted by slug."""
    if viewer not in RESTRICTED:
        return FLOWS
    numbers = {number for role in RESTRICTED[viewer] for number in VISIBLE_FLOWS_BY_ROLE[role]}
    pks = {flow_uuid(number) for number in numbers}
    return [flow for flow in FLOWS if flow["flow_uuid"] in pks]


def used_keys(component: str) -> list[str]:
    """Return the primary keys of the stages or policies that a flow uses."""
    return [pk for pk in COMPONENTS[component][0] if slugs_using(component, pk)]


def slugs_using(component: str, pk: str, flows: Sequence[Row] = FLOWS) -> list[Any]:
    """Return the slugs of those of the flows that use a stage or a policy."""
    is_used_by = COMPONENTS[component][1]
    return [flow["slug"] for flow in flows if is_used_by(flow, pk)]
