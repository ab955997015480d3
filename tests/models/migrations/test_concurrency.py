"""Migrations of several processes run one after the other, and killed ones leave nothing."""

import asyncio
import sqlite3
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import count
from pathlib import Path
from subprocess import PIPE, Popen

import psycopg
import pytest
from sqlalchemy import create_engine, inspect

from models.database import migrate, open_database
from models.database.postgresql import MIGRATION_LOCK
from models.errors import DatabaseError
from support.command import FLOWQL, clean_environment, run_in_process
from support.forked_commands import (
    REPETITIONS,
    kill_command,
    list_moments,
    measure_command,
    run_simultaneously,
)
from support.postgres import PostgresServer

CREATED = "flowql: the database is up to date\n"
UNCHANGED = "flowql: the database is already up to date\n"
WAITING = {
    "sqlite": "flowql: waiting for another process that writes to the database\n",
    "postgresql": "flowql: waiting for another process that migrates the database\n",
}
KINDS = list(WAITING)

NewUrl = Callable[[], str]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    return request.param


@pytest.fixture
def new_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> NewUrl:
    """A function that returns the URL of a new database without tables."""
    numbers = count()
    if kind == "sqlite":
        return lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return lambda: server.create_database(f"{request.node.name} {next(numbers)}")


def list_tables(url: str) -> set[str]:
    """Return the names of the tables."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


@contextmanager
def lock_sqlite(url: str) -> Generator[None]:
    """Hold the write lock of an SQLite database."""
    path = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def lock_postgresql(url: str) -> Generator[None]:
    """Hold the lock of a migration in PostgreSQL."""
    with psycopg.connect(url) as connection:
        connection.execute(MIGRATION_LOCK.text.encode())
        yield


LOCKS: dict[str, Callable[[str], AbstractContextManager[None]]] = {
    "sqlite": lock_sqlite,
    "postgresql": lock_postgresql,
}


def test_simultaneous_migrations(new_url: NewUrl) -> None:
    """One of two processes creates the tables, and the other finds them up to date."""
    for _ in range(REPETITIONS // 5):
        results = run_simultaneously(2, "migrate", "--database", new_url())
        # A slow machine also prints that one waits for the other.
        lines = {result.stderr.splitlines(keepends=True)[-1] for result in results}
        assert lines == {CREATED, UNCHANGED}
        assert [result.returncode for result in results] == [0, 0]


def test_migration_waits_for_another(kind: str, new_url: NewUrl) -> None:
    """After a second, a line says for what it waits; it continues when the lock is released."""
    url = new_url()
    command = [FLOWQL, "migrate", "--database", url]
    with LOCKS[kind](url):
        process = Popen(command, env=clean_environment(), stderr=PIPE, text=True)
        assert process.stderr
        assert process.stderr.readline() == WAITING[kind]
        assert process.poll() is None
    assert process.communicate()[1] == CREATED


def test_second_migration_says_so(new_url: NewUrl) -> None:
    """The message differs if there is nothing to do."""
    url = new_url()
    lines = [run_in_process("migrate", "--database", url).stderr for _ in range(2)]
    assert lines == [CREATED, UNCHANGED]


def test_killed_migrations(new_url: NewUrl) -> None:
    """A database has all tables or none after SIGKILL, and the next migration finishes."""
    complete = new_url()
    seconds = measure_command("migrate", "--database", complete)
    tables = list_tables(complete)
    kills = 0
    for moment in list_moments(seconds):
        url = new_url()
        kills += kill_command(["migrate", "--database", url], moment)
        assert list_tables(url) in (set(), tables)
        assert is_migrated(url) == bool(list_tables(url))
        asyncio.run(migrate(url))
        assert list_tables(url) == tables
    assert kills


def is_migrated(url: str) -> bool:
    """Return whether `serve` would accept the database."""
    try:
        asyncio.run(_open(url))
    except DatabaseError:
        return False
    return True


async def _open(url: str) -> None:
    await (await open_database(url)).close()
