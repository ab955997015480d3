"""Print what PyPI's gql reads from the server at a URL after it has fetched the schema.

The token is in the environment variable FLOWQL_TOKEN, because process lists show arguments.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

gql: Any = importlib.import_module("gql")  # PyPI's gql: this runs in an environment without FlowQL
graphql: Any = importlib.import_module("graphql")
httpx: Any = importlib.import_module("gql.transport.httpx")
exceptions: Any = importlib.import_module("gql.transport.exceptions")

FILTERED = """
query Filtered($designation: FlowDesignation, $ordering: [FlowOrdering!]) {
  flows(designation: $designation, ordering: $ordering) { results { slug } }
}
"""
FLOW = """
query Flow($slug: String!) {
  flow(slug: $slug) {
    id pk policybindingmodelPtrId name slug title designation background stages policies cacheCount
    policyEngineMode compatibilityMode exportUrl layout deniedAction authentication
  }
}
"""
STAGES = """
query Stages($slug: String!) {
  flow(slug: $slug) {
    stageBindings { order stage { id pk name type } policyBindings { enabled policy { name } } }
  }
}
"""
CONNECTION = """
query Connection($first: Int!, $after: String, $where: FlowWhere) {
  flowConnection(first: $first, after: $after, where: $where, orderBy: [NAME_ASC]) {
    pageInfo { hasNextPage endCursor }
    edges { node { slug } }
  }
}
"""
TOTAL = "{ flowConnection(first: 1) { totalCount } }"
NODE = """
query Node($id: ID!) {
  node(id: $id) { __typename ... on Flow { slug } ... on Stage { flows(first: 100) { slug } } }
}
"""


def read_graph(session: Any) -> dict[str, Any]:
    """Execute every operation and return the results by name."""
    slug = {"slug": "default-authentication-flow"}
    flow = execute(session, FLOW, **slug)["flow"]
    bindings = execute(session, STAGES, **slug)["flow"]["stageBindings"]
    stages = [binding["stage"] for binding in bindings]
    return {
        "version": gql.__version__,
        "schema": graphql.print_schema(session.client.schema),
        "validation_error": validation_error(session),
        "by_designation": slugs_by_designation(session),
        "flow": flow,
        "stages": [stage["pk"] for stage in stages],
        "pages": [slugs(page) for page in pages(session)],
        "total": execute(session, TOTAL)["flowConnection"]["totalCount"],
        "by_name": slugs_by_name(session),
        "node": execute(session, NODE, id=flow["id"])["node"]["slug"],
        "flows_of_stage": flows_of_stage(session, stages[0]["id"]),
        "error_code": error_code(session),
    }


def execute(session: Any, document: str, **variables: Any) -> Any:
    """Validate an operation against the fetched schema, send it, and return its data."""
    return session.execute(gql.GraphQLRequest(document, variable_values=variables))


def slugs(page: Any) -> list[str]:
    """Return the slugs of a page in its order."""
    return [edge["node"]["slug"] for edge in page["edges"]]


def slugs_by_designation(session: Any) -> list[str]:
    """Return the slugs of the flows with one designation in descending order."""
    page = execute(session, FILTERED, designation="STAGE_CONFIGURATION", ordering=["SLUG_DESC"])
    return [flow["slug"] for flow in page["flows"]["results"]]


def slugs_by_name(session: Any) -> list[str]:
    """Return the slugs of the flows whose name contains a string."""
    where = {"name": {"contains": "setup"}}
    return slugs(execute(session, CONNECTION, first=20, where=where)["flowConnection"])


def flows_of_stage(session: Any, node_id: str) -> list[str]:
    """Return the slugs of the flows that use a stage."""
    return [flow["slug"] for flow in execute(session, NODE, id=node_id)["node"]["flows"]]


def pages(session: Any) -> Iterator[Any]:
    """Follow the cursors until there is no next page."""
    page = execute(session, CONNECTION, first=5)["flowConnection"]
    yield page
    while page["pageInfo"]["hasNextPage"]:
        cursor = page["pageInfo"]["endCursor"]
        page = execute(session, CONNECTION, first=5, after=cursor)["flowConnection"]
        yield page


def error_code(session: Any) -> Any:
    """Return the code of the error that the client raises for an invalid cursor."""
    try:
        execute(session, CONNECTION, first=5, after="no cursor")
    except exceptions.TransportQueryError as error:
        return error.errors[0]["extensions"]["code"]
    return None


def validation_error(session: Any) -> str:
    """Return the error that the client raises for an unknown field without a request."""
    try:
        execute(session, "{ flows { result } }")
    except graphql.GraphQLError as error:
        return error.message
    return ""


if __name__ == "__main__":
    bearer = {"Authorization": f"Bearer {os.environ['FLOWQL_TOKEN']}"}
    transport = httpx.HTTPXTransport(f"{sys.argv[1]}/graphql", headers=bearer)
    with gql.Client(transport=transport, fetch_schema_from_transport=True) as client_session:
        json.dump(read_graph(client_session), sys.stdout)
