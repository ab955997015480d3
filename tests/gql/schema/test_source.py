"""`source`: where the data is from, and how old it is."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.app_client import AppClient
from support.command import create_token
from support.edge_case_data import KEYS, ROWS
from support.postgres import PostgresServer
from support.seed import fill_flowql

QUERY = "{ source { kind url version syncedAt } }"
# graphql-core executes introspection, and all that is selected with it.
FALLBACK = "{ __schema { queryType { name } } source { kind url version syncedAt } }"
FORBIDDEN = "'Query.source' requires the permission authentik_flows.view_flow."
SYNCED = {
    "id": 1,
    "url": "https://authentik.example/auth",
    "version": "2026.8.1",
    "synced_at": datetime(2026, 11, 24, 12, 30, 5, 250_000, tzinfo=UTC),
    "failed_at": None,
    "error": None,
}
FAILED = {"failed_at": datetime(2026, 11, 24, 12, 35, tzinfo=UTC), "error": "x"}
NEVER_SYNCED = SYNCED | FAILED | {"version": None, "synced_at": None}
API_SOURCE = {
    "kind": "AUTHENTIK_API",
    "url": "https://authentik.example/auth",
    "version": "2026.8.1",
    "syncedAt": "2026-11-24T12:30:05.250000Z",
}


def build_source(kind: str, url: str) -> Mapping[str, Any]:
    """Return the object of a source that was never synced."""
    return {"kind": kind, "url": url, "version": None, "syncedAt": None}


def fill(url: str, row: Mapping[str, Any]) -> str:
    """Fill a database, with the row of a source, and return its URL."""
    return fill_flowql(url, {**ROWS, "flowql_source": [row]})


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'flowql.db'}"
    return postgres.create_database(request.node.name)


@pytest.fixture
def synced_client(empty_url: str) -> Iterator[AppClient]:
    """A client of a database that was synced."""
    with AppClient(fill(empty_url, SYNCED)) as client:
        yield client


@pytest.mark.parametrize("query", [QUERY, FALLBACK])
def test_source_of_a_synced_database(synced_client: AppClient, query: str) -> None:
    """It is authentik's API, with the time of the last successful sync."""
    body = synced_client.graphql(query, KEYS["superuser"]).json
    assert "errors" not in body
    assert body["data"]["source"] == API_SOURCE


def test_source_after_a_failed_round(empty_url: str) -> None:
    """A failure does not change where the data is from."""
    with AppClient(fill(empty_url, SYNCED | FAILED)) as client:
        assert client.graphql(QUERY, KEYS["superuser"]).json == {"data": {"source": API_SOURCE}}


@pytest.mark.parametrize("query", [QUERY, FALLBACK])
def test_source_of_a_database_that_was_never_synced(query: str, tmp_path: Path) -> None:
    """It is blueprints, also if every round has failed."""
    for number, rows in enumerate(({}, {"flowql_source": [NEVER_SYNCED]})):
        url = fill_flowql(f"sqlite:///{tmp_path / f'{number}.db'}", {**ROWS, **rows})
        with AppClient(url) as client:
            body = client.graphql(query, KEYS["superuser"]).json
        assert body["data"]["source"] == build_source("BLUEPRINTS", url)


@pytest.mark.parametrize("query", [QUERY, FALLBACK])
def test_source_of_authentik_s_database(
    query: str, authentik_client: AppClient, authentik_url: str
) -> None:
    """It is the database, without user information and parameters."""
    body = authentik_client.graphql(query, KEYS["superuser"]).json
    parts = urlsplit(authentik_url)
    assert parts.password
    url = f"postgresql://{parts.hostname}:{parts.port}{parts.path}"
    assert body["data"]["source"] == build_source("AUTHENTIK_DATABASE", url)


def test_source_of_a_database_without_the_table(tmp_path: Path) -> None:
    """FlowQL of another version may have created the tables."""
    url = fill_flowql(f"sqlite:///{tmp_path / 'flowql.db'}")
    with closing(sqlite3.connect(tmp_path / "flowql.db")) as connection:
        connection.execute("DROP TABLE flowql_source")
    with AppClient(url) as client:
        body = client.graphql(QUERY, KEYS["superuser"]).json
        assert body == {"data": {"source": build_source("BLUEPRINTS", url)}}
        assert (
            client.request("GET", "/-/health/ready/", {"accept": "application/json"}).status == 200
        )


@pytest.mark.parametrize("viewer", ["superuser", "superuser_by_ancestor", "model_role"])
def test_viewers_of_all_flows_read_the_source(sqlite_client: AppClient, viewer: str) -> None:
    """They are superusers, and users with the permission for all flows."""
    assert sqlite_client.graphql(QUERY, KEYS[viewer]).json["data"]["source"]["kind"] == "BLUEPRINTS"


@pytest.mark.parametrize(
    "viewer",
    ["object_role", "internal_service_account_object", "internal_service_account_none"],
)
@pytest.mark.parametrize("query", [QUERY, FALLBACK])
def test_others_do_not_read_the_source(client: AppClient, viewer: str, query: str) -> None:
    """The field is null, with an error; other fields are resolved."""
    body = client.graphql(query, KEYS[viewer]).json
    [error] = body["errors"]
    assert body["data"]["source"] is None
    assert error["message"] == FORBIDDEN
    assert (error["path"], error["extensions"]) == (["source"], {"code": "FORBIDDEN"})


def test_viewers_of_no_flow_are_rejected(sqlite_client: AppClient) -> None:
    """Their requests are errors as a whole."""
    assert sqlite_client.graphql(QUERY, KEYS["none"]).status == 403


def test_tokens_of_flowql(tmp_path: Path) -> None:
    """A token that is limited to flows does not read the source; one for all flows does."""
    url = fill(f"sqlite:///{tmp_path / 'flowql.db'}", SYNCED)
    slug = str(ROWS["authentik_flows_flow"][0]["slug"])
    limits = {"all": (), "flows": ("--flows-only",), "root": ("--superuser",)}
    keys = {name: create_token(url, name, *options) for name, options in limits.items()}
    limited = create_token(url, "limited", "--flow", slug)
    with AppClient(url) as client:
        for key in keys.values():
            assert client.graphql(QUERY, key).json == {"data": {"source": API_SOURCE}}
        body = client.graphql(QUERY, limited).json
        assert body["data"] == {"source": None}
        assert [error["message"] for error in body["errors"]] == [FORBIDDEN]
        # An export requires the permission for all flows, which the scope of a token replaces.
        export = f'{{ flow(slug: "{slug}") {{ blueprint }} }}'
        assert client.graphql(export, limited).json["data"]["flow"]["blueprint"]
