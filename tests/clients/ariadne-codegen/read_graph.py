"""Print what the generated client in this folder reads from the server at a URL.

The token is in the environment variable FLOWQL_TOKEN, because process lists show arguments.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, ".")
flowql: Any = importlib.import_module("flowql_client")


def read_graph(client: Any) -> dict[str, Any]:
    """Execute every operation and return the results by name."""
    flow = client.flow_path(slug="default-authentication-flow").flow
    first = flow.stage_bindings[0].stage
    return {
        "by_designation": slugs_by_designation(client),
        "flow": flow.model_dump(
            mode="json", by_alias=True, include=set(flowql.AllFields.model_fields)
        ),
        "stages": [str(binding.stage.pk) for binding in flow.stage_bindings],
        "pages": [[edge.node.slug for edge in page.edges] for page in pages(client)],
        "total": client.flows_after(first=1).flow_connection.total_count,
        "by_name": slugs_by_name(client),
        "node": client.node_of(id=flow.id).node.slug,
        "flows_of_stage": [flow.slug for flow in client.node_of(id=first.id).node.flows],
        "error_code": error_code(client),
        "types": [type(value).__name__ for value in (flow.pk, flow.designation, first, first.name)],
    }


def slugs_by_designation(client: Any) -> list[str]:
    """Return the slugs of the flows with one designation in descending order."""
    designation = flowql.FlowDesignation.STAGE_CONFIGURATION
    orderings = [flowql.FlowOrdering.SLUG_DESC]
    page = client.flows_for(designation=designation, ordering=orderings).flows
    return [flow.slug for flow in page.results]


def slugs_by_name(client: Any) -> list[str]:
    """Return the slugs of the flows whose name contains a string."""
    where = flowql.FlowWhere(name=flowql.TextMatch(contains="setup"))
    page = client.flows_after(first=20, where=where).flow_connection
    return [edge.node.slug for edge in page.edges]


def pages(client: Any) -> Iterator[Any]:
    """Follow the cursors until there is no next page."""
    page = client.flows_after(first=5).flow_connection
    yield page
    while page.page_info.has_next_page:
        page = client.flows_after(first=5, after=page.page_info.end_cursor).flow_connection
        yield page


def error_code(client: Any) -> Any:
    """Return the code of the error that the client raises for an invalid cursor."""
    try:
        client.flows_after(first=5, after="no cursor")
    except flowql.GraphQLClientGraphQLMultiError as error:
        return error.errors[0].extensions["code"]
    return None


if __name__ == "__main__":
    bearer = {"Authorization": f"Bearer {os.environ['FLOWQL_TOKEN']}"}
    with flowql.Client(f"{sys.argv[1]}/graphql", headers=bearer) as flowql_client:
        json.dump(read_graph(flowql_client), sys.stdout)
