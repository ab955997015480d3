"""Tests of the SQL statements of a request: their number, and the columns that they read."""

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence

import pytest

from models.database.statement import Statement
from support.app_client import AppClient, Response
from support.databases import KINDS
from support.edge_case_data import AUTHORIZED_KEYS, KEYS, flow_uuid, identifier
from support.graphql_from_rest import EVERY_FLOW_FIELD, EVERY_PAGINATION_FIELD, FIELDS
from support.reference.requests import MOUNTS
from support.sql_recorder import is_of_viewer, record_statements

SUPERUSER = KEYS["superuser"]
PAGE_SIZES = (*range(1, 10), 50, 99, 100)
FLOW = "authentik_flows_flow"
RELATED_TABLES = {
    "stages": "authentik_flows_flowstagebinding",
    "policies": "authentik_policies_policybinding",
    "cacheCount": "django_postgres_cache_cacheentry",
    "policyEngineMode": "authentik_policies_policybindingmodel",
}
# Objects that `object_role` may see: of flow 0, whose stages are all the bound ones, and of flow 6.
STAGE_BINDING = identifier("stage binding", 0)
POLICY_BINDING = identifier("policy binding", 17)
STAGE = identifier("stage", "a")
POLICY = identifier("policy", "if-sso")
# The columns of a flow's row that a field reads, if they differ from the name of the field.
COLUMNS = {
    "pk": {"flow_uuid"},
    "stages": {"flow_uuid"},
    "cacheCount": {"flow_uuid"},
    "policies": {"policybindingmodel_ptr_id"},
    "policyEngineMode": {"policybindingmodel_ptr_id"},
    "exportUrl": {"slug"},
}


@pytest.fixture(scope="module", params=KINDS)
def client(request: pytest.FixtureRequest) -> Iterator[AppClient]:
    """FlowQL on each kind of database, which executes the statements of every request."""
    url = request.getfixturevalue(f"{request.param}_url")
    with AppClient(url, reuse_bytes=0) as opened:
        yield opened


@pytest.fixture(scope="module", params=KINDS)
def high_limit_client(request: pytest.FixtureRequest) -> Iterator[AppClient]:
    """FlowQL on each kind of database, with a higher limit of the cost."""
    url = request.getfixturevalue(f"{request.param}_url")
    with AppClient(url, max_cost=1_000_000, reuse_bytes=0) as opened:
        yield opened


def record(send: Callable[[], Response], status: int = 200) -> list[Statement]:
    """Return the statements of a request, except the one for the viewer; check the status."""
    with record_statements() as recorded:
        assert send().status == status
    return [statement for statement in recorded if not is_of_viewer(statement)]


def record_graphql(client: AppClient, query: str, key: str = SUPERUSER) -> list[Statement]:
    """Return the statements of a GraphQL operation."""
    return record(lambda: client.graphql(query, key))


def test_a_rest_page_takes_one_statement(client: AppClient) -> None:
    """A page of 1 flow and a page of 100 flows take one statement, for all mounts."""
    for mount in MOUNTS:
        for size in PAGE_SIZES:
            target = f"{mount}?page_size={size}"
            [_] = record(lambda target=target: client.get(target, SUPERUSER))


@pytest.mark.parametrize("kind", AUTHORIZED_KEYS)
def test_every_viewer_takes_one_statement(client: AppClient, kind: str) -> None:
    """Permissions are part of the statement."""
    [_] = record(lambda: client.get("/flows/instances/", KEYS[kind]))


def test_a_viewer_without_access_takes_no_statement(client: AppClient) -> None:
    """An internal service account without permissions gets no flows without a query."""
    key = KEYS["internal_service_account_none"]
    assert record(lambda: client.get("/flows/instances/", key)) == []
    assert record_graphql(client, '{ flow(slug: "a-flow") { slug } }', key) == []


def test_authentication_takes_one_statement(client: AppClient) -> None:
    """An invalid token is looked up for each request, and nothing else is."""
    for _ in range(2):
        with record_statements() as recorded:
            assert client.get("/flows/instances/", "nope").status == 403
        [statement] = recorded
        assert is_of_viewer(statement)


