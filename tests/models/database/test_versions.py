"""Exact versions of the data: when they are equal, and where there are none."""

import asyncio
import logging
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import asyncpg
import psycopg
import pytest

from models.database import Database, Version, open_database, versions
from models.database.versions import VersionConnection
from support.databases import fill_authentik_with_types
from support.postgres import PASSWORD, USER, PostgresServer
from support.seed import fill_authentik
from support.tcp_proxy import run_proxy

UPDATE = "UPDATE authentik_flows_flow SET title = title"


@pytest.fixture(scope="module")
def authentik(postgres: PostgresServer) -> str:
    """A database that tests may change."""
    return fill_authentik(postgres.create_database("data versions"))


@pytest.fixture
def copied_url(sqlite_url: str, tmp_path: Path) -> str:
    """A file that tests may change."""
    path = shutil.copy(sqlite_url.removeprefix("sqlite:///"), tmp_path / "flowql.db")
    return f"sqlite:///{path}"


def run(url: str, test: Callable[[Database], Awaitable[None]]) -> None:
    """Run a test with an open database."""

    async def main() -> None:
        database = await open_database(url)
        try:
            await test(database)
        finally:
            await database.close()

    asyncio.run(main())


async def read(database: Database) -> Version:
    """Return the version, which is exact."""
    version = await database.read_version()
    assert version is not None
    return version


def execute(url: str, statement: str) -> None:
    """Execute a statement on a connection of its own."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute(statement)
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture(params=["sqlite", "authentik"])
def url(request: pytest.FixtureRequest) -> str:
    """A database of each kind."""
    return request.getfixturevalue("copied_url" if request.param == "sqlite" else "authentik")


def test_commits_change_the_version(url: str) -> None:
    """Each commit has a new version."""

    async def test(database: Database) -> None:
        seen = [await read(database)]
        for _ in range(3):
            execute(url, UPDATE)
            seen.append(await read(database))
        assert len(set(seen)) == len(seen)

    run(url, test)


def test_reads_do_not_change_the_version(url: str) -> None:
    """Neither do reads of other connections."""

    async def test(database: Database) -> None:
        before = await read(database)
        execute(url, "SELECT * FROM authentik_flows_flow")
        assert await read(database) == before

    run(url, test)


def test_versions_of_two_openings_differ(url: str) -> None:
    """A version belongs to one connection."""

    async def test(database: Database) -> None:
        other = await open_database(url)
        try:
            assert await read(database) != await read(other)
        finally:
            await other.close()

    run(url, test)


def test_an_open_transaction_counts_when_it_commits(authentik: str) -> None:
    """A transaction that was open all the while changes the version, and so does a rollback."""

    async def test(database: Database) -> None:
        with psycopg.connect(authentik) as connection:
            for end in (connection.commit, connection.rollback):
                connection.execute(UPDATE.encode())
                opened = await read(database)
                assert await read(database) == opened
                end()
                assert await read(database) != opened

    run(authentik, test)


def test_other_databases_count(authentik: str, postgres: PostgresServer) -> None:
    """A commit in another database of the server changes the version for nothing."""

    async def test(database: Database) -> None:
        before = await read(database)
        execute(postgres.create_database("elsewhere for versions"), "CREATE TABLE other ()")
        assert await read(database) != before

    run(authentik, test)


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[VersionConnection]:
    """Record the queries of versions."""
    recorded: list[VersionConnection] = []
    read_version = VersionConnection.read

    async def record(connection: VersionConnection) -> Version | None:
        recorded.append(connection)
        return await read_version(connection)

    monkeypatch.setattr(VersionConnection, "read", record)
    return recorded


def test_requests_share_a_query(authentik: str, queries: list[VersionConnection]) -> None:
    """Requests that wait at the same time have one query, and later ones have the next."""

    async def test(database: Database) -> None:
        shared = await asyncio.gather(*(read(database) for _ in range(50)))
        assert len(set(shared)) == len(queries) == 1
        first = asyncio.create_task(read(database))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        # The query has started: these need another one.
        await asyncio.gather(first, *(read(database) for _ in range(50)))
        assert len(queries) == 3

    run(authentik, test)


def test_a_request_that_leaves_does_not_disturb_others(authentik: str) -> None:
    """Others get their version."""

    async def test(database: Database) -> None:
        tasks = [asyncio.create_task(read(database)) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert len(set(results[1:])) == 1

    run(authentik, test)


def test_closing_ends_the_wait(authentik: str) -> None:
    """Requests that wait when the database is closed get no version."""

    async def test(database: Database) -> None:
        waiting = asyncio.create_task(database.read_version())
        await asyncio.sleep(0)
        await database.close()
        assert await waiting is None
        assert await database.read_version() is None

    run(authentik, test)


def test_a_silent_server_has_no_version(authentik: str) -> None:
    """Requests wait for it once, then not at all; it has a version again when it responds."""
    with run_proxy(authentik) as proxy:

        async def test(database: Database) -> None:
            first = await read(database)
            with proxy.freeze():
                assert await database.read_version() is None
                async with asyncio.timeout(versions.TIMEOUT_SECONDS / 2):
                    assert await database.read_version() is None
            await asyncio.sleep(versions.RETRY_SECONDS)
            # Transactions may have been lost.
            assert await read(database) != first

        run(proxy.url, test)


def test_a_lost_connection_has_no_version(authentik: str) -> None:
    """The next one has other versions."""
    with run_proxy(authentik) as proxy:

        async def test(database: Database) -> None:
            first = await read(database)
            proxy.cut()
            assert await database.read_version() is None
            await asyncio.sleep(versions.RETRY_SECONDS)
            assert await read(database) != first

        run(proxy.url, test)


def test_a_replaced_file_has_no_version(copied_url: str) -> None:
    """A file at the path that is not the opened one is not read."""
    path = Path(copied_url.removeprefix("sqlite:///"))

    async def test(database: Database) -> None:
        await read(database)
        shutil.copy(path, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)
        assert await database.read_version() is None
        path.unlink()  # noqa: ASYNC240 - nothing else runs
        assert await database.read_version() is None

    run(copied_url, test)


def test_a_locked_file_has_no_version(copied_url: str) -> None:
    """A writer in the journal mode `delete` locks readers out."""
    execute(copied_url, "PRAGMA journal_mode = delete")

    async def test(database: Database) -> None:
        before = await read(database)
        with closing(sqlite3.connect(copied_url.removeprefix("sqlite:///"))) as writer:
            writer.execute("PRAGMA locking_mode = exclusive")
            writer.execute(UPDATE)
            writer.commit()
            assert await database.read_version() is None
        assert await read(database) != before

    run(copied_url, test)


def test_an_obstacle_is_logged_once(authentik: str, caplog: pytest.LogCaptureFixture) -> None:
    """The log names the first relation that has no exact version."""

    async def test(database: Database) -> None:
        for _ in range(2):
            assert await database.read_version() is None
            await asyncio.sleep(versions.RETRY_SECONDS)

    execute(authentik, "ALTER TABLE authentik_flows_stage ENABLE ROW LEVEL SECURITY")
    with caplog.at_level(logging.WARNING):
        run(authentik, test)
    execute(authentik, "ALTER TABLE authentik_flows_stage DISABLE ROW LEVEL SECURITY")
    reason = "authentik_flows_stage has row security"
    assert caplog.messages == [f"responses are not used again: {reason}"]


def test_a_server_that_rejects_the_query_has_no_versions(
    authentik: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as one that does not have the functions, or does not allow them."""

    async def test(database: Database) -> None:
        assert database.has_versions
        assert await database.read_version() is None
        assert not database.has_versions

    function = "FUNCTION inet_server_port() {} PUBLIC"
    execute(authentik, "CREATE ROLE limited LOGIN PASSWORD 'limited' IN ROLE pg_read_all_data")
    execute(authentik, f"REVOKE EXECUTE ON {function.format('FROM')}")
    with caplog.at_level(logging.WARNING):
        run(authentik.replace(f"{USER}:{PASSWORD}", "limited:limited", 1), test)
    execute(authentik, f"GRANT EXECUTE ON {function.format('TO')}")
    assert any("permission denied for function" in message for message in caplog.messages)


