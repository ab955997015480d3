"""authentik's generated clients read FlowQL without changes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.client_environments import (
    check_tool,
    install_npm_client,
    install_python_client,
    node_path,
)
from support.server_process import RunningServer

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Client:
    """A generated client: its command, the path that it reads below, and its spelling of JSON keys."""

    name: str
    command: Callable[[], tuple[list[str], Path]]
    mount: str
    spelling: Callable[[str], str] = str

    def read(self, server: RunningServer) -> dict[str, Any]:
        """Run the client's script and return its results by name."""
        command, folder = self.command()
        return json.loads(check_tool([*command, server.url], folder, FLOWQL_TOKEN=server.token))

    def respell(self, pairs: dict[str, Any]) -> dict[str, Any]:
        """Return a JSON object with the keys in the client's spelling."""
        return {self.spelling(key): value for key, value in pairs.items()}


@dataclass(frozen=True, slots=True)
class Reading:
    """The results of a client, and direct requests to the same server."""

    client: Client
    server: RunningServer
    results: dict[str, Any]

    def get(self, path: str = "", **parameters: Any) -> str:
        """Return the body of the response to a direct request."""
        url = f"{self.server.url}{self.client.mount}/flows/instances/{path}"
        bearer = {"Authorization": f"Bearer {self.server.token}"}
        return httpx2.get(url, params=parameters, headers=bearer).text

    def json(self, path: str = "", **parameters: Any) -> Any:
        """Return the JSON of a direct request with the keys in the client's spelling."""
        return json.loads(self.get(path, **parameters), object_hook=self.client.respell)

    def slugs(self, **parameters: Any) -> list[str]:
        """Return the slugs of a page in its order."""
        return [flow["slug"] for flow in self.json(**parameters)["results"]]


def camel_case(key: str) -> str:
    """Spell `cache_count` as `cacheCount`."""
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


def python_client(name: str, script: str, mount: str) -> Client:
    """Return a client with its own Python environment and script."""
    return Client(
        name, lambda: ([str(install_python_client(name)), str(HERE / script)], HERE), mount
    )


CLIENTS = [
    python_client("authentik-2024.2", "read_flows_2024_2.py", mount=""),
    python_client("authentik-2026.8", "read_flows_2026_8.py", mount="/api/v3"),
    Client(
        "goauthentik-api",
        lambda: (
            [node_path(), str(HERE / "read_flows.mjs")],
            install_npm_client("goauthentik-api"),
        ),
        mount="/api/v3",
        spelling=camel_case,
    ),
]
MARKS = {"goauthentik-api": pytest.mark.npm}


def client_parameter(client: Client) -> Any:
    """Return a test parameter with the client's name and marks."""
    return pytest.param(client, id=client.name, marks=MARKS.get(client.name, ()))


@pytest.fixture(scope="module", params=map(client_parameter, CLIENTS))
def reading(request: pytest.FixtureRequest, sample_server: RunningServer) -> Reading:
    """Run each client once for all tests."""
    return Reading(request.param, sample_server, request.param.read(sample_server))


def test_models_equal_the_json(reading: Reading) -> None:
    """The client's models of the 17 flows and of the page hold every value of the JSON."""
    page = reading.json(page_size=100)

    assert len(page["results"]) == 17
    assert reading.results["all"] == page


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("designation", {"designation": "stage_configuration"}),
        ("search", {"search": "default setup"}),
        ("ordering", {"ordering": "-slug", "page_size": 100}),
        ("slug", {"slug": "initial-setup"}),
    ],
    ids=("designation", "search", "ordering", "slug"),
)
def test_query_parameters_are_applied(
    reading: Reading, name: str, parameters: dict[str, Any]
) -> None:
    """The client's filters and orderings give the same flows as direct requests."""
    assert reading.results[name] == reading.slugs(**parameters) != []


def test_next_leads_through_every_page(reading: Reading) -> None:
    """Following `pagination.next` returns every flow once, in the requested order."""
    pages = reading.results["pages"]

    assert [len(page) for page in pages] == [5, 5, 5, 2]
    assert list(chain.from_iterable(pages)) == reading.slugs(ordering="name", page_size=100)


def test_a_flow_is_read_by_its_slug(reading: Reading) -> None:
    """The client's model of a flow equals the flow's JSON."""
    assert reading.results["flow"] == reading.json("default-authentication-flow/")


def test_a_flow_is_exported(reading: Reading) -> None:
    """The client returns the blueprint unchanged."""
    export = reading.get("default-authentication-flow/export/")

    assert reading.results["export"] == export
    assert "slug: default-authentication-flow" in export


def test_errors_raise_the_clients_exceptions(reading: Reading) -> None:
    """The client raises 404 for an unknown flow and 403 for an invalid token, with authentik's messages."""
    unknown_flow, invalid_token = reading.results["unknown_flow"], reading.results["invalid_token"]

    assert (unknown_flow["status"], invalid_token["status"]) == (404, 403)
    assert json.loads(unknown_flow["body"]) == {"detail": "No Flow matches the given query."}
    assert json.loads(invalid_token["body"]) == {"detail": "Token invalid/expired"}
