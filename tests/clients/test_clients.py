"""authentik's own generated clients read FlowQL unchanged."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import httpx2
import pytest

from support.client_environments import client_modules, client_python, finish, node

HERE = Path(__file__).parent


class Served(Protocol):
    """A running server of the sample set, and a superuser's token for it."""

    @property
    def url(self) -> str:
        """Where it listens, such as http://127.0.0.1:8000."""
        ...

    @property
    def token(self) -> str:
        """The key for the Authorization header."""
        ...


@dataclass(frozen=True, slots=True)
class Client:
    """A generated client: how it is run, which mount it reads, how it spells the keys of JSON."""

    name: str
    command: Callable[[], tuple[list[str], Path]]
    mount: str
    spelling: Callable[[str], str] = str

    def read(self, served: Served) -> dict[str, Any]:
        """Return the client's answers, by the names that its script gives them."""
        command, folder = self.command()
        return json.loads(finish([*command, served.url], folder, FLOWQL_TOKEN=served.token))

    def respell(self, pairs: dict[str, Any]) -> dict[str, Any]:
        """Return a JSON object with its keys spelled as this client does."""
        return {self.spelling(key): value for key, value in pairs.items()}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a client said of a server, beside the server itself."""

    client: Client
    served: Served
    said: dict[str, Any]

    def ask(self, path: str = "", **parameters: Any) -> str:
        """Ask the server the same question with no generated client between."""
        url = f"{self.served.url}{self.client.mount}/flows/instances/{path}"
        bearer = {"Authorization": f"Bearer {self.served.token}"}
        return httpx2.get(url, params=parameters, headers=bearer).text

    def json(self, path: str = "", **parameters: Any) -> Any:
        """Return the server's answer with its keys as the client spells them."""
        return json.loads(self.ask(path, **parameters), object_hook=self.client.respell)

    def slugs(self, **parameters: Any) -> list[str]:
        """Return the slugs of a page in its order."""
        return [flow["slug"] for flow in self.json(**parameters)["results"]]


def camel_case(key: str) -> str:
    """Spell `cache_count` as `cacheCount`."""
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


def python_client(name: str, script: str, mount: str) -> Client:
    """Describe a client that has an environment, and a script, of its own."""
    return Client(name, lambda: ([str(client_python(name)), str(HERE / script)], HERE), mount)


CLIENTS = [
    python_client("authentik-2024.2", "read_flows_2024_2.py", mount=""),
    python_client("authentik-2026.8", "read_flows_2026_8.py", mount="/api/v3"),
    Client(
        "goauthentik-api",
        lambda: ([node(), str(HERE / "read_flows.mjs")], client_modules("goauthentik-api")),
        mount="/api/v3",
        spelling=camel_case,
    ),
]
MARKS = {"goauthentik-api": pytest.mark.npm}


def parameter(client: Client) -> Any:
    """Name the client in the test's name, and mark the one that waits for `make check-all`."""
    return pytest.param(client, id=client.name, marks=MARKS.get(client.name, ()))


@pytest.fixture(scope="module", params=map(parameter, CLIENTS))
def reading(request: pytest.FixtureRequest, served: Served) -> Reading:
    """Let one client ask all its questions, once for all tests."""
    return Reading(request.param, served, request.param.read(served))


def test_models_hold_what_the_server_says(reading: Reading) -> None:
    """Each of the 17 flows, and the page around them, arrives in the client's models with every value."""
    page = reading.json(page_size=100)

    assert len(page["results"]) == 17
    assert reading.said["all"] == page


@pytest.mark.parametrize(
    ("question", "parameters"),
    [
        ("designation", {"designation": "stage_configuration"}),
        ("search", {"search": "default setup"}),
        ("ordering", {"ordering": "-slug", "page_size": 100}),
        ("slug", {"slug": "initial-setup"}),
    ],
    ids=("designation", "search", "ordering", "slug"),
)
def test_parameters_arrive(reading: Reading, question: str, parameters: dict[str, Any]) -> None:
    """What a client is told to filter and order by is what the server filters and orders by."""
    assert reading.said[question] == reading.slugs(**parameters) != []


def test_next_leads_through_every_page(reading: Reading) -> None:
    """Following `pagination.next` meets every flow once, in the order asked for."""
    pages = reading.said["pages"]

    assert [len(page) for page in pages] == [5, 5, 5, 2]
    assert list(chain.from_iterable(pages)) == reading.slugs(ordering="name", page_size=100)


def test_one_flow_is_read_by_its_slug(reading: Reading) -> None:
    """The client's model of one flow is the flow's JSON."""
    assert reading.said["one"] == reading.json("default-authentication-flow/")


def test_a_flow_is_exported(reading: Reading) -> None:
    """The client hands on the blueprint as it came."""
    export = reading.ask("default-authentication-flow/export/")

    assert reading.said["export"] == export
    assert "slug: default-authentication-flow" in export


def test_refusals_are_the_clients_own_errors(reading: Reading) -> None:
    """An unknown flow is raised as 404, an unknown token as 403, each with authentik's words."""
    unknown, stranger = reading.said["unknown"], reading.said["stranger"]

    assert (unknown["status"], stranger["status"]) == (404, 403)
    assert json.loads(unknown["body"]) == {"detail": "No Flow matches the given query."}
    assert json.loads(stranger["body"]) == {"detail": "Token invalid/expired"}
