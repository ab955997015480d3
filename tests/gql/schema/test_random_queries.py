"""Random GraphQL queries return the same data as REST."""

import json
from typing import Any

import pytest

from support.app_client import AppClient
from support.random_queries import Query, build_expectation, random_queries


@pytest.mark.parametrize("kind", ["sqlite", "authentik"])
def test_random_queries_equal_rest(kind: str, request: pytest.FixtureRequest) -> None:
    """500 queries return the flows, positions and invalid pages of REST, with keys in order."""
    client: AppClient = request.getfixturevalue(f"{kind}_client")
    for query in random_queries(seed=2027, count=300):
        _check(client, query)


def _check(client: AppClient, query: Query) -> None:
    def get(target: str) -> Any:
        response = client.get(target, query.key)
        assert response.status in (200, 404), (target, response)
        return response.json if response.status == 200 else None

    expectation = build_expectation(query, get)
    response = client.graphql(query.text, query.key, query.variables)
    assert response.status == 200, (query, response)
    assert json.dumps(response.json["data"]) == json.dumps(expectation.data), query
    expected = [(path, "UNKNOWN_ENUM_VALUE") for path in expectation.unknown_paths]
    expected += [(path, "BAD_USER_INPUT") for path in expectation.invalid_paths]
    errors = response.json.get("errors", [])
    actual = [(error["path"], error["extensions"]["code"]) for error in errors]
    assert actual == sorted(expected), query
