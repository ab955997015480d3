"""PostgreSQL: connections that only read, and an engine that writes."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from models.database.address import PostgreSQLServer
from models.database.statement import Rows, Statement

# As many as keep PostgreSQL busy with reads of less than a millisecond; more make it switch.
POOL_SIZE = 5
POOL_TIMEOUT_SECONDS = 5
# A read that takes longer, behind a lock of authentik's migrations for one, is given up.
STATEMENT_TIMEOUT = "30s"
# A statement is planned once. Left to itself PostgreSQL plans those with a LIMIT anew each time, since
# it does not know how many rows that will be, and that takes as long as running them.
PLANNER = {"plan_cache_mode": "force_generic_plan", "jit": "off"}
# After these a SELECT is asked again, on a new connection: the old one is dead, or a type that it
# knows has changed.
LOST = (
    OSError,
    asyncpg.InterfaceError,
    # What the driver says where the server's farewell is there, and not read yet.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.OutdatedSchemaCacheError,
)


class PostgreSQLReader:
    """Connections that only read: at most POOL_SIZE, each with one query in flight.

    None is reset between two queries, since no SELECT leaves anything behind in its session.
    """

    dialect = dialect()

    def __init__(self, address: PostgreSQLServer, schema: str) -> None:
        self._address = address
        self._settings = _settings(schema, writable=False) | PLANNER
        if "statement_timeout" not in address.dsn:
            self._settings["statement_timeout"] = STATEMENT_TIMEOUT
        self._free: list[asyncpg.Connection] = []
        self._slots = asyncio.Semaphore(POOL_SIZE)

    async def fetch(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        """The rows of one SELECT; where its connection turns out to be dead, of another one's."""
        try:
            return await self._fetch(statement, arguments)
        except TimeoutError:
            # An OSError, but nothing is lost.
            raise
        except LOST:
            # The others are as old.
            await self.close()
        return await self._fetch(statement, arguments)

    async def close(self) -> None:
        """Close every connection that is not in use."""
        while self._free:
            self._free.pop().terminate()

    async def _fetch(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        await self._wait_for_slot()
        connection = None
        try:
            connection = self._free.pop() if self._free else await self._connect()
            rows = await connection.fetch(statement.text, *arguments)
        except (asyncpg.PostgresError, asyncio.CancelledError):
            # The server has said no, or is told by the driver to stop, and listens on.
            self._keep(connection)
            raise
        except BaseException:
            if connection:
                connection.terminate()
            raise
        else:
            self._keep(connection)
            return cast(Rows, rows)
        finally:
            self._slots.release()

    def _keep(self, connection: asyncpg.Connection | None) -> None:
        if connection and not connection.is_closed():
            self._free.append(connection)

    async def _wait_for_slot(self) -> None:
        if self._slots.locked():
            async with asyncio.timeout(POOL_TIMEOUT_SECONDS):
                await self._slots.acquire()
        else:
            await self._slots.acquire()

    async def _connect(self) -> asyncpg.Connection:
        return await _connected(self._address, self._settings)


def create_engine(address: PostgreSQLServer, schema: str, *, writable: bool) -> AsyncEngine:
    """What runs transactions, which write only where that is wanted."""

    async def connect() -> asyncpg.Connection:
        return await _connected(address, _settings(schema, writable=writable))

    return create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, hide_parameters=True, pool_size=1
    )


def _settings(schema: str, *, writable: bool) -> dict[str, str]:
    return {
        "search_path": '"' + schema.replace('"', '""') + '"',
        "default_transaction_read_only": "off" if writable else "on",
    }


async def _connected(address: PostgreSQLServer, settings: Mapping[str, str]) -> asyncpg.Connection:
    return await asyncpg.connect(
        address.dsn, timeout=address.connect_timeout, server_settings=dict(settings)
    )
