"""The media type of a response: JSON for programs, a page for browsers.

The tests of gql.http.negotiation are here because they send requests to the GraphQL endpoint.
"""

from collections.abc import Mapping
from time import perf_counter

import pytest

from support.app_client import AppClient
from support.graphql_http import (
    BAD_INPUT,
    BROWSER,
    GRAPHQL_RESPONSE,
    PLAIN,
    TYPENAME,
    TYPENAME_BODY,
    TYPENAME_DATA,
    code,
    data,
    get,
    media_type,
    post,
)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, PLAIN),
        ("", PLAIN),
        (" , ,", PLAIN),
        ("*/*", PLAIN),
        ("*", PLAIN),
        ("application/*", PLAIN),
        (PLAIN, PLAIN),
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        ("Application/GraphQL-Response+JSON", GRAPHQL_RESPONSE),
        (f"{PLAIN}, {GRAPHQL_RESPONSE}", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}, {PLAIN};q=0.9", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0.8, {PLAIN};q=0.9", PLAIN),
        (f"{GRAPHQL_RESPONSE};q=0.5, {PLAIN};q=0.5", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0.5, */*;q=0.5", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0.5, */*", PLAIN),
        (f"{GRAPHQL_RESPONSE};q=0, */*", PLAIN),
        (f"{PLAIN};q=0, */*", GRAPHQL_RESPONSE),
        (f"{PLAIN};q=0.1, application/*;q=0.2", GRAPHQL_RESPONSE),
        ("application/*;q=0.1, */*", PLAIN),
        (f"{PLAIN};q=0, {GRAPHQL_RESPONSE};q=0", None),
        ("application/*;q=0, */*", None),
        ("*/*;q=0", None),
        (f"{PLAIN};q=0.000", None),
        (f"{PLAIN} ; q = 0", None),
        (f"{PLAIN};Q=0", None),
        (f"{PLAIN};q=nonsense", PLAIN),
        (f"{PLAIN};q=-1", PLAIN),
        (f"{PLAIN};q=7", PLAIN),
        (f"{PLAIN};q=1e-9", PLAIN),
        (f"{PLAIN};q=0.001", PLAIN),
        (f"{PLAIN};charset=utf-8", PLAIN),
        (f'{PLAIN};charset="UTF-8"', PLAIN),
        (f"{PLAIN};charset=latin1", None),
        (f"{PLAIN};charset=latin1, */*;q=0.1", PLAIN),
        (f"{PLAIN};indent=4", PLAIN),
        ("text/html, image/gif, *; q=.2, */*; q=.2", PLAIN),
        ("text/plain", None),
        ("text/html", None),
        ("text/*", None),
        ("application/json/x", None),
        ("json", None),
        ("/", None),
        ("\xff\xfe", None),
    ],
)
def test_accept_header(sqlite_client: AppClient, accept: str | None, expected: str | None) -> None:
    """The most specific range sets the weight of a type, and the highest weight wins; else 406."""
    response = post(sqlite_client, TYPENAME_BODY, accept)
    if expected is None:
        assert (response.status, code(response), media_type(response)) == (406, BAD_INPUT, PLAIN)
    else:
        assert (response.status, media_type(response)) == (200, expected)


@pytest.mark.parametrize(
    "accept",
    [
        "," * 60_000,
        "a/b," * 15_000,
        f"{PLAIN};q=0.1," * 3_000,
        f"{PLAIN};" + ";" * 60_000,
        f"{PLAIN};q=" + "0" * 60_000,
        "x" * 60_000,
        f"{PLAIN};q=0." + "9" * 200,
        '"' * 60_000,
        "\0" * 9_000,
    ],
)
def test_long_accept_headers(sqlite_client: AppClient, accept: str) -> None:
    """The server reads at most as much of the header as Django REST framework does."""
    started = perf_counter()
    assert post(sqlite_client, TYPENAME_BODY, accept).status in (200, 406)
    assert perf_counter() - started < 0.5


@pytest.mark.parametrize("accept", ["text/html", BROWSER, "text/html;q=0.5, */*;q=0.4"])
def test_browsers_get_a_page(sqlite_client: AppClient, accept: str) -> None:
    """A client that prefers HTML gets GraphiQL, without a token."""
    response = sqlite_client.request("GET", "/graphql", {"accept": accept})
    assert (response.status, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"GraphiQL" in response.body


@pytest.mark.parametrize(
    "accept", ["*/*", PLAIN, "", f"{PLAIN}, text/html;q=0.9", "text/html;q=0, */*"]
)
def test_programs_get_json(sqlite_client: AppClient, accept: str) -> None:
    """A client that accepts anything gets JSON."""
    assert sqlite_client.request("GET", "/graphql", {"accept": accept}).status == 401


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": TYPENAME},
        {"query": ""},
        {"query": "{", "variables": "[", "operationName": "\0"},
        {"query": TYPENAME, "documentId": "sha256:x"},
        {"query": TYPENAME, "extensions": "{}"},
        {"variables": "{}"},
        {"operationName": "A"},
    ],
)
def test_browsers_with_a_query_get_a_page(
    sqlite_client: AppClient, parameters: Mapping[str, str]
) -> None:
    """The page opens the operation of the URL, which the server neither executes nor checks."""
    response = get(sqlite_client, BROWSER, **parameters)
    assert (response.status, media_type(response)) == (200, "text/html")
    assert b"GraphiQL" in response.body


def test_programs_with_a_query_get_json(sqlite_client: AppClient) -> None:
    """A query in the URL is executed, and requires a token."""
    for accept in ("*/*", PLAIN, f"{PLAIN}, text/html;q=0.9"):
        assert data(get(sqlite_client, accept, query=TYPENAME)) == TYPENAME_DATA
        response = sqlite_client.request("GET", "/graphql?query=x", {"accept": accept})
        assert response.status == 401


def test_browsers_with_the_name_of_a_document_get_json(sqlite_client: AppClient) -> None:
    """The page cannot show a document that the URL only names."""
    hash_only = '{"persistedQuery": {"version": 1, "sha256Hash": "x"}}'
    for parameters in ({"documentId": "sha256:x"}, {"extensions": hash_only}):
        response = get(sqlite_client, BROWSER, **parameters)
        assert (response.status, media_type(response)) == (200, PLAIN)
        assert code(response) == "PERSISTED_QUERY_NOT_FOUND"


def test_browsers_without_graphiql(sqlite_url: str) -> None:
    """Without GraphiQL a browser gets JSON, or 406 if it accepts only HTML."""
    with AppClient(sqlite_url, graphiql=False) as client:
        responses = [get(client, BROWSER), get(client, "text/html")]
    assert [response.status for response in responses] == [400, 406]
    assert {code(response) for response in responses} == {BAD_INPUT}
