"""Viewers reach only flows that they may see, and only objects of these flows."""

from collections.abc import Mapping

import pytest

from support.app_client import AppClient
from support.edge_case_data import APPLICATION, KEYS, ROWS, identifier
from support.expected_graph import (
    COMPONENT_NAMES,
    COMPONENTS,
    FLOWS,
    MISSING,
    NODE_QUERY,
    NODES,
    POLICY_BINDINGS,
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
@pytest.mark.parametrize("viewer", ["superuser", "object_role"])
def test_unused_components(typed_client: AppClient, viewer: str, name: str, pk: str) -> None:
    """A component that no flow uses, such as a policy of an application, does not exist."""
    query = f"query ($pk: UUID!) {{ {name}(pk: $pk) {{ pk flows {{ slug }} }} }}"
    unused, missing = (
        typed_client.graphql(query, KEYS[viewer], {"pk": key}).body for key in (pk, MISSING)
    )
    assert unused == missing == f'{{"data":{{"{name}":null}}}}'.encode()


def hidden_keys(viewer: str) -> Mapping[str, str]:
    """Return the primary key of an object of each type that a restricted viewer may not see."""
    visible = visible_flows(viewer)
    flow = next(row for row in FLOWS if row not in visible and expected_flow(row)["policyBindings"])
    binding = next(row for row in STAGE_BINDINGS if row["target_id"] == flow["flow_uuid"])
    return {
        "Flow": str(flow["flow_uuid"]),
        "FlowStageBinding": str(binding["fsb_uuid"]),
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
    """Lists of flows are empty, flows are null, and everything else is forbidden at its field."""
    query = '{ flows { results { slug } } flow(slug: "a-flow") { pk } }'
    assert execute(typed_client, query, INTERNAL) == {"flows": {"results": []}, "flow": None}
    for type_, (table, key) in NODES.items():
        for pk in (ROWS[table][0][key], MISSING):
            response = typed_client.graphql(NODE_QUERY, INTERNAL, {"id": global_id(type_, pk)})
            codes = [error["extensions"] for error in response.json.get("errors", ())]
            assert response.json["data"] == {"node": None}
            assert codes == ([] if type_ == "Flow" else [{"code": "FORBIDDEN"}])
