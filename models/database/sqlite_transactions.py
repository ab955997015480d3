"""Transactions of an SQLite database: they wait for other writers, and hold the lock briefly."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, TypeVar, cast

import aiosqlite
from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from models.database.sqlite_file import identify
from models.errors import DatabaseError

DRIVER = "sqlite+aiosqlite"
BUSY_TIMEOUT_SECONDS = 5
WRITE_TIMEOUT_SECONDS = 120
# A transaction waits for others in attempts, between which the command can be interrupted.
ATTEMPT_SECONDS = 1
PAUSE_SECONDS = 0.05
# If other processes outdate this number of dry runs, the next run holds the lock.
MAX_DRY_RUNS = 2

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[Connection], T]


class Change(NamedTuple):
    """A statement that changes rows, with its values or a list of them."""

    statement: str
    values: Any


def create_engine(path: Path, *, writable: bool) -> AsyncEngine:
    """Create an engine for transactions, read-only unless `writable`; raises OSError."""
    if writable:
        return _create_writable_engine(URL.create(DRIVER, database=str(path)))
    url = URL.create(DRIVER, database=identify(path).uri, query={"uri": "true"})
    engine = create_async_engine(url, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _disable_driver_transactions)
    return engine


async def write(engine: AsyncEngine, work: Work[T]) -> T:
    """Run `work` in one transaction, which holds the write lock only while it makes the changes.

    `work` runs on a copy of the database in memory, and then its changes are made in the database.
    If another process has changed the database in between, `work` runs again.
    """
    async with engine.connect() as connection:
        driver = await _find_driver(connection)
        for _ in range(MAX_DRY_RUNS):
            version = await _read_version(driver)
            result, changes = await _run_on_copy(driver, work)
            async with connection.begin():
                if await _read_version(driver) == version:
                    await connection.run_sync(_make, changes)
                    return result
        async with connection.begin():
            return await connection.run_sync(work)


def _create_writable_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(url, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _disable_driver_transactions)
    event.listen(engine.sync_engine, "connect", _check_foreign_keys)
    event.listen(engine.sync_engine, "begin", _begin)
    event.listen(engine.sync_engine, "close", _empty_journal)
    return engine


def _disable_driver_transactions(connection: Any, _record: object) -> None:
    # By default the driver begins a transaction at the first INSERT, after CREATE TABLE.
    connection.isolation_level = None


def _check_foreign_keys(connection: Any, _record: object) -> None:
    _execute(connection, "PRAGMA foreign_keys = ON")


def _empty_journal(connection: Any, _record: object) -> None:
    """Move the changes from the journal to the database file, so that it can be copied alone.

    SQLite does this when the last connection is closed, but a server keeps one open.
    """
    with suppress(sqlite3.Error):
        _execute(connection, f"PRAGMA busy_timeout = {ATTEMPT_SECONDS * 1000}")
        _execute(connection, "PRAGMA wal_checkpoint(TRUNCATE)")


def _begin(connection: Connection) -> None:
    """Begin a transaction with the write lock; wait for other writers."""
    driver = connection.connection.dbapi_connection
    _execute(driver, f"PRAGMA busy_timeout = {ATTEMPT_SECONDS * 1000}")
    if not _try_to_begin(driver):
        log.warning("waiting for another process that writes to the database")
        _wait_to_begin(driver)
    _execute(driver, f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")


def _wait_to_begin(driver: Any) -> None:
    deadline = monotonic() + WRITE_TIMEOUT_SECONDS
    while not _try_to_begin(driver):
        if monotonic() > deadline:
            raise DatabaseError(
                f"another process has written to the database for {WRITE_TIMEOUT_SECONDS} seconds:"
                " try again when it has finished"
            )
        # SQLite reports some locks at once.
        driver.run_async(_pause)


async def _pause(_driver: object) -> None:
    await asyncio.sleep(PAUSE_SECONDS)


def _try_to_begin(driver: Any) -> bool:
    """Begin a transaction, and return False if another process holds the lock."""
    try:
        _execute(driver, "PRAGMA journal_mode = WAL")
        _execute(driver, "BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        # The last byte is the primary result code.
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _execute(driver: Any, statement: str) -> None:
    cursor = driver.cursor()
    try:
        cursor.execute(statement)
    finally:
        cursor.close()


async def _find_driver(connection: AsyncConnection) -> aiosqlite.Connection:
    """Return the connection of the driver, whose statements do not begin a transaction."""
    return cast(aiosqlite.Connection, (await connection.get_raw_connection()).driver_connection)


async def _read_version(driver: aiosqlite.Connection) -> object:
    """Return a number that other connections change when they commit."""
    [(version,)] = await driver.execute_fetchall("PRAGMA data_version")
    return version


async def _run_on_copy(source: aiosqlite.Connection, work: Work[T]) -> tuple[T, Sequence[Change]]:
    """Run `work` on a copy of the database, and return its result and its changes."""
    engine = _create_writable_engine(URL.create(DRIVER))
    try:
        async with engine.connect() as connection:
            await source.backup(await _find_driver(connection))
            changes = _record_changes(engine)
            async with connection.begin():
                result = await connection.run_sync(work)
        return result, changes
    finally:
        await engine.dispose()


def _record_changes(engine: AsyncEngine) -> Sequence[Change]:
    """Return a list that receives the changes of later statements."""
    changes: list[Change] = []

    def record(_connection: object, _cursor: object, *execution: Any) -> None:
        statement, values, context, _ = execution
        if context and (context.isinsert or context.isupdate or context.isdelete):
            changes.append(Change(statement, values))

    event.listen(engine.sync_engine, "after_cursor_execute", record)
    return changes


def _make(connection: Connection, changes: Sequence[Change]) -> None:
    for statement, values in changes:
        connection.exec_driver_sql(statement, values)
