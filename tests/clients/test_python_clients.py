"""Third-party GraphQL clients for Python read FlowQL without warnings."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, find_breaking_changes, find_dangerous_changes

from support.client_environments import install_python_client, run_tool
from support.graphql_from_rest import graphql_flow
from support.npm_projects import copy_project
from support.paths import SCHEMA
from support.server_process import RunningServer, send_request

HERE = Path(__file__).parent
SLUG = "default-authentication-flow"


@dataclass(frozen=True, slots=True)
class Reading:
    """The results of a client, and REST requests to the same server."""

    server: RunningServer
    results: dict[str, Any]

    def rest(self, path: str = "") -> Any:
        """Return the JSON of a REST request."""
        return send_request(
            self.server.url, f"/api/v3/flows/instances/{path}", self.server.token
        ).json

    def slugs(self, parameters: str) -> list[str]:
        """Return the slugs of a page over REST in its order."""
        return [flow["slug"] for flow in self.rest(f"?page_size=100&{parameters}")["results"]]


def run_python(name: str, folder: Path, *arguments: str, **environment: str) -> str:
    """Run the client's Python with warnings as errors and return its standard output."""
    python = [str(install_python_client(name)), "-I", "-W", "error"]
    process = run_tool([*python, *arguments], folder, **environment)
    assert (process.returncode, process.stderr) == (0, ""), process.stdout + process.stderr
    return process.stdout


def read_by_gql(server: RunningServer, _home: Path) -> str:
    """Read by PyPI's gql, which cannot be installed together with FlowQL."""
    script = str(HERE / "read_graph_by_gql.py")
    return run_python("gql", HERE, script, server.url, FLOWQL_TOKEN=server.token)


def read_by_ariadne_codegen(server: RunningServer, home: Path) -> str:
    """Read by a client that ariadne-codegen generates from schema.graphql and operations."""
    name = "ariadne-codegen"
    project = copy_project(name, home / name)
    run_python(name, project, "-m", "ariadne_codegen", "--config", "ariadne-codegen.toml")
    return run_python(name, project, "read_graph.py", server.url, FLOWQL_TOKEN=server.token)


READERS: dict[str, Callable[[RunningServer, Path], str]] = {
    "gql": read_by_gql,
    "ariadne-codegen": read_by_ariadne_codegen,
}


@pytest.fixture(scope="module", params=READERS)
def reading(
    request: pytest.FixtureRequest,
    sample_server: RunningServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Reading:
    """Run each client once for all tests."""
    read = READERS[request.param]
    return Reading(
        sample_server, json.loads(read(sample_server, tmp_path_factory.mktemp("client")))
    )


def test_every_field_equals_rest(reading: Reading) -> None:
    """Every field of a flow has the same value as in REST."""
    flow = reading.results["flow"]

    assert flow | {"id": None} == graphql_flow(reading.rest(f"{SLUG}/")) | {"id": None}


def test_variables_are_applied(reading: Reading) -> None:
    """An enum value and a list of enum values filter and order the flows."""
    expected = reading.slugs("designation=stage_configuration&ordering=-slug")

    assert reading.results["by_designation"] == expected != []


def test_nested_fields_are_read(reading: Reading) -> None:
    """The stages of a flow come in the order of their bindings."""
    assert reading.results["stages"] == reading.rest(f"{SLUG}/")["stages"] != []


def test_cursors_lead_through_every_page(reading: Reading) -> None:
    """Following `endCursor` returns every flow once, in the requested order."""
    pages = reading.results["pages"]

    assert [len(page) for page in pages] == [5, 5, 5, 2]
    assert list(chain.from_iterable(pages)) == reading.slugs("ordering=name")
    assert reading.results["total"] == 17


def test_an_input_object_is_applied(reading: Reading) -> None:
    """A condition filters the flows of a connection."""
    flows = reading.rest("?page_size=100&ordering=name")["results"]
    expected = [flow["slug"] for flow in flows if "setup" in flow["name"]]

    assert reading.results["by_name"] == expected != []


def test_an_id_returns_its_node(reading: Reading) -> None:
    """A global id returns its flow or its stage, and the stage returns its flows."""
    assert reading.results["node"] == SLUG
    assert SLUG in reading.results["flows_of_stage"]


def test_errors_raise_the_clients_exceptions(reading: Reading) -> None:
    """The client's exception for an invalid cursor has the error's code."""
    assert reading.results["error_code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("reading", ["ariadne-codegen"], indirect=True)
def test_ariadne_codegen_generates_typed_models(reading: Reading) -> None:
    """The client's models hold a UUID, a member of an enum, a model and a string."""
    stage = "FlowPathFlowStageBindingsStage"

    assert reading.results["types"] == ["UUID", "FlowDesignation", stage, "str"]


@pytest.mark.parametrize("reading", ["gql"], indirect=True)
def test_gql_fetches_the_schema(reading: Reading) -> None:
    """The schema from introspection equals schema.graphql in both directions."""
    fetched, printed = build_schema(reading.results["schema"]), build_schema(SCHEMA.read_text())

    for old, new in ((fetched, printed), (printed, fetched)):
        assert find_breaking_changes(old, new) == find_dangerous_changes(old, new) == []


@pytest.mark.parametrize("reading", ["gql"], indirect=True)
def test_gql_validates_against_the_fetched_schema(reading: Reading) -> None:
    """The client reports an unknown field without a request."""
    message = reading.results["validation_error"]

    assert message.startswith("Cannot query field 'result' on type 'FlowPage'.")
