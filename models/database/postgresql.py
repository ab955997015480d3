"""PostgreSQL: a pool of read-only connections, and engines for transactions."""

import asyncio
import logging
import os
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from math import ceil, inf
from time import monotonic
from typing import Any, TypeVar, cast

import asyncpg
from sqlalchemy import TextClause, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from models.database.address import PostgreSQLServer
from models.database.failures import BusyError
from models.database.libpq_files import (
    describe_authorities,
    describe_certificate_error,
    describe_password_file_error,
    find_password_file,
)
from models.database.slots import ANYONE, Caller, Slots
from models.database.statement import NoRows, Rows, Statement
from models.database.versions import SELECT_VERSION, VERSION_COLUMN, ServerClock
from models.database.write_lock import (
    ANNOUNCEMENT_SECONDS,
    WAITING_MESSAGE,
    WRITE_TIMEOUT_SECONDS,
    build_timeout_error,
)
from models.limits import PoolLimits
from models.watchdog import Watchdog

# Closes the connection of a cancelled query that does not end.
CANCEL_TIMEOUT_SECONDS = 2
# While the server accepts no further connection, callers wait for one that another caller returns.
FULL_SECONDS = 1
WAIT_SECONDS = 0.1
# A check succeeds for this time after a query of the pool if it gets no connection of its own.
RECENT_SECONDS = 10
KEEPALIVE_OPTIONS = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
# Plan each statement once. By default PostgreSQL plans a statement with a LIMIT parameter for each
# execution, which takes as long as the execution.
# Parallel workers take milliseconds to start, which the execution of a small statement does not.
PLANNER_SETTINGS = {
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
}
# The server releases the lock when the transaction or the process ends.
MIGRATION_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtext('flowql migrate'), hashtext(current_schema()))"
)
MIGRATION_MESSAGE = "waiting for another process that migrates the database"
WRITE_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtext('flowql import'), hashtext(current_schema()))"
)
LOCK_NOT_AVAILABLE = "55P03"
# The execution options of a transaction whose reads see one state of the database.
SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
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
# The driver does not name the files or parameters that cause these errors.
CONNECT_ERRORS = (
    OSError,
    asyncpg.ClientConfigurationError,
    asyncpg.TargetServerAttributeNotMatched,
)
# A password file that cannot exist. The driver reads none then, and warns of none that it ignores.
NO_FILE = f"{os.devnull}/none"
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

log = logging.getLogger(__name__)

T = TypeVar("T")


class Connection(asyncpg.Connection):
    """A connection that the system closes if the server is gone without a message."""

    __slots__ = ("_socket",)

    def __init__(self, protocol: Any, transport: asyncio.Transport, *arguments: Any) -> None:
        super().__init__(protocol, transport, *arguments)
        self._socket: socket.socket = transport.get_extra_info("socket")

    def limit_silence(self, seconds: float) -> None:
        """Let the system close the connection if the peer does not acknowledge data in time."""
        if self._socket.family not in (socket.AF_INET, socket.AF_INET6):
            return
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        options = KEEPALIVE_OPTIONS | {"TCP_USER_TIMEOUT": ceil(seconds * 1000)}
        for name, value in options.items():
            # macOS has none of them, or other names.
            if option := getattr(socket, name, None):
                self._socket.setsockopt(socket.IPPROTO_TCP, option, value)


