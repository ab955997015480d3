"""GraphQL requests over HTTP: valid and malformed requests by GET and POST."""

import json
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from support.app_client import JSON_HEADERS, AppClient, bearer_headers
from support.graphql_http import (
    BAD_INPUT,
    GRAPHQL_RESPONSE,
    KEY,
    PLAIN,
    TYPENAME,
    TYPENAME_BODY,
    TYPENAME_DATA,
    code,
    data,
    get,
    media_type,
    message,
    post,
)
from support.server_process import RunningServer


@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
def test_get(client: AppClient, path: str) -> None:
    """GET executes a query with variables and an operation name."""
    query = "query A($s: String!) { flow(slug: $s) { slug } } query B { __typename }"
    variables = quote(json.dumps({"s": "a-flow"}))
    target = f"{path}?query={quote(query)}&variables={variables}&operationName=A"
    assert data(client.get(target, KEY)) == {"flow": {"slug": "a-flow"}}


@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=utf8",
        "application/json ; profile=x",
        "application/json;",
    ],
)
def test_post(client: AppClient, path: str, kind: str) -> None:
    """POST executes a query."""
    headers = bearer_headers(KEY) | {"content-type": kind, "content-encoding": "identity"}
    assert data(client.request("POST", path, headers, TYPENAME_BODY)) == TYPENAME_DATA


@pytest.mark.parametrize(("name", "expected"), [("A", {"a": "Query"}), ("B", {"b": "Query"})])
def test_operation_name(client: AppClient, name: str, expected: object) -> None:
    """The operation name selects one of several operations."""
    query = "query A { a: __typename } query B { b: __typename }"
    assert data(post(client, {"query": query, "operationName": name})) == expected


@pytest.mark.parametrize(
    "others",
    [
        {"variables": None, "operationName": None, "extensions": None, "documentId": None},
        {"variables": {}, "operationName": "", "extensions": {}},
        {"extensions": {"persistedQuery": None, "other": [1]}},
        {"id": 7, "": None, "QUERY": 1},
    ],
    ids=json.dumps,
)
def test_null_and_unknown_parameters(sqlite_client: AppClient, others: Mapping[str, Any]) -> None:
    """The server ignores null and unknown parameters, except a null query."""
    assert data(post(sqlite_client, {"query": TYPENAME, **others})) == TYPENAME_DATA


def with_query(rest: str) -> bytes:
    """Return a body with a valid query and more parameters."""
    return f'{{"query": "{TYPENAME}", {rest}}}'.encode()


