"""The limits that the introspection query of tools requires."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson
import pytest

from gql.app import create_app
from gql.execution.executor import Executor
from gql.execution.graphql_core import core_schema
from gql.execution.introspection import INTROSPECTION_QUERY, find_minimum_limits
from gql.limits import Limits
from gql.schema import build_schema
from gql.settings import Settings, SettingsError
from support.app_client import JSON_HEADERS, AppClient, Response, bearer_headers
from support.edge_case_data import KEYS

MINIMUMS = find_minimum_limits(core_schema(build_schema()))
# The least limits with which a server starts and responds to introspection.
LEAST: Mapping[str, Any] = {
    **{f"max_{limit.name}": 1 for limit in fields(Limits)},
    **{f"max_{name}": minimum for name, minimum in MINIMUMS.items()},
}


def introspect(client: AppClient) -> Response:
    """Send the introspection query as the only parameter of a request."""
    headers = bearer_headers(KEYS["superuser"]) | JSON_HEADERS
    return client.request("POST", "/graphql", headers, orjson.dumps({"query": INTROSPECTION_QUERY}))


def test_introspection_requires_few_limits(sqlite_url: str) -> None:
    """With the minimums, and 1 for all other limits, tools can introspect the schema."""
    with AppClient(sqlite_url, **LEAST) as client:
        assert client.app.state.warnings == ()
        body = introspect(client).json
    assert list(body) == ["data"]
    assert body["data"]["__schema"]["queryType"] == {"name": "Query", "kind": "OBJECT"}


@pytest.mark.parametrize(("name", "status"), [("tokens", 200), ("body", 413)])
def test_a_limit_below_the_minimum_is_a_warning(sqlite_url: str, name: str, status: int) -> None:
    """The server responds with LIMIT_EXCEEDED; the warning names the limit and what to do."""
    limits: Mapping[str, Any] = {**LEAST, f"max_{name}": MINIMUMS[name] - 1}
    with AppClient(sqlite_url, **limits) as client:
        response = introspect(client)
    [error] = response.json["errors"]
    assert (response.status, error["extensions"]) == (status, {"code": "LIMIT_EXCEEDED"})
    [warning] = client.app.state.warnings
    assert warning == (
        f"--max-{name} (FLOWQL_MAX_{name.upper()}) is {MINIMUMS[name] - 1}, but the introspection"
        f" query of GraphQL tools requires {MINIMUMS[name]}: raise it, or turn introspection off"
        " with --no-introspection"
    )


def test_an_introspection_cost_below_the_minimum_is_an_error() -> None:
    """The query is rejected with the greatest limit that is an error at start."""
    limit = MINIMUMS["introspection_cost"] - 1
    error = Executor(build_schema(), Limits(introspection_cost=limit)).first_error(
        INTROSPECTION_QUERY
    )
    expected = f"The operation has an introspection cost of {limit + 1}: the limit is {limit}."
    assert error
    assert error.message == expected
    with pytest.raises(SettingsError, match=f"^--max-introspection-cost .* is {limit}, but the"):
        create_app(Settings(max_introspection_cost=limit))


@pytest.mark.parametrize(
    "switches",
    [
        {"introspection": False, "max_introspection_cost": 1},
        {"trusted_documents": "/", "trusted_only": True},
    ],
)
def test_servers_without_introspection_accept_any_limit(switches: Mapping[str, Any]) -> None:
    """Tools cannot send the query, so a low limit is neither an error nor a warning."""
    settings = Settings(max_tokens=1, max_body=1, **switches)
    assert create_app(settings).state.warnings == ()
