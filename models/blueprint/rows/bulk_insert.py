"""Bulk INSERTs: COPY on PostgreSQL, and one prepared statement on SQLite."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, cast

import asyncpg
from sqlalchemy import JSON, Connection, Dialect, Table
from sqlalchemy.exc import IntegrityError
from sqlmodel.sql.sqltypes import UTCDateTime

Record = tuple[Any, ...]
Report = Callable[[int], object]

BATCH_SIZE = 10_000


def insert_records(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    records: Iterable[Record],
    report: Report = lambda _: None,
) -> None:
    """Insert records of these columns; raises IntegrityError.

    Calls `report` with the number of records in each batch. On PostgreSQL, the transaction must
    have begun.
    """
    insert = _copy if connection.dialect.name == "postgresql" else _execute_many
    encoded = _encode(connection.dialect, table, columns, records)
    while batch := list(islice(encoded, BATCH_SIZE)):
        insert(connection, table, columns, batch)
        report(len(batch))


def _encode(
    dialect: Dialect, table: Table, columns: Sequence[str], records: Iterable[Record]
) -> Iterator[Record]:
    """Yield the records as the driver expects them: JSON as strings, for example."""
    encoders = {
        position: encoder
        for position, column in enumerate(columns)
        if (encoder := _find_encoder(dialect, table, column))
    }
    for record in records:
        values = list(record)
        for position, encoder in encoders.items():
            values[position] = encoder(values[position])
        yield tuple(values)


def _find_encoder(dialect: Dialect, table: Table, column: str) -> Callable[[Any], Any] | None:
    column_type = table.c[column].type
    # The drivers accept the other types as they are, also UUIDs as strings.
    if isinstance(column_type, JSON | UTCDateTime):
        return column_type.dialect_impl(dialect).bind_processor(dialect)
    return None


def _execute_many(
    connection: Connection, table: Table, columns: Sequence[str], records: list[Record]
) -> None:
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(map(quote, columns))
    values = ", ".join("?" * len(columns))
    # The names are those of our own tables.
    statement = f"INSERT INTO {quote(table.name)} ({names}) VALUES ({values})"  # noqa: S608
    connection.exec_driver_sql(statement, records)


def _copy(
    connection: Connection, table: Table, columns: Sequence[str], records: list[Record]
) -> None:
    async def copy(driver: asyncpg.Connection) -> None:
        await driver.copy_records_to_table(table.name, records=records, columns=columns)

    try:
        cast(Any, connection.connection.dbapi_connection).run_async(copy)
    except asyncpg.IntegrityConstraintViolationError as error:
        raise IntegrityError(f"COPY {table.name}", None, error) from error
