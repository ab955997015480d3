"""An open database: reads, transactions and migrations."""

import hashlib
import sqlite3
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import asyncpg
from sqlalchemy import Dialect, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from models import migrations
from models.cache import SegmentedLRU
from models.database import postgresql, sqlite_transactions
from models.database.address import Address, SQLiteFile, parse_address
from models.database.catalog import (
    CACHE_TABLE,
    KEY_INDEXES,
    POSTGRESQL_COLUMNS,
    SQLITE_COLUMNS,
    VERSION_TABLE,
    Catalog,
    build_catalog,
)
from models.database.postgresql import PostgreSQLReader
from models.database.sqlite import SQLiteReader
from models.database.sqlite_file import create_file, delete_stale_journals
from models.database.sqlite_transactions import Work
from models.database.statement import RawSQL, Rows, SelectBuilder, Statement, compile_select
from models.errors import DatabaseError

# The errors of a driver that cannot connect or loses its connection.
CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    sqlite3.Error,
    SQLAlchemyError,
)
# asyncpg raises ValueError or OverflowError for an invalid parameter.
OPEN_ERRORS = (*CONNECTION_ERRORS, ValueError, OverflowError)
READ_ONLY_MESSAGE = "the database belongs to authentik and is read-only: use FlowQL's own database"
SCHEMA_USAGE = RawSQL(
    "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = :schema"
)
SESSION_SETTINGS = RawSQL(
    "SELECT name, current_setting(name) FROM unnest(CAST(:names AS text[])) AS name"
)
SCHEMA_VERSION = RawSQL(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
MINIMUM_VERSION = RawSQL("SELECT minimum_version FROM flowql_schema")
# The number of compiled statements in the cache.
MAX_STATEMENTS = 500
NO_VALUES: Mapping[str, Any] = {}

T = TypeVar("T")


class Reader(Protocol):
    """Read-only connections to one database."""

    @property
    def dialect(self) -> Dialect:
        """The SQL dialect of the database."""
        ...

    @property
    def is_current(self) -> bool:
        """False if the database must be opened again, because its file is another one."""
        ...

    async def fetch(self, statement: Statement, arguments: Sequence[Any]) -> Rows:
        """Return the rows of a SELECT."""
        ...

    async def check(self) -> None:
        """Raise one of CONNECTION_ERRORS unless the database can be read at present."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


@dataclass(frozen=True, slots=True)
class Database:
    """An open database: FlowQL's own, or authentik's, which is read-only."""

    reader: Reader
    engine: AsyncEngine
    schema: str
    catalog: Catalog
    statements: SegmentedLRU[SelectBuilder, Statement] = field(
        default_factory=lambda: SegmentedLRU(MAX_STATEMENTS)
    )

    @property
    def is_flowql(self) -> bool:
        """True if FlowQL created the tables and may write to them."""
        return self.catalog.is_flowql

    @property
    def is_current(self) -> bool:
        """False if the database must be opened again, because its file was deleted or replaced."""
        return self.reader.is_current

    def stored_token_key(self, key: str) -> str:
        """Return a token key as stored: a digest in FlowQL's own database, plain in authentik's.

        Because of the prefix, a stolen digest is not a valid key.
        """
        return f"sha256${hashlib.sha256(key.encode()).hexdigest()}" if self.is_flowql else key

    async def read(self, builder: SelectBuilder, values: Mapping[str, Any] = NO_VALUES) -> Rows:
        """Return the rows as tuples in column order.

        `values` are by parameter name. Raises one of CONNECTION_ERRORS.
        """
        statement = self._compile(builder)
        return statement.decode_rows(await self._fetch(statement, values))

    async def read_columns(
        self, builder: SelectBuilder, values: Mapping[str, Any]
    ) -> list[Sequence[Any]]:
        """Return the result by column, in column order; an empty list if there are no rows.

        `values` are by parameter name. Raises one of CONNECTION_ERRORS.
        """
        statement = self._compile(builder)
        return statement.decode_columns(await self._fetch(statement, values))

    async def _fetch(self, statement: Statement, values: Mapping[str, Any]) -> Rows:
        return await self.reader.fetch(statement, statement.arguments(values))

    def _compile(self, builder: SelectBuilder) -> Statement:
        statement = self.statements.get(builder)
        if statement is None:
            statement = compile_select(builder, self.reader.dialect)
            self.statements.put(builder, statement)
        return statement

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """Open a connection with one transaction; raises DatabaseError if it is rolled back."""
        async with _transaction(self.engine) as connection:
            yield connection

    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction and return its result; raises DatabaseError.

        On SQLite, `work` runs while other processes can write, and possibly several times.
        """
        if self.engine.dialect.name == "sqlite":
            with _translate_errors("the transaction was rolled back"):
                return await sqlite_transactions.write(self.engine, work)
        async with self.transaction() as connection:
            return await connection.run_sync(work)

    async def check(self) -> None:
        """Raise DatabaseError or one of CONNECTION_ERRORS unless the database can be read."""
        await self.reader.check()
        if self.is_flowql:
            await _check_version(self.reader, writable=False)

    async def close(self) -> None:
        """Close every connection."""
        await self.reader.close()
        await self.engine.dispose()


async def open_database(url: str, schema: str = "public", *, writable: bool = False) -> Database:
    """Open a database.

    Raises DatabaseError if its tables are missing or outdated, or if `writable` is set for
    authentik's database.
    """
    address = parse_address(url)
    if isinstance(address, SQLiteFile) and not address.path.is_file():
        raise DatabaseError(f"{address} not found: create it with 'flowql migrate'")
    with _translate_errors(f"cannot open {address}", OPEN_ERRORS):
        return await _open(address, schema, writable=writable)


async def migrate(url: str, schema: str = "public") -> bool:
    """Create or upgrade the tables of FlowQL's own database; return False if they are up to date.

    Waits for the migration of another process. Raises DatabaseError.
    """
    address = parse_address(url)
    if isinstance(address, SQLiteFile):
        _create_file(address)
    engine = _create_engine(address, schema, writable=True)
    try:
        catalog = await _read_catalog_of(address, schema)
        if catalog.is_authentik:
            raise DatabaseError(
                f"schema {schema!r} belongs to authentik and is read-only:"
                " use FlowQL's own database"
            )
        async with _transaction(engine) as connection:
            if connection.dialect.name == "postgresql":
                await postgresql.lock_migrations(connection)
                await _check_folding(connection)
            return await connection.run_sync(migrations.upgrade)
    finally:
        await engine.dispose()


def _create_file(address: SQLiteFile) -> None:
    if not address.path.parent.is_dir():
        raise DatabaseError(f"directory '{address.path.parent}' not found: create it first")
    with _translate_errors(f"cannot create {address}"):
        create_file(address.path)


async def _open(address: Address, schema: str, *, writable: bool) -> Database:
    reader = _create_reader(address, schema)
    try:
        catalog = await _read_catalog(reader, schema)
        await _check_tables(reader, catalog, writable=writable)
        engine = _create_engine(address, schema, writable=writable)
    except BaseException:
        await reader.close()
        raise
    return Database(reader, engine, schema, catalog)


@asynccontextmanager
async def _transaction(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    with _translate_errors("the transaction was rolled back"):
        async with engine.begin() as connection:
            yield connection


@contextmanager
def _translate_errors(
    summary: str, errors: tuple[type[Exception], ...] = CONNECTION_ERRORS
) -> Generator[None]:
    """Raise DatabaseError with the summary and the reason in place of these errors."""
    try:
        yield
    except IntegrityError:
        # The caller knows which value violates the constraint.
        raise
    except errors as error:
        raise DatabaseError(f"{summary}: {_first_line(error)}") from error


def _create_reader(address: Address, schema: str) -> SQLiteReader | PostgreSQLReader:
    if isinstance(address, SQLiteFile):
        delete_stale_journals(address.path)
        return SQLiteReader(address.path)
    return PostgreSQLReader(address, schema)


def _create_engine(address: Address, schema: str, *, writable: bool) -> AsyncEngine:
    if isinstance(address, SQLiteFile):
        return sqlite_transactions.create_engine(address.path, writable=writable)
    return postgresql.create_engine(address, schema, writable=writable)


async def _read_catalog_of(address: Address, schema: str) -> Catalog:
    with _translate_errors(f"cannot open {address}", OPEN_ERRORS):
        reader = _create_reader(address, schema)
        try:
            return await _read_catalog(reader, schema)
        finally:
            await reader.close()


async def _read_catalog(reader: SQLiteReader | PostgreSQLReader, schema: str) -> Catalog:
    if isinstance(reader, SQLiteReader):
        return build_catalog(await _read(reader, SQLITE_COLUMNS), ())
    await _check_session(reader, schema)
    rows = await _read(reader, POSTGRESQL_COLUMNS, schema=schema)
    return build_catalog(rows, await _read(reader, KEY_INDEXES, cache=CACHE_TABLE))


async def _read(reader: Reader, builder: SelectBuilder, **values: Any) -> Rows:
    statement = compile_select(builder, reader.dialect)
    return statement.decode_rows(await reader.fetch(statement, statement.arguments(values)))


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return lines[0] if lines else "timed out"


async def _check_session(reader: PostgreSQLReader, schema: str) -> None:
    """Raise DatabaseError if the schema is not usable, or a proxy dropped the session settings."""
    privileges = await _read(reader, SCHEMA_USAGE, schema=schema)
    if not privileges:
        raise DatabaseError(f"schema {schema!r} not found in the database")
    if not privileges[0][0]:
        raise DatabaseError(f"permission denied for schema {schema!r}: GRANT USAGE on it")
    values = await _read(reader, SESSION_SETTINGS, names=list(reader.settings))
    ignored = [name for name, value in values if value != reader.settings[name]]
    if ignored:
        raise DatabaseError(
            f"the server ignored the session settings {', '.join(ignored)}: connect without a"
            " proxy, or let it pass them"
        )


async def _check_tables(reader: Reader, catalog: Catalog, *, writable: bool) -> None:
    if catalog.is_flowql:
        await _check_version(reader, writable=writable)
    elif not catalog.is_authentik:
        raise DatabaseError("the database is empty: create its tables with 'flowql migrate'")
    elif writable:
        raise DatabaseError(READ_ONLY_MESSAGE)
    else:
        catalog.check_authentik()


async def _check_version(reader: Reader, *, writable: bool) -> None:
    """Raise DatabaseError unless the schema is the newest, or a newer one that is still readable."""
    versions = {version for (version,) in await _read(reader, SCHEMA_VERSION)}
    if versions == {migrations.find_head()}:
        return
    if versions <= migrations.find_revisions():
        raise DatabaseError("the database schema is outdated: upgrade it with 'flowql migrate'")
    minimum_versions = {version for (version,) in await _read(reader, MINIMUM_VERSION)}
    if writable or not minimum_versions & migrations.find_revisions():
        raise DatabaseError(migrations.NEWER_MESSAGE)


async def _check_folding(connection: AsyncConnection) -> None:
    if (await connection.execute(text("SELECT upper('üßi')"))).scalar() != "ÜßI":
        raise DatabaseError(
            "unsupported database locale: upper('üßi') must return 'ÜßI'. Create the database with"
            " LOCALE 'C.UTF-8' or another UTF-8 locale of the C library"
        )
