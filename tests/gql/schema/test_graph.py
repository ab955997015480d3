"""What the graph says of bindings, stages and policies is what the rows say, to whoever may see it."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import psycopg
import pytest
from psycopg import sql

from support.app_client import AppClient, Response
from support.databases import KINDS
from support.edge_case_data import (
    ACTIONS,
    APPLICATION,
    FLOW_COUNT,
    KEYS,
    POLICIES,
    ROWS,
    SEEN_BY_ROLE,
    STAGES,
    UNKNOWN_ACTIONS,
    Row,
    flow_uuid,
    identifier,
)
from support.graph import EVERY_FIELD
from support.postgres import PostgresServer
from support.seed import fill_authentik, fill_ours

SUPERUSER = KEYS["superuser"]
INTERNAL = KEYS["internal_service_account_none"]
# Readers of some flows, and their roles.
RESTRICTED: Mapping[str, tuple[str, ...]] = {
    "object_role": ("some flows", "more flows"),
    "object_role_by_group": ("few flows",),
    "internal_service_account_object": ("more flows",),
}
BAD_INPUT = "BAD_USER_INPUT"
UNKNOWN = "UNKNOWN_ENUM_VALUE"
MISSING = identifier("nothing", 0)

FLOWS = sorted(ROWS["authentik_flows_flow"], key=lambda row: str(row["slug"]))
STAGE_BINDINGS = ROWS["authentik_flows_flowstagebinding"]
POLICY_BINDINGS = ROWS["authentik_policies_policybinding"]
STAGE_ROWS = {str(row["stage_uuid"]): row for row in ROWS["authentik_flows_stage"]}
POLICY_ROWS = {str(row["policy_uuid"]): row for row in ROWS["authentik_policies_policy"]}
GROUP_ROWS = {row["group_uuid"]: row for row in ROWS["authentik_core_group"]}
USER_ROWS = {row["id"]: row for row in ROWS["authentik_core_user"]}
FLOW_ROWS = {str(row["flow_uuid"]): row for row in FLOWS}

# Which stages and policies have a type, and which table of authentik's says so.
CHILDREN: Mapping[tuple[str, str], Sequence[str]] = {
    ("authentik_stages_user_write_userwritestage", "stage_ptr_id"): list(STAGE_ROWS)[::3],
    ("authentik_stages_deny_denystage", "stage_ptr_id"): list(STAGE_ROWS)[1::3],
    ("authentik_policies_dummy_dummypolicy", "policy_ptr_id"): list(POLICY_ROWS)[::2],
    ("authentik_policies_empty_emptypolicy", "policy_ptr_id"): [],
}
TYPES = {pk: ".".join(name.rsplit("_", 1)) for (name, _), pks in CHILDREN.items() for pk in pks}

POLICY_BINDING = """fragment P on PolicyBinding {
    pk order enabled negate timeout failureResult
    policy { pk name type executionLogging } group { pk name } user { pk name } }"""
STAGE_BINDING = """fragment S on FlowStageBinding {
    pk order evaluateOnPlan reEvaluatePolicies invalidResponseAction
    stage { pk name type } flow { pk slug } policyBindings { ...P } }"""
BINDINGS = f"{POLICY_BINDING} {STAGE_BINDING}"
WHOLE_FLOW = "pk slug stageBindings { ...S } policyBindings { ...P }"


# Databases ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=KINDS)
def client(
    request: pytest.FixtureRequest, postgres: PostgresServer, tmp_path_factory: Any
) -> Iterator[AppClient]:
    """FlowQL on each kind of database, with the odd data and the types of most of it."""
    if request.param == "sqlite":
        url = fill_ours(
            f"sqlite:///{tmp_path_factory.mktemp('graph') / 'flowql.db'}", _typed_rows()
        )
    elif request.param == "postgresql":
        url = fill_ours(postgres.create_database("graph"), _typed_rows())
    else:
        url = fill_authentik(postgres.create_database("authentik_graph"))
        _create_children(url)
    # What is asked here is large, and nothing here is about limits.
    with AppClient(url, max_cost=1_000_000) as opened:
        yield opened


def _typed_rows() -> Mapping[str, Sequence[Row]]:
    types: dict[str, list[Row]] = {"flowql_stagetype": [], "flowql_policytype": []}
    for (_, key), pks in CHILDREN.items():
        known = types[f"flowql_{key.removesuffix('_ptr_id')}type"]
        known += [{"ptr_id": pk, "model": TYPES[pk]} for pk in pks]
    return ROWS | types


def _create_children(url: str) -> None:
    with psycopg.connect(url) as connection:
        for (table, key), pks in CHILDREN.items():
            names = sql.Identifier(table), sql.Identifier(key)
            connection.execute(sql.SQL("CREATE TABLE {} ({} uuid PRIMARY KEY)").format(*names))
            insert = sql.SQL("INSERT INTO {} ({}) SELECT unnest(%s::uuid[])").format(*names)
            connection.execute(insert, [list(pks)])


# What the rows say --------------------------------------------------------------------------------


def in_order(rows: list[Row], key: str) -> list[Row]:
    """Bindings, lowest order first, and by their primary key where the order is the same."""
    return sorted(rows, key=lambda row: (int(str(row["order"])), str(row[key])))


def policy(pk: object) -> dict[str, Any] | None:
    """What is told of a policy, None of none."""
    row = POLICY_ROWS.get(str(pk))
    return row and {
        "pk": pk,
        "name": row["name"],
        "type": TYPES.get(str(pk)),
        "executionLogging": row["execution_logging"],
    }


def stage(pk: object) -> dict[str, Any]:
    """What is told of a stage."""
    return {"pk": pk, "name": STAGE_ROWS[str(pk)]["name"], "type": TYPES.get(str(pk))}


def policy_binding(row: Row) -> dict[str, Any]:
    """What is told of a policy binding."""
    group, user = row["group_id"], row["user_id"]
    return {
        "pk": row["policy_binding_uuid"],
        "order": row["order"],
        "enabled": row["enabled"],
        "negate": row["negate"],
        "timeout": row["timeout"],
        "failureResult": row["failure_result"],
        "policy": policy(row["policy_id"]),
        "group": {"pk": group, "name": GROUP_ROWS[group]["name"]} if group else None,
        "user": {"pk": user, "name": USER_ROWS[user]["name"]} if user else None,
    }


def policy_bindings(target: object) -> list[dict[str, Any]]:
    """What is told of what is bound to a flow or to a stage binding."""
    rows = [row for row in POLICY_BINDINGS if row["target_id"] == target]
    return [policy_binding(row) for row in in_order(rows, "policy_binding_uuid")]


def stage_binding(row: Row) -> dict[str, Any]:
    """What is told of a stage binding."""
    action = str(row["invalid_response_action"])
    return {
        "pk": row["fsb_uuid"],
        "order": row["order"],
        "evaluateOnPlan": row["evaluate_on_plan"],
        "reEvaluatePolicies": row["re_evaluate_policies"],
        "invalidResponseAction": action.upper() if action in ACTIONS else None,
        "stage": stage(row["stage_id"]),
        "flow": {"pk": row["target_id"], "slug": FLOW_ROWS[str(row["target_id"])]["slug"]},
        "policyBindings": policy_bindings(row["policybindingmodel_ptr_id"]),
    }


def bound_to(flow: Row) -> list[Row]:
    """The rows of a flow's stage bindings, in order."""
    rows = [row for row in STAGE_BINDINGS if row["target_id"] == flow["flow_uuid"]]
    return in_order(rows, "fsb_uuid")


