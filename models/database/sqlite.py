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

from models.database.failures import ClosedError
from models.database.slots import ANYONE, Caller, Slots
from models.database.sqlite_file import DatabaseFile
from models.database.statement import Rows, Statement
from models.database.versions import FileClock
from models.limits import PoolLimits
from models.search_terms import FOLD_FUNCTION, SEARCH_FUNCTION, contains_terms, fold

BUSY_TIMEOUT_SECONDS = 5
CHECK_TIMEOUT_SECONDS = 1
# SQLite calls the progress handler after this number of virtual machine instructions. A query is
# slow after MAX_FAST_STEPS calls: some milliseconds, but independent of the load of the machine.
STEP_INSTRUCTIONS = 10_000
MAX_FAST_STEPS = 10
# The cost of a call of a function, of each character of its arguments, and in a search of the
# comparison of a character of the row with one of the encoded terms, in calls of the progress
# handler.
CALL_STEPS = 0.004
CHARACTER_STEPS = 0.00002
COMPARISON_STEPS = 0.0000005
CACHE_KIB = 8000
# The number of statements remembered as slow.
MAX_SLOW_STATEMENTS = 1000


class SQLiteConnection:
    """A read-only connection, opened by its first query, because opening can wait for a lock.

    One thread at a time may use it. Setting `is_cancelled` interrupts its query in a thread. With
    `is_snapshot`, its queries see one state of the database.
    """

    def __init__(self, file: DatabaseFile) -> None:
        self.is_cancelled = False
        self.is_snapshot = False
        self._file = file
        self._interrupts_slow = False
        self._steps = 0.0
        self._connection: sqlite3.Connection | None = None

    def fetch_fast(self, text: str, arguments: Sequence[Any]) -> Rows:
        """Return the rows of a SELECT; raises OperationalError if it is slow, or has to wait."""
        return self._fetch(text, arguments, interrupts_slow=True)

    def fetch(self, text: str, arguments: Sequence[Any]) -> tuple[Rows, bool]:
        """Return the rows of a SELECT, and whether it was slow; waits for locks.

        Raises OperationalError if the query is cancelled.
        """
        connection = self._connect(BUSY_TIMEOUT_SECONDS)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")
        try:
            rows = self._fetch(text, arguments, interrupts_slow=False)
        finally:
            if self.is_cancelled:
                # The event loop may not run for a while, and a transaction can block writers.
                self.end_transaction()
            connection.execute("PRAGMA busy_timeout = 0")
        return rows, self._is_slow

    def read_data_version(self) -> int:
        """Return SQLite's number of the version; raises OperationalError if it has to wait."""
        return self._connect().execute("PRAGMA data_version").fetchone()[0]

    def end_use(self) -> None:
        """End the transaction, if there is one, and forget a cancellation."""
        self.is_cancelled = self.is_snapshot = False
        self.end_transaction()

    def end_transaction(self) -> None:
        """End the transaction, if there is one."""
        if self._connection and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._connection:
            self._connection.close()

    @property
    def _is_slow(self) -> bool:
        return self._steps > MAX_FAST_STEPS

    def _fetch(self, text: str, arguments: Sequence[Any], *, interrupts_slow: bool) -> Rows:
        self._steps, self._interrupts_slow = 0.0, interrupts_slow
        connection = self._connect()
        if self.is_snapshot and not connection.in_transaction:
            connection.execute("BEGIN")
        return connection.execute(text, arguments).fetchall()

    def _connect(self, busy_timeout: float = 0) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open(busy_timeout)
        return self._connection

    def _open(self, busy_timeout: float) -> sqlite3.Connection:
        connection = self._file.connect(busy_timeout)
        try:
            connection.create_function(
                SEARCH_FUNCTION, -1, self._contains_terms, deterministic=True
            )
            connection.create_function(FOLD_FUNCTION, 1, self._fold, deterministic=True)
            connection.set_progress_handler(partial(self._advance, 1), STEP_INSTRUCTIONS)
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _advance(self, steps: float) -> bool:
        """Count steps of the query, and return whether to interrupt it."""
        self._steps += steps
        return self.is_cancelled or (self._interrupts_slow and self._is_slow)

    def _contains_terms(self, encoded: str, separator: str, *values: str) -> bool:
        size, terms = sum(map(len, values)), len(encoded)
        self._count_call(size + terms, comparisons=size * terms)
        return contains_terms(encoded, separator, *values)

    def _fold(self, text: str) -> str:
        self._count_call(len(text))
        return fold(text)

    def _count_call(self, characters: int, comparisons: int = 0) -> None:
        """Count the steps of a call of a function, which SQLite counts as one instruction.

        Raises InterruptedError if the query has to be interrupted.
        """
        steps = characters * CHARACTER_STEPS + comparisons * COMPARISON_STEPS
        if self._advance(CALL_STEPS + steps):
            raise InterruptedError


