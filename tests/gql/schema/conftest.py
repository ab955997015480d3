"""Fixtures of the tests of bindings, components and nodes."""

from collections.abc import Iterator, Mapping, Sequence

import psycopg
import pytest
from psycopg import sql

from support.app_client import AppClient
from support.databases import KINDS, child_table
from support.edge_case_data import ROWS, Row
from support.expected_graph import CHILD_ROWS, TYPES
from support.postgres import PostgresServer
from support.seed import fill_authentik, fill_flowql

# The queries of these tests are large, and other tests cover the limits.
MAX_COST = 1_000_000


@pytest.fixture(scope="session")
def typed_sqlite_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppClient]:
    """Run FlowQL on its own SQLite database with types."""
    url = f"sqlite:///{tmp_path_factory.mktemp('graph') / 'flowql.db'}"
    with AppClient(fill_flowql(url, _typed_rows()), max_cost=MAX_COST) as client:
        yield client


@pytest.fixture(scope="session")
def typed_postgresql_client(postgres: PostgresServer) -> Iterator[AppClient]:
    """Run FlowQL on its own PostgreSQL database with types."""
    url = postgres.create_database("graph")
    with AppClient(fill_flowql(url, _typed_rows()), max_cost=MAX_COST) as client:
        yield client


@pytest.fixture(scope="session")
def typed_authentik_client(postgres: PostgresServer) -> Iterator[AppClient]:
    """Run FlowQL on authentik's database with child tables."""
    url = fill_authentik(postgres.create_database("authentik_graph"))
    _create_child_tables(url)
    with AppClient(url, max_cost=MAX_COST) as client:
        yield client


@pytest.fixture(params=KINDS)
def typed_client(request: pytest.FixtureRequest) -> AppClient:
    """FlowQL on each kind of database, with the edge-case data and types of most components."""
    return request.getfixturevalue(f"typed_{request.param}_client")


def _typed_rows() -> Mapping[str, Sequence[Row]]:
    types: dict[str, list[Row]] = {"flowql_stagetype": [], "flowql_policytype": []}
    for (_, key), pks in CHILD_ROWS.items():
        rows = types[f"flowql_{key.removesuffix('_ptr_id')}type"]
        rows += [{"ptr_id": pk, "model": TYPES[pk]} for pk in pks]
    return ROWS | types


def _create_child_tables(url: str) -> None:
    with psycopg.connect(url) as connection:
        for (model, key), pks in CHILD_ROWS.items():
            names = sql.Identifier(child_table(model)), sql.Identifier(key)
            connection.execute(sql.SQL("CREATE TABLE {} ({} uuid PRIMARY KEY)").format(*names))
            insert = sql.SQL("INSERT INTO {} ({}) SELECT unnest(%s::uuid[])").format(*names)
            connection.execute(insert, [list(pks)])