def whole(flow: Row) -> dict[str, Any]:
    """What is told of a flow and of all that is bound to it."""
    return {
        "pk": flow["flow_uuid"],
        "slug": flow["slug"],
        "stageBindings": [stage_binding(row) for row in bound_to(flow)],
        "policyBindings": policy_bindings(flow["policybindingmodel_ptr_id"]),
    }


def unknown_actions(flow: Row, *path: str | int) -> list[list[str | int]]:
    """The paths of the errors that a flow's stage bindings bring."""
    return [
        [*path, "stageBindings", index, "invalidResponseAction"]
        for index, row in enumerate(bound_to(flow))
        if row["invalid_response_action"] not in ACTIONS
    ]


def uses_stage(flow: Row, pk: str) -> bool:
    """Whether a flow uses a stage."""
    return any(row["stage_id"] == pk for row in bound_to(flow))


def uses_policy(flow: Row, pk: str) -> bool:
    """Whether a flow uses a policy: bound to itself or to one of its stage bindings."""
    targets = {flow["policybindingmodel_ptr_id"]}
    targets |= {row["policybindingmodel_ptr_id"] for row in bound_to(flow)}
    return any(row["policy_id"] == pk and row["target_id"] in targets for row in POLICY_BINDINGS)


Uses = Callable[[Row, str], bool]
PARTS: Mapping[str, tuple[Mapping[str, Row], Uses]] = {
    "stage": (STAGE_ROWS, uses_stage),
    "policy": (POLICY_ROWS, uses_policy),
}
PART_NAMES = tuple(PARTS)