MALFORMED: Mapping[bytes, str] = {
    b"": "The request body is empty. Send a JSON object with a 'query' string.",
    b" ": "The request body is not valid JSON.",
    b"1": "The request body must be a JSON object.",
    b"null": "The request body must be a JSON object.",
    b"true": "The request body must be a JSON object.",
    b'"{ __typename }"': "The request body must be a JSON object.",
    b"[]": "Batching is not supported. Send one operation per request, as a JSON object.",
    b"[" + TYPENAME_BODY + b"]": (
        "Batching is not supported. Send one operation per request, as a JSON object."
    ),
    b"{": "The request body is not valid JSON.",
    b"{}": "Must provide a 'query' string.",
    b'{"query": "{ __typename }",}': "The request body is not valid JSON.",
    b"{'query': 1}": "The request body is not valid JSON.",
    TYPENAME_BODY + b"x": "The request body is not valid JSON.",
    TYPENAME_BODY + b"\0": "The request body is not valid JSON.",
    TYPENAME_BODY * 2: "The request body is not valid JSON.",
    b"\xef\xbb\xbf" + TYPENAME_BODY: "The request body is not valid JSON.",
    TYPENAME_BODY.decode().encode("utf-16"): "The request body is not valid JSON.",
    b"\xff\xfe": "The request body is not valid JSON.",
    b'{"query": "\xff"}': "The request body is not valid JSON.",
    b'{"query": "\\ud800"}': "The request body is not valid JSON.",
    b'{"query": "\xed\xa0\x80"}': "The request body is not valid JSON.",
    b'{"query": "\0"}': "The request body is not valid JSON.",
    b"query=%7B__typename%7D": "The request body is not valid JSON.",
    with_query('"variables": {"a": NaN}'): "The request body is not valid JSON.",
    with_query('"variables": {"a": Infinity}'): "The request body is not valid JSON.",
    with_query('"variables": {"a": 1e999}'): "The request body is not valid JSON.",
    with_query('"variables": {"a": -1e999}'): "The request body is not valid JSON.",
    with_query(f'"variables": {{"a": {"9" * 9000}}}'): "The request body is not valid JSON.",
    with_query('"variables": {"a": 01}'): "The request body is not valid JSON.",
    with_query('"variables": {"a": .5}'): "The request body is not valid JSON.",
    b"[" * 99_000: "The request body is nested too deeply.",
    b'{"a":' * 19_000: "The request body is nested too deeply.",
    with_query(f'"variables": {{"a": {"[" * 40_000 + "]" * 40_000}}}'): (
        "The request body is nested too deeply."
    ),
    with_query('"query": "{ a }"'): "Duplicate key in a JSON object: 'query'.",
    with_query('"\\u0071uery": 1'): "Duplicate key in a JSON object: 'query'.",
    with_query('"variables": {"a": 1, "a": 1}'): "Duplicate key in a JSON object: 'a'.",
    with_query('"x": [{"y": {"b": 1, "": 1, "": 2}}]'): "Duplicate key in a JSON object: ''.",
    with_query('"\\ud800": 1, "\\ud800": 2'): "Duplicate key in a JSON object: '\\ud800'.",
    b'{"query": null}': "Must provide a 'query' string.",
    b'{"query": ""}': "Must provide a 'query' string.",
    b'{"query": 1}': "'query' must be a string.",
    b'{"query": false}': "'query' must be a string.",
    b'{"query": ["{ __typename }"]}': "'query' must be a string.",
    with_query('"variables": 0'): "'variables' must be a JSON object.",
    with_query('"variables": false'): "'variables' must be a JSON object.",
    with_query('"variables": ""'): "'variables' must be a JSON object.",
    with_query('"variables": []'): "'variables' must be a JSON object.",
    with_query('"variables": "{}"'): "'variables' must be a JSON object.",
    with_query('"operationName": 0'): "'operationName' must be a string.",
    with_query('"operationName": []'): "'operationName' must be a string.",
    with_query('"operationName": {}'): "'operationName' must be a string.",
    with_query('"extensions": 0'): "'extensions' must be a JSON object.",
    with_query('"extensions": []'): "'extensions' must be a JSON object.",
    with_query('"extensions": "{}"'): "'extensions' must be a JSON object.",
    with_query('"documentId": 1'): "'documentId' must be a string.",
    with_query('"extensions": {"persistedQuery": 1}'): "'persistedQuery' must be a JSON object.",
    with_query('"extensions": {"persistedQuery": []}'): "'persistedQuery' must be a JSON object.",
    with_query('"extensions": {"persistedQuery": {}}'): "'persistedQuery.version' must be 1.",
    **{
        with_query(f'"extensions": {{"persistedQuery": {{"version": {version}}}}}'): (
            "'persistedQuery.version' must be 1."
        )
        for version in ("2", "0", "true", '"1"', "null", "[1]")
    },
    **{
        with_query(
            f'"extensions": {{"persistedQuery": {{"version": 1, "sha256Hash": {sha}}}}}'
        ): "'persistedQuery.sha256Hash' must be a string."
        for sha in ("null", "1", "[]", "true")
    },
}