@pytest.mark.parametrize(
    ("target", "key", "status", "expected"),
    [
        ("/flows/instances/a-flow/", SUPERUSER, 200, 1),
        ("/flows/instances/?search=a&ordering=-name&page=2&page_size=3", SUPERUSER, 200, 1),
        ("/flows/instances/?page=last", SUPERUSER, 200, 2),
        ("/flows/instances/?slug=nope", SUPERUSER, 200, 1),
        ("/flows/instances/?search=nope-nope", SUPERUSER, 200, 1),
        ("/flows/instances/?search=nope-nope&page=2", SUPERUSER, 404, 3),
        ("/flows/instances/?page=99", SUPERUSER, 404, 3),
        ("/flows/instances/nope/", SUPERUSER, 404, 1),
        ("/flows/instances/?designation=nope", SUPERUSER, 400, 0),
        ("/flows/instances/", KEYS["none"], 403, 0),
        ("/flows/instances/", "nope", 403, 0),
        ("/flows/instances/", None, 403, 0),
        ("/schema.graphql", None, 200, 0),
    ],
)
def test_rest(client: AppClient, target: str, key: str | None, status: int, expected: int) -> None:
    """A second statement counts for the last page, and for a page beyond it, which is read twice."""
    assert len(record(lambda: client.get(target, key), status)) == expected


def test_exports_take_the_same_number_for_each_flow(client: AppClient) -> None:
    """The number is the same for 39 stage bindings as for 2, and 1 for an unknown flow."""
    counts = {
        slug: len(record(lambda s=slug: client.get(f"/flows/instances/{s}/export/", SUPERUSER)))
        for slug in ("A-flow", "a-flow", "a_flow")
    }
    assert len(set(counts.values())) == 1, counts
    missing = "/flows/instances/nope/export/"
    [_] = record(lambda: client.get(missing, SUPERUSER), 404)


@pytest.mark.parametrize("parameters", ["", "?format=svg"])
def test_diagrams_take_three_statements(client: AppClient, parameters: str) -> None:
    """One is for the flow, one for its stages, one for the policies; an unknown flow takes one."""
    for slug, status, expected in (("A-flow", 200, 3), ("a-flow", 200, 3), ("nope", 404, 1)):
        target = f"/flows/instances/{slug}/diagram/{parameters}"
        statements = record(lambda target=target: client.get(target, SUPERUSER), status)
        assert len(statements) == expected


def test_a_graphql_page_takes_one_statement(client: AppClient) -> None:
    """All fields and the pagination take one statement, for 1 flow as for 100."""
    selected = f"pagination {{ {EVERY_PAGINATION_FIELD} }} results {{ {EVERY_FLOW_FIELD} }}"
    for size in PAGE_SIZES:
        [_] = record_graphql(client, f"{{ flows(pageSize: {size}) {{ {selected} }} }}")


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        ("__typename", 0),
        ("flows { __typename }", 0),
        ("flows(page: 2) { __typename }", 1),
        ("flows { pagination { count totalPages } }", 1),
        ("flows { pagination { __typename } results { slug } }", 1),
        ("flows { results { __typename } }", 1),
        ("flows { results { stages } results { again: stages policies } }", 1),
        ("flows { ... { results { stages } } pagination { count } }", 1),
        ("flows(page: 2) { results { slug } }", 1),
        ("flows(page: 99) { results { slug } }", 3),
        ("flows(page: 99) { pagination { count } results { slug } }", 3),
        ("flows(page: 0) { results { slug } }", 1),
        ('flows(slug: "nope") { results { slug } }', 1),
        ('flows(slug: "nope") { pagination { count } results { slug } }', 1),
        ('flows(search: "nope-nope") { pagination { count } results { slug } }', 1),
        ('flowConnection(where: {slug: {equals: "nope"}}) { totalCount nodes { slug } }', 1),
        ('flows(slug: "") { results { stages } pagination { count } }', 0),
        ('flow(slug: "a-flow") { slug title }', 1),
        (f'flow(slug: "a-flow") {{ {EVERY_FLOW_FIELD} }}', 1),
        ('flow(slug: "nope") { slug stages policies cacheCount }', 1),
        ('flow(slug: "") { slug }', 0),
        ('a: flow(slug: "a-flow") { slug } b: flow(slug: "A-flow") { slug }', 2),
        ("a: flows { pagination { count } } b: flows { results { stages } }", 2),
    ],
)
def test_graphql(client: AppClient, selected: str, expected: int) -> None:
    """A root field takes at most one statement; a second counts if the page may be out of range."""
    assert len(record_graphql(client, f"{{ {selected} }}")) == expected


