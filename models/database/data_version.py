"""The version of the data in a database, which differs after each change."""

import asyncio
import sqlite3
from collections.abc import Hashable
from contextlib import closing
from pathlib import Path
from threading import Lock

from models.database.address import SQLiteFile, parse_address
from models.database.database import CONNECTION_ERRORS, Database
from models.database.failures import BusyError
from models.database.sqlite_file import DatabaseFile
from models.database.statement import RawSQL
from models.errors import DatabaseUnavailableError

BUSY_TIMEOUT_SECONDS = 1
# The transactions that have ended, and the start of the server, which may forget some at a crash. The
# snapshot of a standby lists no running transactions: there, the replayed position changes.
SERVER_VERSION = RawSQL(
    "SELECT pg_current_snapshot()::text, pg_postmaster_start_time()::text,"
    " pg_last_wal_replay_lsn()::text"
)
FILE_VERSION = "PRAGMA data_version"


class DataVersions:
    """Reads the versions of the data of one database; `close` closes its connection.

    Versions are equal if no transaction has changed the data between them. They can differ without a
    change: in PostgreSQL, transactions of all databases of the server count.
    """

    def __init__(self, url: str) -> None:
        address = parse_address(url)
        self._file = FileVersions(address.path) if isinstance(address, SQLiteFile) else None

    async def read(self, database: Database) -> Hashable:
        """Return the version of the data. Raises DatabaseUnavailableError."""
        try:
            if self._file:
                return await asyncio.to_thread(self._file.read)
            return tuple(await database.read_apart(SERVER_VERSION))
        except (*CONNECTION_ERRORS, BusyError) as error:
            raise DatabaseUnavailableError from error

    async def close(self) -> None:
        """Close the connection to the file, if there is one."""
        if self._file:
            await asyncio.to_thread(self._file.close)


class FileVersions:
    """Reads the versions of an SQLite file, with one connection: others have other numbers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._opened = 0
        self._file: DatabaseFile | None = None
        self._connection: sqlite3.Connection | None = None

    def read(self) -> Hashable:
        """Return the version. Raises OSError or sqlite3.Error."""
        with self._lock:
            file, connection = self._open()
            with closing(connection.execute(FILE_VERSION)) as cursor:
                return self._opened, file.identity, cursor.fetchone()

    def close(self) -> None:
        """Close the connection, if it is open."""
        with self._lock:
            self._close()

    def _open(self) -> tuple[DatabaseFile, sqlite3.Connection]:
        """Return the file at the path and a connection to it; opens a file that replaced another."""
        if self._file and self._connection and self._file.is_current:
            return self._file, self._connection
        self._close()
        self._file = DatabaseFile.find(self._path)
        self._connection = self._file.connect(BUSY_TIMEOUT_SECONDS)
        self._opened += 1
        return self._file, self._connection

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None