@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body)[:60])
def test_malformed_body(sqlite_client: AppClient, body: bytes, accept: str) -> None:
    """A malformed body is 400 in both media types, as a GraphQL error."""
    response = post(sqlite_client, body, accept)
    assert (response.status, code(response), media_type(response)) == (400, BAD_INPUT, accept)
    assert message(response) == MALFORMED[body]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("", "Must provide a 'query' string."),
        ("query=", "Must provide a 'query' string."),
        ("QUERY=%7B__typename%7D", "Must provide a 'query' string."),
        ("variables=%7B%7D", "Must provide a 'query' string."),
        ("query=%7B__typename%7D&query=%7B__typename%7D", "Duplicate URL parameter: 'query'."),
        ("query=%7B__typename%7D&variables=&variables=", "Duplicate URL parameter: 'variables'."),
        ("query=%7B__typename%7D&x=1&x=2", "Duplicate URL parameter: 'x'."),
        ("query=%FF", "The query string is not valid UTF-8."),
        ("query=%ED%A0%80", "The query string is not valid UTF-8."),
        ("query=%7B__typename%7D&x=%C3", "The query string is not valid UTF-8."),
        ("query=%7B__typename%7D&%FF=", "The query string is not valid UTF-8."),
        ("query=\udcff", "The query string is not valid UTF-8."),
        ("query=%7B__typename%7D&variables=1", "'variables' must be a JSON object."),
        ("query=%7B__typename%7D&variables=[]", "'variables' must be a JSON object."),
        ('query=%7B__typename%7D&variables="{}"', "'variables' must be a JSON object."),
        ("query=%7B__typename%7D&variables=%7B", "'variables' is not valid JSON."),
        ("query=%7B__typename%7D&variables=%00", "'variables' is not valid JSON."),
        ('query=%7B__typename%7D&variables={"a":1e999}', "'variables' is not valid JSON."),
        (
            'query=%7B__typename%7D&variables={"a":1,"a":2}',
            "Duplicate key in a JSON object: 'a'.",
        ),
        ("query=%7B__typename%7D&variables=" + "[" * 5000, "'variables' is nested too deeply."),
        ("query=%7B__typename%7D&extensions=1", "'extensions' must be a JSON object."),
        ("query=%7B__typename%7D&extensions=x", "'extensions' is not valid JSON."),
        (
            'query=%7B__typename%7D&extensions={"persistedQuery":{"version":2}}',
            "'persistedQuery.version' must be 1.",
        ),
    ],
    ids=lambda text: text[:60].encode("ascii", "replace").decode(),
)
def test_malformed_query_string(sqlite_client: AppClient, parameters: str, expected: str) -> None:
    """A malformed or duplicate URL parameter is 400."""
    response = sqlite_client.get(f"/graphql?{parameters}", KEY)
    assert (response.status, code(response)) == (400, BAD_INPUT)
    assert message(response) == expected


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("mutation { a }", ""),
        ("mutation M($a: Nope) { ...F }", ""),
        ("subscription { a }", ""),
        ("query Q { __typename } mutation M { a }", "M"),
        ("# mutation\nmutation M { a } query Q { __typename }", "M"),
    ],
)
@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
def test_get_executes_only_queries(
    sqlite_client: AppClient, operation: str, name: str, accept: str
) -> None:
    """Another operation is 405 and allows POST, even if it is invalid."""
    response = get(sqlite_client, accept, query=operation, operationName=name)
    assert (response.status, response.headers["allow"]) == (405, "POST")
    assert (code(response), media_type(response)) == (BAD_INPUT, accept)


@pytest.mark.parametrize(
    ("operation", "name", "status"),
    [
        ("query Q { __typename } mutation M { a }", "Q", 400),
        ("query Q { __typename } mutation M { a }", "", 400),
        ("mutation {", "", 400),
        ("query mutation { __typename }", "", 200),
        ('{ flow(slug: "mutation") { pk } }', "", 200),
        ("{ mutation: __typename }", "", 200),
    ],
)
def test_get_with_unselected_mutations(
    sqlite_client: AppClient, operation: str, name: str, status: int
) -> None:
    """Only the selected operation counts, not the word "mutation"."""
    response = get(sqlite_client, GRAPHQL_RESPONSE, query=operation, operationName=name)
    assert response.status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/graphql"},
        {"content-type": "application/graphql-response+json"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json, text/plain"},
        {"content-type": "application/jsonp"},
        {"content-type": "charset=utf-8; application/json"},
        {"content-type": "application/json; charset=latin1"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json; charset="},
        {"content-type": "application/json; charset=utf-8; charset=latin1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/json", "content-encoding": "br, gzip"},
        {},
    ],
    ids=str,
)
def test_unsupported_media_types(sqlite_client: AppClient, headers: Mapping[str, str]) -> None:
    """The headers decide, and not the body itself."""
    response = sqlite_client.request(
        "POST", "/graphql", bearer_headers(KEY) | dict(headers), TYPENAME_BODY
    )
    assert (response.status, code(response)) == (415, BAD_INPUT)