@pytest.mark.parametrize("field", FIELDS)
def test_only_selected_columns_are_read(client: AppClient, field: str) -> None:
    """No other column and no other table is read, except the slug, which sorts the page."""
    [statement] = record_graphql(client, f"{{ flows {{ results {{ {field} }} }} }}")
    tables = set(re.findall(r"\b(?:authentik|django)_[a-z_]+", statement.text))
    assert tables == {FLOW, RELATED_TABLES.get(field, FLOW)}
    columns = set(re.findall(rf"\b{FLOW}\.([a-z_]+)", statement.text))
    assert columns == COLUMNS.get(field, {FIELDS[field].removesuffix("_url")}) | {"slug"}


def test_fragments_are_inspected(client: AppClient) -> None:
    """The selections of a fragment are read, and nothing else."""
    fragments = (
        "fragment P on FlowPage { results { ...F ... { slug } } } fragment F on Flow { stages }"
    )
    [statement] = record_graphql(client, f"{{ flows {{ ...P }} }} {fragments}")
    assert RELATED_TABLES["stages"] in statement.text
    assert RELATED_TABLES["policies"] not in statement.text


def test_flows_are_counted_only_if_the_pagination_is_selected(client: AppClient) -> None:
    """Without the pagination nothing is counted, and with it alone no flow is read."""
    [page] = record_graphql(client, "{ flows { results { slug title } } }")
    [both] = record_graphql(client, "{ flows { pagination { next } results { slug title } } }")
    [count] = record_graphql(client, "{ flows { pagination { next } } }")
    counts = [statement.text.lower().count("count(") for statement in (page, both, count)]
    assert counts == [0, 1, 1]
    assert "title" not in count.text


# (a selection of flows, the number of statements): one for the page, and one for each list.
NESTED = [
    ("stageBindings { __typename }", 2),
    ("stageBindings { pk order stage { name type } flow { slug title stages } }", 2),
    ("policyBindings { pk policy { name type } group { name } user { name } }", 2),
    ("stageBindings { pk } again: stageBindings { order }", 3),
    ("stageBindings { pk } policyBindings { pk }", 3),
    ("stageBindings { policyBindings { policy { name } } }", 3),
    ("stageBindings { stage { flows { slug } } }", 3),
    ("stageBindings { flow { stageBindings { pk } } }", 3),
    ("diagram", 3),
    ("stageBindings { flow { diagram } }", 4),
    ("policyBindings { policy { flows { slug } one: flows(first: 1) { slug } } }", 4),
    (
        "stageBindings { stage { flows { slug } } flow { stageBindings { pk } } policyBindings { pk } }",
        5,
    ),
    (
        "stageBindings { stage { flows(first: 2) { stageBindings { stage { flows { slug } } } } } }",
        5,
    ),
    (
        "stageBindings { policyBindings { policy { flows(first: 3) { policyBindings { pk } } } } }",
        5,
    ),
]
PAGES = ('slug: "a-flow"', "pageSize: 9", "pageSize: 100")
# An operation with introspection has no plan: graphql-core executes it.
INTROSPECTION = "__schema { queryType { name } }"


@pytest.mark.parametrize("key", [SUPERUSER, KEYS["object_role_by_group"]])
@pytest.mark.parametrize(("selected", "expected"), NESTED)
def test_a_list_takes_one_statement(
    high_limit_client: AppClient, selected: str, expected: int, key: str
) -> None:
    """A list takes one statement for all its parents, and a single object takes none."""
    for page in PAGES:
        query = f"flows({page}) {{ results {{ {selected} }} }}"
        assert len(record_graphql(high_limit_client, f"{{ {query} }}", key)) == expected
        # graphql-core reuses objects of other levels, and loads the lists below them earlier.
        count = len(record_graphql(high_limit_client, f"{{ {query} {INTROSPECTION} }}", key))
        assert count in range(expected - 1, expected + 2)


