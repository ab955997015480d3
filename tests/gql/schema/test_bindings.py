"""Stage bindings and policy bindings, compared with the stored rows."""

import pytest

from support.app_client import AppClient
from support.edge_case_data import KEYS, ROWS, flow_uuid
from support.expected_graph import (
    BINDINGS,
    FLOW_ROWS,
    FLOWS,
    NODE_FRAGMENTS,
    NODES,
    RESTRICTED,
    STAGE_BINDINGS,
    SUPERUSER,
    WHOLE_FLOW,
    execute,
    expected_flow,
    expected_policy_bindings,
    expected_stage,
    expected_stage_binding,
    stage_binding_rows,
    stored_enum_value,
    unknown_value_fields,
    unknown_value_paths,
    visible_flows,
)
from support.graphql_from_rest import EVERY_FLOW_FIELD
from support.stored_values import UNKNOWN_VALUE_BINDINGS, global_id

ENUM_NAMES = {
    "policyEngineMode": "PolicyEngineMode",
    "invalidResponseAction": "InvalidResponseAction",
}


@pytest.mark.parametrize("viewer", ["superuser", *RESTRICTED])
def test_bindings_of_every_flow(typed_client: AppClient, viewer: str) -> None:
    """All fields of all bindings are correct and in order; unknown enum values are errors."""
    visible, size = visible_flows(viewer), 4
    for start in range(0, len(visible), size):
        flows = visible[start : start + size]
        arguments = f"pageSize: {size}, page: {start // size + 1}"
        query = f"{{ flows({arguments}) {{ results {{ {WHOLE_FLOW} }} }} }} {BINDINGS}"
        body = typed_client.graphql(query, KEYS[viewer]).json
        assert body["data"]["flows"]["results"] == [expected_flow(flow) for flow in flows]
        assert [error["path"] for error in body.get("errors", [])] == [
            path
            for index, flow in enumerate(flows)
            for path in unknown_value_paths(flow, "flows", "results", index)
        ]


@pytest.mark.parametrize("page", [1, 2])
def test_bindings_of_a_hundred_flows(typed_client: AppClient, page: int) -> None:
    """Each flow has its own bindings on a page of a hundred flows."""
    selected = "slug stageBindings { pk stage { name } } policyBindings { pk }"
    query = f"{{ flows(pageSize: 100, page: {page}) {{ results {{ {selected} }} }} }}"
    assert execute(typed_client, query)["flows"]["results"] == [
        {
            "slug": flow["slug"],
            "stageBindings": [
                {"pk": row["fsb_uuid"], "stage": {"name": expected_stage(row["stage_id"])["name"]}}
                for row in stage_binding_rows(flow)
            ],
            "policyBindings": [
                {"pk": binding["pk"]}
                for binding in expected_policy_bindings(flow["policybindingmodel_ptr_id"])
            ],
        }
        for flow in FLOWS[100 * (page - 1) : 100 * page]
    ]


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 54])
def test_bindings_of_one_flow(typed_client: AppClient, number: int) -> None:
    """`flow` returns the same bindings as `flows`."""
    flow = FLOW_ROWS[flow_uuid(number)]
    query = f"query ($slug: String!) {{ flow(slug: $slug) {{ {WHOLE_FLOW} }} }} {BINDINGS}"
    body = typed_client.graphql(query, SUPERUSER, {"slug": flow["slug"]}).json
    assert body["data"] == {"flow": expected_flow(flow)}
    assert [error["path"] for error in body.get("errors", [])] == unknown_value_paths(flow, "flow")


@pytest.mark.parametrize("viewer", ["superuser", *RESTRICTED, "internal_service_account_none"])
def test_introspection_changes_no_data(typed_client: AppClient, viewer: str) -> None:
    """graphql-core executes operations with introspection; it returns the same data as a plan."""
    ids = [global_id(type_, ROWS[table][1][key]) for type_, (table, key) in NODES.items()]
    nodes = " ".join(
        f'n{i}: node(id: "{id_}") {{ id {NODE_FRAGMENTS} }}' for i, id_ in enumerate(ids)
    )
    page = f"flows(pageSize: 7) {{ results {{ {WHOLE_FLOW} }} }}"
    planned, by_graphql_core = (
        typed_client.graphql(f"{BINDINGS} {{ {page} {nodes} {field} }}", KEYS[viewer]).json
        for field in ("", "__schema { queryType { name } }")
    )
    assert by_graphql_core["data"].pop("__schema") == {"queryType": {"name": "Query"}}
    assert planned == by_graphql_core


def test_unknown_values(typed_client: AppClient) -> None:
    """An unknown enum value is null with an error; all other fields are resolved."""
    for number in UNKNOWN_VALUE_BINDINGS:
        row = STAGE_BINDINGS[number]
        query = f"query ($id: ID!) {{ node(id: $id) {{ ...S }} }} {BINDINGS}"
        variables = {"id": global_id("FlowStageBinding", row["fsb_uuid"])}
        body = typed_client.graphql(query, SUPERUSER, variables).json
        assert body["data"] == {"node": expected_stage_binding(row)}
        fields = unknown_value_fields(row)
        assert [error["path"] for error in body["errors"]] == [["node", field] for field in fields]
        for field, error in zip(fields, body["errors"], strict=True):
            value = stored_enum_value(field, row)
            expected = f"The database contains an unknown {ENUM_NAMES[field]} value: {value!r}."
            assert error["message"] == expected
            assert error["extensions"] == {"code": "UNKNOWN_ENUM_VALUE"}


def test_flows_of_stage_bindings(typed_client: AppClient) -> None:
    """The flow of a stage binding has the same fields and bindings as the root flow."""
    fields = f"{{ {EVERY_FLOW_FIELD} stageBindings {{ pk }} policyBindings {{ pk }} }}"
    query = f"""query ($slug: String!) {{
        flow(slug: $slug) {{ ...F stageBindings {{ flow {fields} }} }} }}
        fragment F on Flow {fields}"""
    for number in (0, 1, 12, 54):
        row = FLOW_ROWS[flow_uuid(number)]
        flow = execute(typed_client, query, slug=row["slug"])["flow"]
        bindings = [{"pk": binding["fsb_uuid"]} for binding in stage_binding_rows(row)]
        inner_flow = {**flow, "stageBindings": bindings}
        assert flow["stageBindings"] == [{**binding, "flow": inner_flow} for binding in bindings]