def seen_by(kind: str) -> list[Row]:
    """The flows that a reader sees, by slug."""
    if kind not in RESTRICTED:
        return FLOWS
    numbers = {number for role in RESTRICTED[kind] for number in SEEN_BY_ROLE[role]}
    pks = {flow_uuid(number) for number in numbers}
    return [flow for flow in FLOWS if flow["flow_uuid"] in pks]


def users_of(part: str, pk: str, seen: Sequence[Row] = FLOWS) -> list[Any]:
    """The slugs of the flows that use a stage or a policy, of those that are seen."""
    return [flow["slug"] for flow in seen if PARTS[part][1](flow, pk)]


def data(answer: Response) -> Any:
    """The data of an answer without errors."""
    assert (answer.status, list(answer.json)) == (200, ["data"]), answer.json
    return answer.json["data"]


def ask(client: AppClient, query: str, key: str = SUPERUSER, **variables: Any) -> Any:
    """The data of the answer to a query with fragments P and S, which has no errors."""
    return data(client.graphql(query, key, variables))


# Bindings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["superuser", *RESTRICTED])
def test_bindings_of_every_flow(client: AppClient, kind: str) -> None:
    """Every field of all that is bound, in order, for whoever sees the flow; unknown actions are errors."""
    seen, size = seen_by(kind), 4
    for start in range(0, len(seen), size):
        flows = seen[start : start + size]
        place = f"pageSize: {size}, page: {start // size + 1}"
        query = f"{{ flows({place}) {{ results {{ {WHOLE_FLOW} }} }} }} {BINDINGS}"
        answer = client.graphql(query, KEYS[kind]).json
        assert answer["data"]["flows"]["results"] == [whole(flow) for flow in flows]
        assert [error["path"] for error in answer.get("errors", [])] == [
            path
            for index, flow in enumerate(flows)
            for path in unknown_actions(flow, "flows", "results", index)
        ]


@pytest.mark.parametrize("page", [1, 2])
def test_bindings_of_a_hundred_flows(client: AppClient, page: int) -> None:
    """Each flow has its own bindings, however many flows there are beside it."""
    selected = "slug stageBindings { pk stage { name } } policyBindings { pk }"
    query = f"{{ flows(pageSize: 100, page: {page}) {{ results {{ {selected} }} }} }}"
    assert ask(client, query)["flows"]["results"] == [
        {
            "slug": flow["slug"],
            "stageBindings": [
                {"pk": row["fsb_uuid"], "stage": {"name": stage(row["stage_id"])["name"]}}
                for row in bound_to(flow)
            ],
            "policyBindings": [
                {"pk": bound["pk"]} for bound in policy_bindings(flow["policybindingmodel_ptr_id"])
            ],
        }
        for flow in FLOWS[100 * (page - 1) : 100 * page]
    ]


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 54])
def test_bindings_of_one_flow(client: AppClient, number: int) -> None:
    """`flow` says the same of a flow as the page that it is on."""
    flow = FLOW_ROWS[flow_uuid(number)]
    query = f"query ($slug: String!) {{ flow(slug: $slug) {{ {WHOLE_FLOW} }} }} {BINDINGS}"
    answer = client.graphql(query, SUPERUSER, {"slug": flow["slug"]}).json
    assert answer["data"] == {"flow": whole(flow)}
    assert [error["path"] for error in answer.get("errors", [])] == unknown_actions(flow, "flow")


@pytest.mark.parametrize("kind", ["superuser", *RESTRICTED, "internal_service_account_none"])
def test_introspection_beside_it_changes_nothing(client: AppClient, kind: str) -> None:
    """What graphql-core walks through, since no plan has introspection, is answered the same."""
    ids = [global_id(type_, str(ROWS[table][1][key])) for type_, (table, key) in NODES.items()]
    nodes = " ".join(f'n{i}: node(id: "{id_}") {{ id {FRAGMENTS} }}' for i, id_ in enumerate(ids))
    page = f"flows(pageSize: 7) {{ results {{ {WHOLE_FLOW} }} }}"
    planned, walked = (
        client.graphql(f"{BINDINGS} {{ {page} {nodes} {beside} }}", KEYS[kind]).json
        for beside in ("", "__schema { queryType { name } }")
    )
    assert walked["data"].pop("__schema") == {"queryType": {"name": "Query"}}
    assert planned == walked


