"""SQLite: connections that only read, inline as long as that is quick, and an engine that writes."""

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.dialects.sqlite.pysqlite import dialect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from models.database.statement import Rows, Statement
from models.search_terms import contains_terms

DRIVER = "sqlite+aiosqlite"
BUSY_TIMEOUT_SECONDS = 5
# How many of SQLite's instructions pass between two looks at a read, and after how many looks it is
# slow: some milliseconds. Unlike time this is the same on a busy machine.
INSTRUCTIONS = 10_000
LOOKS = 10
# How many looks a search of one row is worth, and each of its characters.
A_SEARCH = 0.004
A_CHARACTER = 0.00002
SEARCH = "flowql_contains_terms"
THREADS = 4
CACHE_KIB = 8000
# How many texts are known to be slow; there are not many kinds of SELECT.
MAX_SLOW = 1000


class SQLiteConnection:
    """A connection that only reads, opened where it is first used: that may have to wait for a lock.

    Any thread may use it, one at a time; what is `is_unwanted` ends soon.
    """

    def __init__(
        self,
        path: Path,
        busy_timeout: int = BUSY_TIMEOUT_SECONDS,
        *,
        is_broken_off: bool = False,
    ) -> None:
        self.is_unwanted = False
        self._path = path
        self._busy_timeout = busy_timeout
        self._is_broken_off = is_broken_off
        self._looks = 0.0
        self._connection: sqlite3.Connection | None = None

    @property
    def is_slow(self) -> bool:
        """Whether the last read was slow."""
        return self._looks > LOOKS

    def fetch(self, text: str, arguments: Sequence[Any]) -> Rows:
        """The rows of a SELECT; raises OperationalError where it is slow, and to be broken off."""
        self._looks = 0.0
        if self._connection is None:
            self._connection = self._opened()
        return self._connection.execute(text, arguments).fetchall()

    def measured(self, text: str, arguments: Sequence[Any]) -> tuple[Rows, bool]:
        """The rows of a SELECT, and whether it was slow."""
        return self.fetch(text, arguments), self.is_slow

    def close(self) -> None:
        """Close it."""
        if self._connection:
            self._connection.close()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False
        )
        try:
            connection.create_function(SEARCH, -1, self._contains_terms, deterministic=True)
            connection.set_progress_handler(partial(self._has_worked, 1), INSTRUCTIONS)
            connection.execute("PRAGMA query_only = ON")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _has_worked(self, looks: float) -> bool:
        """Whether a read that has worked for as long as so many looks, again, is to be broken off."""
        self._looks += looks
        return self.is_unwanted or (self._is_broken_off and self.is_slow)

    def _contains_terms(self, encoded: str, separator: str, *values: str) -> bool:
        # SQLite sees one instruction in this.
        if self._has_worked(A_SEARCH + sum(map(len, values)) * A_CHARACTER):
            raise InterruptedError
        return contains_terms(encoded, separator, *values)


class SQLiteReader:
    """Connections that only read.

    A read runs inline, at a fraction of what a thread costs. One that turns out to be slow is broken
    off and run in a thread, and so is the next of its text, until it is quick again.
    """

    dialect = dialect(paramstyle="qmark")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inline: SQLiteConnection | None = None
        self._slow: set[str] = set()
        self._free: list[SQLiteConnection] = []
        self._busy: set[SQLiteConnection] = set()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sqlite")
        self._slots = asyncio.Semaphore(THREADS)

    async def fetch(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        """The rows of one SELECT."""
        if statement.text not in self._slow:
            try:
                return self._fetch_inline(statement.text, arguments)
            except sqlite3.OperationalError:
                # Broken off, or locked. A thread may wait, and tells of anything else.
                pass
        return await self._fetch_in_thread(statement.text, arguments)

    async def close(self) -> None:
        """Close every connection, after breaking off what is under way."""
        for connection in self._busy:
            connection.is_unwanted = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in (self._inline, *self._free):
            if connection:
                connection.close()

    def _fetch_inline(self, text: str, arguments: Sequence[Any]) -> Rows:
        if self._inline is None:
            self._inline = SQLiteConnection(self._path, busy_timeout=0, is_broken_off=True)
        return self._inline.fetch(text, arguments)

    async def _fetch_in_thread(self, text: str, arguments: Sequence[Any]) -> Rows:
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        connection = self._free.pop() if self._free else SQLiteConnection(self._path)
        self._busy.add(connection)
        reading = loop.run_in_executor(self._threads, connection.measured, text, arguments)
        reading.add_done_callback(partial(self._give_back, connection))
        try:
            rows, is_slow = await asyncio.shield(reading)
        except asyncio.CancelledError:
            # Else the connection may be somebody else's by now.
            if not reading.done():
                connection.is_unwanted = True
            raise
        self._note(text, is_slow=is_slow)
        return rows

    def _give_back(self, connection: SQLiteConnection, reading: asyncio.Future[Any]) -> None:
        # Else asyncio complains of what nobody waits for any more.
        reading.exception()
        connection.is_unwanted = False
        self._busy.discard(connection)
        self._free.append(connection)
        self._slots.release()

    def _note(self, text: str, *, is_slow: bool) -> None:
        if not is_slow:
            self._slow.discard(text)
        elif len(self._slow) < MAX_SLOW:
            self._slow.add(text)


def create_engine(path: Path, *, writable: bool) -> AsyncEngine:
    """What runs transactions, which write only where that is wanted."""
    made = create_async_engine(URL.create(DRIVER, database=str(path)), hide_parameters=True)
    event.listen(made.sync_engine, "connect", partial(_prepare, writable=writable))
    if writable:
        event.listen(made.sync_engine, "begin", _begin)
    return made


def _prepare(connection: Any, _record: object, *, writable: bool) -> None:
    # Else the driver would begin at the first INSERT, behind what creates tables.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL" if writable else "PRAGMA query_only = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # Waits for other writers now, where waiting is possible.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
