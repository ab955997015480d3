"""GraphQL errors over HTTP: their status, code and media type."""

from collections.abc import Mapping
from typing import Any

import pytest

from support.app_client import JSON_HEADERS, AppClient, bearer_headers
from support.edge_case_data import KEYS
from support.graphql_http import (
    BAD_INPUT,
    GRAPHQL_RESPONSE,
    PLAIN,
    TYPENAME_BODY,
    code,
    get,
    media_type,
    message,
    post,
)

REQUEST_ERRORS: Mapping[str, Mapping[str, Any]] = {
    "syntax": {"query": "{"},
    "an empty document": {"query": " "},
    "validation": {"query": "{ nope }"},
    "a mutation": {"query": "mutation { a }"},
    "variables": {"query": "query ($n: Int!) { flows(page: $n) { __typename } }"},
    "an unknown operation": {"query": "query A { __typename }", "operationName": "B"},
    "several operations": {"query": "query A { __typename } query B { __typename }"},
    "no operation": {"query": "fragment F on Flow { pk }"},
}

SEVERAL_OPERATIONS = "Must provide operationName: the document has several operations."


@pytest.mark.parametrize("accept", [None, PLAIN, "*/*", GRAPHQL_RESPONSE])
@pytest.mark.parametrize("body", REQUEST_ERRORS.values(), ids=REQUEST_ERRORS)
def test_request_errors(sqlite_client: AppClient, body: object, accept: str | None) -> None:
    """An operation that is not executed has no data: 200 as JSON, 400 as a GraphQL response."""
    response = post(sqlite_client, body, accept)
    expected = 400 if accept == GRAPHQL_RESPONSE else 200
    assert (response.status, code(response)) == (expected, BAD_INPUT)
    assert media_type(response) == (accept if expected == 400 else PLAIN)


@pytest.mark.parametrize(
    ("query", "name", "expected"),
    [
        ("query A { __typename }", "B", "Unknown operation 'B'."),
        ("{ __typename }", "B", "Unknown operation 'B'."),
        ("{ nope }", "B", "Unknown operation 'B'."),
        ("query A { a } query B { b }", "C", "Unknown operation 'C'."),
        ("fragment F on Flow { pk }", "B", "Unknown operation 'B'."),
        ("query A { __typename } query B { __typename }", None, SEVERAL_OPERATIONS),
        ("query A { a } { b }", None, SEVERAL_OPERATIONS),
        ("fragment F on Flow { pk }", None, "The document has no operation."),
    ],
)
def test_unknown_operations(
    sqlite_client: AppClient, query: str, name: str | None, expected: str
) -> None:
    """The message names the operation, or asks for a name, also for an invalid document."""
    response = post(sqlite_client, {"query": query, "operationName": name})
    assert (response.status, code(response)) == (200, BAD_INPUT)
    assert message(response) == expected


@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
def test_field_errors_are_200(sqlite_client: AppClient, accept: str) -> None:
    """An operation that is executed returns 200, even if its fields fail."""
    response = post(sqlite_client, {"query": "{ flows(page: 99) { __typename } }"}, accept)
    assert (response.status, response.json["data"]) == (200, {"flows": None})
    assert [error["extensions"]["code"] for error in response.json["errors"]] == [BAD_INPUT]


@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
@pytest.mark.parametrize(
    ("key", "status", "expected"), [("nope", 401, "UNAUTHENTICATED"), ("none", 403, "FORBIDDEN")]
)
def test_authentication_errors(
    sqlite_client: AppClient, accept: str, key: str, status: int, expected: str
) -> None:
    """An invalid token is 401, and a token without access 403, as GraphQL errors."""
    headers = bearer_headers(KEYS.get(key, key)) | JSON_HEADERS | {"accept": accept}
    response = sqlite_client.request("POST", "/graphql", headers, TYPENAME_BODY)
    assert (response.status, code(response), media_type(response)) == (status, expected, accept)


def test_errors_and_responses_to_post_are_not_cached(sqlite_client: AppClient) -> None:
    """They are for the bearer of one token."""
    responses = [
        post(sqlite_client, TYPENAME_BODY),
        get(sqlite_client, query="{ nothing }"),
        post(sqlite_client, b"{"),
        sqlite_client.get("/graphql?query=%7B__typename%7D"),
    ]
    assert [response.status for response in responses] == [200, 200, 400, 401]
    assert {response.headers["cache-control"] for response in responses} == {"no-store"}


@pytest.mark.parametrize(
    "query",
    [
        " ",
        "{",
        "}",
        "{ __typename",
        "\x00",
        "\ufeff",
        '{ flow(slug: "\\ud800") { pk } }',
        "{ a" * 20_000,
        "{ flows(ordering: " + "[" * 20_000,
        "query ($a: " + "[" * 20_000,
        "mutation { flows { results { pk } } }",
        "subscription { __typename }",
        "{ ...F } fragment F on Query { ...F }",
        "{ ...F }",
        "query ($a: Nope) { __typename }",
    ],
    ids=lambda query: repr(query)[:60],
)
def test_invalid_documents(sqlite_client: AppClient, query: str) -> None:
    """A document that is malformed or invalid returns errors without data."""
    response = post(sqlite_client, {"query": query})
    assert (response.status, list(response.json)) == (200, ["errors"])
    codes = {error["extensions"]["code"] for error in response.json["errors"]}
    assert codes <= {BAD_INPUT, "LIMIT_EXCEEDED"}
