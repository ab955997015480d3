"""Transactions of an SQLite database."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from models.database.sqlite_file import identify

DRIVER = "sqlite+aiosqlite"
BUSY_TIMEOUT_SECONDS = 5
CHECKPOINT_TIMEOUT_SECONDS = 1


def create_engine(path: Path, *, writable: bool) -> AsyncEngine:
    """Create an engine for transactions, read-only unless `writable`; raises OSError."""
    if writable:
        return _create_writable_engine(URL.create(DRIVER, database=str(path)))
    url = URL.create(DRIVER, database=identify(path).uri, query={"uri": "true"})
    engine = create_async_engine(url, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _disable_driver_transactions)
    return engine


def _create_writable_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(url, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _disable_driver_transactions)
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    event.listen(engine.sync_engine, "close", _empty_journal)
    return engine


def _disable_driver_transactions(connection: Any, _record: object) -> None:
    # By default the driver begins a transaction at the first INSERT, after CREATE TABLE.
    connection.isolation_level = None


def _prepare(connection: Any, _record: object) -> None:
    _execute(connection, "PRAGMA foreign_keys = ON")
    _execute(connection, f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")
    _execute(connection, "PRAGMA journal_mode = WAL")


def _empty_journal(connection: Any, _record: object) -> None:
    """Move the changes from the journal to the database file, so that it can be copied alone.

    SQLite does this when the last connection is closed, but a server keeps one open.
    """
    with suppress(sqlite3.Error):
        _execute(connection, f"PRAGMA busy_timeout = {CHECKPOINT_TIMEOUT_SECONDS * 1000}")
        _execute(connection, "PRAGMA wal_checkpoint(TRUNCATE)")


def _begin(connection: Connection) -> None:
    # Waits for other writers at the start, while the busy timeout still applies.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _execute(driver: Any, statement: str) -> None:
    cursor = driver.cursor()
    try:
        cursor.execute(statement)
    finally:
        cursor.close()
