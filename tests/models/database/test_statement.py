"""How many SQL statements an answer takes, and what they read: no more than is selected."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator

import pytest

from models.database.statement import Statement
from support.app_client import AppClient, Response
from support.databases import KINDS
from support.edge_case_data import KEYS, READING_KEYS, flow_uuid, identifier
from support.graph import EVERY_FIELD, EVERY_PLACE, FIELDS
from support.sql_recorder import is_of_viewer, record_statements

SUPERUSER = KEYS["superuser"]
SIZES = (*range(1, 10), 50, 99, 100)
FLOW = "authentik_flows_flow"
RELATED = {
    "stages": "authentik_flows_flowstagebinding",
    "policies": "authentik_policies_policybinding",
    "cacheCount": "django_postgres_cache_cacheentry",
    "policyEngineMode": "authentik_policies_policybindingmodel",
}
# What `object_role` sees: of flow 0, whose stages are all that are bound, and of flow 6.
STAGE_BINDING = identifier("stage binding", 0)
POLICY_BINDING = identifier("policy binding", 17)
STAGE = identifier("stage", "a")
POLICY = identifier("policy", "if-sso")
# The columns of a flow's row that a field is told from, where its own name does not say so.
COLUMNS = {
    "pk": {"flow_uuid"},
    "stages": {"flow_uuid"},
    "cacheCount": {"flow_uuid"},
    "policies": {"policybindingmodel_ptr_id"},
    "policyEngineMode": {"policybindingmodel_ptr_id"},
    "exportUrl": {"slug"},
}


@pytest.fixture(scope="module", params=KINDS)
def wide(request: pytest.FixtureRequest) -> Iterator[AppClient]:
    """FlowQL on each kind of database, where a request may cost more than by default."""
    url = request.getfixturevalue(f"{request.param}_url")
    with AppClient(url, max_cost=1_000_000) as client:
        yield client


def asked(ask: Callable[[], Response], status: int = 200) -> list[Statement]:
    """What a database is asked for an answer of that status, besides who asks."""
    with record_statements() as recorded:
        assert ask().status == status
    return [statement for statement in recorded if not is_of_viewer(statement)]


def asked_for(client: AppClient, query: str, key: str = SUPERUSER) -> list[Statement]:
    """The same for a GraphQL operation."""
    return asked(lambda: client.graphql(query, key))


def test_a_rest_page_takes_one_statement(client: AppClient) -> None:
    """A whole page takes the same statement for 1 flow as for 100, in either dialect."""
    for mount in ("/flows/instances/", "/api/v3/flows/instances/"):
        for size in SIZES:
            target = f"{mount}?page_size={size}"
            [_] = asked(lambda target=target: client.get(target, SUPERUSER))


@pytest.mark.parametrize("kind", READING_KEYS)
def test_every_reader_takes_one_statement(client: AppClient, kind: str) -> None:
    """Rights are part of the statement, not a statement of their own."""
    [_] = asked(lambda: client.get("/flows/instances/", KEYS[kind]))


def test_a_reader_who_may_see_nothing_takes_none(client: AppClient) -> None:
    """An internal service account without rights is told so without a look at the flows."""
    key = KEYS["internal_service_account_none"]
    assert asked(lambda: client.get("/flows/instances/", key)) == []
    assert asked_for(client, '{ flow(slug: "a-flow") { slug } }', key) == []


def test_who_asks_takes_one_statement(client: AppClient) -> None:
    """A key that opens nothing is asked for each time, and nothing else is."""
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
        ("/flows/instances/?slug=nope", SUPERUSER, 200, 2),
        ("/flows/instances/?page=99", SUPERUSER, 404, 2),
        ("/flows/instances/nope/", SUPERUSER, 404, 1),
        ("/flows/instances/?designation=nope", SUPERUSER, 400, 0),
        ("/flows/instances/", KEYS["none"], 403, 0),
        ("/flows/instances/", "nope", 403, 0),
        ("/flows/instances/", None, 403, 0),
        ("/schema.graphql", None, 200, 0),
    ],
)
def test_rest(client: AppClient, target: str, key: str | None, status: int, expected: int) -> None:
    """A second statement counts, where no flow was found or the last page is asked for."""
    assert len(asked(lambda: client.get(target, key), status)) == expected


def test_exports_take_as_many_for_any_flow(client: AppClient) -> None:
    """An export takes as many statements for 39 stage bindings as for 2, and a missing one takes one."""
    counts = {
        slug: len(asked(lambda s=slug: client.get(f"/flows/instances/{s}/export/", SUPERUSER)))
        for slug in ("A-flow", "a-flow", "a_flow")
    }
    assert len(set(counts.values())) == 1, counts
    missing = "/flows/instances/nope/export/"
    [_] = asked(lambda: client.get(missing, SUPERUSER), 404)


@pytest.mark.parametrize("parameters", ["", "?format=svg"])
def test_diagrams_take_three(client: AppClient, parameters: str) -> None:
    """A picture takes one for the flow, one for its stages and one for all policies; a missing one takes one."""
    for slug, status, expected in (("A-flow", 200, 3), ("a-flow", 200, 3), ("nope", 404, 1)):
        target = f"/flows/instances/{slug}/diagram/{parameters}"
        found = asked(lambda target=target: client.get(target, SUPERUSER), status)
        assert len(found) == expected


def test_a_graphql_page_takes_one_statement(client: AppClient) -> None:
    """All fields and the pagination take the same statement for 1 flow as for 100."""
    selected = f"pagination {{ {EVERY_PLACE} }} results {{ {EVERY_FIELD} }}"
    for size in SIZES:
        [_] = asked_for(client, f"{{ flows(pageSize: {size}) {{ {selected} }} }}")


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
        ("flows(page: 99) { results { slug } }", 2),
        ("flows(page: 99) { pagination { count } results { slug } }", 2),
        ("flows(page: 0) { results { slug } }", 1),
        ('flows(slug: "nope") { results { slug } }', 1),
        ('flows(slug: "nope") { pagination { count } results { slug } }', 2),
        ('flows(slug: "") { results { stages } pagination { count } }', 0),
        ('flow(slug: "a-flow") { slug title }', 1),
        (f'flow(slug: "a-flow") {{ {EVERY_FIELD} }}', 1),
        ('flow(slug: "nope") { slug stages policies cacheCount }', 1),
        ('flow(slug: "") { slug }', 0),
        ('a: flow(slug: "a-flow") { slug } b: flow(slug: "A-flow") { slug }', 2),
        ("a: flows { pagination { count } } b: flows { results { stages } }", 2),
    ],
)
def test_graphql(client: AppClient, selected: str, expected: int) -> None:
    """A root takes one statement, if that; a second counts, where a page may be beyond the end."""
    assert len(asked_for(client, f"{{ {selected} }}")) == expected


@pytest.mark.parametrize("field", FIELDS)
def test_only_what_is_selected_is_read(client: AppClient, field: str) -> None:
    """No other column of a flow, and no other table; the slug is what pages are sorted by."""
    [statement] = asked_for(client, f"{{ flows {{ results {{ {field} }} }} }}")
    tables = set(re.findall(r"\b(?:authentik|django)_[a-z_]+", statement.text))
    assert tables == {FLOW, RELATED.get(field, FLOW)}
    columns = set(re.findall(rf"\b{FLOW}\.([a-z_]+)", statement.text))
    assert columns == COLUMNS.get(field, {FIELDS[field].removesuffix("_url")}) | {"slug"}


def test_fragments_are_looked_into(client: AppClient) -> None:
    """What a fragment selects is read, and nothing else."""
    fragments = (
        "fragment P on FlowPage { results { ...F ... { slug } } } fragment F on Flow { stages }"
    )
    [statement] = asked_for(client, f"{{ flows {{ ...P }} }} {fragments}")
    assert RELATED["stages"] in statement.text
    assert RELATED["policies"] not in statement.text


def test_nothing_is_counted_that_is_not_selected(client: AppClient) -> None:
    """Without the pagination there is no count, and with it alone there is no flow."""
    [page] = asked_for(client, "{ flows { results { slug title } } }")
    [both] = asked_for(client, "{ flows { pagination { next } results { slug title } } }")
    [count] = asked_for(client, "{ flows { pagination { next } } }")
    counts = [statement.text.lower().count("count(") for statement in (page, both, count)]
    assert counts == [0, 1, 1]
    assert "title" not in count.text


# What is selected of flows, and how many statements that takes: one for the page, one for each list.
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
FROM_ONE_TO_A_HUNDRED = ('slug: "a-flow"', "pageSize: 9", "pageSize: 100")
# No plan has introspection, so that graphql-core walks through what stands beside it.
INTROSPECTION = "__schema { queryType { name } }"


@pytest.mark.parametrize("key", [SUPERUSER, KEYS["object_role_by_group"]])
@pytest.mark.parametrize(("selected", "expected"), NESTED)
def test_a_list_takes_one_statement(
    wide: AppClient, selected: str, expected: int, key: str
) -> None:
    """Each list takes one for all its parents, whatever their number, and what is one each takes none."""
    for page in FROM_ONE_TO_A_HUNDRED:
        query = f"flows({page}) {{ results {{ {selected} }} }}"
        assert len(asked_for(wide, f"{{ {query} }}", key)) == expected
        # What it has from another level it does not load again, and what is below that it loads sooner.
        walked = len(asked_for(wide, f"{{ {query} {INTROSPECTION} }}", key))
        assert walked in range(expected - 1, expected + 2)


@pytest.mark.parametrize(("slug", "expected"), [("a-flow", 3), ("Aflow", 2), ("nope", 1)])
def test_where_there_is_no_parent_nothing_is_asked(
    client: AppClient, slug: str, expected: int
) -> None:
    """Below a list that is empty for all there is no statement."""
    selected = "stageBindings { policyBindings { pk } }"
    for beside in ("", INTROSPECTION):
        query = f'{{ flow(slug: "{slug}") {{ {selected} }} {beside} }}'
        assert len(asked_for(client, query)) == expected


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
    """A node takes one statement, its rights and what it is one of included, and a list one more."""
    id_ = urlsafe_b64encode(f"{type_}:{pk}".encode()).decode()
    for beside in ("", INTROSPECTION):
        query = f'{{ node(id: "{id_}") {{ {selected} }} {beside} }}'
        assert len(asked_for(client, query, key)) == expected


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
    """One takes one statement, its type included, and the flows that use it one more."""
    assert len(asked_for(client, f"{{ {query} }}")) == expected
    key = KEYS["internal_service_account_none"]
    assert asked_for(client, f"{{ {query} }}", key) == []


STAGES, STAGE_BINDINGS = "authentik_flows_stage", "authentik_flows_flowstagebinding"
POLICIES, POLICY_BINDINGS = "authentik_policies_policy", "authentik_policies_policybinding"
GROUPS, USERS = "authentik_core_group", "authentik_core_user"
# What is selected below a flow, and what the statement for it reads of which tables.
READ: list[tuple[str, dict[str, set[str]]]] = [
    ("stageBindings { __typename }", {STAGE_BINDINGS: set()}),
    ("stageBindings { id }", {STAGE_BINDINGS: set()}),
    ("stageBindings { evaluateOnPlan }", {STAGE_BINDINGS: {"evaluate_on_plan"}}),
    ("stageBindings { reEvaluatePolicies }", {STAGE_BINDINGS: {"re_evaluate_policies"}}),
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
# What belongs to a parent, and in which order.
SORTED_BY = {
    STAGE_BINDINGS: {"target_id", "order", "fsb_uuid"},
    POLICY_BINDINGS: {"target_id", "order", "policy_binding_uuid"},
}


@pytest.mark.parametrize(("selected", "expected"), READ)
def test_only_what_is_selected_below_flows_is_read(
    client: AppClient, selected: str, expected: dict[str, set[str]]
) -> None:
    """No other column of a binding, and nothing of the stage or the policy that is not selected."""
    for beside in ("", INTROSPECTION):
        query = f"{{ flows {{ results {{ {selected} }} }} {beside} }}"
        _, statement = asked_for(client, query)
        tables = set(re.findall(r"\b(?:authentik|django|flowql)_[a-z_]+", statement.text))
        assert tables == set(expected)
        for table, columns in expected.items():
            found = set(re.findall(rf'\b{table}\."?([a-z_]+)', statement.text))
            assert found == columns | SORTED_BY.get(table, set())


@pytest.mark.parametrize(
    ("arguments", "others"),
    [("first: 1", "first: 2"), ("first: 0", "first: 100")],
)
def test_a_list_is_compiled_once(wide: AppClient, arguments: str, others: str) -> None:
    """Whatever the parents and the arguments, a list is asked for by the same statement."""
    first, second = (
        asked_for(
            wide,
            f"{{ flows(pageSize: {size}) {{ results {{"
            f" stageBindings {{ stage {{ flows({given}) {{ slug }} }} }} }} }} }}",
        )
        for size, given in ((7, arguments), (30, others))
    )
    assert all(one is other for one, other in zip(first, second, strict=True))


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
    """Whatever the values, it is the same statement."""
    queries = [f"{{ flows({given}) {{ results {{ slug }} }} }}" for given in arguments]
    first, *others = (asked_for(client, query, key)[0] for query in queries)
    assert all(other is first for other in others)


def test_only_selects_are_sent(client: AppClient) -> None:
    """Answering changes nothing in the database."""
    with record_statements() as recorded:
        client.get("/flows/instances/a-flow/export/", SUPERUSER)
        client.graphql(f"{{ flows {{ results {{ {EVERY_FIELD} }} }} }}", SUPERUSER)
    assert {statement.text.split()[0] for statement in recorded} <= {"SELECT", "WITH"}
