"""Whatever shape a GraphQL query has, it says what REST says."""

import json
from typing import Any

import pytest

from support.app_client import AppClient
from support.random_queries import Query, expected, random_queries


@pytest.mark.parametrize("kind", ["sqlite", "authentik"])
def test_random_queries_say_what_rest_says(kind: str, request: pytest.FixtureRequest) -> None:
    """500 queries give REST's flows, places, and pages that are not there, keys in order."""
    client: AppClient = request.getfixturevalue(f"on_{kind}")
    for query in random_queries(seed=2027, count=500):
        _check(client, query)


def _check(client: AppClient, query: Query) -> None:
    def ask(target: str) -> Any:
        answer = client.get(target, query.key)
        assert answer.status in (200, 404), (target, answer)
        return answer.json if answer.status == 200 else None

    expectation = expected(query, ask)
    answer = client.graphql(query.text, query.key, query.variables)
    assert answer.status == 200, (query, answer)
    errors = answer.json.get("errors", [])
    if expectation.bad:
        assert answer.json["data"] is None, (query, answer)
        bad = [error for error in errors if error["extensions"]["code"] == "BAD_USER_INPUT"]
        assert [error["path"] for error in bad] == [[key] for key in sorted(expectation.bad)], query
    else:
        assert json.dumps(answer.json["data"]) == json.dumps(expectation.data), query
        assert [error["path"] for error in errors] == sorted(expectation.unknown), query
        codes = {error["extensions"]["code"] for error in errors}
        assert codes <= {"UNKNOWN_ENUM_VALUE"}, query
