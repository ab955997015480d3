"""The version of the data differs after each change, and only then."""

import asyncio
import shutil
import sqlite3
from collections.abc import Hashable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from models.database import open_database
from models.database.data_version import DataVersions
from models.errors import DatabaseUnavailableError
from support.postgres import PostgresServer
from support.seed import fill_flowql

UPDATE = "UPDATE authentik_flows_flow SET title = 'changed'"


@pytest.fixture
def path(sqlite_url: str, tmp_path: Path) -> Path:
    """A copy of the database with the edge-case data."""
    return Path(shutil.copy(sqlite_url.removeprefix("sqlite:///"), tmp_path / "flowql.db"))


def read_twice(url: str, change: object) -> tuple[Hashable, Hashable]:
    """Return the versions before and after the call of `change`."""

    async def main() -> tuple[Hashable, Hashable]:
        database, versions = await open_database(url), DataVersions(url)
        try:
            before = await versions.read(database)
            if callable(change):
                change()
            return before, await versions.read(database)
        finally:
            await versions.close()
            await database.close()

    return asyncio.run(main())


def update(path: Path) -> None:
    """Change the data in a file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(UPDATE)
        connection.commit()


def test_equal_without_change(path: Path) -> None:
    """Without a change, the versions of a file are equal."""
    before, after = read_twice(f"sqlite:///{path}", None)
    assert before == after


def test_file_changes(path: Path) -> None:
    """After a change by another connection, the version of a file differs."""
    before, after = read_twice(f"sqlite:///{path}", lambda: update(path))
    assert before != after


def test_file_is_replaced(path: Path, tmp_path: Path) -> None:
    """A file that replaces another one has another version."""
    other = Path(shutil.copy(path, tmp_path / "other.db"))
    before, after = read_twice(f"sqlite:///{path}", lambda: other.replace(path))
    assert before != after


def test_file_is_missing(path: Path) -> None:
    """The version of a missing file is not available."""
    with pytest.raises(DatabaseUnavailableError):
        read_twice(f"sqlite:///{path}", path.unlink)


def test_postgresql(postgres: PostgresServer) -> None:
    """In PostgreSQL, the version differs after a transaction with changes, and not after a read."""
    url = fill_flowql(postgres.create_database("data_versions"))

    def execute(statement: str) -> None:
        with psycopg.connect(url) as connection:
            connection.execute(statement.encode())

    before, after = read_twice(url, lambda: execute("SELECT count(*) FROM authentik_flows_flow"))
    assert before == after
    before, after = read_twice(url, lambda: execute(UPDATE))
    assert before != after