def test_a_slow_connection_delays_requests_once(
    authentik: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on to open, and later requests do not wait for it."""
    open_connection = VersionConnection.open

    async def open_slowly(connection: asyncpg.Connection) -> VersionConnection:
        await asyncio.sleep(versions.TIMEOUT_SECONDS * 2)
        return await open_connection(connection)

    async def test(database: Database) -> None:
        assert await database.read_version() is None
        async with asyncio.timeout(versions.TIMEOUT_SECONDS / 2):
            assert await database.read_version() is None
        await asyncio.sleep(versions.TIMEOUT_SECONDS * 2)
        await read(database)

    monkeypatch.setattr(VersionConnection, "open", open_slowly)
    run(authentik, test)


@pytest.mark.parametrize(
    ("number", "query"),
    list(
        enumerate(
            (
                "SELECT stage_uuid, name FROM stored_stage LIMIT 1",
                "SELECT DISTINCT ON (name) stage_uuid, name FROM stored_stage",
                "SELECT stage_uuid, name FROM stored_stage WHERE 0 > (SELECT min(reltuples) FROM pg_class)",
                "SELECT stage_uuid, name FROM stored_stage TABLESAMPLE SYSTEM (50)",
                "SELECT stage_uuid, name FROM stored_stage, generate_series(1, 1)",
            )
        )
    ),
)
def test_views_whose_rows_can_change_without_a_commit(
    postgres: PostgresServer, number: int, query: str
) -> None:
    """They depend on the order of rows, on chance, or on rows that VACUUM changes."""
    url = fill_authentik(postgres.create_database(f"unproven view {number}"))

    async def test(database: Database) -> None:
        assert await database.read_version() is None
        assert not database.has_versions

    execute(url, "ALTER TABLE authentik_flows_stage RENAME TO stored_stage")
    execute(url, f"CREATE VIEW authentik_flows_stage AS {query}")
    run(url, test)


def test_relations_that_are_read(postgres: PostgresServer) -> None:
    """They include the tables of types, of lists in settings, and of natural keys."""
    url = fill_authentik_with_types(postgres.create_database("relations that are read"))

    async def test(database: Database) -> None:
        relations = database.catalog.list_relations()
        assert {"authentik_flows_flow", "authentik_core_token"} <= set(relations)
        assert any(name.startswith("authentik_stages_") for name in relations)
        assert "flowql_token" not in relations

    run(url, test)
