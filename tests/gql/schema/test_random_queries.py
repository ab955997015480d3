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
    errors = response.json.get("errors", [])
    if expectation.invalid_keys:
        assert response.json["data"] is None, (query, response)
        invalid = [error for error in errors if error["extensions"]["code"] == "BAD_USER_INPUT"]
        keys = sorted(expectation.invalid_keys)
        assert [error["path"] for error in invalid] == [[key] for key in keys], query
    else:
        assert json.dumps(response.json["data"]) == json.dumps(expectation.data), query
        assert [error["path"] for error in errors] == sorted(expectation.unknown_paths), query
        codes = {error["extensions"]["code"] for error in errors}
        assert codes <= {"UNKNOWN_ENUM_VALUE"}, query
