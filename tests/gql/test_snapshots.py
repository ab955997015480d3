"""All statements of one operation, diagram, export or page see one state of the database."""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from time import sleep

import psycopg
import pytest
from hypothesis import settings

from models.database import Database, SnapshotRequiredError, open_database
from models.database.session import SessionClosedError
from models.database.statement import RawSQL
from support.app_client import AppClient
from support.edge_case_data import KEYS
from support.postgres import PostgresServer
from support.seed import fill_flowql
from support.threads import repeat_in_thread

KEY = KEYS["superuser"]
SLUG = "a-flow"
# 50 by default, 1,000 in the full profile. Without snapshots, one in some hundreds is mixed.
ATTEMPTS = settings().max_examples // 2
MAX_ATTEMPTS = 50 * ATTEMPTS
UPDATES = (
    "UPDATE authentik_flows_flow SET name = 'version {0}', title = 'version {0}'",
    "UPDATE authentik_flows_stage SET name = 'version {0} ' || stage_uuid",
)
VERSION = re.compile(r"version (\d+)")
NESTED = f"""{{
    a: flow(slug: "{SLUG}") {{ title stageBindings {{ stage {{ name }} }} diagram }}
    b: flows(pageSize: 3) {{ results {{ title stageBindings {{ stage {{ name }} }} }} }}
}}"""
UNPLANNED = f"{{ __schema {{ queryType {{ name }} }} {NESTED[1:]}"


@dataclass(frozen=True, slots=True)
class ChangingDatabase:
    """FlowQL on a database that another process changes all the time."""

    client: AppClient
    update: Callable[[list[str]], None]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ChangingDatabase]:
    """FlowQL's own databases, which are changed in transactions."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("snapshots") / "flowql.db"
        url = fill_flowql(f"sqlite:///{path}")
        with (
            closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as own,
            AppClient(url) as client,
        ):
            yield ChangingDatabase(client, lambda updates: update_sqlite(own, updates))
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        url = fill_flowql(postgres.create_database("snapshots"))
        with psycopg.connect(url) as connection, AppClient(url) as client:
            yield ChangingDatabase(client, lambda updates: update_postgresql(connection, updates))
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute("DROP DATABASE snapshots WITH (FORCE)")


def update_sqlite(connection: sqlite3.Connection, updates: list[str]) -> None:
    """Execute updates in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    for update in updates:
        connection.execute(update)
    connection.execute("COMMIT")


def update_postgresql(connection: psycopg.Connection[object], updates: list[str]) -> None:
    """Execute updates in one transaction."""
    with connection.transaction():
        for update in updates:
            connection.execute(update.encode())


@contextmanager
def change(database: ChangingDatabase) -> Generator[None]:
    """Store one version after the other until the block ends."""
    versions = count()

    def store_next() -> None:
        version = next(versions)
        database.update([update.format(version) for update in UPDATES])
        sleep(0.001)

    store_next()
    with repeat_in_thread(store_next):
        yield


def graphql(client: AppClient, query: str) -> str:
    """Return the body of a successful GraphQL response."""
    response = client.graphql(query, KEY)
    assert "errors" not in response.json
    return response.body.decode()


def rest(client: AppClient, path: str) -> str:
    """Return the body of a successful response to GET."""
    response = client.get(path, KEY)
    assert response.status == 200
    return response.body.decode()


READS: dict[str, Callable[[AppClient], str]] = {
    "plan": lambda client: graphql(client, NESTED),
    "graphql-core": lambda client: graphql(client, UNPLANNED),
    "diagram": lambda client: rest(client, f"/flows/instances/{SLUG}/diagram/"),
    "export": lambda client: rest(client, f"/flows/instances/{SLUG}/export/"),
    "page": lambda client: client.request(
        "GET", f"/?flow={SLUG}", {"authorization": f"Bearer {KEY}", "accept": "text/html"}
    ).body.decode(),
}


@pytest.mark.parametrize("name", READS)
def test_reads_see_one_version(name: str, database: ChangingDatabase) -> None:
    """Each response contains a single version, and several versions are seen in all."""
    versions: set[str] = set()
    with change(database):
        for attempt in range(MAX_ATTEMPTS):
            found = set(VERSION.findall(READS[name](database.client)))
            assert len(found) == 1
            versions |= found
            # On a busy machine, the thread that writes may have to wait.
            if attempt >= ATTEMPTS and len(versions) > 1:
                break
    assert len(versions) > 1


async def read(database: Database, count: int, *, is_snapshot: bool) -> None:
    """Read several times in one session; errors are handled, like those of fields."""
    async with database.open_session(is_snapshot=is_snapshot) as session:
        for _ in range(count):
            with suppress(SnapshotRequiredError):
                assert await session.read(RawSQL("SELECT 1"))


def test_a_second_read_requires_a_snapshot(sqlite_url: str) -> None:
    """The session raises the error at its end too, since an operation may have handled it."""

    async def main() -> None:
        database = await open_database(sqlite_url)
        await read(database, 1, is_snapshot=False)
        await read(database, 3, is_snapshot=True)
        with pytest.raises(SnapshotRequiredError):
            await read(database, 2, is_snapshot=False)
        await database.close()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["sqlite", "authentik"])
def test_a_closed_session_reads_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    """The end of a session waits for a read whose result nobody awaits; later ones fail."""

    async def main() -> None:
        database = await open_database(request.getfixturevalue(f"{kind}_url"))
        for _ in range(20):
            async with database.open_session(is_snapshot=True) as session:
                reads = [asyncio.create_task(session.read(RawSQL("SELECT 1"))) for _ in range(3)]
                await reads[0]
            results = await asyncio.gather(*reads, return_exceptions=True)
            for result in results[1:]:
                if not isinstance(result, SessionClosedError):
                    assert not isinstance(result, BaseException)
                    assert list(result) == [(1,)]
            async with database.open_session(is_snapshot=True) as other:
                assert list(await other.read(RawSQL("SELECT 2"))) == [(2,)]
        await database.close()

    asyncio.run(main())
