"""Print what the generated client beside this file reads from the server whose URL is given.

The token comes in the environment variable FLOWQL_TOKEN, so that no list of processes shows it.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, ".")
flowql: Any = importlib.import_module("flowql_client")


def answers(client: Any) -> dict[str, Any]:
    """Ask each question, and return the answers by the question's name."""
    flow = client.flow_path(slug="default-authentication-flow").flow
    first = flow.stage_bindings[0].stage
    return {
        "filtered": filtered(client),
        "whole": flow.model_dump(
            mode="json", by_alias=True, include=set(flowql.Whole.model_fields)
        ),
        "stages": [str(binding.stage.pk) for binding in flow.stage_bindings],
        "pages": [[edge.node.slug for edge in page.edges] for page in pages(client)],
        "total": client.flows_after(first=1).flow_connection.total_count,
        "sifted": sifted(client),
        "node": client.node_of(id=flow.id).node.slug,
        "back": [flow.slug for flow in client.node_of(id=first.id).node.flows],
        "refusal": refusal(client),
        "types": [type(value).__name__ for value in (flow.pk, flow.designation, first, first.name)],
    }


def filtered(client: Any) -> list[str]:
    """The slugs of one designation, last things first."""
    designation = flowql.FlowDesignation.STAGE_CONFIGURATION
    orderings = [flowql.FlowOrdering.SLUG_DESC]
    page = client.flows_for(designation=designation, ordering=orderings).flows
    return [flow.slug for flow in page.results]


def sifted(client: Any) -> list[str]:
    """The slugs of the flows whose name says what they set up."""
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


def refusal(client: Any) -> Any:
    """Return the code of what the client raises for a cursor that is none."""
    try:
        client.flows_after(first=5, after="no cursor")
    except flowql.GraphQLClientGraphQLMultiError as refused:
        return refused.errors[0].extensions["code"]
    return None


if __name__ == "__main__":
    bearer = {"Authorization": f"Bearer {os.environ['FLOWQL_TOKEN']}"}
    with flowql.Client(f"{sys.argv[1]}/graphql", headers=bearer) as asking:
        json.dump(answers(asking), sys.stdout)
