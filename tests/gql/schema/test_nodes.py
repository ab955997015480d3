"""Global IDs, and the fields `node` and `nodes` that take them."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest

from support.app_client import AppClient
from support.edge_case_data import (
    APPLICATION,
    FLOW_COUNT,
    KEYS,
    POLICIES,
    ROWS,
    STAGES,
    flow_uuid,
    identifier,
)
from support.expected_graph import (
    BAD_INPUT,
    BINDINGS,
    MISSING,
    NODE_FRAGMENTS,
    NODE_QUERY,
    NODES,
    RESTRICTED,
    SUPERUSER,
    execute,
    expected_node,
    objects_in,
    slugs_using,
)
from support.stored_values import global_id

# An operation with introspection has no plan: graphql-core executes it.
EXECUTIONS = {"plan": "", "graphql-core": "__schema { queryType { name } }"}


@pytest.mark.parametrize("type_", NODES)
def test_nodes_have_the_fields_of_their_type(typed_client: AppClient, type_: str) -> None:
    """Fragments on the node's type select its fields; fragments on other types select nothing."""
    query = f"query ($id: ID!) {{ node(id: $id) {{ __typename id {NODE_FRAGMENTS} }} }} {BINDINGS}"
    table, key = NODES[type_]
    unused = {identifier("stage", STAGES[-1]), identifier("policy", POLICIES[-1])}
    rows = [
        row for row in ROWS[table] if row.get("target_id") != APPLICATION and row[key] not in unused
    ]
    for row in rows[:: len(rows) // 50 + 1]:
        variables = {"id": global_id(type_, row[key])}
        body = typed_client.graphql(query, SUPERUSER, variables).json
        assert body["data"] == {"node": expected_node(type_, row)}


@pytest.mark.parametrize("type_", NODES)
def test_fragments_on_other_types_select_nothing(typed_client: AppClient, type_: str) -> None:
    """Without a fragment on its type, a node is an empty object."""
    table, key = NODES[type_]
    other = "Stage" if type_ != "Stage" else "Policy"
    query = f"query ($id: ID!) {{ node(id: $id) {{ ... on {other} {{ pk flows {{ pk }} }} }} }}"
    assert execute(typed_client, query, id=global_id(type_, ROWS[table][0][key])) == {"node": {}}


def test_several_nodes_in_one_operation(typed_client: AppClient) -> None:
    """One operation can select nodes of several types, and the same node twice."""
    ids = {type_: global_id(type_, ROWS[table][3][key]) for type_, (table, key) in NODES.items()}
    fields = " ".join(
        f'{alias}{type_}: node(id: "{id_}") {{ __typename id }}'
        for alias in "ab"
        for type_, id_ in ids.items()
    )
    assert execute(typed_client, f"{{ {fields} }}") == {
        f"{alias}{type_}": {"__typename": type_, "id": id_}
        for alias in "ab"
        for type_, id_ in ids.items()
    }


def test_ids_are_stable(typed_client: AppClient) -> None:
    """The ID of a row never changes and is the same on each kind of database."""
    query = """{ flow(slug: "a-flow") {
        id stageBindings { id stage { id } } policyBindings { id policy { id } } } }"""
    flow = execute(typed_client, query)["flow"]
    stage_binding, policy_binding = flow["stageBindings"][0], flow["policyBindings"][0]
    nodes = (
        *(flow, stage_binding, stage_binding["stage"]),
        *(policy_binding, policy_binding["policy"]),
    )
    assert [node["id"] for node in nodes] == [
        "RmxvdzpiNzlmMWI4Yi1jYWJmLTU1MGYtYWVlYy0zMzgyNTJmMTAxOGY=",
        "Rmxvd1N0YWdlQmluZGluZzo2ZmE3YmQyNC02NmQ4LTU3MmMtODE0YS1hNTVmYTZiN2Q0YjM=",
        "U3RhZ2U6Njc3YTk1MWEtYjc0Ni01MDE1LTljNDUtMjExMjFlZjg1OWRk",
        "UG9saWN5QmluZGluZzoxMDBkYzg3Mi02OGQwLTU2M2ItYTQ3ZS04NWQyNDExNDQ5Nzk=",
        "UG9saWN5OjY5OTlhMjE0LTU3MDAtNTdhZC1hZmQ1LWZiZGFlZDc3ZjZkNA==",
    ]


def test_ids_are_unique(typed_client: AppClient) -> None:
    """Objects of all types have distinct IDs."""
    query = """{ flows(pageSize: 100, page: %d) { results {
        id pk stageBindings { id pk stage { id pk } } policyBindings { id pk policy { id pk } } } } }"""
    keys: dict[str, str] = {}
    for page in (1, 2):
        for object_ in objects_in(execute(typed_client, query % page)):
            if "id" in object_:
                assert keys.setdefault(object_["id"], object_["pk"]) == object_["pk"]
    assert len(set(keys.values())) == len(keys) > FLOW_COUNT


VALID_ID = global_id("Flow", flow_uuid(1))
# Invalid IDs, some of which a lenient decoder would accept.
INVALID_IDS: Mapping[str, str] = {
    "empty": "",
    "a space": " ",
    "not base64": "?",
    "a single character": "A",
    "a primary key": flow_uuid(1),
    "a slug": "a-flow",
    "no padding": VALID_ID.rstrip("="),
    "extra padding": f"{VALID_ID}=",
    "four padding characters": f"{VALID_ID}====",
    "a leading space": f" {VALID_ID}",
    "a trailing newline": f"{VALID_ID}\n",
    "a trailing NUL": f"{VALID_ID}\0",
    "a leading NUL": f"\0{VALID_ID}",
    "not ASCII": "ü",
    "not UTF-8": urlsafe_b64encode(b"Flow:\xff").decode(),
    "huge": "A" * 50_000,
    "a huge key": global_id("Flow", "0" * 30_000),
    "no type": global_id("", flow_uuid(1)),
    "no key": global_id("Flow", ""),
    "no separator": urlsafe_b64encode(b"Flow").decode(),
    "an unknown type": global_id("Nope", flow_uuid(1)),
    "a type that is not a node": global_id("Group", identifier("group", "plain")),
    "the interface": global_id("Node", flow_uuid(1)),
    "the root type": global_id("Query", flow_uuid(1)),
    "a type in lower case": global_id("flow", flow_uuid(1)),
    "a type with a space": global_id("Flow ", flow_uuid(1)),
    "a key that is not a UUID": global_id("Flow", "a-flow"),
    "a key in upper case": global_id("Flow", flow_uuid(1).upper()),
    "a key without hyphens": global_id("Flow", flow_uuid(1).replace("-", "")),
    "a key in braces": global_id("Flow", f"{{{flow_uuid(1)}}}"),
    "a URN": global_id("Flow", f"urn:uuid:{flow_uuid(1)}"),
    "a key with a suffix": global_id("Flow", f"{flow_uuid(1)}:1"),
    "a NUL in the key": global_id("Flow", f"{flow_uuid(1)}\0"),
    "a NUL in the type": global_id("Flow\0", flow_uuid(1)),
    "unused bits that are set": f"{VALID_ID[:-2]}{chr(ord(VALID_ID[-2]) + 1)}{VALID_ID[-1]}",
    "standard base64": global_id("Flow", flow_uuid(1)).replace("-", "+").replace("_", "/") + "+/",
}


@pytest.mark.parametrize("id_", INVALID_IDS.values(), ids=INVALID_IDS)
def test_invalid_ids(typed_client: AppClient, id_: str) -> None:
    """An ID that is not in canonical form is an error; other fields are resolved."""
    query = f"query ($id: ID!) {{ __typename {NODE_QUERY.partition('{')[2]}"
    response = typed_client.graphql(query, SUPERUSER, {"id": id_})
    assert response.status == 200
    assert response.json["data"] == {"__typename": "Query", "node": None}
    [error] = response.json["errors"]
    assert (error["path"], error["extensions"]) == (["node"], {"code": BAD_INPUT})
    assert error["message"] == "'id' is not a valid node ID. Use an ID returned by this API."


@pytest.mark.parametrize("id_", ["null", "true", "1.5", "[]", "{}", "FLOW"])
def test_values_that_are_not_ids(typed_client: AppClient, id_: str) -> None:
    """A literal that is not an ID is a validation error, and nothing is executed."""
    response = typed_client.graphql(f"{{ node(id: {id_}) {{ id }} }}", SUPERUSER)
    assert (response.status, list(response.json)) == (200, ["errors"])


def test_unknown_ids_are_null(typed_client: AppClient) -> None:
    """A valid ID of a missing object is null, as is one with the key of another type's row."""
    for type_ in NODES:
        assert execute(typed_client, NODE_QUERY, id=global_id(type_, MISSING)) == {"node": None}
        others = [(table, key) for name, (table, key) in NODES.items() if name != type_]
        for table, key in others:
            id_ = global_id(type_, ROWS[table][0][key])
            assert execute(typed_client, NODE_QUERY, id=id_) == {"node": None}


# Lists of nodes -----------------------------------------------------------------------------------


@pytest.fixture(params=EXECUTIONS)
def nodes_query(request: pytest.FixtureRequest) -> str:
    """Return a query for everything of nodes, for each kind of execution."""
    selection = f"nodes(ids: $ids) {{ __typename id {NODE_FRAGMENTS} }}"
    others = f"__typename {EXECUTIONS[request.param]}"
    return f"query ($ids: [ID!]!) {{ {selection} {others} }} {BINDINGS}"


def list_visible_nodes() -> Sequence[tuple[str, Any]]:
    """Return an ID and the expected node of many objects of each type, in random order."""
    pairs = [
        (global_id(type_, row[key]), expected_node(type_, row))
        for type_, (table, key) in NODES.items()
        for row in ROWS[table][::7]
        if row.get("target_id") != APPLICATION and is_used(type_, row[key])
    ]
    return Random(15).sample(pairs, k=len(pairs))


def is_used(type_: str, pk: object) -> bool:
    """Return whether a flow uses a stage or a policy; true for other types."""
    name = type_.lower()
    return name not in {"stage", "policy"} or bool(slugs_using(name, str(pk)))


def messages_of(body: Mapping[str, Any]) -> Mapping[int, tuple[str, str]]:
    """Return the message and the code of the errors of nodes, by index."""
    return {
        error["path"][1]: (error["message"], error["extensions"]["code"])
        for error in body.get("errors", ())
        if len(error["path"]) == 2
    }


def test_nodes_are_in_the_order_of_ids(typed_client: AppClient, nodes_query: str) -> None:
    """A list has the nodes of its IDs, of all types, in their order; IDs may repeat."""
    pairs = list_visible_nodes()
    for start in range(0, len(pairs), 40):
        chosen = [*pairs[start : start + 40], *pairs[start : start + 40 : 3], pairs[start]]
        ids, nodes = [list(column) for column in zip(*chosen, strict=True)]
        body = typed_client.graphql(nodes_query, SUPERUSER, {"ids": ids}).json
        assert body["data"]["nodes"] == nodes
        assert messages_of(body) == {}


def test_missing_nodes_are_null(typed_client: AppClient, nodes_query: str) -> None:
    """Missing, unused and foreign objects are null without an error, among others."""
    [first, *_, last] = list_visible_nodes()
    unused = [global_id("Stage", identifier("stage", "never bound"))]
    unused += [global_id("Policy", identifier("policy", "bound to no flow"))]
    foreign = [
        global_id("PolicyBinding", row["policy_binding_uuid"])
        for row in ROWS["authentik_policies_policybinding"]
        if row["target_id"] == APPLICATION
    ]
    missing = [global_id(type_, MISSING) for type_ in NODES] + unused + foreign[:2]
    ids = [first[0], *missing, last[0], *missing]
    body = typed_client.graphql(nodes_query, SUPERUSER, {"ids": ids}).json
    nulls = [None] * len(missing)
    assert body["data"]["nodes"] == [first[1], *nulls, last[1], *nulls]
    assert messages_of(body) == {}


def test_invalid_ids_of_a_list(typed_client: AppClient, nodes_query: str) -> None:
    """An invalid ID is null with an error at its index, and others are unaffected."""
    invalid = [id_ for id_ in INVALID_IDS.values() if len(id_) < 1000]
    [first, *_, last] = list_visible_nodes()
    body = typed_client.graphql(
        nodes_query, SUPERUSER, {"ids": [first[0], *invalid, last[0], invalid[0]]}
    ).json
    nulls = [None] * len(invalid)
    assert body["data"]["nodes"] == [first[1], *nulls, last[1], None]
    assert body["data"]["__typename"] == "Query"
    indexes = [*range(1, len(invalid) + 1), len(invalid) + 2]
    assert messages_of(body) == {
        index: (
            f"'ids.{index}' is not a valid node ID. Use an ID returned by this API.",
            BAD_INPUT,
        )
        for index in indexes
    }


def test_nodes_without_permissions(typed_client: AppClient, nodes_query: str) -> None:
    """A viewer without permissions gets an error for each object except flows, which are null."""
    key = KEYS["internal_service_account_none"]
    types = [*NODES, "Stage", "Flow"]
    ids = [global_id(type_, ROWS[NODES[type_][0]][0][NODES[type_][1]]) for type_ in types]
    body = typed_client.graphql(nodes_query, key, {"ids": ids}).json
    assert body["data"]["nodes"] == [None] * len(ids)
    labels = {
        "FlowStageBinding": "authentik_flows.view_flowstagebinding",
        "Stage": "authentik_flows.view_stage",
        "Policy": "authentik_policies.view_policy",
        "PolicyBinding": "authentik_policies.view_policybinding",
    }
    assert messages_of(body) == {
        index: (f"'Query.nodes({type_})' requires the permission {labels[type_]}.", "FORBIDDEN")
        for index, type_ in enumerate(types)
        if type_ != "Flow"
    }


@pytest.mark.parametrize("form", ["literal", "variable"])
def test_a_list_has_at_most_100_ids(typed_client: AppClient, form: str) -> None:
    """100 IDs are allowed; 101 are an error that names the limit, whatever they are."""

    def send(ids: Sequence[str]) -> Mapping[str, Any]:
        if form == "variable":
            query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
            return typed_client.graphql(query, SUPERUSER, {"ids": ids}).json
        literal = ", ".join(f'"{id_}"' for id_ in ids)
        return typed_client.graphql(f"{{ nodes(ids: [{literal}]) {{ id }} }}", SUPERUSER).json

    assert send([VALID_ID] * 100) == {"data": {"nodes": [{"id": VALID_ID}] * 100}}
    for ids in ([VALID_ID] * 101, [""] * 101, [VALID_ID] * 500):
        body = send(ids)
        assert body["data"] == {"nodes": None}
        [error] = body["errors"]
        message = f"'ids' must have at most 100 items, not {len(ids)}."
        assert (error["message"], error["path"]) == (message, ["nodes"])
        assert error["extensions"] == {"code": BAD_INPUT}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("{ nodes(ids: []) { id } }", 0),
        ('{ nodes(ids: "ID") { id } }', 1),
        ('query ($id: ID!) { nodes(ids: [$id, "ID"]) { id } }', 2),
        ('query ($other: [ID!]! = ["ID"]) { nodes(ids: $other) { id } }', 1),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", 3),
        ("query ($id: [ID!]!) { nodes(ids: $id) { id } }", 1),
    ],
)
def test_forms_of_lists_of_ids(typed_client: AppClient, query: str, count: int) -> None:
    """A list may be empty, a single ID is a list of one, and variables may be in it."""
    variables = {"ids": [VALID_ID] * 3, "id": VALID_ID}
    response = typed_client.graphql(query.replace('"ID"', f'"{VALID_ID}"'), SUPERUSER, variables)
    assert response.json == {"data": {"nodes": [{"id": VALID_ID}] * count}}


@pytest.mark.parametrize("viewer", RESTRICTED)
def test_hidden_nodes_are_null(typed_client: AppClient, nodes_query: str, viewer: str) -> None:
    """A restricted viewer gets the nodes that `node` returns one by one."""
    ids = [id_ for id_, _ in list_visible_nodes()][:60]
    query = f"query ($id: ID!) {{ node(id: $id) {{ __typename id {NODE_FRAGMENTS} }} }} {BINDINGS}"
    expected = [
        typed_client.graphql(query, KEYS[viewer], {"id": id_}).json["data"]["node"] for id_ in ids
    ]
    assert None in expected
    assert any(expected)
    data = typed_client.graphql(nodes_query, KEYS[viewer], {"ids": ids}).json["data"]
    assert data["nodes"] == expected
