"""Responses that would be much larger than their operation and the data are not built."""

import json
from typing import Any, cast

import pytest

from gql.limits import TEXT_UNIT
from support.app_client import AppClient, Response
from support.databases import KINDS
from support.edge_case_data import KEYS

KEY = KEYS["superuser"]
# A flow with 39 stage bindings, each of whose stages leads to the flow again.
SLUG = "A-flow"
MAX_OBJECTS = 1_000
# graphql-core executes an operation with introspection.
PREFIXES = ("", "__schema { queryType { name } } ")
GRAPH_FIELDS = (
    "nodes { label } edges { label }",
    f"{' '.join(f'a{i}: nodes {{ label }}' for i in range(12))} b: edges {{ label }}",
    "nodes { label } ... { nodes { id } }",
    "edges { label } edges @skip(if: true) { type }",
    "notice",
)
ROOT_LISTS = (
    "flows { results { slug } again: results { pk } }",
    "flowConnection { nodes { slug } again: nodes { pk } edges { node { pk } } }",
    "stages { edges { cursor } again: edges { node { pk } } totalCount }",
    "policies { nodes { pk } } again: policies { nodes { pk } edges { cursor } }",
)
SMALL = f"""flow(slug: "{SLUG}") {{
    stageBindings {{
        policyBindings {{ policy {{ flows {{ slug }} }} }}
        stage {{ flows(first: 3) {{ slug policyBindings {{ order }} }} }}
    }}
}}"""


def nest(depth: int) -> str:
    """Return a query for the stage bindings of the flows of stage bindings, nested repeatedly."""
    selected = "order"
    for _ in range(depth):
        selected = f"stage {{ flows(first: 1) {{ stageBindings {{ {selected} }} }} }}"
    return f'flow(slug: "{SLUG}") {{ stageBindings {{ {selected} }} }}'


def count_objects(value: Any) -> int:
    """Return the number of objects in the lists of a response."""
    if isinstance(value, list):
        items = cast(list[Any], value)
        return sum(isinstance(item, dict) for item in items) + sum(map(count_objects, items))
    fields = cast(dict[str, Any], value) if isinstance(value, dict) else {}
    return sum(map(count_objects, fields.values()))


def check_limit(response: Response, limit: int) -> None:
    """Check that a response has no data because of its size."""
    message = f"The response would have too many objects: the limit is {limit}."
    extensions = {"code": "LIMIT_EXCEEDED"}
    assert response.json == {"errors": [{"message": message, "extensions": extensions}]}


def check_count(selection: str, url: str) -> None:
    """Check that the number of objects in the response is the lowest limit that admits it."""
    query = f"{{ {selection} }}"
    with AppClient(url, max_cost=1_000_000) as client:
        data = client.graphql(query, KEY).json["data"]
    count = count_objects(data)
    assert count > 10
    for limit in (count, count - 1):
        with AppClient(url, max_cost=1_000_000, max_objects=limit) as client:
            response = client.graphql(query, KEY)
        if limit == count:
            assert response.json["data"] == data
        else:
            check_limit(response, limit)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("kind", KINDS)
def test_nested_lists_do_not_multiply(
    prefix: str, kind: str, request: pytest.FixtureRequest
) -> None:
    """The cost of an operation only estimates the length of lists, whose product counts."""
    url = request.getfixturevalue(f"{kind}_url")
    with AppClient(url, max_cost=1_000_000, max_objects=MAX_OBJECTS) as client:
        check_limit(client.graphql(f"{{ {prefix}{nest(3)} }}", KEY), MAX_OBJECTS)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_objects_are_counted_exactly(prefix: str, sqlite_url: str) -> None:
    """Objects that several lists share count for each of them."""
    check_count(f"{prefix}{SMALL}", sqlite_url)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("fields", GRAPH_FIELDS)
def test_nodes_and_edges_are_counted_exactly(fields: str, prefix: str, sqlite_url: str) -> None:
    """Nodes and edges are objects in lists, as often as a graph is selected and shared."""
    graph = f"diagramGraph {{ {fields} }}"
    nested = f"stageBindings {{ stage {{ flows(first: 1) {{ {graph} }} }} }}"
    check_count(f'{prefix}flow(slug: "{SLUG}") {{ {graph} {nested} }}', sqlite_url)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("selection", ROOT_LISTS)
def test_lists_of_root_fields_are_counted_exactly(
    selection: str, prefix: str, sqlite_url: str
) -> None:
    """The lists of a page are objects in lists too, each as often as it is selected."""
    check_count(f"{prefix}{selection}", sqlite_url)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_objects_of_nodes_are_counted_exactly(prefix: str, sqlite_url: str) -> None:
    """Objects of `nodes` count for each of their IDs; items that are null do not."""
    with AppClient(sqlite_url) as client:
        page = client.graphql("{ flows { results { id } } }", KEY).json["data"]["flows"]
    ids = [*(flow["id"] for flow in page["results"] * 2), "invalid"]
    check_count(f"{prefix}nodes(ids: {json.dumps(ids)}) {{ id }}", sqlite_url)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_diagrams_are_counted_by_their_length(prefix: str, sqlite_url: str) -> None:
    """A diagram is a string that grows with the flow, and several objects may share it."""
    nested = "stageBindings { stage { flows(first: 1) { diagram } } }"
    shared = f'{{ {prefix}flow(slug: "{SLUG}") {{ diagram {nested} }} }}'
    with AppClient(sqlite_url, max_cost=1_000_000) as client:
        flow = client.graphql(shared, KEY).json["data"]["flow"]
        diagrams = [binding["stage"]["flows"][0]["diagram"] for binding in flow["stageBindings"]]
    size = len(flow["diagram"]) + sum(map(len, diagrams))
    limit = size // TEXT_UNIT // 2
    with AppClient(sqlite_url, max_cost=1_000_000, max_objects=limit) as client:
        check_limit(client.graphql(shared, KEY), limit)