class PostgreSQLReader:
    """A pool of read-only connections with the session settings `settings`.

    Connections are not reset between queries, because a SELECT does not change the session. Checks
    have a connection of their own.
    """

    dialect = dialect()
    version_column = VERSION_COLUMN
    # The driver replaces lost connections.
    is_current = True

    def __init__(self, address: PostgreSQLServer, schema: str, limits: PoolLimits) -> None:
        self.address = address
        self._limits = limits
        self.settings = _build_settings(schema, writable=False) | PLANNER_SETTINGS
        if "statement_timeout" not in address.dsn:
            self.settings["statement_timeout"] = f"{limits.statement_seconds * 1000:.0f}"
        self._slots = Slots(limits)
        self._idle: list[asyncpg.Connection] = []
        # Callers with a slot, which wait for a connection.
        self._waiters: deque[asyncio.Future[asyncpg.Connection]] = deque()
        self._full_until = 0.0
        self._last_success = -inf
        self._resets: set[asyncio.Task[None]] = set()
        self.watchdog = Watchdog(limits.read_seconds)
        self._checking = asyncio.Lock()
        self._check_connection: asyncpg.Connection | None = None

    async def fetch(
        self, statement: Statement, arguments: Sequence[Any], caller: Caller = ANYONE
    ) -> Rows:
        """Return the rows of a SELECT, repeated once if its connection is lost."""
        await self._slots.acquire(caller)
        lease = Lease(self, caller)
        try:
            return await lease.fetch_first(statement, arguments)
        finally:
            lease.end()

    async def begin(self, caller: Caller = ANYONE) -> "PostgreSQLSnapshot":
        """Begin a transaction whose reads see one state of the database."""
        await self._slots.acquire(caller)
        lease = Lease(self, caller)
        try:
            await lease.execute_first(BEGIN)
        except BaseException:
            lease.end()
            raise
        return PostgreSQLSnapshot(lease)

    def build_clock(self, schema: str, relations: Sequence[str]) -> ServerClock:
        """Return a clock of the data in these tables and views; it opens a connection of its own."""
        return ServerClock(self._connect, schema, relations)

    async def check(self, statement: Statement) -> Rows:
        """Return the rows of a SELECT on a connection that no other read uses.

        Raises one of CONNECTION_ERRORS, or BusyError if the server accepts no other connection than
        those of the pool.
        """
        async with self._checking:
            try:
                return await self._fetch_for_check(statement)
            except asyncpg.TooManyConnectionsError:
                if monotonic() - self._last_success < RECENT_SECONDS:
                    raise BusyError from None
                raise

    async def close(self) -> None:
        """Close the idle connections, and those whose query is being cancelled."""
        await asyncio.gather(*self._resets)
        self.close_idle()
        self.watchdog.close()
        self._slots.close()
        if self._check_connection:
            self._check_connection.terminate()
            self._check_connection = None

    # For leases -------------------------------------------------------------------------------------

    async def take(self) -> asyncpg.Connection:
        """Return an idle or a new connection; waits for one if the server accepts no further one."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.queue_seconds
        while not self._idle:
            if loop.time() >= self._full_until:
                try:
                    return await self._connect()
                except asyncpg.TooManyConnectionsError:
                    if loop.time() >= deadline:
                        raise
                    self._full_until = loop.time() + FULL_SECONDS
            connection = await self._wait_for_connection()
            if connection:
                return connection
        return self._idle.pop()

    def give_back(self, connection: asyncpg.Connection) -> None:
        """Give a connection that works to the next waiter, or keep it idle."""
        self._last_success = monotonic()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def release(self, caller: Caller) -> None:
        """Return the slot of a caller."""
        self._slots.release(caller)

    def close_idle(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().terminate()

    def reset(self, connection: asyncpg.Connection, caller: Caller) -> None:
        """Return a connection, and its slot, when its cancelled query has ended."""
        task = asyncio.create_task(self._reset(connection, caller))
        self._resets.add(task)
        task.add_done_callback(self._resets.discard)

    async def _reset(self, connection: asyncpg.Connection, caller: Caller) -> None:
        """End the transaction of a connection whose query asyncpg cancels.

        If a query is cancelled before its execution, asyncpg leaves a transaction open that holds
        locks on tables.
        """
        try:
            await connection.execute("ROLLBACK", timeout=CANCEL_TIMEOUT_SECONDS)
        except Exception:  # noqa: BLE001 - a connection with any error is not usable
            connection.terminate()
        else:
            self.give_back(connection)
        finally:
            self.release(caller)

    async def _wait_for_connection(self) -> asyncpg.Connection | None:
        """Return a connection that another caller gives back soon, or None."""
        waiter: asyncio.Future[asyncpg.Connection] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await asyncio.wait([waiter], timeout=WAIT_SECONDS)
        except asyncio.CancelledError:
            if waiter.done():
                self.give_back(waiter.result())
            raise
        finally:
            if waiter.cancel():
                self._waiters.remove(waiter)
        return None if waiter.cancelled() else waiter.result()

    async def _fetch_for_check(self, statement: Statement) -> Rows:
        if self._check_connection:
            with suppress(*RETRIABLE_ERRORS):
                return await self._fetch_on(self._check_connection, statement)
        self._check_connection = await self._connect()
        return await self._fetch_on(self._check_connection, statement)

    async def _fetch_on(self, connection: asyncpg.Connection, statement: Statement) -> Rows:
        try:
            return cast(Rows, await connection.fetch(statement.text))
        except BaseException:
            connection.terminate()
            self._check_connection = None
            raise

    async def _connect(self) -> asyncpg.Connection:
        connection = await _open_connection(self.address, self.settings)
        connection.limit_silence(self._limits.read_seconds)
        return connection


class Lease:
    """A slot of the pool, and a connection from its first query on. It is for one query at a time.

    A connection whose query fails is closed, unless the server rejected the query.
    """

    __slots__ = ("_caller", "_connection", "_has_slot", "_is_overdue", "_reader")

    def __init__(self, reader: PostgreSQLReader, caller: Caller) -> None:
        self._reader = reader
        self._caller = caller
        self._connection: asyncpg.Connection | None = None
        self._has_slot = True
        self._is_overdue = False

    @property
    def has_connection(self) -> bool:
        """False before the first query, and after the loss of the connection."""
        return self._connection is not None

    async def fetch_first(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        """Return the rows of a SELECT, repeated once if its connection is lost."""
        try:
            return await self.fetch(statement, arguments)
        except RETRIABLE_ERRORS as error:
            self._prepare_retry(error)
        return await self.fetch(statement, arguments)

    async def execute_first(self, command: str) -> None:
        """Execute a command, repeated once if its connection is lost."""
        try:
            await self.execute(command)
        except RETRIABLE_ERRORS as error:
            self._prepare_retry(error)
            await self.execute(command)

    async def fetch(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        """Return the rows of a SELECT. Without any, the version is read on the same connection."""
        connection = self._connection or await self._take()
        rows = cast(Rows, await self._run(connection.fetch(statement.text, *arguments)))
        if rows or not statement.has_version:
            return rows
        return NoRows(cast("str | None", await self._run(connection.fetchval(SELECT_VERSION))))

    async def execute(self, command: str) -> None:
        """Execute a command without parameters."""
        connection = self._connection or await self._take()
        await self._run(connection.execute(command))

    def end(self) -> None:
        """Return the connection and the slot."""
        if self._connection and not self._connection.is_closed():
            self._reader.give_back(self._connection)
        self._connection = None
        if self._has_slot:
            self._has_slot = False
            self._reader.release(self._caller)

    def abort(self) -> None:
        """Close a connection that does not respond."""
        self._is_overdue = True
        if self._connection:
            self._connection.terminate()

    async def _take(self) -> asyncpg.Connection:
        self._connection = await self._reader.take()
        return self._connection

    async def _run(self, query: Awaitable[T]) -> T:
        self._reader.watchdog.add(self)
        try:
            return await query
        except asyncio.CancelledError:
            self._has_slot = False
            self._reader.reset(self._drop(), self._caller)
            raise
        except Exception as error:
            if self._is_overdue:
                # The idle connections are probably silent as well.
                self._reader.close_idle()
                raise TimeoutError from None
            if not isinstance(error, asyncpg.PostgresError):
                # The server has not rejected the query, so the connection is not usable.
                self._drop().terminate()
            raise
        finally:
            self._reader.watchdog.remove(self)

    def _drop(self) -> asyncpg.Connection:
        connection, self._connection = self._connection, None
        return cast(asyncpg.Connection, connection)

    def _prepare_retry(self, error: Exception) -> None:
        """Close the connections that are probably lost as well. Raises a TimeoutError again."""
        if isinstance(error, TimeoutError):
            # An OSError, but another attempt would take as long.
            raise error
        if self._connection:
            self._drop().terminate()
        self._reader.close_idle()


class PostgreSQLSnapshot:
    """A read-only transaction whose reads see one state of the database."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    async def fetch(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        """Return the rows of a SELECT."""
        if not self._lease.has_connection:
            raise asyncpg.ConnectionDoesNotExistError("the connection of the transaction is lost")
        return await self._lease.fetch(statement, arguments)

    async def end(self) -> None:
        """End the transaction."""
        try:
            # The rows are complete, even if the connection is lost now.
            with suppress(*RETRIABLE_ERRORS):
                if self._lease.has_connection:
                    await self._lease.execute("COMMIT")
        finally:
            self._lease.end()


def create_engine(address: PostgreSQLServer, schema: str, *, writable: bool) -> AsyncEngine:
    """Create an engine for transactions, read-only unless `writable`."""

    async def connect() -> asyncpg.Connection:
        return await _open_connection(address, _build_settings(schema, writable=writable))

    return create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, hide_parameters=True, pool_size=1
    )


async def lock_migrations(connection: AsyncConnection) -> None:
    """Lock out migrations of other processes until the transaction ends; wait for a running one."""
    await _lock(connection, MIGRATION_LOCK, MIGRATION_MESSAGE)


async def limit_waiting(connection: AsyncConnection) -> None:
    """Let each statement of the transaction wait for locks for WRITE_TIMEOUT_SECONDS at most."""
    await connection.execute(text(f"SET LOCAL lock_timeout = '{WRITE_TIMEOUT_SECONDS}s'"))


async def lock_writes(connection: AsyncConnection) -> None:
    """Lock out large writes of other processes until the transaction ends; wait for a running one.

    Raises DatabaseError if the time of `limit_waiting` has passed.
    """
    try:
        await _lock(connection, WRITE_LOCK, WAITING_MESSAGE)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        raise build_timeout_error(WRITE_TIMEOUT_SECONDS) from None


async def _lock(connection: AsyncConnection, lock: TextClause, message: str) -> None:
    """Take a lock, and log the message after a moment."""
    loop = asyncio.get_running_loop()
    timer = loop.call_later(ANNOUNCEMENT_SECONDS, log.warning, message)
    try:
        await connection.execute(lock)
    finally:
        timer.cancel()


def _build_settings(schema: str, *, writable: bool) -> dict[str, str]:
    return {
        "search_path": '"' + schema.replace('"', '""') + '"',
        "default_transaction_read_only": "off" if writable else "on",
    }


async def _open_connection(address: PostgreSQLServer, settings: Mapping[str, str]) -> Connection:
    """Connect; raises one of the driver's errors, which names a file if it is the cause."""
    password_file = find_password_file(address.parameters)
    password_error = password_file and describe_password_file_error(password_file)
    passfile = NO_FILE if password_file is None or password_error else str(password_file.path)
    try:
        return await asyncpg.connect(
            address.dsn,
            passfile=passfile,
            timeout=address.connect_timeout,
            server_settings=dict(settings),
            connection_class=Connection,
        )
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        if password_error is None:
            raise
        raise type(error)(f"{error}; {password_error}") from error
    except CONNECT_ERRORS as error:
        cause = _find_cause(address, error)
        if cause is None:
            raise
        raise ConnectionError(cause) from error


def _find_cause(address: PostgreSQLServer, error: Exception) -> str | None:
    """Return the cause of an error with the parameters and files that matter, None if unknown."""
    if isinstance(error, TimeoutError):
        return None
    if isinstance(error, ssl.SSLCertVerificationError):
        file = describe_authorities(address.parameters)
        return f"cannot verify the server's certificate with {file}: {error.verify_message}"
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "no host is of the kind that target_session_attrs requires"
    if "rejected SSL upgrade" in str(error):
        return f"{error}: it does not support TLS, which sslmode requires"
    return describe_certificate_error(address.parameters)
