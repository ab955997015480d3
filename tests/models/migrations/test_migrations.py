"""Tests of the migrations: the tables that they create, and failures."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect

from models.database import migrate
from models.tables.metadata import METADATA
from support.command import run_failing_in_process
from support.postgres import PostgresServer


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The error names the table that already exists, and no other table is created."""
    path = tmp_path / "flowql.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE guardian_roleobjectpermission (id)")
        line = run_failing_in_process("migrate", "--database", f"sqlite:///{path}")
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    reason = "table guardian_roleobjectpermission already exists"
    assert line == f"the transaction was rolled back: {reason}"
    assert tables == [("guardian_roleobjectpermission",)]


def alembic_config(connection: Connection) -> Config:
    """Return the configuration of Alembic for a connection."""
    config = Config()
    config.set_main_option("script_location", "models:migrations")
    config.attributes["connection"] = connection
    return config


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_connection(
    request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer
) -> Iterator[Connection]:
    """A connection to a database that `migrate` created, in SQLite and in PostgreSQL."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'flowql.db'}"
    else:
        url = postgres.create_database(f"migrated {request.node.name}")
    asyncio.run(migrate(url))
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_the_migrations_create_the_tables(migrated_connection: Connection) -> None:
    """Alembic finds no differences between the migrations and the models."""
    context = MigrationContext.configure(migrated_connection, opts={"compare_type": True})
    assert compare_metadata(context, METADATA) == []


def test_the_migrations_can_be_reverted(migrated_connection: Connection) -> None:
    """A downgrade drops all tables, and an upgrade creates them again."""
    before = set(inspect(migrated_connection).get_table_names())
    command.downgrade(alembic_config(migrated_connection), "base")
    assert inspect(migrated_connection).get_table_names() == ["alembic_version"]
    command.upgrade(alembic_config(migrated_connection), "head")
    assert set(inspect(migrated_connection).get_table_names()) == before


def test_text_sorts_by_bytes_in_flowql_s_own_database(postgresql_url: str) -> None:
    """Every text column has collation "C", like SQLite's."""
    query = (
        "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " JOIN pg_collation ON pg_collation.oid = attcollation"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        " AND collname <> 'C' AND relname <> 'alembic_version'"
    )
    with psycopg.connect(postgresql_url) as connection:
        assert connection.execute(query).fetchall() == []
