"""One database: opened, read, written in transactions, closed."""

import hashlib
import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import asyncpg
from sqlalchemy import Dialect, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from models import migrations
from models.cache import SegmentedLRU
from models.database import catalog, postgresql, sqlite
from models.database.address import Address, SQLiteFile, parse_address
from models.database.catalog import Catalog
from models.database.postgresql import PostgreSQLReader
from models.database.sqlite import SQLiteReader
from models.database.statement import RawSQL, Rows, SelectBuilder, Statement, compile_select
from models.errors import DatabaseError

# What a driver says when it cannot connect, or loses the connection.
CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    sqlite3.Error,
    SQLAlchemyError,
)
READ_ONLY_MESSAGE = "the database is authentik's own, which FlowQL only reads"
USAGE = RawSQL(
    "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = :schema"
)
SESSION = RawSQL("SELECT current_schema()::text, current_setting('transaction_read_only')")
VERSION = RawSQL(f"SELECT version_num FROM {catalog.VERSION_TABLE}")  # noqa: S608 - a constant
# How many kinds of SELECT are kept compiled.
MAX_STATEMENTS = 500
NO_VALUES: Mapping[str, Any] = {}


class Reader(Protocol):
    """Connections to one database, which only read."""

    @property
    def dialect(self) -> Dialect:
        """How the database spells SQL."""
        ...

    async def fetch(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        """The rows of one SELECT."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


@dataclass(frozen=True, slots=True)
class Database:
    """An open database: FlowQL's own, or authentik's, which is only ever read."""

    reader: Reader
    engine: AsyncEngine
    schema: str
    catalog: Catalog
    statements: SegmentedLRU[SelectBuilder, Statement] = field(
        default_factory=lambda: SegmentedLRU(MAX_STATEMENTS)
    )

    @property
    def is_flowql(self) -> bool:
        """Whether FlowQL made the tables, and may write them."""
        return self.catalog.is_flowql

    def stored_token_key(self, key: str) -> str:
        """A token's key as the database keeps it: authentik in plain text, FlowQL as a digest.

        The mark in front makes a stored digest, presented as a key, no key.
        """
        return f"sha256${hashlib.sha256(key.encode()).hexdigest()}" if self.is_flowql else key

    async def read(self, question: SelectBuilder, values: Mapping[str, Any] = NO_VALUES) -> Rows:
        """All rows of one SELECT."""
        statement = self._statement(question)
        return statement.rows(await self._fetch(statement, values))

    async def columns(
        self, question: SelectBuilder, values: Mapping[str, Any]
    ) -> list[Sequence[Any]]:
        """All rows of one SELECT, as its columns; none where there is no row."""
        statement = self._statement(question)
        return statement.columns(await self._fetch(statement, values))

    async def _fetch(self, statement: Statement, values: Mapping[str, Any]) -> Rows:
        return await self.reader.fetch(statement, statement.arguments(values))

    def _statement(self, question: SelectBuilder) -> Statement:
        statement = self.statements.get(question)
        if statement is None:
            statement = compile_select(question, self.reader.dialect)
            self.statements.put(question, statement)
        return statement

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """A connection whose statements all take effect, or none; raises DatabaseError."""
        async with _transaction(self.engine) as connection:
            yield connection

    async def close(self) -> None:
        """Close every connection."""
        await self.reader.close()
        await self.engine.dispose()


async def open_database(url: str, schema: str = "public", *, writable: bool = False) -> Database:
    """Open what `url` names, after checking that its tables are there and up to date.

    Read-only unless `writable`; authentik's database never is. Raises DatabaseError.
    """
    address = parse_address(url)
    if isinstance(address, SQLiteFile) and not address.path.is_file():
        raise DatabaseError(f"there is no database at {address}: create it with 'flowql migrate'")
    reader = _reader(address, schema)
    try:
        found = await _catalog(reader, address, schema)
        await _check(reader, found, writable=writable)
    except BaseException:
        await reader.close()
        raise
    return Database(reader, _engine(address, schema, writable=writable), schema, found)


async def migrate(url: str, schema: str = "public") -> None:
    """Create or upgrade the tables of FlowQL's own database; raises DatabaseError."""
    address = parse_address(url)
    if isinstance(address, SQLiteFile) and not address.path.parent.is_dir():
        raise DatabaseError(f"there is no folder {address.path.parent} for the database")
    engine = _engine(address, schema, writable=True)
    try:
        found = await _catalog_of(address, schema)
        if found.is_authentik:
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


def _reader(address: Address, schema: str) -> Reader:
    if isinstance(address, SQLiteFile):
        return SQLiteReader(address.path)
    return PostgreSQLReader(address, schema)


def _engine(address: Address, schema: str, *, writable: bool) -> AsyncEngine:
    if isinstance(address, SQLiteFile):
        return sqlite.create_engine(address.path, writable=writable)
    return postgresql.create_engine(address, schema, writable=writable)


async def _catalog_of(address: Address, schema: str) -> Catalog:
    reader = _reader(address, schema)
    try:
        return await _catalog(reader, address, schema)
    finally:
        await reader.close()


async def _catalog(reader: Reader, address: Address, schema: str) -> Catalog:
    try:
        if isinstance(address, SQLiteFile):
            return catalog.build_catalog(await _read(reader, catalog.ON_SQLITE), ())
        await _check_session(reader, schema)
        rows = await _read(reader, catalog.ON_POSTGRESQL, schema=schema)
        return catalog.build_catalog(
            rows, await _read(reader, catalog.KEY_INDEXES, cache=catalog.CACHE_TABLE)
        )
    # The driver says so of a parameter that it cannot read.
    except (*CONNECTION_ERRORS, ValueError, OverflowError) as error:
        reason = _first_line(error)
        raise DatabaseError(f"cannot open the database, {address}: {reason}") from error


async def _read(reader: Reader, question: SelectBuilder, **values: Any) -> Rows:
    """All rows of a SELECT that is asked once."""
    statement = compile_select(question, reader.dialect)
    return statement.rows(await reader.fetch(statement, statement.arguments(values)))


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else "no answer in time"


async def _check_session(reader: Reader, schema: str) -> None:
    """Refuse a schema that is not there, and a proxy that drops the settings of a session."""
    rights = await _read(reader, USAGE, schema=schema)
    if not rights:
        raise DatabaseError(f"there is no schema {schema!r} in the database")
    if not rights[0][0]:
        raise DatabaseError(f"the role may not use schema {schema!r}: GRANT USAGE on it")
    [(current, read_only)] = await _read(reader, SESSION)
    if current != schema or read_only != "on":
        raise DatabaseError("the server ignores the session's settings: is a proxy in between?")


async def _check(reader: Reader, found: Catalog, *, writable: bool) -> None:
    if found.is_flowql:
        await _check_version(reader)
    elif not found.is_authentik:
        raise DatabaseError("the database is empty: create its tables with 'flowql migrate'")
    elif writable:
        raise DatabaseError(READ_ONLY_MESSAGE)
    else:
        found.check_authentik()


async def _check_version(reader: Reader) -> None:
    current = {version for (version,) in await _read(reader, VERSION)}
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