def test_unknown_actions(client: AppClient) -> None:
    """An action that this version does not know is null with an error; all else is told."""
    for number, action in UNKNOWN_ACTIONS.items():
        row = STAGE_BINDINGS[number]
        query = f"query ($id: ID!) {{ node(id: $id) {{ ...S }} }} {BINDINGS}"
        given = {"id": global_id("FlowStageBinding", str(row["fsb_uuid"]))}
        answer = client.graphql(query, SUPERUSER, given).json
        assert answer["data"] == {"node": stage_binding(row)}
        [error] = answer["errors"]
        assert error["path"] == ["node", "invalidResponseAction"]
        assert error["message"] == f"InvalidResponseAction has no value for {action!r}."
        assert error["extensions"] == {"code": UNKNOWN}


def test_bindings_of_flows_below_flows(client: AppClient) -> None:
    """A flow is the same below its own bindings, in all its fields, and so are its bindings."""
    below = f"flow {{ {EVERY_FIELD} stageBindings {{ pk }} policyBindings {{ pk }} }}"
    inner = below.removeprefix("flow ")
    query = f"query ($slug: String!) {{ flow(slug: $slug) {{ ...F stageBindings {{ {below} }} }} }}"
    query += f" fragment F on Flow {inner}"
    for number in (0, 1, 12, 54):
        flow = FLOW_ROWS[flow_uuid(number)]
        told = ask(client, query, slug=flow["slug"])["flow"]
        bindings = [{"pk": row["fsb_uuid"]} for row in bound_to(flow)]
        own = {**told, "stageBindings": bindings}
        assert told["stageBindings"] == [{**bound, "flow": own} for bound in bindings]


# Stages and policies ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PART_NAMES)
def test_types_are_known_and_unknown(name: str) -> None:
    """There are stages and policies of each, so that the other tests are about both."""
    assert {pk in TYPES for pk in PARTS[name][0]} == {True, False}


def test_every_stage_and_policy(client: AppClient) -> None:
    """Each has its name and, where it is known, its type."""
    for pk in STAGE_ROWS:
        query = "query ($pk: UUID!) { stage(pk: $pk) { pk name type } }"
        assert ask(client, query, pk=pk) == {"stage": stage(pk)}
    for pk in POLICY_ROWS:
        query = "query ($pk: UUID!) { policy(pk: $pk) { pk name type executionLogging } }"
        assert ask(client, query, pk=pk.upper()) == {"policy": policy(pk)}


@pytest.mark.parametrize("name", PART_NAMES)
@pytest.mark.parametrize("first", [0, 1, 2, 100])
def test_who_uses_a_stage_or_a_policy(client: AppClient, name: str, first: int) -> None:
    """The first flows by slug that use it, each once, whatever binds it and how often."""
    query = f"query ($pk: UUID!, $n: Int!) {{ {name}(pk: $pk) {{ flows(first: $n) {{ slug }} }} }}"
    for pk in PARTS[name][0]:
        expected = [{"slug": slug} for slug in users_of(name, pk)[:first]]
        assert ask(client, query, pk=pk, n=first) == {name: {"flows": expected}}


@pytest.mark.parametrize("name", PART_NAMES)
def test_who_uses_it_are_twenty_at_first(client: AppClient, name: str) -> None:
    """Without an argument there are 20 flows at most, and the argument is one of each field."""
    pk = max(PARTS[name][0], key=lambda pk: len(users_of(name, pk)))
    query = (
        f"query ($pk: UUID!) {{ {name}(pk: $pk) "
        "{ flows { slug } one: flows(first: 1) { slug } none: flows(first: 0) { slug } } }"
    )
    expected = [{"slug": slug} for slug in users_of(name, pk)]
    assert len(expected) > 20
    assert ask(client, query, pk=pk) == {
        name: {"flows": expected[:20], "one": expected[:1], "none": []}
    }


