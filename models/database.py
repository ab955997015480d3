"""One database: opened, read, written in transactions, closed.

Every difference between SQLite and PostgreSQL that is not a matter of SQL stands here.
"""

import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import URL, Connection, Executable, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, NotSupportedError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from models import catalog, migrations
from models.address import Address, PostgreSQLServer, SQLiteFile, parse
from models.catalog import Catalog
from models.errors import DatabaseError
from models.search import contains_terms

# What a driver says when it cannot connect, or loses the connection.
CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    SQLAlchemyError,
)
ONLY_READ = "the database is authentik's own, which FlowQL only reads"
POOL_SIZE = 10
POOL_TIMEOUT_SECONDS = 5
# A read that takes longer, behind a lock of authentik's migrations for one, is given up.
STATEMENT_TIMEOUT = "30s"
SQLITE_BUSY_TIMEOUT_MS = 5000


@dataclass(frozen=True, slots=True)
class Database:
    """An open database: FlowQL's own, or authentik's, which is only ever read."""

    engine: AsyncEngine
    schema: str
    catalog: Catalog

    @property
    def is_ours(self) -> bool:
        """Whether FlowQL made the tables, and may write them."""
        return self.catalog.is_ours

    def stored_key(self, key: str) -> str:
        """A token's key as the database keeps it: authentik in plain text, FlowQL as a digest.

        The mark in front makes a stored digest, presented as a key, no key.
        """
        return f"sha256${hashlib.sha256(key.encode()).hexdigest()}" if self.is_ours else key

    async def read(self, statement: Executable) -> Sequence[Any]:
        """All rows of one SELECT."""
        try:
            return await self._read(statement)
        except DBAPIError as error:
            if not (error.connection_invalidated or isinstance(error, NotSupportedError)):
                raise
        # The connection was dead, or a table was altered under a prepared statement. The driver
        # has forgotten either by now, and a SELECT can be asked again.
        return await self._read(statement)

    async def _read(self, statement: Executable) -> Sequence[Any]:
        async with self.engine.connect() as connection:
            return (await connection.execute(statement)).all()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """A connection whose statements all take effect, or none; raises DatabaseError."""
        async with _transaction(self.engine) as connection:
            yield connection

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


async def open_database(url: str, schema: str = "public", *, writable: bool = False) -> Database:
    """Open what `url` names, after checking that its tables are there and up to date.

    Read-only unless `writable`; authentik's database never is. Raises DatabaseError.
    """
    address = parse(url)
    if isinstance(address, SQLiteFile) and not address.path.is_file():
        raise DatabaseError(f"there is no database at {address}: create it with 'flowql migrate'")
    engine = _engine(address, schema, writable=writable)
    try:
        found = await _catalog(engine, address, schema, writable=writable)
        await _check(engine, found, writable=writable)
    except BaseException:
        await engine.dispose()
        raise
    return Database(engine, schema, found)