@pytest.mark.parametrize(("slug", "expected"), [("a-flow", 3), ("Aflow", 2), ("nope", 1)])
def test_a_list_without_parents_takes_no_statement(
    client: AppClient, slug: str, expected: int
) -> None:
    """The list below an empty list takes no statement."""
    selected = "stageBindings { policyBindings { pk } }"
    for introspection in ("", INTROSPECTION):
        query = f'{{ flow(slug: "{slug}") {{ {selected} }} {introspection} }}'
        assert len(record_graphql(client, query)) == expected


@pytest.mark.parametrize(
    ("type_", "pk", "selected", "expected"),
    [
        ("Flow", flow_uuid(6), "... on Flow { slug stages }", 1),
        ("Flow", flow_uuid(6), "... on Flow { stageBindings { pk } }", 2),
        ("FlowStageBinding", STAGE_BINDING, "... on FlowStageBinding { stage { name type } }", 1),
        ("FlowStageBinding", STAGE_BINDING, "... on FlowStageBinding { flow { title } }", 1),
        ("PolicyBinding", POLICY_BINDING, "... on PolicyBinding { policy { name } }", 1),
        ("PolicyBinding", POLICY_BINDING, "... on PolicyBinding { policy { flows { pk } } }", 2),
        ("Stage", STAGE, "... on Stage { name type }", 1),
        ("Stage", STAGE, "... on Stage { flows { slug } }", 2),
        ("Stage", STAGE, "... on Policy { flows { slug } }", 1),
        ("Policy", POLICY, "... on Policy { flows { stageBindings { pk } } }", 3),
        ("Policy", STAGE, "... on Policy { flows { stageBindings { pk } } }", 1),
        ("Nope", STAGE, "id", 0),
    ],
)
@pytest.mark.parametrize("key", [SUPERUSER, KEYS["object_role"]])
def test_nodes(  # noqa: PLR0913, PLR0917 - a row of the table
    client: AppClient, type_: str, pk: str, selected: str, expected: int, key: str
) -> None:
    """A node takes one statement, including permissions and joined objects, and a list one more."""
    id_ = urlsafe_b64encode(f"{type_}:{pk}".encode()).decode()
    for introspection in ("", INTROSPECTION):
        query = f'{{ node(id: "{id_}") {{ {selected} }} {introspection} }}'
        assert len(record_graphql(client, query, key)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f'stage(pk: "{STAGE}") {{ name type }}', 1),
        (f'stage(pk: "{STAGE}") {{ __typename }}', 1),
        (f'policy(pk: "{POLICY}") {{ name type executionLogging }}', 1),
        (f'policy(pk: "{POLICY}") {{ flows {{ slug }} }}', 2),
        (f'stage(pk: "{POLICY}") {{ flows {{ slug }} }}', 1),
        (f'stage(pk: "{STAGE}") {{ flows(first: 101) {{ slug }} }}', 0),
    ],
)
def test_stages_and_policies(client: AppClient, query: str, expected: int) -> None:
    """A stage or policy takes one statement, including its type, and its flows one more."""
    assert len(record_graphql(client, f"{{ {query} }}")) == expected
    key = KEYS["internal_service_account_none"]
    assert record_graphql(client, f"{{ {query} }}", key) == []


@pytest.mark.parametrize(
    ("types", "selected", "expected"),
    [
        ((), "id", 0),
        (("Nope", "Nope"), "id", 0),
        (("Flow",), "id", 1),
        (("Flow", "Flow", "Nope"), "... on Flow { slug stages }", 1),
        (("Flow", "Stage", "Flow"), "id", 2),
        (("Flow", "Stage", "Policy", "FlowStageBinding", "PolicyBinding"), "id", 5),
        (("Flow", "Stage"), "... on Flow { stageBindings { pk } } ... on Stage { type }", 3),
        (("Policy", "Policy"), "... on Policy { type flows { slug } }", 2),
        (("FlowStageBinding",), "... on FlowStageBinding { stage { type } flow { slug } }", 1),
        (("PolicyBinding",) * 2, "... on PolicyBinding { policy { type } }", 1),
    ],
)
@pytest.mark.parametrize("key", [SUPERUSER, KEYS["object_role"]])
def test_lists_of_nodes(
    client: AppClient, types: Sequence[str], selected: str, expected: int, key: str
) -> None:
    """A list of nodes takes one statement for each type, and each list below them one more."""
    keys = {
        "Flow": flow_uuid(6),
        "FlowStageBinding": STAGE_BINDING,
        "PolicyBinding": POLICY_BINDING,
        "Policy": POLICY,
    }
    ids = [
        urlsafe_b64encode(f"{type_}:{keys.get(type_, STAGE)}".encode()).decode() for type_ in types
    ]
    for introspection in ("", INTROSPECTION):
        query = f"{{ nodes(ids: {json.dumps(ids)}) {{ {selected} }} {introspection} }}"
        assert len(record_graphql(client, query, key)) == expected