@pytest.mark.parametrize("headers", [{}, {"content_length": "100001"}])
@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
def test_body_limit(sqlite_client: AppClient, accept: str, headers: dict[str, str]) -> None:
    """One byte over 100 KB is 413, with or without a Content-Length."""
    response = post(sqlite_client, TYPENAME_BODY.ljust(100_001), accept, **headers)
    assert (response.status, code(response), media_type(response)) == (
        413,
        "LIMIT_EXCEEDED",
        accept,
    )
    assert message(response) == "The request body exceeds the limit of 100000 bytes."
    assert post(sqlite_client, TYPENAME_BODY.ljust(100_000), accept).status == 200


@pytest.mark.parametrize("has_length", [True, False])
def test_body_limit_keeps_the_connection(
    sample_server: RunningServer,
    has_length: bool,  # noqa: FBT001 - a case
) -> None:
    """With Content-Length or chunked, the connection serves the next request."""
    headers = bearer_headers(sample_server.token) | JSON_HEADERS
    with closing(HTTPConnection(urlsplit(sample_server.url).netloc, timeout=20)) as connection:
        for body, status in ((TYPENAME_BODY.ljust(300_000), 413), (TYPENAME_BODY, 200)):
            content = body if has_length else iter([body[:1000], body[1000:]])
            connection.request("POST", "/graphql", content, headers)
            response = connection.getresponse()
            keys = list(json.loads(response.read()))
            assert (response.status, keys) == (status, ["data" if status == 200 else "errors"])


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "Unsupported media type. Send the body as application/json."),
        (
            {"content-type": "text/plain"},
            "Unsupported media type. Send the body as application/json.",
        ),
        (
            {"content-type": "application/json; charset=latin1"},
            "Unsupported charset. Send the body in UTF-8.",
        ),
        (
            JSON_HEADERS | {"content-encoding": "gzip"},
            "Unsupported content encoding. Send the body uncompressed.",
        ),
    ],
)
def test_messages_of_unsupported_media_types(
    sqlite_client: AppClient, headers: Mapping[str, str], expected: str
) -> None:
    """The message says what is unsupported and what to send instead."""
    response = sqlite_client.request(
        "POST", "/graphql", bearer_headers(KEY) | dict(headers), TYPENAME_BODY
    )
    assert (response.status, message(response)) == (415, expected)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "TRACE", "QUERY", "BREW"])
@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
def test_other_methods(sqlite_client: AppClient, path: str, method: str) -> None:
    """Other methods are 405 with an Allow header."""
    response = sqlite_client.request(
        method, path, bearer_headers(KEY) | JSON_HEADERS, TYPENAME_BODY
    )
    assert (response.status, response.headers["allow"]) == (405, "GET, POST")
    assert code(response) == BAD_INPUT


def test_options(sqlite_client: AppClient) -> None:
    """OPTIONS needs no token."""
    response = sqlite_client.request("OPTIONS", "/graphql")
    assert (response.status, response.headers["allow"], response.body) == (204, "GET, POST", b"")


def test_only_the_authorization_header_authenticates(sqlite_client: AppClient) -> None:
    """A key in a cookie or in a URL parameter is ignored."""
    headers = JSON_HEADERS | {"cookie": f"authorization=Bearer {KEY}; key={KEY}"}
    assert sqlite_client.request("POST", "/graphql", headers, TYPENAME_BODY).status == 401
    assert sqlite_client.get(f"/graphql?query=%7B__typename%7D&token={KEY}").status == 401
