"""PostgreSQL: a reader with a connection pool, and engines for transactions."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

import asyncpg
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from models.database.address import PostgreSQLServer
from models.database.statement import Rows, Statement

# For reads of less than a millisecond, more connections add context switches, not throughput.
POOL_SIZE = 5
POOL_TIMEOUT_SECONDS = 5
# Closes the connection of a cancelled query that does not end.
CANCEL_TIMEOUT_SECONDS = 5
# Ends a read that waits for a lock, for example of authentik's migrations.
STATEMENT_TIMEOUT = "30s"
# Plan each statement once. By default PostgreSQL plans a statement with a LIMIT parameter for each
# execution, which takes as long as the execution.
PLANNER_SETTINGS = {"plan_cache_mode": "force_generic_plan", "jit": "off"}
# The server releases the lock when the transaction or the process ends.
MIGRATION_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtext('flowql migrate'), hashtext(current_schema()))"
)
ANNOUNCEMENT_SECONDS = 1
WAITING_MESSAGE = "waiting for another process that migrates the database"
# A SELECT is repeated on a new connection after these errors: the connection is lost, or the types
# that it cached have changed.
RETRIABLE_ERRORS = (
    OSError,
    asyncpg.InterfaceError,
    # asyncpg raises this if the server closed the connection and the message was not read yet.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.OutdatedSchemaCacheError,
)
PING = Statement("SELECT 1", (), ())

log = logging.getLogger(__name__)


class PostgreSQLReader:
    """A pool of at most POOL_SIZE read-only connections with the session settings `settings`.

    Connections are not reset between queries, because a SELECT does not change the session.
    """

    dialect = dialect()
    # The driver replaces lost connections.
    is_current = True

    def __init__(self, address: PostgreSQLServer, schema: str) -> None:
        self._address = address
        self.settings = _build_settings(schema, writable=False) | PLANNER_SETTINGS
        if "statement_timeout" not in address.dsn:
            self.settings["statement_timeout"] = STATEMENT_TIMEOUT
        self._idle: list[asyncpg.Connection] = []
        self._slots = asyncio.Semaphore(POOL_SIZE)
        self._resets: set[asyncio.Task[None]] = set()

    async def fetch(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        """Return the rows of a SELECT, repeated once if its connection is lost."""
        try:
            return await self._fetch(statement, arguments)
        except TimeoutError:
            # An OSError, but the connection is intact.
            raise
        except RETRIABLE_ERRORS:
            # The idle connections are probably lost as well.
            self._close_idle()
        return await self._fetch(statement, arguments)

    async def check(self) -> None:
        """Raise one of CONNECTION_ERRORS unless the server executes a query."""
        await self.fetch(PING, ())

    async def close(self) -> None:
        """Close the idle connections, and those whose query is being cancelled."""
        await asyncio.gather(*self._resets)
        self._close_idle()

    async def _fetch(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        await self._wait_for_slot()
        connection = None
        try:
            connection = self._idle.pop() if self._idle else await self._connect()
            rows = await connection.fetch(statement.text, *arguments)
        except asyncpg.PostgresError:
            # The server rejected the query; the connection stays usable.
            self._release(connection)
            raise
        except asyncio.CancelledError:
            if connection:
                self._release_later(connection)
            else:
                self._slots.release()
            raise
        except BaseException:
            self._terminate(connection)
            raise
        else:
            self._release(connection)
            return cast(Rows, rows)

    def _release(self, connection: asyncpg.Connection | None) -> None:
        if connection and not connection.is_closed():
            self._idle.append(connection)
        self._slots.release()

    def _terminate(self, connection: asyncpg.Connection | None) -> None:
        if connection:
            connection.terminate()
        self._slots.release()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().terminate()

    def _release_later(self, connection: asyncpg.Connection) -> None:
        task = asyncio.create_task(self._reset(connection))
        self._resets.add(task)
        task.add_done_callback(self._resets.discard)

    async def _reset(self, connection: asyncpg.Connection) -> None:
        """Release a connection when its cancelled query, which asyncpg cancels, has ended.

        If a query is cancelled before its execution, asyncpg leaves a transaction open that holds
        locks on tables. Another command ends it.
        """
        try:
            async with asyncio.timeout(CANCEL_TIMEOUT_SECONDS):
                await connection.execute("SELECT 1")
        except Exception:  # noqa: BLE001 - a connection with any error is not usable
            self._terminate(connection)
        else:
            self._release(connection)

    async def _wait_for_slot(self) -> None:
        if self._slots.locked():
            async with asyncio.timeout(POOL_TIMEOUT_SECONDS):
                await self._slots.acquire()
        else:
            await self._slots.acquire()

    async def _connect(self) -> asyncpg.Connection:
        return await _open_connection(self._address, self.settings)


def create_engine(address: PostgreSQLServer, schema: str, *, writable: bool) -> AsyncEngine:
    """Create an engine for transactions, read-only unless `writable`."""

    async def connect() -> asyncpg.Connection:
        return await _open_connection(address, _build_settings(schema, writable=writable))

    return create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, hide_parameters=True, pool_size=1
    )


async def lock_migrations(connection: AsyncConnection) -> None:
    """Lock out migrations of other processes until the transaction ends; wait for a running one."""
    loop = asyncio.get_running_loop()
    timer = loop.call_later(ANNOUNCEMENT_SECONDS, log.warning, WAITING_MESSAGE)
    try:
        await connection.execute(MIGRATION_LOCK)
    finally:
        timer.cancel()


def _build_settings(schema: str, *, writable: bool) -> dict[str, str]:
    return {
        "search_path": '"' + schema.replace('"', '""') + '"',
        "default_transaction_read_only": "off" if writable else "on",
    }


async def _open_connection(
    address: PostgreSQLServer, settings: Mapping[str, str]
) -> asyncpg.Connection:
    return await asyncpg.connect(
        address.dsn, timeout=address.connect_timeout, server_settings=dict(settings)
    )