class SQLiteReader:
    """A read-only connection in the event loop, and a pool of connections.

    A query runs in the event loop, which is faster than a thread. A slow query is interrupted and
    repeated in a thread. Its statement then runs in a thread until it is fast again.
    """

    dialect = dialect(paramstyle="qmark")
    version_column = None

    def __init__(self, path: Path, limits: PoolLimits) -> None:
        self._file = DatabaseFile.find(path)
        self._limits = limits
        self._is_closed = False
        self._inline = SQLiteConnection(self._file)
        self._slow_statements: set[str] = set()
        self._idle: list[SQLiteConnection] = []
        self._busy: set[SQLiteConnection] = set()
        self._threads = ThreadPoolExecutor(limits.size, thread_name_prefix="sqlite")
        self._slots = Slots(limits)

    @property
    def is_current(self) -> bool:
        """False if the file was deleted, replaced or found damaged."""
        return not self._is_closed and self._file.is_current

    async def fetch(
        self, statement: Statement, arguments: Sequence[Any], caller: Caller = ANYONE
    ) -> Rows:
        """Return the rows of a SELECT."""
        rows = self.fetch_fast(self._inline, statement.text, arguments)
        if rows is not None:
            return rows
        lease = await self._lease(caller)
        try:
            return await lease.fetch_in_thread(statement, arguments)
        finally:
            await lease.end()

    async def begin(self, caller: Caller = ANYONE) -> "SQLiteLease":
        """Return a connection whose reads see one state of the database."""
        return await self._lease(caller, is_snapshot=True)

    def build_clock(self, _schema: str, _relations: Sequence[str]) -> FileClock:
        """Return the clock of the file; its connection is that in the event loop."""
        return FileClock(self._file, self._read_data_version)

    async def check(self, statement: Statement) -> Rows:
        """Return the rows of a SELECT on a new connection, which has nothing cached.

        Raises sqlite3.Error. Closes every connection if the file is damaged: their caches do not
        match a repaired file.
        """
        try:
            return await asyncio.to_thread(_check, self._file, statement.text)
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
        self._slots.close()
        await asyncio.to_thread(self._threads.shutdown)
        self._inline.close()
        while self._idle:
            self._idle.pop().close()

    # For leases -------------------------------------------------------------------------------------

    def fetch_fast(
        self, connection: SQLiteConnection, text: str, arguments: Sequence[Any]
    ) -> Rows | None:
        """Return the rows of a SELECT, or None if it is slow or has to wait."""
        if self._is_closed:
            raise ClosedError("the database is closed")
        if text in self._slow_statements:
            return None
        try:
            return connection.fetch_fast(text, arguments)
        except sqlite3.OperationalError:
            # Interrupted or locked; a thread can wait, and raises any other error.
            return None

    def start(
        self, connection: SQLiteConnection, text: str, arguments: Sequence[Any]
    ) -> "asyncio.Future[Rows]":
        """Start a SELECT in a thread."""
        if self._is_closed:
            raise ClosedError("the database is closed")
        self._busy.add(connection)
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, self._fetch, connection, text, arguments)

    def give_back(self, connection: SQLiteConnection, caller: Caller) -> None:
        """Return a connection and the slot of a caller."""
        self._busy.discard(connection)
        if self._is_closed:
            connection.close()
        else:
            self._idle.append(connection)
        self._slots.release(caller)

    @property
    def timeout(self) -> float:
        """The time in seconds in which a query in a thread has to end."""
        return self._limits.read_seconds

    def _fetch(self, connection: SQLiteConnection, text: str, arguments: Sequence[Any]) -> Rows:
        rows, is_slow = connection.fetch(text, arguments)
        if not is_slow:
            self._slow_statements.discard(text)
        elif len(self._slow_statements) < MAX_SLOW_STATEMENTS:
            self._slow_statements.add(text)
        return rows

    def _read_data_version(self) -> int | None:
        return None if self._is_closed else self._inline.read_data_version()

    async def _lease(self, caller: Caller, *, is_snapshot: bool = False) -> "SQLiteLease":
        await self._slots.acquire(caller)
        connection = self._idle.pop() if self._idle else SQLiteConnection(self._file)
        connection.is_snapshot = is_snapshot
        return SQLiteLease(self, connection, caller)


class SQLiteLease:
    """A connection of the pool for one caller, with or without a transaction."""

    __slots__ = ("_caller", "_connection", "_future", "_reader")

    def __init__(self, reader: SQLiteReader, connection: SQLiteConnection, caller: Caller) -> None:
        self._reader = reader
        self._connection = connection
        self._caller = caller
        self._future: asyncio.Future[Rows] | None = None

    async def fetch(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        """Return the rows of a SELECT."""
        rows = self._reader.fetch_fast(self._connection, statement.text, arguments)
        return await self.fetch_in_thread(statement, arguments) if rows is None else rows

    async def fetch_in_thread(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        """Return the rows of a SELECT that is slow or has to wait; raises TimeoutError."""
        self._future = self._reader.start(self._connection, statement.text, arguments)
        async with asyncio.timeout(self._reader.timeout):
            return await asyncio.shield(self._future)

    async def end(self) -> None:
        """End the transaction, and return the connection.

        A query whose caller no longer waits for it is interrupted first.
        """
        if self._future and not self._future.done():
            self._connection.is_cancelled = True
            self._future.add_done_callback(self._give_back)
        else:
            self._give_back(self._future)

    def _give_back(self, future: "asyncio.Future[Rows] | None") -> None:
        if future and not future.cancelled():
            # Retrieves the exception, so that asyncio does not log it after a cancellation.
            future.exception()
        self._connection.end_use()
        self._reader.give_back(self._connection, self._caller)


def _check(file: DatabaseFile, text: str) -> Rows:
    with closing(file.connect(CHECK_TIMEOUT_SECONDS)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            raise sqlite3.DatabaseError("the database file is empty")
        return connection.execute(text).fetchall()
