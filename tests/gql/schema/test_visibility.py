"""Viewers reach only flows that they may see, and only objects of these flows."""

from collections.abc import Mapping

import pytest

from support.app_client import AppClient
from support.edge_case_data import APPLICATION, KEYS, POLICIES, ROWS, STAGES, identifier
from support.expected_graph import (
    COMPONENT_NAMES,
    COMPONENTS,
    FLOWS,
    MISSING,
    NODE_QUERY,
    NODES,
    POLICY_BINDINGS,
    POLICY_ROWS,
    RESTRICTED,
    STAGE_BINDINGS,
    execute,
    expected_flow,
    objects_in,
    slugs_using,
    visible_flows,
)
from support.stored_values import global_id

INTERNAL = KEYS["internal_service_account_none"]


@pytest.mark.parametrize("name", COMPONENT_NAMES)
@pytest.mark.parametrize("viewer", RESTRICTED)
def test_components_of_visible_flows(typed_client: AppClient, viewer: str, name: str) -> None:
    """A component is visible if a visible flow uses it, and it lists only such flows."""
    query = f"query ($pk: UUID!) {{ {name}(pk: $pk) {{ pk flows(first: 100) {{ slug }} }} }}"
    visible = visible_flows(viewer)
    for pk in COMPONENTS[name][0]:
        flows = [{"slug": slug} for slug in slugs_using(name, pk, visible)]
        expected = {"pk": pk, "flows": flows} if flows else None
        assert execute(typed_client, query, KEYS[viewer], pk=pk) == {name: expected}


@pytest.mark.parametrize(
    ("name", "pk"),
    [
        ("stage", identifier("stage", "never bound")),
        ("policy", identifier("policy", "bound to no flow")),
    ],
)
def test_unused_components(typed_client: AppClient, name: str, pk: str) -> None:
    """An unused component has no flows; to a restricted viewer it does not exist."""
    query = f"query ($pk: UUID!) {{ {name}(pk: $pk) {{ pk flows {{ slug }} }} }}"
    assert execute(typed_client, query, pk=pk) == {name: {"pk": pk, "flows": []}}
    unused, missing = (
        typed_client.graphql(query, KEYS["object_role"], {"pk": key}).body for key in (pk, MISSING)
    )
    assert unused == missing


def hidden_keys(viewer: str) -> Mapping[str, str]:
    """Return the primary key of an object of each type that a restricted viewer may not see."""
    visible = visible_flows(viewer)
    flow = next(row for row in FLOWS if row not in visible and expected_flow(row)["policyBindings"])
    binding = next(row for row in STAGE_BINDINGS if row["target_id"] == flow["flow_uuid"])
    return {
        "Flow": str(flow["flow_uuid"]),
        "FlowStageBinding": str(binding["fsb_uuid"]),
        "Stage": identifier("stage", STAGES[-1]),
        "Policy": identifier("policy", POLICIES[-1]),
        "PolicyBinding": expected_flow(flow)["policyBindings"][0]["pk"],
    }


@pytest.mark.parametrize("viewer", RESTRICTED)
def test_hidden_nodes_do_not_exist(typed_client: AppClient, viewer: str) -> None:
    """The response for a hidden node equals that for a missing one; other viewers see the node."""
    for type_, pk in hidden_keys(viewer).items():
        bodies = [
            typed_client.graphql(NODE_QUERY, KEYS[viewer], {"id": global_id(type_, key)}).body
            for key in (pk, MISSING)
        ]
        assert bodies == [b'{"data":{"node":null}}'] * 2
        node = execute(typed_client, NODE_QUERY, id=global_id(type_, pk))["node"]
        assert node["__typename"] == type_


def test_bindings_of_applications_are_not_nodes(typed_client: AppClient) -> None:
    """A policy binding whose target is an application is null for every viewer."""
    rows = [row for row in POLICY_BINDINGS if row["target_id"] == APPLICATION]
    assert rows
    for row in rows:
        id_ = global_id("PolicyBinding", row["policy_binding_uuid"])
        assert execute(typed_client, NODE_QUERY, id=id_) == {"node": None}


@pytest.mark.parametrize(
    "selection",
    [
        "stageBindings { flow { ...T } stage { flows(first: 100) { ...T } } }",
        "stageBindings { policyBindings { policy { flows(first: 100) { ...T } } } }",
        "policyBindings { policy { flows(first: 100) { ...T } } }",
        "stageBindings { stage { flows(first: 3) { stageBindings { flow { ...T } } } } }",
        """policyBindings { policy { flows(first: 3) {
            stageBindings { stage { flows { ...T } } } } } }""",
    ],
)
@pytest.mark.parametrize("viewer", RESTRICTED)
def test_no_path_leads_to_hidden_flows(
    typed_client: AppClient, viewer: str, selection: str
) -> None:
    """Every path from a visible flow leads to visible flows only."""
    query = f"{{ flows {{ results {{ {selection} }} }} }} fragment T on Flow {{ leaf: slug }}"
    data = typed_client.graphql(query, KEYS[viewer]).json["data"]
    slugs = {object_["leaf"] for object_ in objects_in(data) if "leaf" in object_}
    assert slugs
    assert slugs <= {flow["slug"] for flow in visible_flows(viewer)}


def test_internal_service_accounts_without_permissions(typed_client: AppClient) -> None:
    """They are not forbidden; every object is null and every list is empty."""
    pk = str(STAGE_BINDINGS[0]["stage_id"])
    query = """query ($stage: UUID!, $policy: UUID!) {
        stage(pk: $stage) { pk flows { pk } } policy(pk: $policy) { pk flows { pk } }
        flows { results { stageBindings { stage { pk } } } } }"""
    policy = next(iter(POLICY_ROWS))
    assert execute(typed_client, query, INTERNAL, stage=pk, policy=policy) == {
        "stage": None,
        "policy": None,
        "flows": {"results": []},
    }
    for type_, (table, key) in NODES.items():
        for row in ROWS[table][:2]:
            id_ = global_id(type_, row[key])
            assert execute(typed_client, NODE_QUERY, INTERNAL, id=id_) == {"node": None}