@pytest.mark.parametrize("name", ["stages", "policies"])
@pytest.mark.parametrize(
    ("arguments", "selected", "expected"),
    [
        ("", "__typename", 0),
        ("", "totalCount", 1),
        ("", "nodes { __typename }", 1),
        ("", "totalCount nodes { pk name type } pageInfo { hasNextPage endCursor }", 1),
        ("(last: 2)", "totalCount edges { cursor node { type } } pageInfo { hasPreviousPage }", 1),
        ("(first: 0)", "totalCount nodes { name }", 1),
        ("(first: 0)", "nodes { name }", 0),
        ('(where: {type: {contains: "a"}})', "totalCount nodes { type }", 1),
        ('(where: {name: {equals: "nope"}})', "totalCount nodes { type }", 1),
        ("", "nodes { flows { slug } }", 2),
        ("", "nodes { flows { slug } } edges { node { flows { slug } } }", 3),
        ("", "nodes { flows { stageBindings { pk } } }", 3),
    ],
)
@pytest.mark.parametrize("key", [SUPERUSER, KEYS["object_role"]])
def test_lists_of_components(  # noqa: PLR0913, PLR0917 - a row of the table
    client: AppClient, name: str, arguments: str, selected: str, expected: int, key: str
) -> None:
    """A page takes one statement, including types, page information and count."""
    for introspection in ("", INTROSPECTION):
        query = f"{{ {name}{arguments} {{ {selected} }} {introspection} }}"
        count = len(record_graphql(client, query, key))
        # graphql-core loads equal lists of one level together.
        assert count == expected or (introspection and count == expected - 1)


@pytest.mark.parametrize("name", ["stages", "policies"])
def test_an_empty_page_after_a_cursor_is_read_twice(client: AppClient, name: str) -> None:
    """The page information takes a second statement, so the operation runs again in a snapshot."""
    query = f"{{ {name}(last: 1) {{ pageInfo {{ endCursor }} }} }}"
    cursor = client.graphql(query, SUPERUSER).json["data"][name]["pageInfo"]["endCursor"]
    for selected, expected in (("totalCount nodes { pk }", 3), ("nodes { pk }", 1)):
        page = f'{{ {name}(after: "{cursor}") {{ {selected} }} }}'
        assert len(record_graphql(client, page)) == expected


def test_lists_of_components_without_permissions_take_no_statement(client: AppClient) -> None:
    """The permission is checked before anything is read."""
    key = KEYS["internal_service_account_none"]
    assert record_graphql(client, "{ stages { totalCount } policies { totalCount } }", key) == []


