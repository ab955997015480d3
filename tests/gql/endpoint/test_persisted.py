"""Persisted documents: clients register a document and then send only its hash."""

import json

import pytest

from support.app_client import AppClient
from support.graphql_http import (
    BAD_INPUT,
    GRAPHQL_RESPONSE,
    NOT_FOUND,
    PLAIN,
    code,
    data,
    get,
    message,
    persisted,
    post,
)


@pytest.mark.parametrize("accept", [PLAIN, GRAPHQL_RESPONSE])
def test_automatic_persisted_queries(sqlite_client: AppClient, accept: str) -> None:
    """Apollo's protocol: not found, then registered with its hash, then found, by GET too."""
    text = f"{{ a: __typename }} # with {accept}"
    unknown = post(sqlite_client, persisted(text), accept)
    assert (unknown.status, unknown.json) == (
        400 if accept == GRAPHQL_RESPONSE else 200,
        {"errors": [NOT_FOUND]},
    )
    assert data(post(sqlite_client, persisted(text, text), accept)) == {"a": "Query"}
    for _ in range(2):
        assert data(post(sqlite_client, persisted(text), accept)) == {"a": "Query"}
        extensions = json.dumps(persisted(text)["extensions"])
        assert data(get(sqlite_client, accept, extensions=extensions)) == {"a": "Query"}


def test_registration_by_get(sqlite_client: AppClient) -> None:
    """Apollo's client registers by GET with `useGETForHashedQueries`."""
    text = "query ByGet($s: String!) { flow(slug: $s) { slug } }"
    extensions = json.dumps(persisted(text)["extensions"])
    variables = json.dumps({"s": "a-flow"})
    assert code(get(sqlite_client, extensions=extensions, variables=variables)) == (
        "PERSISTED_QUERY_NOT_FOUND"
    )
    registered = get(sqlite_client, query=text, extensions=extensions, variables=variables)
    again = get(sqlite_client, extensions=extensions, variables=variables)
    assert data(registered) == data(again) == {"flow": {"slug": "a-flow"}}


def test_hash_of_another_document(sqlite_client: AppClient) -> None:
    """Nobody can register a document under the hash of another."""
    text = "{ theirs: __typename }"
    response = post(sqlite_client, persisted(text, "{ mine: __typename }"), GRAPHQL_RESPONSE)
    assert (response.status, code(response)) == (400, BAD_INPUT)
    assert message(response) == "'persistedQuery.sha256Hash' is not the SHA-256 of 'query'."
    assert post(sqlite_client, persisted(text)).json == {"errors": [NOT_FOUND]}


def test_get_of_a_persisted_mutation(sqlite_client: AppClient) -> None:
    """GET rejects a mutation that the request names by its hash."""
    text = "mutation { byHash }"
    post(sqlite_client, persisted(text, text))
    response = get(sqlite_client, extensions=json.dumps(persisted(text)["extensions"]))
    assert (response.status, response.headers["allow"]) == (405, "POST")


def test_persisted_documents_are_bounded(sqlite_url: str) -> None:
    """The cache keeps the newest documents, of at most a million characters."""
    texts = [f"{{ a: __typename }} # {n} ".ljust(50_000, "x") for n in range(30)]
    with AppClient(sqlite_url) as client:
        for text in texts:
            assert post(client, persisted(text, text)).status == 200
        cached = [text for text in texts if "data" in post(client, persisted(text)).json]
    assert texts[-1] in cached
    assert sum(map(len, cached)) <= 1_000_000
