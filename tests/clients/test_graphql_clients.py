"""What the makers of GraphQL's clients and of its specification ask of a server."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.client_environments import client_modules, finish, node
from support.processes import RunningServer

HERE = Path(__file__).parent


def said(script: str, modules: str, served: RunningServer) -> Any:
    """Return what a script prints of the server's GraphQL endpoint."""
    command = [node(), str(HERE / script), f"{served.url}/graphql"]
    return json.loads(finish(command, client_modules(modules), FLOWQL_TOKEN=served.token))


def test_every_audit_of_graphql_over_http_passes(served: RunningServer) -> None:
    """All 61 audits of npm's graphql-http 1.23.1 pass, those too of what may be."""
    audits = said("audit.mjs", "graphql-http", served)

    assert [audit for audit in audits if audit["status"] != "ok"] == []
    assert len({audit["id"] for audit in audits}) == 61


@pytest.mark.npm
def test_apollo_client_persists_its_queries(served: RunningServer) -> None:
    """It sends a hash, then the query with its hash, and from then on the hash alone."""
    for method, told in said("persist.mjs", "apollo", served).items():
        assert told["answers"] == ["initial-setup", "default-authentication-flow"]
        sent = [(one["query"], one["status"]) for one in told["requests"]]
        assert sent == [(False, 400), (True, 200), (False, 200)]
        assert {one["method"] for one in told["requests"] if not one["query"]} == {method}
