"""SQLite: a reader that runs fast queries in the event loop."""

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.dialects.sqlite.pysqlite import dialect

from models.database.sqlite_file import DatabaseFile
from models.database.statement import Rows, Statement
from models.search_terms import SEARCH_FUNCTION, contains_terms

BUSY_TIMEOUT_SECONDS = 5
CHECK_TIMEOUT_SECONDS = 1
# SQLite calls the progress handler after this number of virtual machine instructions. A query is
# slow after MAX_FAST_STEPS calls: some milliseconds, but independent of the load of the machine.
STEP_INSTRUCTIONS = 10_000
MAX_FAST_STEPS = 10
# The cost of a search in one row, of each character of the row and of the encoded terms, and of the
# comparison of one of the former with one of the latter, in calls of the progress handler.
SEARCH_STEPS = 0.004
CHARACTER_STEPS = 0.00002
COMPARISON_STEPS = 0.0000005
THREADS = 4
CACHE_KIB = 8000
# The number of statements remembered as slow.
MAX_SLOW_STATEMENTS = 1000


class SQLiteConnection:
    """A read-only connection, opened by its first query, because opening can wait for a lock.

    One thread at a time may use it. Setting `is_cancelled` interrupts its query.
    """

    def __init__(
        self,
        file: DatabaseFile,
        busy_timeout: int = BUSY_TIMEOUT_SECONDS,
        *,
        interrupts_slow: bool = False,
    ) -> None:
        self.is_cancelled = False
        self._file = file
        self._busy_timeout = busy_timeout
        self._interrupts_slow = interrupts_slow
        self._steps = 0.0
        self._connection: sqlite3.Connection | None = None

    @property
    def is_slow(self) -> bool:
        """True if the last query exceeded MAX_FAST_STEPS."""
        return self._steps > MAX_FAST_STEPS

    def fetch(self, text: str, arguments: Sequence[Any]) -> Rows:
        """Return the rows of a SELECT; raises OperationalError if it is interrupted."""
        self._steps = 0.0
        if self._connection is None:
            self._connection = self._open()
        return self._connection.execute(text, arguments).fetchall()

    def fetch_measured(self, text: str, arguments: Sequence[Any]) -> tuple[Rows, bool]:
        """Return the rows of a SELECT, and whether it was slow."""
        return self.fetch(text, arguments), self.is_slow

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._connection:
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = self._file.connect(self._busy_timeout)
        try:
            connection.create_function(
                SEARCH_FUNCTION, -1, self._contains_terms, deterministic=True
            )
            connection.set_progress_handler(partial(self._advance, 1), STEP_INSTRUCTIONS)
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _advance(self, steps: float) -> bool:
        """Count steps of the query, and return whether to interrupt it."""
        self._steps += steps
        return self.is_cancelled or (self._interrupts_slow and self.is_slow)

    def _contains_terms(self, encoded: str, separator: str, *values: str) -> bool:
        # SQLite counts this function as one instruction.
        size, terms = sum(map(len, values)), len(encoded)
        steps = (size + terms) * CHARACTER_STEPS + size * terms * COMPARISON_STEPS
        if self._advance(SEARCH_STEPS + steps):
            raise InterruptedError
        return contains_terms(encoded, separator, *values)


class SQLiteReader:
    """A read-only connection in the event loop, and a pool of connections in threads.

    A query runs in the event loop, which is faster than a thread. A slow query is interrupted and
    repeated in a thread. Its statement then runs in a thread until it is fast again.
    """

    dialect = dialect(paramstyle="qmark")

    def __init__(self, path: Path) -> None:
        self._file = DatabaseFile.find(path)
        self._is_closed = False
        self._inline: SQLiteConnection | None = None
        self._slow_statements: set[str] = set()
        self._idle: list[SQLiteConnection] = []
        self._busy: set[SQLiteConnection] = set()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sqlite")
        self._slots = asyncio.Semaphore(THREADS)

    @property
    def is_current(self) -> bool:
        """False if the file was deleted, replaced or found damaged."""
        return not self._is_closed and self._file.is_current

    async def fetch(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        """Return the rows of a SELECT."""
        if statement.text not in self._slow_statements:
            try:
                return self._fetch_inline(statement.text, arguments)
            except sqlite3.OperationalError:
                # Interrupted or locked; a thread can wait, and raises any other error.
                pass
        return await self._fetch_in_thread(statement.text, arguments)

    async def check(self) -> None:
        """Read the file on a new connection, which has nothing cached; raises sqlite3.Error.

        Closes every connection if the file is damaged: their caches do not match a repaired file.
        """
        try:
            await asyncio.to_thread(_check, self._file)
        except sqlite3.OperationalError:
            # The file may be locked, but it is not damaged.
            raise
        except sqlite3.DatabaseError:
            await self.close()
            raise

    async def close(self) -> None:
        """Interrupt the queries, then close every connection."""
        self._is_closed = True
        for connection in self._busy:
            connection.is_cancelled = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in (self._inline, *self._idle):
            if connection:
                connection.close()

    def _fetch_inline(self, text: str, arguments: Sequence[Any]) -> Rows:
        if self._inline is None:
            self._inline = SQLiteConnection(self._file, busy_timeout=0, interrupts_slow=True)
        return self._inline.fetch(text, arguments)

    async def _fetch_in_thread(self, text: str, arguments: Sequence[Any]) -> Rows:
        await self._slots.acquire()
        if self._is_closed:
            self._slots.release()
            raise sqlite3.ProgrammingError("the database is closed")
        loop = asyncio.get_running_loop()
        connection = self._idle.pop() if self._idle else SQLiteConnection(self._file)
        self._busy.add(connection)
        future = loop.run_in_executor(self._threads, connection.fetch_measured, text, arguments)
        future.add_done_callback(partial(self._release, connection))
        try:
            rows, is_slow = await asyncio.shield(future)
        except asyncio.CancelledError:
            # A finished query has released the connection, which another query may use.
            if not future.done():
                connection.is_cancelled = True
            raise
        self._record_speed(text, is_slow=is_slow)
        return rows

    def _release(self, connection: SQLiteConnection, future: asyncio.Future[Any]) -> None:
        # Retrieves the exception, so that asyncio does not log it after a cancellation.
        future.exception()
        connection.is_cancelled = False
        self._busy.discard(connection)
        self._idle.append(connection)
        self._slots.release()

    def _record_speed(self, text: str, *, is_slow: bool) -> None:
        if not is_slow:
            self._slow_statements.discard(text)
        elif len(self._slow_statements) < MAX_SLOW_STATEMENTS:
            self._slow_statements.add(text)


def _check(file: DatabaseFile) -> None:
    with closing(file.connect(CHECK_TIMEOUT_SECONDS)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            raise sqlite3.DatabaseError("the database file is empty")
