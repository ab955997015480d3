"""The connections of stages and policies."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.app_client import AppClient
from support.databases import KINDS
from support.edge_case_data import KEYS
from support.expected_graph import (
    BAD_INPUT,
    COMPONENT_NAMES,
    COMPONENTS,
    MISSING,
    RESTRICTED,
    SUPERUSER,
    TYPES,
    execute,
    expected_policy,
    expected_stage,
    slugs_using,
    visible_flows,
)

LISTS = {"stage": "stages", "policy": "policies"}
EXPECT: Mapping[str, Callable[[object], Any]] = {
    "stage": expected_stage,
    "policy": expected_policy,
}
FIELDS = {"stage": "pk name type", "policy": "pk name type executionLogging"}
TYPE_NAMES = {"stage": "Stage", "policy": "Policy"}
ARGUMENTS = "($first: Int, $after: String, $last: Int, $before: String, $where: {}Where)"
PASSED = "(first: $first, after: $after, last: $last, before: $before, where: $where)"
PAGE_INFO = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
# An operation with introspection has no plan: graphql-core executes it.
EXECUTIONS = {"plan": "", "graphql-core": "__schema { queryType { name } }"}
INVALID_CURSOR = (
    "'{}' is not a valid cursor for this list and its ordering."
    " Use a cursor that the same field returned with the same ordering."
)


@pytest.fixture(params=EXECUTIONS)
def others(request: pytest.FixtureRequest) -> str:
    """Return further root fields, which determine how the operation is executed."""
    return EXECUTIONS[request.param]


def build_query(name: str, others: str = "") -> str:
    """Return a query for everything on a page."""
    node = f"{{ {FIELDS[name]} flows(first: 3) {{ slug }} }}"
    page = f"{{ totalCount nodes {node} edges {{ cursor node {node} }} {PAGE_INFO} }}"
    arguments = ARGUMENTS.format(TYPE_NAMES[name])
    return f"query {arguments} {{ page: {LISTS[name]}{PASSED} {page} {others} }}"


def list_keys(name: str, viewer: str = "superuser") -> list[str]:
    """Return the keys of the components that visible flows use, sorted by name."""
    rows, _ = COMPONENTS[name]
    flows = visible_flows(viewer)
    keys = [pk for pk in rows if slugs_using(name, pk, flows)]
    return sorted(keys, key=lambda pk: (str(rows[pk]["name"]), pk))


def expected_nodes(name: str, keys: Sequence[str], viewer: str = "superuser") -> list[Any]:
    """Return the nodes with these keys."""
    flows = visible_flows(viewer)
    return [
        EXPECT[name](pk) | {"flows": [{"slug": slug} for slug in slugs_using(name, pk, flows)[:3]]}
        for pk in keys
    ]


def visit_pages(
    client: AppClient, query: str, key: str, size: int, **variables: Any
) -> Iterator[Any]:
    """Yield all pages, from the first one."""
    after, has_next = None, True
    while has_next:
        page = execute(client, query, key, first=size, after=after, **variables)["page"]
        yield page
        after, has_next = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]


def visit_pages_backward(client: AppClient, query: str, key: str, size: int) -> Iterator[Any]:
    """Yield all pages, from the last one."""
    before, has_previous = None, True
    while has_previous:
        page = execute(client, query, key, last=size, before=before)["page"]
        yield page
        before, has_previous = (page["pageInfo"][k] for k in ("startCursor", "hasPreviousPage"))


@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_a_page_has_every_used_component(typed_client: AppClient, name: str, others: str) -> None:
    """A large page has all components that flows use, sorted by name, with everything below."""
    keys = list_keys(name)
    assert 0 < len(keys) < len(COMPONENTS[name][0])
    nodes = expected_nodes(name, keys)
    page = execute(typed_client, build_query(name, others), first=100)["page"]
    assert (page["nodes"], page["totalCount"]) == (nodes, len(keys))
    assert [edge["node"] for edge in page["edges"]] == nodes
    cursors = [edge["cursor"] for edge in page["edges"]]
    assert len(set(cursors)) == len(cursors)
    assert page["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": cursors[0],
        "endCursor": cursors[-1],
    }


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("viewer", ["superuser", *RESTRICTED])
@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_pages_have_each_component_once(
    typed_client: AppClient, name: str, viewer: str, size: int
) -> None:
    """Pages forward and backward contain each visible component once, in order."""
    query, keys = build_query(name), list_keys(name, viewer)
    forward = list(visit_pages(typed_client, query, KEYS[viewer], size))
    backward = list(visit_pages_backward(typed_client, query, KEYS[viewer], size))[::-1]
    for pages in (forward, backward):
        nodes = [node for page in pages for node in page["nodes"]]
        assert nodes == expected_nodes(name, keys, viewer)
        assert {page["totalCount"] for page in pages} == {len(keys)}
        assert [page["pageInfo"]["hasPreviousPage"] for page in pages] == [
            number > 0 for number in range(len(pages))
        ]
        assert [page["pageInfo"]["hasNextPage"] for page in pages] == [
            number < len(pages) - 1 for number in range(len(pages))
        ]


@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_a_node_has_the_fields_of_a_lookup(typed_client: AppClient, name: str, others: str) -> None:
    """A node in a list equals the object that is looked up by its key."""
    node = "{ id pk name type flows { slug stageBindings { pk } } }"
    nodes = execute(typed_client, f"{{ {LISTS[name]} {{ nodes {node} }} {others} }}")
    query = f"query ($pk: UUID!) {{ {name}(pk: $pk) {node} }}"
    for found in nodes[LISTS[name]]["nodes"]:
        assert execute(typed_client, query, pk=found["pk"]) == {name: found}


@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_pages_between_two_cursors(typed_client: AppClient, name: str) -> None:
    """With both cursors a page stays between them."""
    query, keys = build_query(name), list_keys(name)
    edges = execute(typed_client, query, first=100)["page"]["edges"]
    between = {"after": edges[0]["cursor"], "before": edges[-1]["cursor"]}
    for size in (0, 1, 2, 100):
        first = execute(typed_client, query, first=size, **between)["page"]
        last = execute(typed_client, query, last=size, **between)["page"]
        inner = expected_nodes(name, keys[1:-1])
        assert first["nodes"] == inner[:size]
        assert last["nodes"] == inner[max(len(inner) - size, 0) :]
        assert first["totalCount"] == last["totalCount"] == len(keys)
        assert first["pageInfo"]["hasPreviousPage"] is last["pageInfo"]["hasNextPage"] is True


@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_a_page_after_the_last_component_is_empty(typed_client: AppClient, name: str) -> None:
    """The page has no nodes, and a previous page."""
    query = build_query(name)
    end = execute(typed_client, query, last=1)["page"]["pageInfo"]["endCursor"]
    page = execute(typed_client, query, after=end)["page"]
    assert page == {
        "totalCount": len(list_keys(name)),
        "nodes": [],
        "edges": [],
        "pageInfo": {
            "hasNextPage": False,
            "hasPreviousPage": True,
            "startCursor": None,
            "endCursor": None,
        },
    }


# Conditions ---------------------------------------------------------------------------------------


# The comparisons of each column, by operator.
Where = Mapping[str, Mapping[str, Any]]


def matches(name: str, pk: str, where: Where) -> bool:
    """Return whether a component matches a condition."""
    values = {"pk": pk, "name": str(COMPONENTS[name][0][pk]["name"]), "type": TYPES.get(pk)}
    return all(
        _compare(operator, values[column], operand)
        for column, comparison in where.items()
        for operator, operand in comparison.items()
    )


def _compare(operator: str, value: str | None, operand: Any) -> bool:
    # An unknown type matches nothing.
    if value is None:
        return False
    match operator:
        case "equals":
            return value == operand
        case "contains":
            return operand in value
        case "startsWith":
            return value.startswith(operand)
        case _:
            return value in operand


def text_matches(values: Sequence[str]) -> st.SearchStrategy[Mapping[str, Any]]:
    """Return conditions on strings, some of which are parts of these values."""
    value = st.sampled_from([*values, *(text[1:4] for text in values), "", "nope", "%", "_"])
    operators = {
        "equals": value,
        "contains": value,
        "startsWith": value,
        "in": st.lists(value, max_size=3),
    }
    return st.fixed_dictionaries({}, optional=operators)


def conditions(name: str) -> st.SearchStrategy[Where]:
    """Return conditions on stages or policies."""
    rows, _ = COMPONENTS[name]
    pk = st.sampled_from([*rows, MISSING])
    columns = {
        "name": text_matches([str(row["name"]) for row in rows.values()]),
        "type": text_matches(sorted(TYPES.values())),
        "pk": st.fixed_dictionaries({}, optional={"equals": pk, "in": st.lists(pk, max_size=5)}),
    }
    return st.fixed_dictionaries({}, optional={**columns})


@pytest.fixture(scope="module")
def typed_clients(request: pytest.FixtureRequest) -> Sequence[AppClient]:
    """FlowQL on every kind of database."""
    return [request.getfixturevalue(f"typed_{kind}_client") for kind in KINDS]


@pytest.mark.parametrize("name", COMPONENT_NAMES)
@given(data=st.data(), viewer=st.sampled_from(("superuser", *RESTRICTED)))
def test_conditions(
    typed_clients: Sequence[AppClient], name: str, data: st.DataObject, viewer: str
) -> None:
    """The pages of a list have the components that match the condition, in order."""
    where = data.draw(conditions(name))
    keys = [pk for pk in list_keys(name, viewer) if matches(name, pk, where)]
    query = f"""query ($where: {TYPE_NAMES[name]}Where, $first: Int, $after: String) {{
        page: {LISTS[name]}(first: $first, after: $after, where: $where) {{
            totalCount nodes {{ pk }} {PAGE_INFO} }} }}"""
    for client in typed_clients:
        pages = list(visit_pages(client, query, KEYS[viewer], 3, where=where))
        assert [node["pk"] for page in pages for node in page["nodes"]] == keys
        assert {page["totalCount"] for page in pages} == {len(keys)}


@pytest.mark.parametrize("name", COMPONENT_NAMES)
@pytest.mark.parametrize(
    "where", [None, {}, {"name": None}, {"name": {}, "type": None}, {"pk": {"equals": None}}]
)
def test_empty_conditions_match_all(
    typed_client: AppClient, name: str, where: Mapping[str, Any] | None
) -> None:
    """Null, an empty object and empty comparisons are no conditions."""
    query = build_query(name)
    page = execute(typed_client, query, where=where)
    assert page == execute(typed_client, query)


# Errors -------------------------------------------------------------------------------------------


def errors_of(
    client: AppClient, name: str, variables: Mapping[str, Any], key: str = SUPERUSER
) -> Sequence[tuple[str, str]]:
    """Return the messages and codes of the errors of a list, which is null; `__typename` is not."""
    query = build_query(name, "__typename")
    response = client.graphql(query, key, variables)
    assert response.status == 200
    assert response.json["data"] == {"page": None, "__typename": "Query"}
    errors = response.json["errors"]
    assert all(error["path"] == ["page"] for error in errors)
    return [(error["message"], error["extensions"]["code"]) for error in errors]


@pytest.mark.parametrize("name", COMPONENT_NAMES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"first": -1}, "'first' must be between 0 and 100, not -1."),
        ({"last": 101}, "'last' must be between 0 and 100, not 101."),
        ({"first": 1, "last": 1}, "Send either 'first' or 'last', not both."),
        ({"before": "a"}, "'before' requires 'first' or 'last'."),
        ({"after": "a"}, INVALID_CURSOR.format("after")),
        ({"last": 1, "before": "a"}, INVALID_CURSOR.format("before")),
        (
            {"where": {"name": {"in": ["a\0"]}}},
            "'where.name.in.0' must not contain NUL characters.",
        ),
        (
            {"where": {"type": {"equals": "\0"}}},
            "'where.type.equals' must not contain NUL characters.",
        ),
    ],
)
def test_invalid_arguments(
    typed_client: AppClient, name: str, arguments: Mapping[str, Any], message: str
) -> None:
    """An invalid argument makes the list null, with an error."""
    assert errors_of(typed_client, name, arguments) == [(message, BAD_INPUT)]


@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_cursors_of_other_lists_are_invalid(typed_client: AppClient, name: str) -> None:
    """A list rejects the cursors of other lists, even of those with equal sort columns."""
    cursors = execute(
        typed_client,
        """{ stage: stages(first: 1) { pageInfo { endCursor } }
             policy: policies(first: 1) { pageInfo { endCursor } }
             flow: flowConnection(first: 1, orderBy: [NAME_ASC, PK_ASC]) { pageInfo { endCursor } } }""",
    )
    for other, page in cursors.items():
        cursor = page["pageInfo"]["endCursor"]
        if other != name:
            for variables in ({"first": 1, "after": cursor}, {"last": 1, "before": cursor}):
                argument = list(variables)[-1]
                expected = (INVALID_CURSOR.format(argument), BAD_INPUT)
                assert errors_of(typed_client, name, variables) == [expected]


@pytest.mark.parametrize("ordering", ["[NAME_ASC, PK_ASC]", "[NAME_ASC]"])
def test_flows_reject_cursors_of_components(typed_client: AppClient, ordering: str) -> None:
    """A cursor of stages is invalid for flows."""
    cursor = execute(typed_client, build_query("stage"), first=1)["page"]["pageInfo"]["endCursor"]
    query = f"""query ($c: String) {{
        flowConnection(first: 1, after: $c, orderBy: {ordering}) {{ nodes {{ slug }} }} }}"""
    response = typed_client.graphql(query, SUPERUSER, {"c": cursor})
    [error] = response.json["errors"]
    assert error["message"] == INVALID_CURSOR.format("after")


@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_cursors_contain_name_and_key(typed_client: AppClient, name: str) -> None:
    """A cursor is the list and the ordering with the name and the primary key."""
    edge = execute(typed_client, build_query(name), first=1)["page"]["edges"][0]
    node = edge["node"]
    content = f'[1,"{name}:name,pk","{node["name"]}","{node["pk"]}"]'
    assert edge["cursor"] == urlsafe_b64encode(content.encode()).decode()


@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_the_permission_is_required(typed_client: AppClient, name: str) -> None:
    """A viewer without the permission gets an error that names it, before any other error."""
    key = KEYS["internal_service_account_none"]
    label = {"stage": "authentik_flows.view_stage", "policy": "authentik_policies.view_policy"}
    message = f"'Query.{LISTS[name]}' requires the permission {label[name]}."
    for variables in ({}, {"first": -1}, {"after": "a"}, {"where": {"name": {"equals": "\0"}}}):
        assert errors_of(typed_client, name, variables, key) == [(message, "FORBIDDEN")]
