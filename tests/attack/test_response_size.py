"""Responses that would be much larger than their operation and the data are not built."""

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
LISTS = ("stageBindings", "policyBindings", "flows", "nodes", "edges")
# graphql-core executes an operation with introspection.
PREFIXES = ("", "__schema { queryType { name } } ")
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
        return sum(map(count_objects, cast(list[Any], value)))
    if isinstance(value, dict):
        fields = cast(dict[str, Any], value)
        lists = (len(fields[name]) for name in LISTS if name in fields)
        return sum(lists) + sum(map(count_objects, fields.values()))
    return 0


def check_limit(response: Response, limit: int) -> None:
    """Check that a response has no data because of its size."""
    message = f"The response would have too many objects: the limit is {limit}."
    extensions = {"code": "LIMIT_EXCEEDED"}
    assert response.json == {"errors": [{"message": message, "extensions": extensions}]}


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
    query = f"{{ {prefix}{SMALL} }}"
    with AppClient(sqlite_url, max_cost=1_000_000) as client:
        data = client.graphql(query, KEY).json["data"]
        count = count_objects(data["flow"])
    assert count > 100
    for limit in (count, count - 1):
        with AppClient(sqlite_url, max_cost=1_000_000, max_objects=limit) as client:
            response = client.graphql(query, KEY)
        if limit == count:
            assert response.json["data"] == data
        else:
            check_limit(response, limit)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_nodes_and_edges_are_counted_exactly(prefix: str, sqlite_url: str) -> None:
    """Nodes and edges of a graph are objects in lists; several objects may share the graph."""
    fields = "diagramGraph { nodes { label } edges { label } }"
    nested = f"stageBindings {{ stage {{ flows(first: 1) {{ {fields} }} }} }}"
    query = f'{{ {prefix}flow(slug: "{SLUG}") {{ {fields} {nested} }} }}'
    with AppClient(sqlite_url, max_cost=1_000_000) as client:
        data = client.graphql(query, KEY).json["data"]
        count = count_objects(data["flow"])
    assert count > 100
    for limit in (count, count - 1):
        with AppClient(sqlite_url, max_cost=1_000_000, max_objects=limit) as client:
            response = client.graphql(query, KEY)
        if limit == count:
            assert response.json["data"] == data
        else:
            check_limit(response, limit)


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