async def migrate(url: str, schema: str = "public") -> None:
    """Create or upgrade the tables of FlowQL's own database; raises DatabaseError."""
    address = parse(url)
    if isinstance(address, SQLiteFile) and not address.path.parent.is_dir():
        raise DatabaseError(f"there is no folder {address.path.parent} for the database")
    engine = _engine(address, schema, writable=True)
    try:
        found = await _catalog(engine, address, schema, writable=True)
        if found.is_authentiks:
            raise DatabaseError(f"schema {schema!r} is authentik's own, which is never migrated")
        async with _transaction(engine) as connection:
            await _check_folding(connection)
            await connection.run_sync(migrations.upgrade)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _transaction(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    try:
        async with engine.begin() as connection:
            yield connection
    except IntegrityError:
        # What breaks a constraint is told by who knows what it was about.
        raise
    except CONNECTION_ERRORS as error:
        reason = _first_line(error)
        raise DatabaseError(f"nothing was written to the database: {reason}") from error


def _engine(address: Address, schema: str, *, writable: bool) -> AsyncEngine:
    if isinstance(address, SQLiteFile):
        return _sqlite_engine(address, writable=writable)
    return _postgresql_engine(address, schema, writable=writable)


def _sqlite_engine(address: SQLiteFile, *, writable: bool) -> AsyncEngine:
    url = URL.create("sqlite+aiosqlite", database=str(address.path))
    engine = create_async_engine(url, hide_parameters=True)
    pragmas = ["foreign_keys = ON", f"busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}"]
    pragmas.append("journal_mode = WAL" if writable else "query_only = ON")

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        # Else the driver would begin at the first INSERT, behind what creates tables.
        connection.isolation_level = None
        connection.create_function("flowql_contains_terms", -1, contains_terms, deterministic=True)
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    if writable:
        event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    # Waits for other writers now, where waiting is possible.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql_engine(address: PostgreSQLServer, schema: str, *, writable: bool) -> AsyncEngine:
    settings = {
        "search_path": '"' + schema.replace('"', '""') + '"',
        "default_transaction_read_only": "off" if writable else "on",
    }
    if not writable and "statement_timeout" not in address.dsn:
        settings["statement_timeout"] = STATEMENT_TIMEOUT

    async def connect() -> Any:
        return await asyncpg.connect(
            address.dsn, timeout=address.connect_timeout, server_settings=settings
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        hide_parameters=True,
        # A read is one statement: it needs no BEGIN and COMMIT around it.
        isolation_level="READ COMMITTED" if writable else "AUTOCOMMIT",
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_reset_on_return="rollback" if writable else None,
    )


async def _catalog(
    engine: AsyncEngine, address: Address, schema: str, *, writable: bool
) -> Catalog:
    statement = catalog.query(engine.dialect.name, schema)
    try:
        async with engine.connect() as connection:
            if isinstance(address, PostgreSQLServer):
                await _check_session(connection, schema, writable=writable)
            return catalog.from_rows(await connection.execute(statement))
    # The driver says so of a parameter that it cannot read.
    except (*CONNECTION_ERRORS, ValueError, OverflowError) as error:
        reason = _first_line(error)
        raise DatabaseError(f"cannot open the database, {address}: {reason}") from error


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else "no answer in time"


async def _check_session(connection: AsyncConnection, schema: str, *, writable: bool) -> None:
    """Refuse a schema that is not there, and a proxy that drops the settings of a session."""
    rights = text("SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = :n")
    may_use = (await connection.execute(rights.bindparams(n=schema))).scalar()
    if may_use is None:
        raise DatabaseError(f"there is no schema {schema!r} in the database")
    if not may_use:
        raise DatabaseError(f"the role may not use schema {schema!r}: GRANT USAGE on it")
    session = text("SELECT current_schema(), current_setting('transaction_read_only')")
    current, read_only = (await connection.execute(session)).one()
    if current != schema or not (writable or read_only == "on"):
        raise DatabaseError("the server ignores the session's settings: is a proxy in between?")


async def _check(engine: AsyncEngine, found: Catalog, *, writable: bool) -> None:
    if found.is_ours:
        await _check_version(engine)
    elif not found.is_authentiks:
        raise DatabaseError("the database is empty: create its tables with 'flowql migrate'")
    elif writable:
        raise DatabaseError(ONLY_READ)
    else:
        found.check_authentik()


async def _check_version(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        rows = await connection.execute(text(f"SELECT version_num FROM {catalog.VERSION_TABLE}"))  # noqa: S608 - a constant
        current = set(rows.scalars())
    if current == {migrations.head()}:
        return
    if current <= migrations.known():
        raise DatabaseError("the database's schema is outdated: upgrade it with 'flowql migrate'")
    raise DatabaseError("the database's schema is of a newer FlowQL: upgrade FlowQL")


async def _check_folding(connection: AsyncConnection) -> None:
    if connection.dialect.name != "postgresql":
        return
    if (await connection.execute(text("SELECT upper('üßi')"))).scalar() != "ÜßI":
        raise DatabaseError(
            "the database's locale does not fold case one character to one (upper('üßi') is not"
            " 'ÜßI'): create it with LOCALE 'C.UTF-8', or another of UTF-8 from the C library"
        )
