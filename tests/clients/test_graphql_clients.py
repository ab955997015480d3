"""npm's GraphQL clients and the audits of GraphQL over HTTP accept the endpoint."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.client_environments import check_tool, install_npm_client, node_path
from support.server_process import RunningServer

HERE = Path(__file__).parent


def run_script(script: str, modules: str, server: RunningServer) -> Any:
    """Run a script on the server's GraphQL endpoint and return the JSON that it prints."""
    command = [node_path(), str(HERE / script), f"{server.url}/graphql"]
    return json.loads(check_tool(command, install_npm_client(modules), FLOWQL_TOKEN=server.token))


def test_every_audit_of_graphql_over_http_passes(sample_server: RunningServer) -> None:
    """All 61 audits of npm's graphql-http 1.23.1 pass, including the optional ones."""
    audits = run_script("audit_http.mjs", "graphql-http", sample_server)

    assert [audit for audit in audits if audit["status"] != "ok"] == []
    assert len({audit["id"] for audit in audits}) == 61


@pytest.mark.npm
def test_apollo_client_persists_its_queries(sample_server: RunningServer) -> None:
    """Apollo Client sends a hash, then the query with its hash, and then only the hash."""
    for method, result in run_script("persist_queries.mjs", "apollo", sample_server).items():
        requests = result["requests"]
        statuses = [(request["hasQuery"], request["status"]) for request in requests]
        methods = {request["method"] for request in requests if not request["hasQuery"]}

        assert result["slugs"] == ["initial-setup", "default-authentication-flow"]
        assert statuses == [(False, 400), (True, 200), (False, 200)]
        assert methods == {method}
