"""Random requests never fail the server."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from support.app_client import AppClient, Response, bearer_headers
from support.graphql_http import (
    FLOW_FILE,
    GRAPHQL_RESPONSE,
    KEY,
    ORIGIN,
    PLAIN,
    TYPENAME,
    persisted,
    post,
    sha256,
)


def assert_well_formed(response: Response) -> None:
    """Assert that the response is well-formed and not a server error."""
    assert response.status < 500, response
    if response.status == 204 or response.headers["content-type"].startswith("text/html"):
        return
    body = response.json
    assert list(body) in (["data"], ["data", "errors"], ["errors"]), response
    assert response.status == 200 or list(body) == ["errors"], response
    for error in body.get("errors", ()):
        assert error["message"], response
        assert error["extensions"]["code"] != "INTERNAL_SERVER_ERROR", response


def for_examples(scale: float, check: Callable[..., None], **strategies: Any) -> None:
    """Check `scale` times as many examples as Hypothesis' profile has."""
    count = int(settings().max_examples * scale)
    settings(max_examples=count)(given(**strategies)(check))()


REQUESTS: Sequence[Mapping[str, Any]] = (
    {"query": TYPENAME, "variables": {"a": [1, None, {"b": "ü\0"}]}, "operationName": None},
    {"query": "query A { a: __typename } query B { __typename }", "operationName": "A"},
    {"query": FLOW_FILE, "variables": {"slug": "a-flow"}, "extensions": {"a": {}}},
    persisted(TYPENAME, TYPENAME),
    persisted(TYPENAME),
    {"documentId": f"sha256:{sha256(TYPENAME)}"},
)
BODIES = [json.dumps(body).encode() for body in REQUESTS]
QUERY_STRINGS = [
    urlencode(
        {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in body.items()
        }
    )
    for body in REQUESTS
]
HEADER_NAMES = [
    *("accept", "content-type", "content-encoding", "content-length", "origin", "x-http-method"),
    *("access-control-request-method", "accept-encoding", "host", "cookie", "connection"),
]
HEADER_VALUES = [
    *("", PLAIN, GRAPHQL_RESPONSE, "text/html", "*/*;q=0", "gzip", "0", "99999999999", "identity"),
    *("application/json;charset=", "application/json; charset=utf-16", ORIGIN, "POST", "-1"),
]
LATIN = st.text(st.characters(max_codepoint=255), max_size=40)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
OPERATIONS = st.fixed_dictionaries(
    {},
    optional={
        "query": JSON_VALUES | st.sampled_from([TYPENAME, FLOW_FILE, "mutation { a }", "{"]),
        **dict.fromkeys(["variables", "operationName", "documentId", "other"], JSON_VALUES),
        "extensions": JSON_VALUES
        | st.fixed_dictionaries(
            {
                "persistedQuery": st.fixed_dictionaries(
                    {"version": JSON_VALUES, "sha256Hash": JSON_VALUES}
                )
            }
        ),
    },
)


@st.composite
def corrupt_text(draw: st.DrawFn, texts: list[bytes]) -> bytes:
    """Draw one of the requests with some bytes removed, repeated or replaced."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(0, 3))):
        start, length = draw(st.integers(0, len(text))), draw(st.integers(0, 9))
        text = text[:start] + draw(st.binary(max_size=6)) + text[start + length :]
    return text


RANDOM_BODIES = (
    corrupt_text(BODIES)
    | st.binary(max_size=60)
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | OPERATIONS.map(lambda value: json.dumps(value).encode())
)
RANDOM_QUERY_STRINGS = (
    corrupt_text([text.encode() for text in QUERY_STRINGS])
    | st.binary(max_size=60)
    | OPERATIONS.map(
        lambda parameters: urlencode(
            {name: json.dumps(value) for name, value in parameters.items()}
        ).encode()
    )
)


def test_random_bodies(
    client_with_trusted_documents: AppClient, trusted_only_client: AppClient
) -> None:
    """Valid, corrupted and random bodies never fail the server."""

    def check(body: bytes, accept: str, is_trusted_only: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
        client = trusted_only_client if is_trusted_only else client_with_trusted_documents
        assert_well_formed(post(client, body, accept))

    accepts = st.sampled_from([PLAIN, GRAPHQL_RESPONSE])
    for_examples(5, check, body=RANDOM_BODIES, accept=accepts, is_trusted_only=st.booleans())


def test_random_requests(client_with_trusted_documents: AppClient) -> None:
    """Random methods, query strings and headers never fail the server."""

    def check(method: str, query: bytes, headers: dict[str, str], body: bytes) -> None:
        target = f"/graphql?{query.decode(errors='surrogateescape')}"
        assert_well_formed(
            client_with_trusted_documents.request(
                method, target, headers | bearer_headers(KEY), body
            )
        )

    methods = st.sampled_from(["GET", "GET", "GET", "POST", "PUT", "OPTIONS", "X"])
    names, values = st.sampled_from(HEADER_NAMES), st.sampled_from(HEADER_VALUES) | LATIN
    headers = st.dictionaries(names, values, max_size=4)
    for_examples(
        5, check, method=methods, query=RANDOM_QUERY_STRINGS, headers=headers, body=RANDOM_BODIES
    )
