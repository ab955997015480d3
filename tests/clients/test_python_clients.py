"""GraphQL clients for Python, by other people, read FlowQL with no warning."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, find_breaking_changes, find_dangerous_changes

from support.client_environments import client_python, ended
from support.graph import told
from support.npm_projects import copied
from support.paths import SCHEMA
from support.processes import RunningServer
from support.server_process import ask

HERE = Path(__file__).parent
SLUG = "default-authentication-flow"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a client said of a server, beside the server itself."""

    served: RunningServer
    said: dict[str, Any]

    def rest(self, path: str = "") -> Any:
        """Ask the server over REST."""
        return ask(self.served.url, f"/api/v3/flows/instances/{path}", self.served.token).json

    def slugs(self, parameters: str) -> list[str]:
        """The slugs of a page over REST, in its order."""
        return [flow["slug"] for flow in self.rest(f"?page_size=100&{parameters}")["results"]]


def run(name: str, folder: Path, *arguments: str, **environment: str) -> str:
    """Run what the client's own Python is told, where a warning is an error; gives what it printed."""
    python = [str(client_python(name)), "-I", "-W", "error"]
    done = ended([*python, *arguments], folder, **environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def read_by_gql(served: RunningServer, _home: Path) -> str:
    """PyPI's gql, which must never be installed beside FlowQL."""
    script = str(HERE / "ask_by_gql.py")
    return run("gql", HERE, script, served.url, FLOWQL_TOKEN=served.token)


def read_by_ariadne(served: RunningServer, home: Path) -> str:
    """A client that ariadne-codegen generates from schema.graphql and some operations."""
    name = "ariadne-codegen"
    project = copied(name, home / name)
    run(name, project, "-m", "ariadne_codegen", "--config", "ariadne-codegen.toml")
    return run(name, project, "ask.py", served.url, FLOWQL_TOKEN=served.token)


READERS: dict[str, Callable[[RunningServer, Path], str]] = {
    "gql": read_by_gql,
    "ariadne-codegen": read_by_ariadne,
}


@pytest.fixture(scope="module", params=READERS)
def reading(
    request: pytest.FixtureRequest, served: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Reading:
    """Let one client ask all its questions, once for all tests."""
    read = READERS[request.param]
    return Reading(served, json.loads(read(served, tmp_path_factory.mktemp("client"))))


def test_one_flow_arrives_whole(reading: Reading) -> None:
    """Every field of a flow has the value that REST tells."""
    whole = reading.said["whole"]

    assert whole | {"id": None} == told(reading.rest(f"{SLUG}/")) | {"id": None}


def test_variables_arrive(reading: Reading) -> None:
    """An enum, and a list of enums, are what the server filters and orders by."""
    expected = reading.slugs("designation=stage_configuration&ordering=-slug")

    assert reading.said["filtered"] == expected != []


def test_nested_fields_are_read(reading: Reading) -> None:
    """The stages of a flow come in the order of their bindings."""
    assert reading.said["stages"] == reading.rest(f"{SLUG}/")["stages"] != []


def test_cursors_lead_through_every_page(reading: Reading) -> None:
    """Following `endCursor` meets every flow once, in the order asked for."""
    pages = reading.said["pages"]

    assert [len(page) for page in pages] == [5, 5, 5, 2]
    assert list(chain.from_iterable(pages)) == reading.slugs("ordering=name")
    assert reading.said["total"] == 17


def test_an_input_object_arrives(reading: Reading) -> None:
    """A condition sifts the flows of a connection."""
    flows = reading.rest("?page_size=100&ordering=name")["results"]
    expected = [flow["slug"] for flow in flows if "setup" in flow["name"]]

    assert reading.said["sifted"] == expected != []


def test_an_id_leads_to_its_node(reading: Reading) -> None:
    """A global id gives the flow again that it came from, and a stage whose flows lead back."""
    assert reading.said["node"] == SLUG
    assert SLUG in reading.said["back"]


def test_a_refusal_is_the_clients_own_error(reading: Reading) -> None:
    """A cursor that is none is raised with its code."""
    assert reading.said["refusal"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("reading", ["ariadne-codegen"], indirect=True)
def test_ariadne_codegen_gives_typed_models(reading: Reading) -> None:
    """A UUID, a member of an enum, a model and a text are what the client holds."""
    stage = "FlowPathFlowStageBindingsStage"

    assert reading.said["types"] == ["UUID", "FlowDesignation", stage, "str"]


@pytest.mark.parametrize("reading", ["gql"], indirect=True)
def test_gql_fetches_the_schema(reading: Reading) -> None:
    """What introspection tells is what schema.graphql says, read from either side."""
    fetched, written = build_schema(reading.said["schema"]), build_schema(SCHEMA.read_text())

    for old, new in ((fetched, written), (written, fetched)):
        assert find_breaking_changes(old, new) == find_dangerous_changes(old, new) == []


@pytest.mark.parametrize("reading", ["gql"], indirect=True)
def test_gql_validates_by_the_fetched_schema(reading: Reading) -> None:
    """A field that is not there is found before anything is sent."""
    assert reading.said["unsent"].startswith("Cannot query field 'result' on type 'FlowPage'.")
