"""Limits over HTTP, with the default values and the real schema."""

import uuid
from collections.abc import Callable, Mapping

import pytest
from graphql import get_introspection_query

from gql.execution.introspection import INTROSPECTION_QUERY
from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.limits_schema import Variables, repeat

KEY = KEYS["superuser"]
# Writes a document with a number of aliases, fields, directives and so on.
Write = Callable[[int], str]


@pytest.mark.parametrize(
    "text", [INTROSPECTION_QUERY, get_introspection_query(), get_introspection_query(type_depth=19)]
)
def test_introspection_queries(client: AppClient, text: str) -> None:
    """GraphiQL and code generators can introspect the schema."""
    body = client.graphql(text, KEY).json
    assert list(body) == ["data"]
    assert body["data"]["__schema"]["queryType"]["name"] == "Query"


def _page(fields: int, flow_fields: int) -> str:
    """Write a query for a page of 100 flows with some fields, and one flow with others."""
    page, flow = "slug " * fields, "slug " * flow_fields
    return f'{{flows(pageSize: 100) {{results {{{page}}}}} flow(slug: "a-flow") {{{flow}}}}}'


def _descent(levels: int) -> str:
    """Write a field with a number of levels, few of which are lists of ten."""
    names = (
        "flowConnection(first: 1)",
        "nodes",
        *("stageBindings", "stage", "flows(first: 1)") * 4,
    )
    return " {".join((*names[: levels - 1], "__typename")) + "}" * (levels - 1)


DEFAULT_LIMITS: Mapping[str, tuple[Write, int, str]] = {
    "aliases": (
        lambda n: f'{{flow(slug: "a-flow") {{{repeat("a{}: slug", n)}}}}}',
        30,
        "The operation has 31 aliases: the limit is 30.",
    ),
    "root fields": (
        lambda n: "{" + "__typename " * n + "}",
        20,
        "The operation has 21 root fields: the limit is 20.",
    ),
    "directives": (
        lambda n: '{flow(slug: "a-flow") {' + "slug @skip(if: false) " * n + "}}",
        50,
        "The operation has 51 directives: the limit is 50.",
    ),
    "cost": (
        lambda n: _page(99, n - 9903),
        10_000,
        "The operation has a cost of 10001: the limit is 10000.",
    ),
    "depth": (
        lambda n: "{" + _descent(n) + "}",
        12,
        "The operation has a depth of 13 fields: the limit is 12.",
    ),
    "tokens": (
        lambda n: f"{{flows(ordering: [{'NAME_ASC,' * (n - 15)}]) {{results {{slug}}}}}}",
        2_000,
        "The document has too many tokens: the limit is 2000.",
    ),
}


@pytest.mark.parametrize(
    ("write", "maximum", "expected"), DEFAULT_LIMITS.values(), ids=DEFAULT_LIMITS
)
def test_limits(client: AppClient, write: Write, maximum: int, expected: str) -> None:
    """A request at the limit succeeds; a request above it returns a request error."""
    body = client.graphql(write(maximum), KEY).json
    assert list(body) == ["data"]
    rejected = client.graphql(write(maximum + 1), KEY).json
    assert len(rejected["errors"][0].pop("locations")) == 1
    assert rejected == {"errors": [{"message": expected, "extensions": {"code": "LIMIT_EXCEEDED"}}]}


@pytest.mark.parametrize(("literal", "variables"), [("101", {}), ("$v", {"v": 101}), ("-1", {})])
def test_sizes_below_the_root(client: AppClient, literal: str, variables: Variables) -> None:
    """The sizes below a stage are checked even if the stage does not exist."""
    head = "query ($v: Int!)" if variables else ""
    stage = f'stage(pk: "{uuid.UUID(int=0)}")'
    text = f"{head} {{{stage} {{flows(first: {literal}) {{slug}}}}}}"
    body = client.graphql(text, KEY, variables).json
    [error] = body["errors"]
    expected = f"'first' must be between 0 and 100, not {variables.get('v', literal)}."
    assert (error["message"], error["extensions"]) == (expected, {"code": "BAD_USER_INPUT"})
    assert error["locations"] == [{"line": 1, "column": text.index("flows") + 1}]
    assert list(body) == ["errors"]
