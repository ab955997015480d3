"""Print what PyPI's gql reads from the server whose URL is given, whose schema it fetches first.

The token comes in the environment variable FLOWQL_TOKEN, so that no list of processes shows it.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

gql: Any = importlib.import_module("gql")  # not ours: this runs where FlowQL is not
graphql: Any = importlib.import_module("graphql")
httpx: Any = importlib.import_module("gql.transport.httpx")
exceptions: Any = importlib.import_module("gql.transport.exceptions")

FILTERED = """
query Filtered($designation: FlowDesignation, $ordering: [FlowOrdering!]) {
  flows(designation: $designation, ordering: $ordering) { results { slug } }
}
"""
WHOLE = """
query Whole($slug: String!) {
  flow(slug: $slug) {
    id pk policybindingmodelPtrId name slug title designation background stages policies cacheCount
    policyEngineMode compatibilityMode exportUrl layout deniedAction authentication
  }
}
"""
PATH = """
query Path($slug: String!) {
  flow(slug: $slug) {
    stageBindings { order stage { id pk name type } policyBindings { enabled policy { name } } }
  }
}
"""
AFTER = """
query After($first: Int!, $after: String, $where: FlowWhere) {
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


def answers(session: Any) -> dict[str, Any]:
    """Ask each question, and return the answers by the question's name."""
    slug = {"slug": "default-authentication-flow"}
    flow = ask(session, WHOLE, **slug)["flow"]
    stages = [binding["stage"] for binding in ask(session, PATH, **slug)["flow"]["stageBindings"]]
    return {
        "version": gql.__version__,
        "schema": graphql.print_schema(session.client.schema),
        "unsent": unsent(session),
        "filtered": filtered(session),
        "whole": flow,
        "stages": [stage["pk"] for stage in stages],
        "pages": [slugs(page) for page in pages(session)],
        "total": ask(session, TOTAL)["flowConnection"]["totalCount"],
        "sifted": sifted(session),
        "node": ask(session, NODE, id=flow["id"])["node"]["slug"],
        "back": [back["slug"] for back in ask(session, NODE, id=stages[0]["id"])["node"]["flows"]],
        "refusal": refusal(session),
    }


def ask(session: Any, text: str, **variables: Any) -> Any:
    """Send an operation, which the client checks by the schema first."""
    return session.execute(gql.GraphQLRequest(text, variable_values=variables))


def slugs(page: Any) -> list[str]:
    """Return the slugs of one page in its order."""
    return [edge["node"]["slug"] for edge in page["edges"]]


def filtered(session: Any) -> list[str]:
    """The slugs of one designation, last things first."""
    page = ask(session, FILTERED, designation="STAGE_CONFIGURATION", ordering=["SLUG_DESC"])
    return [flow["slug"] for flow in page["flows"]["results"]]


def sifted(session: Any) -> list[str]:
    """The slugs of the flows whose name says what they set up."""
    where = {"name": {"contains": "setup"}}
    return slugs(ask(session, AFTER, first=20, where=where)["flowConnection"])


def pages(session: Any) -> Iterator[Any]:
    """Follow the cursors until there is no next page."""
    page = ask(session, AFTER, first=5)["flowConnection"]
    yield page
    while page["pageInfo"]["hasNextPage"]:
        page = ask(session, AFTER, first=5, after=page["pageInfo"]["endCursor"])["flowConnection"]
        yield page


def refusal(session: Any) -> Any:
    """Return the code of what the client raises for a cursor that is none."""
    try:
        ask(session, AFTER, first=5, after="no cursor")
    except exceptions.TransportQueryError as refused:
        return refused.errors[0]["extensions"]["code"]
    return None


def unsent(session: Any) -> str:
    """Return what the client raises by itself for a field that the schema has not."""
    try:
        ask(session, "{ flows { result } }")
    except graphql.GraphQLError as refused:
        return refused.message
    return ""


if __name__ == "__main__":
    bearer = {"Authorization": f"Bearer {os.environ['FLOWQL_TOKEN']}"}
    transport = httpx.HTTPXTransport(f"{sys.argv[1]}/graphql", headers=bearer)
    with gql.Client(transport=transport, fetch_schema_from_transport=True) as asking:
        json.dump(answers(asking), sys.stdout)
