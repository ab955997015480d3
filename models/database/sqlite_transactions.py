"""Transactions of an SQLite database: they wait for other writers."""

import asyncio
import logging
import sqlite3
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from models.database.sqlite_file import identify
from models.database.write_lock import (
    ANNOUNCEMENT_SECONDS,
    WAITING_MESSAGE,
    WRITE_TIMEOUT_SECONDS,
    build_timeout_error,
)

DRIVER = "sqlite+aiosqlite"
BUSY_TIMEOUT_SECONDS = 5
# A transaction waits for others in attempts, between which the command can be interrupted.
ATTEMPT_SECONDS = ANNOUNCEMENT_SECONDS
PAUSE_SECONDS = 0.05
WRITE_AHEAD = "PRAGMA journal_mode = WAL"
# The execution options of a transaction whose reads see one state of the database.
SNAPSHOT = {"is_snapshot": True}

log = logging.getLogger(__name__)


def create_engine(path: Path, *, writable: bool) -> AsyncEngine:
    """Create an engine for transactions, read-only unless `writable`; raises OSError."""
    if writable:
        return _create_writable_engine(URL.create(DRIVER, database=str(path)))
    url = URL.create(DRIVER, database=identify(path).uri, query={"uri": "true"})
    engine = create_async_engine(url, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _disable_driver_transactions)
    event.listen(engine.sync_engine, "begin", _begin_read_only)
    return engine


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
    """Begin a transaction, with the write lock unless it is for a snapshot."""
    driver = connection.connection.dbapi_connection
    if not connection.get_execution_options().get("is_snapshot"):
        _begin_to_write(driver)
        return
    with suppress(sqlite3.OperationalError):
        # In other journal modes, reads block writers.
        _execute(driver, WRITE_AHEAD)
    _execute(driver, "BEGIN")


def _begin_read_only(connection: Connection) -> None:
    _execute(connection.connection.dbapi_connection, "BEGIN")


def _begin_to_write(driver: Any) -> None:
    """Begin a transaction with the write lock; wait for other writers."""
    _execute(driver, f"PRAGMA busy_timeout = {ATTEMPT_SECONDS * 1000}")
    if not _try_to_begin(driver):
        log.warning(WAITING_MESSAGE)
        _wait_to_begin(driver)
    _execute(driver, f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")


def _wait_to_begin(driver: Any) -> None:
    deadline = monotonic() + WRITE_TIMEOUT_SECONDS
    while not _try_to_begin(driver):
        if monotonic() > deadline:
            raise build_timeout_error(WRITE_TIMEOUT_SECONDS)
        # SQLite reports some locks at once.
        driver.run_async(_pause)


async def _pause(_driver: object) -> None:
    await asyncio.sleep(PAUSE_SECONDS)


def _try_to_begin(driver: Any) -> bool:
    """Begin a transaction, and return False if another process holds the lock."""
    try:
        _execute(driver, WRITE_AHEAD)
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
