"""Global IDs, and the `node` field that takes them."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping

import pytest

from support.app_client import AppClient
from support.edge_case_data import (
    APPLICATION,
    FLOW_COUNT,
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
    SUPERUSER,
    execute,
    expected_node,
    objects_in,
)
from support.stored_values import global_id


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
