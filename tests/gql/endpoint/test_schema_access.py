"""Access to the schema: introspection, suggestions and the SDL."""

import pytest

from gql import schema
from support.app_client import AppClient
from support.graphql_http import BAD_INPUT, TYPENAME, TYPENAME_DATA, data, post
from support.paths import SCHEMA


def test_is_one_of(sqlite_client: AppClient) -> None:
    """Introspection resolves isOneOf for list and non-null types too."""
    kind = "isOneOf ofType { isOneOf ofType { isOneOf ofType { isOneOf } } }"
    query = f"{{ __schema {{ types {{ isOneOf fields {{ type {{ {kind} }} }} }} }} }}"
    assert data(post(sqlite_client, {"query": query}))["__schema"]["types"]


def test_introspection_off(sqlite_url: str) -> None:
    """Introspection is invalid, the SDL is not found, and `__typename` works."""
    with AppClient(sqlite_url, introspection=False) as client:
        for query in ("{ __schema { types { name } } }", '{ __type(name: "Flow") { name } }'):
            response = post(client, {"query": query})
            assert (list(response.json), "data" in response.json) == (["errors"], False)
            assert response.json["errors"][0]["extensions"] == {"code": BAD_INPUT}
        assert data(post(client, {"query": TYPENAME})) == TYPENAME_DATA
        sdl = client.get("/schema.graphql")
    assert (sdl.status, sdl.json) == (404, {"detail": "Not found."})


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ flow(slug: 1) { slugs } flowz { slug } }", {}),
        ("{ flows(designation: RECOVERI, pagee: 1) { results { slug } } }", {}),
        (
            "query ($d: FlowDesignation) { flows(designation: $d) { __typename } }",
            {"d": "RECOVERI"},
        ),
        ("query ($d: FlowDesignatio) { flows(designation: $d) { __typename } }", {}),
    ],
)
def test_suggestions_off(
    sqlite_client: AppClient, sqlite_url: str, query: str, variables: dict[str, str]
) -> None:
    """Errors about unknown names do not suggest others."""
    body = {"query": query, "variables": variables}
    assert b"Did you mean" in post(sqlite_client, body).body
    with AppClient(sqlite_url, suggestions=False) as client:
        response = post(client, body)
    assert (list(response.json), b"Did you mean" in response.body) == (["errors"], False)


def test_sdl(sqlite_client: AppClient) -> None:
    """The SDL needs no token, and equals the file schema.graphql."""
    response = sqlite_client.get("/schema.graphql")
    assert (response.status, response.body) == (200, SCHEMA.read_bytes())
    assert response.body.decode() == schema.print_schema(schema.build_schema())