@pytest.mark.parametrize("first", [-1, 101, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("name", PART_NAMES)
def test_first_is_from_0_to_100(client: AppClient, name: str, first: int) -> None:
    """Any other number, in the document or in a variable, is an error that says so; nothing is executed."""
    pk = next(iter(PARTS[name][0]))
    rest = f'{{ {name}(pk: "{pk}") {{ flows(first: FIRST) {{ slug }} }} }}'
    by_variable = "query ($n: Int!) " + rest.replace("FIRST", "$n")
    literal = client.graphql(rest.replace("FIRST", str(first)), SUPERUSER)
    variable = client.graphql(by_variable, SUPERUSER, {"n": first})
    for answer in (literal, variable):
        assert (answer.status, list(answer.json)) == (200, ["errors"])
        [error] = answer.json["errors"]
        assert error["message"] == f"first is {first}, not from 0 to 100."
        assert error["extensions"] == {"code": BAD_INPUT}


@pytest.mark.parametrize("kind", ["superuser", *RESTRICTED])
def test_who_uses_what_a_flow_uses(client: AppClient, kind: str) -> None:
    """Below the flows of a page, each stage and policy names the first flows that use it and are seen."""
    seen = seen_by(kind)
    query = """{ flows(pageSize: 5) { results {
        stageBindings { stage { flows(first: 3) { slug } } }
        policyBindings { policy { flows(first: 2) { slug } } } } } }"""

    def users(name: str, pk: object, first: int) -> dict[str, Any]:
        return {"flows": [{"slug": slug} for slug in users_of(name, str(pk), seen)[:first]]}

    assert ask(client, query, KEYS[kind])["flows"]["results"] == [
        {
            "stageBindings": [
                {"stage": users("stage", row["stage_id"], 3)} for row in bound_to(flow)
            ],
            "policyBindings": [
                {"policy": bound["policy"] and users("policy", bound["policy"]["pk"], 2)}
                for bound in policy_bindings(flow["policybindingmodel_ptr_id"])
            ],
        }
        for flow in seen[:5]
    ]


# Readers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PART_NAMES)
@pytest.mark.parametrize("kind", RESTRICTED)
def test_readers_see_what_their_flows_use(client: AppClient, kind: str, name: str) -> None:
    """A stage or a policy is there if a flow that the reader sees uses it, with just such flows."""
    query = f"query ($pk: UUID!) {{ {name}(pk: $pk) {{ pk flows(first: 100) {{ slug }} }} }}"
    seen = seen_by(kind)
    for pk in PARTS[name][0]:
        users = [{"slug": slug} for slug in users_of(name, pk, seen)]
        expected = {"pk": pk, "flows": users} if users else None
        assert ask(client, query, KEYS[kind], pk=pk) == {name: expected}


@pytest.mark.parametrize(
    ("name", "pk"),
    [
        ("stage", identifier("stage", "never bound")),
        ("policy", identifier("policy", "bound to no flow")),
    ],
)
def test_what_no_flow_uses_is_for_who_sees_all(client: AppClient, name: str, pk: str) -> None:
    """It has no flows; to a reader of some flows it is as what is missing."""
    query = f"query ($pk: UUID!) {{ {name}(pk: $pk) {{ pk flows {{ slug }} }} }}"
    assert ask(client, query, pk=pk) == {name: {"pk": pk, "flows": []}}
    hidden, missing = (
        client.graphql(query, KEYS["object_role"], {"pk": one}).body for one in (pk, MISSING)
    )
    assert hidden == missing


def hidden(kind: str) -> Mapping[str, str]:
    """The primary key of something of each type that a reader of some flows does not see."""
    seen = seen_by(kind)
    flow = next(row for row in FLOWS if row not in seen and whole(row)["policyBindings"])
    binding = next(row for row in STAGE_BINDINGS if row["target_id"] == flow["flow_uuid"])
    return {
        "Flow": str(flow["flow_uuid"]),
        "FlowStageBinding": str(binding["fsb_uuid"]),
        "Stage": identifier("stage", STAGES[-1]),
        "Policy": identifier("policy", POLICIES[-1]),
        "PolicyBinding": whole(flow)["policyBindings"][0]["pk"],
    }


@pytest.mark.parametrize("kind", RESTRICTED)
def test_hidden_nodes_are_as_missing_ones(client: AppClient, kind: str) -> None:
    """What the reader may not see is answered byte by byte as what is not there; others see it."""
    for type_, pk in hidden(kind).items():
        bodies = [
            client.graphql(NODE, KEYS[kind], {"id": global_id(type_, one)}).body
            for one in (pk, MISSING)
        ]
        assert bodies == [b'{"data":{"node":null}}'] * 2
        assert ask(client, NODE, id=global_id(type_, pk))["node"]["__typename"] == type_


def test_bindings_of_applications_are_no_nodes(client: AppClient) -> None:
    """A policy binding of neither a flow nor a stage binding is null for everybody."""
    bound = [row for row in POLICY_BINDINGS if row["target_id"] == APPLICATION]
    assert bound
    for row in bound:
        id_ = global_id("PolicyBinding", str(row["policy_binding_uuid"]))
        assert ask(client, NODE, id=id_) == {"node": None}


WALKS = (
    "stageBindings { flow { ...T } stage { flows(first: 100) { ...T } } }",
    "stageBindings { policyBindings { policy { flows(first: 100) { ...T } } } }",
    "policyBindings { policy { flows(first: 100) { ...T } } }",
    "stageBindings { stage { flows(first: 3) { stageBindings { flow { ...T } } } } }",
    "policyBindings { policy { flows(first: 3) { stageBindings { stage { flows { ...T } } } } } }",
)


@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize("kind", RESTRICTED)
def test_no_way_leads_to_hidden_flows(client: AppClient, kind: str, walk: str) -> None:
    """Whatever way readers go from flows that they see, they come to such flows alone."""
    fragment = "fragment T on Flow { seen: slug }"
    body = client.graphql(f"{{ flows {{ results {{ {walk} }} }} }} {fragment}", KEYS[kind]).json
    found = set(slugs_in(body["data"]))
    assert found
    assert found <= {flow["slug"] for flow in seen_by(kind)}


def slugs_in(told: Any) -> Iterator[str]:
    """All that is told under the name `seen`."""
    if isinstance(told, list):
        for item in cast(list[Any], told):
            yield from slugs_in(item)
    elif isinstance(told, dict):
        for name, value in cast(dict[str, Any], told).items():
            yield from [value] if name == "seen" else slugs_in(value)


def test_internal_service_accounts_without_rights_find_nothing(client: AppClient) -> None:
    """They are not refused, and all is null to them."""
    pk = str(STAGE_BINDINGS[0]["stage_id"])
    query = """query ($stage: UUID!, $policy: UUID!) {
        stage(pk: $stage) { pk flows { pk } } policy(pk: $policy) { pk flows { pk } }
        flows { results { stageBindings { stage { pk } } } } }"""
    assert ask(client, query, INTERNAL, stage=pk, policy=next(iter(POLICY_ROWS))) == {
        "stage": None,
        "policy": None,
        "flows": {"results": []},
    }
    for type_, (table, key) in NODES.items():
        for row in ROWS[table][:2]:
            assert ask(client, NODE, INTERNAL, id=global_id(type_, str(row[key]))) == {"node": None}


# Nodes --------------------------------------------------------------------------------------------

NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
# The tables of nodes, and their keys.
NODES: Mapping[str, tuple[str, str]] = {
    "Flow": ("authentik_flows_flow", "flow_uuid"),
    "FlowStageBinding": ("authentik_flows_flowstagebinding", "fsb_uuid"),
    "Stage": ("authentik_flows_stage", "stage_uuid"),
    "Policy": ("authentik_policies_policy", "policy_uuid"),
    "PolicyBinding": ("authentik_policies_policybinding", "policy_binding_uuid"),
}
FRAGMENTS = f"""
    ... on Flow {{ {WHOLE_FLOW} }}
    ... on FlowStageBinding {{ ...S }}
    ... on Stage {{ pk name type flows(first: 2) {{ slug }} }}
    ... on Policy {{ pk name type executionLogging flows(first: 2) {{ slug }} }}
    ... on PolicyBinding {{ ...P }}
    ... on Node {{ again: id }}"""


def global_id(type_: str, pk: str) -> str:
    """The id of a node."""
    return urlsafe_b64encode(f"{type_}:{pk}".encode()).decode()


def node(type_: str, row: Row) -> dict[str, Any]:
    """What is told of a node with all fragments."""
    id_ = global_id(type_, str(row[NODES[type_][1]]))
    return {"__typename": type_, "id": id_, **_own(type_, row), "again": id_}


def _own(type_: str, row: Row) -> dict[str, Any]:
    match type_:
        case "Flow":
            return whole(row)
        case "FlowStageBinding":
            return stage_binding(row)
        case "PolicyBinding":
            return policy_binding(row)
        case "Stage":
            pk = str(row["stage_uuid"])
            return stage(pk) | {"flows": [{"slug": slug} for slug in users_of("stage", pk)[:2]]}
        case _:
            pk = str(row["policy_uuid"])
            told = policy(pk) or {}
            return told | {"flows": [{"slug": slug} for slug in users_of("policy", pk)[:2]]}


@pytest.mark.parametrize("type_", NODES)
def test_nodes_are_the_objects_themselves(client: AppClient, type_: str) -> None:
    """A node tells by fragments all that its object does, and the fragments of others tell nothing."""
    query = f"query ($id: ID!) {{ node(id: $id) {{ __typename id {FRAGMENTS} }} }} {BINDINGS}"
    table, key = NODES[type_]
    rows = [row for row in ROWS[table] if row.get("target_id") != APPLICATION]
    for row in rows[:: len(rows) // 50 + 1]:
        given = {"id": global_id(type_, str(row[key]))}
        assert client.graphql(query, SUPERUSER, given).json["data"] == {"node": node(type_, row)}


@pytest.mark.parametrize("type_", NODES)
def test_a_fragment_on_another_type_tells_nothing(client: AppClient, type_: str) -> None:
    """Where no fragment is on the node's type it is an object without a field."""
    table, key = NODES[type_]
    other = "Stage" if type_ != "Stage" else "Policy"
    query = f"query ($id: ID!) {{ node(id: $id) {{ ... on {other} {{ pk flows {{ pk }} }} }} }}"
    assert ask(client, query, id=global_id(type_, str(ROWS[table][0][key]))) == {"node": {}}


def test_several_nodes_at_once(client: AppClient) -> None:
    """Nodes of several types are asked for side by side, the same one twice too."""
    ids = {
        type_: global_id(type_, str(ROWS[table][3][key])) for type_, (table, key) in NODES.items()
    }
    fields = " ".join(
        f'{alias}{type_}: node(id: "{id_}") {{ __typename id }}'
        for alias in "ab"
        for type_, id_ in ids.items()
    )
    assert ask(client, f"{{ {fields} }}") == {
        f"{alias}{type_}": {"__typename": type_, "id": id_}
        for alias in "ab"
        for type_, id_ in ids.items()
    }


def test_ids_stay_as_they_are(client: AppClient) -> None:
    """The id of a row is the same for ever, on each kind of database."""
    query = """{ flow(slug: "a-flow") {
        id stageBindings { id stage { id } } policyBindings { id policy { id } } } }"""
    told = ask(client, query)["flow"]
    binding, bound = told["stageBindings"][0], told["policyBindings"][0]
    ids = [one["id"] for one in (told, binding, binding["stage"], bound, bound["policy"])]
    assert ids == [
        "RmxvdzpiNzlmMWI4Yi1jYWJmLTU1MGYtYWVlYy0zMzgyNTJmMTAxOGY=",
        "Rmxvd1N0YWdlQmluZGluZzo2ZmE3YmQyNC02NmQ4LTU3MmMtODE0YS1hNTVmYTZiN2Q0YjM=",
        "U3RhZ2U6Njc3YTk1MWEtYjc0Ni01MDE1LTljNDUtMjExMjFlZjg1OWRk",
        "UG9saWN5QmluZGluZzoxMDBkYzg3Mi02OGQwLTU2M2ItYTQ3ZS04NWQyNDExNDQ5Nzk=",
        "UG9saWN5OjY5OTlhMjE0LTU3MDAtNTdhZC1hZmQ1LWZiZGFlZDc3ZjZkNA==",
    ]


def test_ids_are_unique(client: AppClient) -> None:
    """No two objects have the same id, of whatever types, and each has its own."""
    query = """{ flows(pageSize: 100, page: %d) { results {
        id pk stageBindings { id pk stage { id pk } } policyBindings { id pk policy { id pk } } } } }"""
    known: dict[str, str] = {}
    for page in (1, 2):
        for id_, pk in ids_in(ask(client, query % page)):
            assert known.setdefault(id_, pk) == pk
    assert len(set(known.values())) == len(known) > FLOW_COUNT


def ids_in(told: Any) -> Iterator[tuple[str, str]]:
    """The ids and primary keys of all objects."""
    if isinstance(told, list):
        for item in cast(list[Any], told):
            yield from ids_in(item)
    elif isinstance(told, dict):
        inside = cast(dict[str, Any], told)
        if "id" in inside:
            yield inside["id"], inside["pk"]
        yield from ids_in(list(inside.values()))


GOOD_ID = global_id("Flow", flow_uuid(1))
# What is no id, although some of it would be read as one by a careless reader.
BAD_IDS: Mapping[str, str] = {
    "empty": "",
    "a space": " ",
    "no base64": "?",
    "a lone character": "A",
    "a primary key": flow_uuid(1),
    "a slug": "a-flow",
    "not padded": GOOD_ID.rstrip("="),
    "padded twice": f"{GOOD_ID}=",
    "padded by four": f"{GOOD_ID}====",
    "a space before": f" {GOOD_ID}",
    "a line behind": f"{GOOD_ID}\n",
    "a NUL behind": f"{GOOD_ID}\0",
    "a NUL before": f"\0{GOOD_ID}",
    "no ASCII": "ü",
    "no UTF-8": urlsafe_b64encode(b"Flow:\xff").decode(),
    "huge": "A" * 50_000,
    "a huge key": global_id("Flow", "0" * 30_000),
    "no type": global_id("", flow_uuid(1)),
    "no key": global_id("Flow", ""),
    "no separator": urlsafe_b64encode(b"Flow").decode(),
    "an unknown type": global_id("Nope", flow_uuid(1)),
    "a type that is no node": global_id("Group", identifier("group", "plain")),
    "the interface": global_id("Node", flow_uuid(1)),
    "the root": global_id("Query", flow_uuid(1)),
    "a type in lower case": global_id("flow", flow_uuid(1)),
    "a type and a space": global_id("Flow ", flow_uuid(1)),
    "a key that is no uuid": global_id("Flow", "a-flow"),
    "a key in upper case": global_id("Flow", flow_uuid(1).upper()),
    "a key without dashes": global_id("Flow", flow_uuid(1).replace("-", "")),
    "a key in braces": global_id("Flow", f"{{{flow_uuid(1)}}}"),
    "a urn": global_id("Flow", f"urn:uuid:{flow_uuid(1)}"),
    "a key and more": global_id("Flow", f"{flow_uuid(1)}:1"),
    "a NUL in the key": global_id("Flow", f"{flow_uuid(1)}\0"),
    "a NUL in the type": global_id("Flow\0", flow_uuid(1)),
    "bits that no character has": f"{GOOD_ID[:-2]}{chr(ord(GOOD_ID[-2]) + 1)}{GOOD_ID[-1]}",
    "the other base64": global_id("Flow", flow_uuid(1)).replace("-", "+").replace("_", "/") + "+/",
}


@pytest.mark.parametrize("id_", BAD_IDS.values(), ids=BAD_IDS)
def test_bad_ids(client: AppClient, id_: str) -> None:
    """What is no id of a node in its one spelling is an error, and nothing else is touched."""
    query = f"query ($id: ID!) {{ __typename {NODE.partition('{')[2]}"
    answer = client.graphql(query, SUPERUSER, {"id": id_})
    assert (answer.status, answer.json["data"]) == (200, {"__typename": "Query", "node": None})
    [error] = answer.json["errors"]
    assert (error["path"], error["extensions"]) == (["node"], {"code": BAD_INPUT})
    assert error["message"] == "id is no id of a node of this graph."


@pytest.mark.parametrize("id_", ["null", "true", "1.5", "[]", "{}", "FLOW"])
def test_malformed_ids(client: AppClient, id_: str) -> None:
    """What is not even an ID is told so, and nothing is executed."""
    answer = client.graphql(f"{{ node(id: {id_}) {{ id }} }}", SUPERUSER)
    assert (answer.status, list(answer.json)) == (200, ["errors"])


def test_an_id_of_nothing_is_null(client: AppClient) -> None:
    """An id that could be is no error, whatever the type; nor is a number one."""
    for type_ in NODES:
        assert ask(client, NODE, id=global_id(type_, MISSING)) == {"node": None}
        # The key of another type's row is none of this one's.
        others = [(table, key) for name, (table, key) in NODES.items() if name != type_]
        for table, key in others:
            id_ = global_id(type_, str(ROWS[table][0][key]))
            assert ask(client, NODE, id=id_) == {"node": None}