STAGES, STAGE_BINDINGS = "authentik_flows_stage", "authentik_flows_flowstagebinding"
POLICIES, POLICY_BINDINGS = "authentik_policies_policy", "authentik_policies_policybinding"
GROUPS, USERS = "authentik_core_group", "authentik_core_user"
# (a selection below a flow, the columns of each table that its statement reads).
READ_COLUMNS: list[tuple[str, dict[str, set[str]]]] = [
    ("stageBindings { __typename }", {STAGE_BINDINGS: set()}),
    ("stageBindings { id }", {STAGE_BINDINGS: set()}),
    ("stageBindings { evaluateOnPlan }", {STAGE_BINDINGS: {"evaluate_on_plan"}}),
    ("stageBindings { reEvaluatePolicies }", {STAGE_BINDINGS: {"re_evaluate_policies"}}),
    (
        "stageBindings { policyEngineMode }",
        {
            STAGE_BINDINGS: {"policybindingmodel_ptr_id"},
            RELATED_TABLES["policyEngineMode"]: {"policy_engine_mode", "pbm_uuid"},
        },
    ),
    ("stageBindings { invalidResponseAction }", {STAGE_BINDINGS: {"invalid_response_action"}}),
    ("stageBindings { stage { __typename } }", {STAGE_BINDINGS: set()}),
    (
        "stageBindings { stage { name } }",
        {STAGE_BINDINGS: {"stage_id"}, STAGES: {"name", "stage_uuid"}},
    ),
    (
        "stageBindings { flow { title } }",
        {STAGE_BINDINGS: {"target_id"}, FLOW: {"title", "flow_uuid"}},
    ),
    ("policyBindings { __typename }", {POLICY_BINDINGS: set()}),
    ("policyBindings { enabled }", {POLICY_BINDINGS: {"enabled"}}),
    ("policyBindings { negate }", {POLICY_BINDINGS: {"negate"}}),
    ("policyBindings { timeout }", {POLICY_BINDINGS: {"timeout"}}),
    ("policyBindings { failureResult }", {POLICY_BINDINGS: {"failure_result"}}),
    (
        "policyBindings { policy { executionLogging } }",
        {POLICY_BINDINGS: {"policy_id"}, POLICIES: {"execution_logging", "policy_uuid"}},
    ),
    (
        "policyBindings { group { name } }",
        {POLICY_BINDINGS: {"group_id"}, GROUPS: {"name", "group_uuid"}},
    ),
    ("policyBindings { user { name } }", {POLICY_BINDINGS: {"user_id"}, USERS: {"name", "id"}}),
]
# The columns of the parent and of the order.
SORT_COLUMNS = {
    STAGE_BINDINGS: {"target_id", "order", "fsb_uuid"},
    POLICY_BINDINGS: {"target_id", "order", "policy_binding_uuid"},
}


@pytest.mark.parametrize(("selected", "expected"), READ_COLUMNS)
def test_only_selected_columns_below_flows_are_read(
    client: AppClient, selected: str, expected: dict[str, set[str]]
) -> None:
    """No other column of a binding, a stage or a policy is read."""
    for introspection in ("", INTROSPECTION):
        query = f"{{ flows {{ results {{ {selected} }} }} {introspection} }}"
        _, statement = record_graphql(client, query)
        tables = set(re.findall(r"\b(?:authentik|django|flowql)_[a-z_]+", statement.text))
        assert tables == set(expected)
        for table, columns in expected.items():
            names = set(re.findall(rf'\b{table}\."?([a-z_]+)', statement.text))
            assert names == columns | SORT_COLUMNS.get(table, set())


@pytest.mark.parametrize(
    ("arguments", "others"),
    [("first: 1", "first: 2"), ("first: 0", "first: 100")],
)
def test_a_list_is_compiled_once(high_limit_client: AppClient, arguments: str, others: str) -> None:
    """The statement of a list is the same for all parents and arguments."""
    first, second = (
        record_graphql(
            high_limit_client,
            f"{{ flows(pageSize: {size}) {{ results {{"
            f" stageBindings {{ stage {{ flows({list_arguments}) {{ slug }} }} }} }} }} }}",
        )
        for size, list_arguments in ((7, arguments), (30, others))
    )
    assert all(left is right for left, right in zip(first, second, strict=True))


@pytest.mark.parametrize("key", [SUPERUSER, KEYS["object_role"]])
@pytest.mark.parametrize(
    "arguments",
    [
        ('search: "a"', 'search: "e i o u"', 'search: "nothing \\\\ like % _ this"'),
        ("page: 1", "page: 2", "page: 3, pageSize: 2", "pageSize: 100"),
        ('slug: "a-flow"', 'slug: "A-flow"', 'slug: "\' OR 1=1; --"'),
        ("designation: RECOVERY", "designation: ENROLLMENT"),
    ],
)
def test_a_statement_is_compiled_once(client: AppClient, key: str, arguments: list[str]) -> None:
    """The statement is the same for all values."""
    queries = [f"{{ flows({values}) {{ results {{ slug }} }} }}" for values in arguments]
    first, *others = (record_graphql(client, query, key)[0] for query in queries)
    assert all(other is first for other in others)


def test_only_selects_are_sent(client: AppClient) -> None:
    """A request does not write to the database."""
    with record_statements() as recorded:
        client.get("/flows/instances/a-flow/export/", SUPERUSER)
        client.graphql(f"{{ flows {{ results {{ {EVERY_FLOW_FIELD} }} }} }}", SUPERUSER)
    assert {statement.text.split()[0] for statement in recorded} <= {"SELECT", "WITH"}
