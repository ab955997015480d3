"""Creation of databases of each kind, with the same edge-case data."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from models.database import migrate, open_database
from models.tables.metadata import METADATA
from support.edge_case_data import ROWS, insert_postgres

AUTHENTIK_SQL = Path(__file__).with_name("authentik.sql")


def create_authentik(url: str, schema: str = "public") -> str:
    """Create authentik's tables in a schema, without rows, and return the URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
        connection.execute(AUTHENTIK_SQL.read_bytes())
    return url


def fill_authentik(url: str, schema: str = "public") -> str:
    """Create authentik's tables in a schema, insert the data, and return the URL."""
    create_authentik(url, schema)
    insert_postgres(url, schema)
    return url


def fill_flowql(url: str, rows: Mapping[str, Sequence[Mapping[str, Any]]] = ROWS) -> str:
    """Create FlowQL's own tables, insert the rows, and return the URL."""
    asyncio.run(_fill(url, rows))
    return url


async def _fill(url: str, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    await migrate(url)
    database = await open_database(url, writable=True)
    async with database.transaction() as connection:
        # The rows contain content types and permissions, which the migrations insert as well.
        for table in ("auth_permission", "django_content_type"):
            await connection.execute(METADATA.tables[table].delete())
        for name, values in rows.items():
            stored = [
                {**row, "key": database.stored_token_key(str(row["key"]))} if "key" in row else row
                for row in values
            ]
            if stored:
                await connection.execute(METADATA.tables[name].insert(), stored)
    await database.close()
